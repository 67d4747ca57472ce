r"""Gaussian polymer coils of one length (Debye).

.. math:: I(q) = 2\,\frac{e^{-x} - 1 + x}{x^2},\qquad x = (q R_g)^2

The scale is the intensity at q = 0, in 1/cm.

Debye, J. Phys. Colloid Chem. 51 (1947) 18.
"""

import math

from jax import Array

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.special import debye_kernel

__all__ = ["MODEL", "GaussianCoil"]


@struct
class GaussianCoil(Scatterer):
    """Attributes: ``rg``, radius of gyration, in nm."""

    rg: Array

    EFFECTIVE_RADII = {
        "rg": lambda s: s.rg,
        "2 rg": lambda s: 2 * s.rg,
        "3 rg": lambda s: 3 * s.rg,
        "sphere of this rg": lambda s: math.sqrt(5 / 3) * s.rg,
    }

    def specific_intensity(self, q: Array) -> Array:
        phase = q * self.rg
        return debye_kernel(phase * phase)


MODEL = Model(
    name="mono_gauss_coil",
    constructor=GaussianCoil,
    parameters=(Parameter("rg", "nm", 7.5, POSITIVE, "radius of gyration"),),
    title="Gaussian polymer coils of one length",
    equation=r"I = 2 (e^{-x} - 1 + x) / x^2,\ x = (q R_g)^2",
    reference="Debye, J. Phys. Colloid Chem. 51 (1947) 18",
    theirs=Theirs(
        name="mono_gauss_coil",
        parameters={"i_zero": (70, ""), "rg": (75, "A")},
        convert=lambda p: {"rg": p["rg"], "scale": p["i_zero"]},
        spread=("rg",),
    ),
)
