r"""Two phases in random arrangement: Debye, Anderson and Brumberger.

.. math:: I(q) = 8\pi\,\Delta\rho^2\,\frac{L^3}{(1 + (qL)^2)^2}

The scale is the product of the two volume fractions, :math:`\varphi(1 - \varphi)`.

Debye, Anderson and Brumberger, J. Appl. Phys. 28 (1957) 679.
"""

import math

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.units import CM_PER_NM

__all__ = ["MODEL", "DebyeAndersonBrumberger"]


@struct
class DebyeAndersonBrumberger(Scatterer):
    """Attributes: ``correlation_length`` in nm; ``contrast``, difference of the sld of the
    phases, in 1/nm^2."""

    correlation_length: Array
    contrast: Array

    def specific_intensity(self, q: Array) -> Array:
        length = self.correlation_length
        amplitude = self.contrast * length / (1 + (q * length) * (q * length))
        return CM_PER_NM * (8 * jnp.pi * length * amplitude * amplitude)


MODEL = Model(
    name="dab",
    constructor=DebyeAndersonBrumberger,
    parameters=(
        Parameter("correlation_length", "nm", 5.0, POSITIVE, "correlation length"),
        Parameter("contrast", "1/nm^2", 1e-4, ANY, "difference of the two sld"),
    ),
    title="Two phases in random arrangement (Debye, Anderson, Brumberger)",
    equation=r"I = 8\pi \Delta\rho^2 L^3 / (1 + (qL)^2)^2",
    reference="Debye, Anderson and Brumberger, J. Appl. Phys. 28 (1957) 679",
    theirs=Theirs(
        name="dab",
        parameters={"cor_length": (50, "A")},
        # There it is L^3/(1 + (qL)^2)^2, in A^3.
        convert=lambda p: {
            "correlation_length": p["cor_length"],
            "contrast": 1e-4,
            "scale": 1e11 / (8 * math.pi * CM_PER_NM),
        },
    ),
)
