"""Random bodies and curves to train on, to test on, and to compare with."""

from diffscatter.datasets import clusters as clusters
from diffscatter.datasets import lnp as lnp

__all__ = ["clusters", "lnp"]
