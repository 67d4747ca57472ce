"""The whole task in one call: what the command line runs and what users import."""

from diffscatter.pipelines.analyse import analyse as analyse
from diffscatter.pipelines.distribution import size_distribution as size_distribution
from diffscatter.pipelines.fit import fit as fit
from diffscatter.pipelines.flat import on_axes as on_axes
from diffscatter.pipelines.reconstruct import Reconstruction as Reconstruction
from diffscatter.pipelines.reconstruct import reconstruct as reconstruct
from diffscatter.pipelines.simulate import simulate as simulate
from diffscatter.pipelines.sizes import SizeMeans as SizeMeans
from diffscatter.pipelines.sizes import size_means as size_means

__all__ = [
    "Reconstruction",
    "SizeMeans",
    "analyse",
    "fit",
    "on_axes",
    "reconstruct",
    "simulate",
    "size_distribution",
    "size_means",
]
