"""Closed forms: what fits use, and what the voxel operators are judged by.

A *particle* (one file each) gives the orientation average of F^2; :class:`Polydisperse`
averages it over a population; :class:`Sample` puts it at a volume fraction over a background,
in 1/cm.
"""

from diffscatter.analytic.core_shell_cylinder import CoreShellCylinder
from diffscatter.analytic.core_shell_ellipsoid import CoreShellEllipsoid
from diffscatter.analytic.core_shell_sphere import CoreShellSphere
from diffscatter.analytic.cylinder import Cylinder
from diffscatter.analytic.distributions import (
    DISTRIBUTIONS,
    Gaussian,
    Lognormal,
    Rectangle,
    Schulz,
    Uniform,
    named_distribution,
)
from diffscatter.analytic.ellipsoid import Ellipsoid
from diffscatter.analytic.hollow_cylinder import HollowCylinder
from diffscatter.analytic.polydispersity import Polydisperse, parameter_of, with_parameter
from diffscatter.analytic.registry import MODELS, build, get
from diffscatter.analytic.sample import Sample
from diffscatter.analytic.sasmodels import from_sasmodels
from diffscatter.analytic.sphere import Sphere

__all__ = [
    "DISTRIBUTIONS",
    "MODELS",
    "CoreShellCylinder",
    "CoreShellEllipsoid",
    "CoreShellSphere",
    "Cylinder",
    "Ellipsoid",
    "Gaussian",
    "HollowCylinder",
    "Lognormal",
    "Polydisperse",
    "Rectangle",
    "Sample",
    "Schulz",
    "Sphere",
    "Uniform",
    "build",
    "from_sasmodels",
    "get",
    "named_distribution",
    "parameter_of",
    "with_parameter",
]
