r"""Guinier's law: what every compact particle looks like at small q.

.. math:: I(q) = e^{-(q R_g)^2/3}

The scale is the intensity at q = 0, in 1/cm. A negative radius of gyration turns the sign of
the exponent, so that a fit to a rising curve has somewhere to go.

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "Guinier"]


@struct
class Guinier(Scatterer):
    """Attributes: ``rg``, radius of gyration, in nm."""

    rg: Array

    def specific_intensity(self, q: Array) -> Array:
        return jnp.exp(-q * q * (self.rg * jnp.abs(self.rg) / 3))


MODEL = Model(
    name="guinier",
    constructor=Guinier,
    parameters=(Parameter("rg", "nm", 6.0, ANY, "radius of gyration", (1.0, 30.0)),),
    title="Guinier's law",
    equation=r"I = \exp(-(q R_g)^2 / 3)",
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="guinier",
        parameters={"rg": (60, "A")},
        convert=lambda p: {"rg": p["rg"]},
    ),
)
