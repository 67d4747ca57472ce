"""Closed forms: what fits use, and what the voxel operators are judged by.

A *particle* (one file each) gives the orientation average of F^2; :class:`Polydisperse`
averages it over a population; :class:`Interacting` gives it a structure factor;
:class:`Mixture` and :class:`Product` combine several; :class:`Sample` puts it at a volume
fraction over a background, in 1/cm. :func:`named` builds all of it from names.
"""

from diffscatter.analytic.core_shell_cylinder import CoreShellCylinder
from diffscatter.analytic.core_shell_ellipsoid import CoreShellEllipsoid
from diffscatter.analytic.core_shell_sphere import CoreShellSphere
from diffscatter.analytic.cylinder import Cylinder
from diffscatter.analytic.distributions import (
    DISTRIBUTIONS,
    Boltzmann,
    Gaussian,
    Lognormal,
    Rectangle,
    Schulz,
    Uniform,
    named_distribution,
)
from diffscatter.analytic.ellipsoid import Ellipsoid
from diffscatter.analytic.hard_sphere import HardSphere
from diffscatter.analytic.hollow_cylinder import HollowCylinder
from diffscatter.analytic.interacting import Interacting
from diffscatter.analytic.mixture import Mixture, Product
from diffscatter.analytic.named import Named, named
from diffscatter.analytic.parallelepiped import Parallelepiped
from diffscatter.analytic.polydispersity import Polydisperse, parameter_of, with_parameter
from diffscatter.analytic.registry import MODELS, STRUCTURE_FACTORS, build, get
from diffscatter.analytic.sample import Sample
from diffscatter.analytic.sasmodels import from_sasmodels
from diffscatter.analytic.sphere import Sphere
from diffscatter.analytic.triaxial_ellipsoid import TriaxialEllipsoid

__all__ = [
    "DISTRIBUTIONS",
    "MODELS",
    "Boltzmann",
    "CoreShellCylinder",
    "CoreShellEllipsoid",
    "STRUCTURE_FACTORS",
    "CoreShellSphere",
    "Cylinder",
    "Ellipsoid",
    "Gaussian",
    "HollowCylinder",
    "HardSphere",
    "Interacting",
    "Lognormal",
    "Mixture",
    "Named",
    "Parallelepiped",
    "Polydisperse",
    "Product",
    "Rectangle",
    "Sample",
    "Schulz",
    "Sphere",
    "TriaxialEllipsoid",
    "Uniform",
    "build",
    "from_sasmodels",
    "get",
    "named",
    "named_distribution",
    "parameter_of",
    "with_parameter",
]
