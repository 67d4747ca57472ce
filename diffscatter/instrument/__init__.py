"""What the instrument does to an intensity before it is recorded."""

from diffscatter.instrument.resolution import Smear, pinhole

__all__ = ["Smear", "pinhole"]
