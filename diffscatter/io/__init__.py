"""Files to plain arrays in our units, and back: nothing unchecked passes this border."""

from diffscatter.io.curves import (
    inspect_curves,
    load_curve,
    load_curves,
    load_sample,
    save_curve,
)
from diffscatter.io.merge import merge_curves

__all__ = [
    "inspect_curves",
    "load_curve",
    "load_curves",
    "load_sample",
    "merge_curves",
    "save_curve",
]
