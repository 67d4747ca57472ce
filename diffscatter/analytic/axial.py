r"""Bodies of revolution in every orientation.

.. math::
    \langle F^2 \rangle = \int_0^{\pi/2} F^2(q\cos\theta, q\sin\theta)\,\sin\theta\,d\theta
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.oriented import Oriented
from diffscatter.analytic.particle import concrete_count
from diffscatter.analytic.quadrature import (
    LIMIT,
    along_q,
    counted_sum,
    in_blocks,
    run_time_count,
)

__all__ = ["Axial", "over_orientations", "panel_count"]

# Gauss-Legendre in theta: there the phase q r(theta) runs evenly, so equal panels are right.
PANEL = 32
_X, _W = np.polynomial.legendre.leggauss(PANEL)
_X, _W = (_X + 1) / 2, _W / 2
# q r may change by this much over a panel: F^2 then comes to 1e-10 relative, by comparison with
# many more panels, for aspect ratios of 1/200 to 200 and q r up to 3000.
_PHASE = 32.0


def _contract(first: Array, second: Array | None = None) -> Array:
    if second is None:
        return jnp.sum(first, axis=-1)
    return jnp.einsum("qt,qt->q", first, second, precision="highest")


class Axial(Oriented):
    """Base of bodies with an axis of revolution and a mirror plane across it.

    A subclass has a static field ``nodes`` (number of orientations, rounded up to a multiple
    of 32, or None: as many as needed, decided while the program runs) and gives two things.
    """

    @abstractmethod
    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        """Return F over the prefactor (strength times volume), as one factor or two.

        Args:
            along, across: components of q along the axis and across it, 1/nm; ``(nq, 32)``.

        Returns:
            Factors of the same shape. Two are contracted as matrices are: with one
            distributed parameter in each, n times n bodies cost n + n evaluations.
        """

    @property
    @abstractmethod
    def variation(self) -> Array:
        """Largest change of the body's half width, in nm, as the axis turns by one rad."""

    def reduced_square(self, q: Array) -> Array:
        return along_q(partial(_reduced, 2), self, q.ravel()).reshape(q.shape)

    def reduced_amplitude(self, q: Array) -> Array:
        return along_q(partial(_reduced, 1), self, q.ravel()).reshape(q.shape)

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of orientations used at the largest of ``q`` (1/nm)."""
        return concrete_count(self._panels(jnp.asarray(q)), LIMIT, PANEL, "orientations")

    def _panels(self, q: Array) -> Array | int:
        return panel_count(q, self.variation, self.nodes)


def _reduced(power: int, body: Axial, q: Array) -> Array:
    def factors(along: Array, across: Array) -> list[Array]:
        return [factor**power for factor in body.oriented_amplitude(along, across)]

    return in_blocks(lambda q: over_orientations(factors, q, body._panels(q)), q)


def panel_count(q: Array, variation: Array, nodes: int | None) -> Array | int:
    """Return how many panels of orientations the largest of ``q`` needs, or ``nodes`` fill."""
    if nodes is not None:
        return -(-nodes // PANEL)
    return run_time_count(jnp.pi / 2 * jnp.max(jnp.abs(q)) * variation / _PHASE)


def over_orientations(
    factors: Callable[[Array, Array], Sequence[Array]], q: Array, panels: Array | int
) -> Array:
    """Return the average over all directions of the axis of one factor or of two multiplied.

    Differentiable forwards.

    Args:
        factors: of the components of q along the axis and across it, 1/nm; ``(nq, 32)``.
        q: 1/nm, one axis.
        panels: from :func:`panel_count`.
    """
    panels = panels if isinstance(panels, int) else jnp.minimum(panels, LIMIT)
    x, w = jnp.asarray(_X, q.dtype), jnp.asarray(_W, q.dtype)

    def term(j: Array) -> Array:
        theta = (jnp.pi / 2) * (j + x) / panels
        sine = jnp.sin(theta)
        first, *second = factors(q[:, None] * jnp.cos(theta), q[:, None] * sine)
        weighted = first * (jnp.pi / 2 * w * sine / panels)
        return _contract(weighted, *second)

    return counted_sum(term, panels)
