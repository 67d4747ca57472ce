r"""Porod's law: what sharp interfaces look like at large q.

.. math:: I(q) = 2\pi\,\Delta\rho^2\,\frac{S}{V}\,q^{-4}

Infinite at q = 0.

Porod, Kolloid-Z. 124 (1951) 83.
"""

import math

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.units import CM_PER_NM

__all__ = ["MODEL", "Porod"]


@struct
class Porod(Scatterer):
    """Attributes: ``surface``, area of the interfaces in a unit of volume, in 1/nm;
    ``contrast``, difference of the two sld, in 1/nm^2."""

    surface: Array
    contrast: Array

    def specific_intensity(self, q: Array) -> Array:
        amplitude = self.contrast / (q * q)
        return CM_PER_NM * (2 * jnp.pi * self.surface * amplitude * amplitude)


MODEL = Model(
    name="porod",
    constructor=Porod,
    parameters=(
        Parameter("surface", "1/nm", 0.01, POSITIVE, "area of interfaces in a unit of volume"),
        Parameter("contrast", "1/nm^2", 1e-4, ANY, "difference of the two sld"),
    ),
    title="Porod's law",
    equation=r"I = 2\pi \Delta\rho^2 (S/V) \, q^{-4}",
    reference="Porod, Kolloid-Z. 124 (1951) 83",
    theirs=Theirs(
        name="porod",
        parameters={},
        # There it is q^-4 in 1/A, 1e4 times as much as in 1/nm.
        convert=lambda p: {
            "surface": 1.0,
            "contrast": 1e-4,
            "scale": 1e12 / (2 * math.pi * CM_PER_NM),
        },
    ),
)
