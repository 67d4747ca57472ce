"""Closed forms: what fits use, and what the voxel operators are judged by.

A *particle* (one file each) gives the orientation average of F^2; :class:`Polydisperse`
averages it over a population; :class:`Interacting` gives it a structure factor;
:class:`Mixture` and :class:`Product` combine several; :class:`Sample` puts it at a volume
fraction over a background, in 1/cm. :func:`named` builds all of it from names.
"""

from diffscatter.analytic.broad_peak import BroadPeak
from diffscatter.analytic.core_multi_shell import CoreMultiShell
from diffscatter.analytic.core_shell_cylinder import CoreShellCylinder
from diffscatter.analytic.core_shell_ellipsoid import CoreShellEllipsoid
from diffscatter.analytic.core_shell_sphere import CoreShellSphere
from diffscatter.analytic.cylinder import Cylinder
from diffscatter.analytic.dab import DebyeAndersonBrumberger
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
from diffscatter.analytic.fuzzy_sphere import FuzzySphere
from diffscatter.analytic.guinier import Guinier
from diffscatter.analytic.guinier_porod import GuinierPorod
from diffscatter.analytic.hard_sphere import HardSphere
from diffscatter.analytic.hollow_cylinder import HollowCylinder
from diffscatter.analytic.interacting import Interacting
from diffscatter.analytic.lamellar import Lamellar
from diffscatter.analytic.mixture import Mixture, Product
from diffscatter.analytic.mono_gauss_coil import GaussianCoil
from diffscatter.analytic.named import Named, named
from diffscatter.analytic.parallelepiped import Parallelepiped
from diffscatter.analytic.poly_gauss_coil import PolydisperseCoil
from diffscatter.analytic.polydispersity import Polydisperse, parameter_of, with_parameter
from diffscatter.analytic.porod import Porod
from diffscatter.analytic.power_law import PowerLaw
from diffscatter.analytic.registry import MODELS, STRUCTURE_FACTORS, build, get
from diffscatter.analytic.sample import Sample
from diffscatter.analytic.sasmodels import from_sasmodels
from diffscatter.analytic.screened_coulomb import ScreenedCoulomb
from diffscatter.analytic.sphere import Sphere
from diffscatter.analytic.sticky_hard_sphere import StickyHardSphere
from diffscatter.analytic.teubner_strey import TeubnerStrey
from diffscatter.analytic.triaxial_ellipsoid import TriaxialEllipsoid
from diffscatter.analytic.unified import Unified
from diffscatter.analytic.vesicle import Vesicle

__all__ = [
    "DISTRIBUTIONS",
    "MODELS",
    "STRUCTURE_FACTORS",
    "Boltzmann",
    "BroadPeak",
    "CoreMultiShell",
    "CoreShellCylinder",
    "CoreShellEllipsoid",
    "CoreShellSphere",
    "Cylinder",
    "DebyeAndersonBrumberger",
    "Ellipsoid",
    "FuzzySphere",
    "Gaussian",
    "GaussianCoil",
    "Guinier",
    "GuinierPorod",
    "HardSphere",
    "HollowCylinder",
    "Interacting",
    "Lamellar",
    "Lognormal",
    "Mixture",
    "Named",
    "Parallelepiped",
    "Polydisperse",
    "PolydisperseCoil",
    "Porod",
    "PowerLaw",
    "Product",
    "Rectangle",
    "Sample",
    "Schulz",
    "ScreenedCoulomb",
    "Sphere",
    "TeubnerStrey",
    "TriaxialEllipsoid",
    "Unified",
    "StickyHardSphere",
    "Uniform",
    "Vesicle",
    "build",
    "from_sasmodels",
    "get",
    "named",
    "named_distribution",
    "parameter_of",
    "with_parameter",
]
