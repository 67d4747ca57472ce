r"""Guinier's law for spheres, rods or sheets, continued smoothly by a power law.

.. math::
    I(q) = q^{-s} \begin{cases}
        e^{-(q R_g)^2/(3 - s)} & q \le q_1 \\
        (q_1/q)^{m - s}\, e^{-(m - s)/2} & q \ge q_1 \end{cases},
    \qquad (q_1 R_g)^2 = \tfrac12 (3 - s)(m - s)

with q in 1/nm; s is 0 for compact particles, 1 for rods, 2 for sheets. Value and slope are
continuous at :math:`q_1`. Where m is not above s it is :math:`q^{-s}`; at s = 3 it is 0.
Infinite at q = 0, but for s = 0.

Hammouda, J. Appl. Cryst. 43 (2010) 716.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "GuinierPorod"]


@struct
class GuinierPorod(Scatterer):
    """Attributes: ``rg``, radius of gyration (of the cross-section) in nm; ``s``, dimension;
    ``porod_power``, m, how steeply the intensity falls at large q."""

    rg: Array
    s: Array
    porod_power: Array

    def specific_intensity(self, q: Array) -> Array:
        half, rest = (self.porod_power - self.s) / 2, 3 - self.s
        falls, flat = half > 0, rest <= 0
        half, rest = jnp.where(falls, half, 1.0), jnp.where(flat, 1.0, rest)
        phase = q * self.rg
        square = phase * phase
        far = square > rest * half
        guinier = jnp.exp(-jnp.where(far, 0.0, square) / rest)
        porod = jnp.exp(half * (jnp.log(rest * half / jnp.where(far, square, 1.0)) - 1))
        shape = jnp.where(falls, jnp.where(far, porod, guinier), 1.0)
        return jnp.power(q, -self.s) * jnp.where(falls & flat, 0.0, shape)


MODEL = Model(
    name="guinier_porod",
    constructor=GuinierPorod,
    parameters=(
        Parameter("rg", "nm", 6.0, POSITIVE, "radius of gyration"),
        Parameter("s", "", 1.0, (0.0, 3.0), "0: compact, 1: rod, 2: sheet", (0.0, 2.0)),
        Parameter("porod_power", "", 3.0, (0.0, 6.0), "power at large q", (2.5, 4.0)),
    ),
    title="Guinier's law continued by a power law",
    equation=(
        r"I = q^{-s} e^{-(q R_g)^2/(3-s)} \text{ up to } q_1,"
        r"\ \propto q^{-m} \text{ beyond},\ (q_1 R_g)^2 = (3-s)(m-s)/2"
    ),
    reference="Hammouda, J. Appl. Cryst. 43 (2010) 716",
    theirs=Theirs(
        name="guinier_porod",
        parameters={"rg": (60, "A"), "s": (1, ""), "porod_exp": (3, "")},
        convert=lambda p: {
            "rg": p["rg"],
            "s": p["s"],
            "porod_power": p["porod_exp"],
            "scale": 10.0 ** p["s"],
        },
    ),
)
