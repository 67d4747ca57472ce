"""The whole task in one call: what the command line runs and what users import."""

from diffscatter.pipelines.fit import fit as fit
from diffscatter.pipelines.sizes import SizeMeans as SizeMeans
from diffscatter.pipelines.sizes import size_means as size_means

__all__ = ["SizeMeans", "fit", "size_means"]
