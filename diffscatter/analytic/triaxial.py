r"""Bodies with three perpendicular mirror planes, in every orientation.

.. math::
    \langle F^2 \rangle = \frac{2}{\pi} \int_0^1 ds \int_0^{\pi/2} d\varphi\;
    F^2(q\sqrt{1 - s^2}\,\sin\varphi,\; q\sqrt{1 - s^2}\,\cos\varphi,\; q s)

F^2 is periodic in the azimuth, so equal steps converge exponentially, and entire in s, so
Gauss-Legendre does. Both resolve nothing until their step is short enough for the phase with
which F^2 turns, and everything shortly after.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.legendre import half_rules
from diffscatter.analytic.oriented import Oriented
from diffscatter.analytic.particle import concrete_count
from diffscatter.analytic.quadrature import along_q, counted_sum, in_blocks, run_time_count
from diffscatter.core.special import sine_cosine

__all__ = ["Triaxial", "ascending", "over_azimuth", "over_polar"]

BLOCK = 64  # orientations at once, of as many q
LIMIT = 1024  # of values of either angle
_STEP = 16  # values of one angle at once
_LEAST = 3.0


class Triaxial(Oriented):
    """Base of bodies with three perpendicular axes of symmetry.

    A subclass has a static field ``nodes`` (number of values of either angle, or None: as many
    as needed, decided while the program runs) and gives two things.

    Attributes:
        MARGIN: how many more nodes than a quarter of the phase are needed for 1e-10, over the
            cube root of the phase. Found by comparison with many more nodes, for ratios of the
            axes of 1 to 100 and phases up to 800; so are the 3 added to it.
    """

    MARGIN: ClassVar[float]

    @abstractmethod
    def oriented_amplitude(self, x: Array, y: Array, z: Array) -> Array:
        """Return F over the prefactor (strength times volume).

        Args:
            x, y, z: components of q along the axes, 1/nm; broadcast to ``(nq, 64)``.
        """

    @property
    @abstractmethod
    def spans(self) -> tuple[Array, Array]:
        """Phase of F^2, for a q of 1/nm, over the turns towards z and about it; nm."""

    def reduced_square(self, q: Array) -> Array:
        return along_q(partial(_mean_power, 2), self, q.ravel()).reshape(q.shape)

    def reduced_amplitude(self, q: Array) -> Array:
        return along_q(partial(_mean_power, 1), self, q.ravel()).reshape(q.shape)

    def mean_power(self, power: int, q: Array) -> Array:
        """Return the mean of a power of F/prefactor along one axis of q."""
        return in_blocks(partial(_over_directions, power, self), q, BLOCK)

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of orientations used at the largest of ``q`` (1/nm)."""
        polar, around, used = _planned(self, np.max(np.abs(q)))
        concrete_count(polar, LIMIT, LIMIT, "orientations")
        return int(used * around)

    def count(self, q: Array, span: Array) -> Array:
        """Return how many values are needed of an angle over which F^2 turns by q * span."""
        if self.nodes is not None:
            return jnp.int32(self.nodes)
        phase = jnp.max(jnp.abs(q)) * span
        return run_time_count(phase / 4 + self.MARGIN * jnp.cbrt(phase) + _LEAST)


def over_polar(function: Callable[[Array, Array], Array], q: Array, count: Array) -> Array:
    """Return the mean over s of a function of the components of q along and across the axis.

    Args:
        function: of two arrays ``(nq, 16)``, 1/nm; even in both.
        q: 1/nm, one axis.
        count: at least so many nodes.
    """
    first, count = _rule(count)
    x, t, w = (jnp.asarray(part, q.dtype) for part in half_rules()[2:])

    def term(j: Array) -> Array:
        index = j * _STEP + jnp.arange(_STEP)
        node = first + jnp.minimum(index, count - 1)
        values = function(q[:, None] * x[node], q[:, None] * t[node])
        return jnp.sum(values * jnp.where(index < count, w[node], 0.0), axis=-1)

    return counted_sum(term, -(-count // _STEP))


def over_azimuth(function: Callable[[Array, Array], Array], q: Array, count: Array) -> Array:
    """Return the mean over the azimuth of a function of the two components of q.

    Args: as of :func:`over_polar`; just as many nodes.
    """

    def term(j: Array) -> Array:
        index = j * _STEP + jnp.arange(_STEP)
        sine, cosine = sine_cosine(jnp.pi / 2 * (index.astype(q.dtype) + 0.5) / count)
        values = function(q[:, None] * sine, q[:, None] * cosine)
        return jnp.sum(jnp.where(index < count, values, 0.0), axis=-1)

    return counted_sum(term, -(-count // _STEP)) / count


@jax.jit
def _planned(body: Triaxial, q: Array) -> tuple[Array, Array, Array]:
    polar, around = (body.count(q, span) for span in body.spans)
    return polar, around, _rule(polar)[1]


def _mean_power(power: int, body: Triaxial, q: Array) -> Array:
    return body.mean_power(power, q)


def _over_directions(power: int, body: Triaxial, q: Array) -> Array:
    polar, around = (body.count(q, span) for span in body.spans)
    first, polar = _rule(polar)
    around = jnp.minimum(around, LIMIT)
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
    rung = jnp.searchsorted(jnp.asarray(rules.counts), jnp.minimum(count, LIMIT))
    return jnp.asarray(rules.offsets)[rung], jnp.asarray(rules.counts)[rung]


def ascending(*lengths: Array) -> Array:
    """Return lengths in ascending order; where two are equal, derivatives stay with each."""
    return jnp.sort(jnp.stack([jnp.asarray(length) for length in lengths]))
