"""The whole task in one call: what the command line runs and what users import."""

from diffscatter.pipelines.fit import fit as fit

__all__ = ["fit"]
