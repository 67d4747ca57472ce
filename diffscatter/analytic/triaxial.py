r"""Bodies with three perpendicular mirror planes, in every orientation.

.. math::
    \langle F^2 \rangle = \frac{2}{\pi} \int_0^1 ds \int_0^{\pi/2} d\varphi\;
    F^2(q\sqrt{1 - s^2}\,\sin\varphi,\; q\sqrt{1 - s^2}\,\cos\varphi,\; q s)

F^2 is periodic in the azimuth, so equal steps converge exponentially, and entire in s, so
Gauss-Legendre does. Both resolve nothing until their step is short enough for the phase with
which F^2 turns, and everything shortly after.
"""

from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.legendre import half_rules
from diffscatter.analytic.oriented import Oriented
from diffscatter.analytic.particle import concrete_count
from diffscatter.analytic.quadrature import along_q, counted_sum, in_blocks, run_time_count
from diffscatter.core.special import sine_cosine

__all__ = ["Triaxial", "ascending"]

BLOCK = 64  # orientations at once
_LIMIT = 1024  # of either count


class Triaxial(Oriented):
    """Base of bodies with three perpendicular axes of symmetry.

    A subclass has a static field ``nodes`` (number of values of either angle, or None: as many
    as needed, decided while the program runs) and gives two things.

    Attributes:
        MARGIN: how many more nodes than a quarter of the phase are needed for 1e-10, over the
            cube root of the phase. Found by comparison with many more nodes, for ratios of the
            axes of 1 to 100 and phases up to 800; so is the constant added to it.
    """

    MARGIN: ClassVar[float]
    _LEAST = 3.0

    def oriented_amplitude(self, x: Array, y: Array, z: Array) -> Array:
        """Return F over the prefactor (strength times volume).

        Args:
            x, y, z: components of q along the axes, 1/nm; broadcast to ``(nq, 64)``.
        """
        raise NotImplementedError

    @property
    def spans(self) -> tuple[Array, Array]:
        """Phase of F^2, for a q of 1/nm, over the turns towards z and about it; nm."""
        raise NotImplementedError

    def reduced_square(self, q: Array) -> Array:
        return along_q(partial(_reduced, 2), self, q.ravel()).reshape(q.shape)

    def reduced_amplitude(self, q: Array) -> Array:
        return along_q(partial(_reduced, 1), self, q.ravel()).reshape(q.shape)

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of orientations used at the largest of ``q`` (1/nm)."""
        polar, around = self._counts(jnp.asarray(q))
        concrete_count(polar, _LIMIT, _LIMIT, "orientations")
        return int(_rule(polar)[1] * around)

    def _counts(self, q: Array) -> tuple[Array, Array]:
        """Return how many values of s and of the azimuth are needed."""
        if self.nodes is not None:
            return jnp.int32(self.nodes), jnp.int32(self.nodes)
        phases = (jnp.max(jnp.abs(q)) * span for span in self.spans)
        polar, around = (
            run_time_count(phase / 4 + self.MARGIN * jnp.cbrt(phase) + self._LEAST)
            for phase in phases
        )
        return polar, jnp.minimum(around, _LIMIT)


def _reduced(power: int, body: Triaxial, q: Array) -> Array:
    return in_blocks(partial(_average, power, body), q, BLOCK)


def _average(power: int, body: Triaxial, q: Array) -> Array:
    polar, around = body._counts(q)
    first, polar = _rule(polar)
    total = polar * around
    x, t, w = (jnp.asarray(part, q.dtype) for part in half_rules()[2:])
    q = q[:, None]

    def term(j: Array) -> Array:
        index = j * BLOCK + jnp.arange(BLOCK)
        node = first + jnp.minimum(index // around, polar - 1)
        azimuth = jnp.pi / 2 * ((index % around).astype(q.dtype) + 0.5) / around
        across = q * t[node]
        sine, cosine = sine_cosine(azimuth)
        f = body.oriented_amplitude(across * sine, across * cosine, q * x[node])
        weight = jnp.where(index < total, w[node] / around, 0.0)
        return jnp.sum(f**power * weight, axis=-1)

    return counted_sum(term, -(-total // BLOCK))


def _rule(count: Array) -> tuple[Array, Array]:
    """Return where the smallest rule of so many nodes starts, and its own number of nodes."""
    rules = half_rules()
    rung = jnp.searchsorted(jnp.asarray(rules.counts), jnp.minimum(count, _LIMIT))
    return jnp.asarray(rules.offsets)[rung], jnp.asarray(rules.counts)[rung]


def ascending(*lengths: Array) -> Array:
    """Return lengths in ascending order; where two are equal, derivatives stay with each."""
    return jnp.sort(jnp.stack([jnp.asarray(length) for length in lengths]))
