"""What the instrument does to an intensity before it is recorded."""

from diffscatter.instrument.resolution import pinhole
from diffscatter.instrument.slits import slit, smear_of
from diffscatter.instrument.smear import Smear

__all__ = ["Smear", "pinhole", "slit", "smear_of"]
