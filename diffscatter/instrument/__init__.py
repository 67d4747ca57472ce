"""What the instrument does to an intensity before it is recorded."""

from diffscatter.instrument import augment, background, mask, noise
from diffscatter.instrument.geometry import (
    EwaldDetector,
    FlatDetector,
    Pixels,
    SphericalDetector,
)
from diffscatter.instrument.record import axes_for, expected_photons, record, regrid
from diffscatter.instrument.resolution import pinhole
from diffscatter.instrument.slits import slit, smear_of
from diffscatter.instrument.smear import Smear

__all__ = [
    "EwaldDetector",
    "FlatDetector",
    "Pixels",
    "Smear",
    "SphericalDetector",
    "augment",
    "axes_for",
    "background",
    "expected_photons",
    "mask",
    "noise",
    "pinhole",
    "record",
    "regrid",
    "slit",
    "smear_of",
]
