r"""Broad peak over a power law, an empirical description of amorphous soft matter.

.. math::
    I(q) = \left[A\,q^{-n} + \frac{C}{1 + (|q - q_0|\,\xi)^m}\right]^p

with q in 1/nm. Infinite at q = 0, unless A is 0.

Horkay and Hammouda, Colloid Polym. Sci. 286 (2008) 611.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "BroadPeak"]


@struct
class BroadPeak(Scatterer):
    """A peak and what rises below it.

    Attributes:
        porod_scale: A, the power law at 1/nm.
        porod_power: n, how steeply it falls.
        peak_scale: C, height of the peak.
        peak_position: 1/nm.
        correlation_length: half width of the peak, as 1/length, nm.
        width_power: m, 2 for a Lorentzian.
        shape_power: p of the whole.
    """

    porod_scale: Array
    porod_power: Array
    peak_scale: Array
    peak_position: Array
    correlation_length: Array
    width_power: Array
    shape_power: Array

    def specific_intensity(self, q: Array) -> Array:
        x = jnp.abs((q - self.peak_position) * self.correlation_length)
        top = x == 0
        # No derivative at the top: right for powers above 1, and finite for those below.
        wing = jnp.where(top, 0.0, jnp.power(jnp.where(top, 1.0, x), self.width_power))
        # Without a power law its infinite value at q = 0 does not count.
        below = jnp.where((self.porod_scale == 0) & (q == 0), 1.0, q)
        law = self.porod_scale * jnp.power(below, -self.porod_power)
        total = law + self.peak_scale / (1 + wing)
        # Where nothing is left: the slope 1 of p = 1, and a finite one for p below.
        nothing = total == 0
        power = jnp.power(jnp.where(nothing, 1.0, total), self.shape_power)
        return jnp.where(nothing, jnp.where(self.shape_power > 1, 0.0, total), power)


MODEL = Model(
    name="broad_peak",
    constructor=BroadPeak,
    parameters=(
        Parameter("porod_scale", "", 0.01, POSITIVE, "power law at 1/nm"),
        Parameter("porod_power", "", 3.0, (0.0, 6.0), "how steeply it falls", (1.5, 4.0)),
        Parameter("peak_scale", "", 10.0, POSITIVE, "height of the peak"),
        Parameter("peak_position", "1/nm", 1.0, POSITIVE, "position of the peak"),
        Parameter("correlation_length", "nm", 5.0, POSITIVE, "inverse half width of the peak"),
        Parameter("width_power", "", 2.0, (0.0, 6.0), "2: a Lorentzian", (1.2, 3.0)),
        Parameter("shape_power", "", 1.0, (0.0, 6.0), "power of the whole", (0.8, 1.5)),
    ),
    title="Broad peak over a power law",
    equation=r"I = [A q^{-n} + C / (1 + (|q - q_0| \xi)^m)]^p",
    reference="Horkay and Hammouda, Colloid Polym. Sci. 286 (2008) 611",
    theirs=Theirs(
        name="broad_peak",
        parameters={
            "porod_scale": (1e-5, ""),
            "porod_exp": (3, ""),
            "peak_scale": (10, ""),
            "correlation_length": (50, "A"),
            "peak_pos": (0.1, "1/A"),
            "width_exp": (2, ""),
            "shape_exp": (1, ""),
        },
        convert=lambda p: {
            "porod_scale": p["porod_scale"] * 10.0 ** p["porod_exp"],
            "porod_power": p["porod_exp"],
            "peak_scale": p["peak_scale"],
            "peak_position": p["peak_pos"],
            "correlation_length": p["correlation_length"],
            "width_power": p["width_exp"],
            "shape_power": p["shape_exp"],
        },
    ),
)
