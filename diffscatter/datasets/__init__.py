"""Random bodies to train on, to test on, and to compare with."""

from diffscatter.datasets import clusters as clusters

__all__ = ["clusters"]
