"""What the instrument does to an intensity before it is recorded."""

from diffscatter.instrument.resolution import Smear, pinhole
from diffscatter.instrument.slits import slit, smear_of

__all__ = ["Smear", "pinhole", "slit", "smear_of"]
