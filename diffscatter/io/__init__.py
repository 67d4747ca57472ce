"""Files to plain arrays in our units, and back: nothing unchecked passes this border."""

from diffscatter.io.curves import load_curve, load_curves, load_sample, save_curve

__all__ = ["load_curve", "load_curves", "load_sample", "save_curve"]
