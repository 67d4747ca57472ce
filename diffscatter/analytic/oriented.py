r"""Bodies that do not look the same from everywhere, in every orientation.

.. math:: F = V s f,\qquad I = s^2 V \langle f^2 \rangle

with the volume V, the strength s (the contrast of a body of one material) and the reduced
amplitude f. Written so, the intensity and its derivatives hold for bodies of no volume too.
"""

from abc import abstractmethod

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.particle import Particle
from diffscatter.core.units import CM_PER_NM

__all__ = ["Oriented", "fraction"]


class Oriented(Particle):
    """Base of bodies averaged over orientations.

    A subclass gives ``volume``, ``strength`` and the averages of f^2 and of f.
    """

    @property
    @abstractmethod
    def strength(self) -> Array:
        """What multiplies F in every orientation, the volume apart; 1/nm^2."""

    @property
    def prefactor(self) -> Array:
        """What multiplies F in every orientation, nm."""
        return self.strength * self.volume

    @abstractmethod
    def reduced_square(self, q: Array) -> Array:
        """Return the average of (F/prefactor)^2 over orientations."""

    @abstractmethod
    def reduced_amplitude(self, q: Array) -> Array:
        """Return the average of F/prefactor over orientations."""

    def average_square(self, q: Array) -> Array:
        return self.prefactor**2 * self.reduced_square(q)

    def average_amplitude(self, q: Array) -> Array:
        return self.prefactor * self.reduced_amplitude(q)

    def specific_intensity(self, q: Array) -> Array:
        return CM_PER_NM * self.strength**2 * self.volume * self.reduced_square(q)


def fraction(part: Array, whole: Array) -> Array:
    """Return part/whole; 1 where the whole is 0."""
    return jnp.where(whole == 0, 1.0, part / jnp.where(whole == 0, 1.0, whole))
