r"""Flat sheets in every orientation, infinitely wide and independent of each other.

.. math::
    I(q) = \frac{2\pi\,\Delta\rho^2\,t}{q^2}
        \left[\frac{\sin(\tfrac12 q t)}{\tfrac12 q t}\right]^2

for sheets that fill the whole volume; the scale is their volume fraction. Infinite at q = 0.

Nallet, Laversanne and Roux, J. Phys. II France 3 (1993) 487.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.special import sinc
from diffscatter.core.units import CM_PER_NM

__all__ = ["MODEL", "Lamellar"]


@struct
class Lamellar(Scatterer):
    """Attributes: ``thickness`` in nm; ``contrast``, sld minus solvent sld, in 1/nm^2."""

    thickness: Array
    contrast: Array

    def specific_intensity(self, q: Array) -> Array:
        amplitude = self.contrast * sinc(q * self.thickness / 2) / q
        return CM_PER_NM * (2 * jnp.pi * self.thickness * amplitude * amplitude)


MODEL = Model(
    name="lamellar",
    constructor=Lamellar,
    parameters=(
        Parameter("thickness", "nm", 5.0, POSITIVE, "thickness of a sheet"),
        Parameter("contrast", "1/nm^2", -5e-4, ANY, "sld minus the solvent's"),
    ),
    title="Flat sheets, independent of each other",
    equation=r"I = 2\pi \Delta\rho^2 t \, [\sin(qt/2) / (qt/2)]^2 / q^2",
    reference="Nallet, Laversanne and Roux, J. Phys. II France 3 (1993) 487",
    theirs=Theirs(
        name="lamellar",
        parameters={
            "thickness": (50, "A"),
            "sld": (1, "1e-6/A^2"),
            "sld_solvent": (6, "1e-6/A^2"),
        },
        convert=lambda p: {
            "thickness": p["thickness"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("thickness",),
    ),
)
