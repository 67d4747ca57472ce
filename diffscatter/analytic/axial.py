r"""Bodies of revolution in every orientation.

.. math::
    \langle F^2 \rangle = \int_0^{\pi/2} F^2(q\cos\theta, q\sin\theta)\,\sin\theta\,d\theta
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.oriented import Oriented
from diffscatter.analytic.particle import concrete_count
from diffscatter.analytic.quadrature import LIMIT, in_blocks, run_time_count, streamed_sum

__all__ = ["Axial"]

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

    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        """Return F over the prefactor (strength times volume), as one factor or two.

        Args:
            along, across: components of q along the axis and across it, 1/nm; ``(nq, 32)``.

        Returns:
            Factors of the same shape. Two are contracted as matrices are: with one
            distributed parameter in each, n times n bodies cost n + n evaluations.
        """
        raise NotImplementedError

    @property
    def variation(self) -> Array:
        """Largest change of the body's half width, in nm, as the axis turns by one rad."""
        raise NotImplementedError

    def reduced_square(self, q: Array) -> Array:
        return in_blocks(lambda q: self._average_block(lambda factor: factor * factor, q), q)

    def reduced_amplitude(self, q: Array) -> Array:
        return in_blocks(lambda q: self._average_block(lambda factor: factor, q), q)

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of orientations used at the largest of ``q`` (1/nm)."""
        return concrete_count(self._panels(jnp.asarray(q)), LIMIT, PANEL, "orientations")

    def _average_block(self, power: Callable[[Array], Array], q: Array) -> Array:
        panels = self._panels(q)
        panels = panels if isinstance(panels, int) else jnp.minimum(panels, LIMIT)
        x, w = jnp.asarray(_X, q.dtype), jnp.asarray(_W, q.dtype)

        def term(j: Array) -> Array:
            theta = (jnp.pi / 2) * (j + x) / panels
            sine = jnp.sin(theta)
            first, *second = map(
                power, self.oriented_amplitude(q[:, None] * jnp.cos(theta), q[:, None] * sine)
            )
            weighted = first * (jnp.pi / 2 * w * sine / panels)
            return _contract(weighted, *second)

        return streamed_sum(term, panels)

    def _panels(self, q: Array) -> Array | int:
        if self.nodes is not None:
            return -(-self.nodes // PANEL)
        return run_time_count(jnp.pi / 2 * jnp.max(jnp.abs(q)) * self.variation / _PHASE)
