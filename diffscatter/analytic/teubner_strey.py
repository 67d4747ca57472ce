r"""Microemulsion: two phases with a preferred distance (Teubner and Strey).

.. math::
    I(q) = \frac{8\pi\,\varphi(1 - \varphi)\,\Delta\rho^2\,\xi^3}
        {(1 + k^2 - x^2)^2 + 4 x^2},\qquad x = q\xi,\quad k = 2\pi\xi/d

Teubner and Strey, J. Chem. Phys. 87 (1987) 3195.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.units import CM_PER_NM

__all__ = ["MODEL", "TeubnerStrey"]


@struct
class TeubnerStrey(Scatterer):
    """Two phases that alternate.

    Attributes:
        period: distance from a domain to the next of its kind, d, nm.
        correlation_length: over which the order is lost, nm.
        volume_fraction: of one of the phases.
        contrast: difference of their sld, 1/nm^2.
    """

    period: Array
    correlation_length: Array
    volume_fraction: Array
    contrast: Array

    def specific_intensity(self, q: Array) -> Array:
        period, length = self.period, self.correlation_length
        # a = 1/(1 + k^2), in which numerator and denominator stay finite at every limit.
        wave = 2 * jnp.pi * length
        total = period * period + wave * wave
        a = period * period / jnp.where(total == 0, 1.0, total)
        x = q * length
        denominator = (1 - a * x * x) ** 2 + (2 * a * x) ** 2
        phases = self.volume_fraction * (1 - self.volume_fraction) * self.contrast**2
        return CM_PER_NM * (8 * jnp.pi * phases * length**3 * a**2 / denominator)


MODEL = Model(
    name="teubner_strey",
    constructor=TeubnerStrey,
    parameters=(
        Parameter("period", "nm", 10.0, POSITIVE, "distance between domains of a kind"),
        Parameter("correlation_length", "nm", 3.0, POSITIVE, "over which order is lost"),
        Parameter("volume_fraction", "", 0.5, (0.0, 1.0), "of one of the phases", (0.05, 0.95)),
        Parameter("contrast", "1/nm^2", -6e-4, ANY, "difference of the two sld"),
    ),
    title="Microemulsion (Teubner, Strey)",
    equation=(
        r"I = 8\pi \varphi (1-\varphi) \Delta\rho^2 \xi^3 / [(1 + k^2 - x^2)^2 + 4 x^2],"
        r"\ x = q\xi,\ k = 2\pi\xi/d"
    ),
    reference="Teubner and Strey, J. Chem. Phys. 87 (1987) 3195",
    theirs=Theirs(
        name="teubner_strey",
        parameters={
            "volfraction_a": (0.5, ""),
            "sld_a": (0.3, "1e-6/A^2"),
            "sld_b": (6.3, "1e-6/A^2"),
            "d": (100, "A"),
            "xi": (30, "A"),
        },
        convert=lambda p: {
            "period": p["d"],
            "correlation_length": p["xi"],
            "volume_fraction": p["volfraction_a"],
            "contrast": p["sld_a"] - p["sld_b"],
        },
    ),
)
