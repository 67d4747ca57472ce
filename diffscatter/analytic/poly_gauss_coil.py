r"""Gaussian polymer coils with a Schulz-Zimm distribution of molar mass.

.. math::
    I(q) = 2\,\frac{(1 + uz)^{-1/u} - 1 + z}{(1 + u)\,z^2},\qquad
    z = \frac{(q R_g)^2}{1 + 2u},\quad u = \frac{M_w}{M_n} - 1

Rg is the z-average. The scale is the intensity at q = 0, in 1/cm.

Glatter and Kratky (eds.), *Small Angle X-ray Scattering*, Academic Press (1982), p. 404.
"""

import math

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct
from diffscatter.core.special import log1p_ratio

__all__ = ["MODEL", "PolydisperseCoil"]

# 1 - z (1 + 2u)/3 + z^2 (1 + 2u)(1 + 3u)/12 - ... to 1e-17 where z and uz are below this.
_THRESHOLD, _TERMS = 0.15, 22


@struct
class PolydisperseCoil(Scatterer):
    """Attributes: ``rg``, z-average radius of gyration, in nm; ``dispersity``, Mw/Mn."""

    rg: Array
    dispersity: Array

    def specific_intensity(self, q: Array) -> Array:
        u = self.dispersity - 1
        phase = q * self.rg
        z = phase * phase / (1 + 2 * u)
        small = jnp.maximum(z, u * z) < _THRESHOLD
        return jnp.where(small, _series(jnp.where(small, z, 0.0), u), _closed(z, u, small))


def _series(z: Array, u: Array) -> Array:
    total = jnp.ones_like(z)
    for k in range(_TERMS, 2, -1):
        total = 1 - z * (1 + (k - 1) * u) / k * total
    return total


def _closed(z: Array, u: Array, unused: Array) -> Array:
    z = jnp.where(unused, 1.0, z)
    # (1 + uz)^(-1/u), which is e^-z at u = 0.
    fall = jnp.expm1(-z * log1p_ratio(u * z))
    return 2 * (fall + z) / ((1 + u) * z * z)


MODEL = Model(
    name="poly_gauss_coil",
    constructor=PolydisperseCoil,
    parameters=(
        Parameter("rg", "nm", 7.5, POSITIVE, "z-average radius of gyration"),
        Parameter("dispersity", "", 2.0, (1.0, math.inf), "Mw/Mn", (1.01, 3.0)),
    ),
    title="Gaussian polymer coils, Schulz-Zimm distributed in mass",
    equation=(
        r"I = 2 [(1+uz)^{-1/u} - 1 + z] / [(1+u) z^2],"
        r"\ z = (q R_g)^2/(1+2u),\ u = M_w/M_n - 1"
    ),
    reference="Glatter and Kratky (eds.), Small Angle X-ray Scattering (1982), p. 404",
    theirs=Theirs(
        name="poly_gauss_coil",
        parameters={"i_zero": (70, ""), "rg": (75, "A"), "polydispersity": (2, "")},
        convert=lambda p: {
            "rg": p["rg"],
            "dispersity": p["polydispersity"],
            "scale": p["i_zero"],
        },
    ),
)
