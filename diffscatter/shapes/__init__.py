"""Geometry becomes density: bodies, their combinations, and the differentiable rasteriser."""

from diffscatter.shapes.combine import (
    Body,
    Composite,
    difference,
    intersection,
    union,
)
from diffscatter.shapes.lnp import Nanoparticle
from diffscatter.shapes.polytope import HalfSpaces
from diffscatter.shapes.primitives import Box, Cylinder, Ellipsoid, Sphere
from diffscatter.shapes.raster import Density, cell_averages, rasterise
from diffscatter.shapes.solids import solid

__all__ = [
    "Body",
    "Box",
    "Composite",
    "Cylinder",
    "Density",
    "Ellipsoid",
    "HalfSpaces",
    "Nanoparticle",
    "Sphere",
    "cell_averages",
    "difference",
    "intersection",
    "rasterise",
    "solid",
    "union",
]
