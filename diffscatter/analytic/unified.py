r"""Beaucage's unified law: levels of structure, each with a Guinier and a power-law regime.

.. math::
    I(q) = \sum_i G_i\, e^{-(q R_i)^2/3} + B_i\, e^{-(q R_{i+1})^2/3}
        \left[\frac{\operatorname{erf}^3(q R_i/\sqrt 6)}{q}\right]^{P_i}

with q in 1/nm. Level 1 is the smallest structure; the next larger one ends its power law, and
nothing ends the last.

Beaucage, J. Appl. Cryst. 28 (1995) 717; 29 (1996) 134.
"""

import math

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf, gamma

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "Unified"]


@struct
class Unified(Scatterer):
    """Levels from the smallest structure to the largest.

    Attributes:
        rg: radius of gyration, nm. Shape ``(n,)``, as of all.
        power: P, how steeply the level's power law falls.
        guinier_scale: G, the level's intensity at q = 0, 1/cm.
        porod_scale: B, intensity of the power law at 1/nm, 1/cm.
    """

    rg: Array
    power: Array
    guinier_scale: Array
    porod_scale: Array

    def specific_intensity(self, q: Array) -> Array:
        rg, power, guinier_scale, porod_scale = (a.astype(q.dtype) for a in self._levels())
        q = q[..., None]
        guinier = jnp.exp(-((q * rg) ** 2) / 3)
        end = jnp.concatenate([guinier[..., 1:], jnp.ones_like(q)], axis=-1)
        phase = q * rg
        seen = phase > 0
        log = 3 * jnp.log(erf(jnp.where(seen, phase, 1.0) / math.sqrt(6)))
        porod = jnp.exp(power * (log - jnp.log(jnp.where(seen, q, 1.0))))
        porod = end * jnp.where(seen, porod, 0.0)
        return jnp.sum(guinier_scale * guinier + porod_scale * porod, axis=-1)

    def _levels(self) -> list[Array]:
        names = ("rg", "power", "guinier_scale", "porod_scale")
        arrays = [jnp.asarray(getattr(self, name)) for name in names]
        if arrays[0].ndim != 1 or any(a.shape != arrays[0].shape for a in arrays):
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(
                f"{', '.join(names)} must have one value for each level, got shapes {shapes}"
            )
        return arrays


def _ordered(drawn: dict[str, Array]) -> dict[str, Array]:
    """Sort the levels by size and let each power law meet its Guinier regime."""
    rg, power, scale = jnp.sort(drawn["rg"]), drawn["power"], jnp.sort(drawn["guinier_scale"])
    # Hammouda, J. Appl. Cryst. 43 (2010) 1474: B = G P Gamma(P/2)/Rg^P.
    porod = scale * power * gamma(power / 2) / rg**power
    return {"rg": rg, "power": power, "guinier_scale": scale, "porod_scale": porod}


_MOST = 6  # levels there
_EACH = range(1, _MOST + 1)


def _converted(p: dict) -> dict:
    column = lambda name: jnp.array([p[f"{name}{i}"] for i in range(1, p["level"] + 1)])
    return {
        "rg": column("rg"),
        "power": column("power"),
        "guinier_scale": column("G"),
        "porod_scale": column("B") * 10.0 ** column("power"),
    }


MODEL = Model(
    name="unified",
    constructor=Unified,
    parameters=(
        Parameter("rg", "nm", (1.5, 15.0), POSITIVE, "radius of gyration", (1.0, 50.0)),
        Parameter("power", "", (4.0, 2.0), (1.0, 6.0), "power at large q", (1.7, 4.0)),
        Parameter("guinier_scale", "1/cm", (1.0, 50.0), POSITIVE, "intensity at q = 0"),
        Parameter("porod_scale", "1/cm", (0.8, 0.4), POSITIVE, "power law at 1/nm"),
    ),
    title="Unified Guinier and power laws, level by level",
    equation=(
        r"I = \sum_i G_i e^{-(q R_i)^2/3} + B_i e^{-(q R_{i+1})^2/3}"
        r" [\operatorname{erf}^3(q R_i/\sqrt{6}) / q]^{P_i}"
    ),
    reference="Beaucage, J. Appl. Cryst. 28 (1995) 717; 29 (1996) 134",
    theirs=Theirs(
        name="unified_power_Rg",
        parameters={
            "level": (1, ""),
            **{f"rg{i}": (15.8, "A") for i in _EACH},
            **{f"power{i}": (4, "") for i in _EACH},
            **{f"B{i}": (4.5e-6, "") for i in _EACH},
            **{f"G{i}": (400, "") for i in _EACH},
        },
        convert=_converted,
        counter=("level", 1, _MOST),
    ),
    related=_ordered,
)
