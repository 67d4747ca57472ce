r"""Power law: fractals, and anything without a length of its own.

.. math:: I(q) = q^{-p}

with q in 1/nm: the scale is the intensity at 1/nm, in 1/cm. Infinite at q = 0.

Schmidt, J. Appl. Cryst. 24 (1991) 414.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "PowerLaw"]


@struct
class PowerLaw(Scatterer):
    """Attributes: ``power``, how steeply the intensity falls."""

    power: Array

    def specific_intensity(self, q: Array) -> Array:
        return jnp.power(q, -self.power)


MODEL = Model(
    name="power_law",
    constructor=PowerLaw,
    parameters=(
        Parameter("power", "", 4.0, (-10.0, 10.0), "how steeply it falls", (1.0, 6.0)),
    ),
    title="Power law",
    equation=r"I = q^{-p}",
    reference="Schmidt, J. Appl. Cryst. 24 (1991) 414",
    theirs=Theirs(
        name="power_law",
        parameters={"power": (4, "")},
        convert=lambda p: {"power": p["power"], "scale": 10.0 ** p["power"]},
    ),
)
