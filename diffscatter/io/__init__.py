"""Files to plain arrays in our units, and back: nothing unchecked passes this border."""

from diffscatter.io.curves import (
    inspect_curves,
    load_curve,
    load_curves,
    load_sample,
    save_curve,
)
from diffscatter.io.merge import merge_curves
from diffscatter.io.patterns import is_pattern, load_mask, load_pattern, save_pattern

__all__ = [
    "inspect_curves",
    "is_pattern",
    "load_curve",
    "load_curves",
    "load_mask",
    "load_pattern",
    "load_sample",
    "merge_curves",
    "save_curve",
    "save_pattern",
]
