r"""Structure factors of fluids of spheres: what they share.

Baxter (Aust. J. Phys. 21 (1968) 563) writes the structure factor of a fluid of spheres of
diameter :math:`\sigma` as

.. math:: S(q) = |Q(x)|^{-2},\qquad Q(x) = 1 - \int_0^\infty \psi(r)\, e^{ixr}\,dr,
    \qquad x = q\sigma

with a real function :math:`\psi` that is a parabola inside the core, so S is positive and
nothing cancels in it, at q = 0 and at volume fraction 0 too.
"""

from abc import abstractmethod

import jax
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.particle import Scatterer, check_model, floating
from diffscatter.core.checks import concrete
from diffscatter.core.special import sinc, sine_moment

__all__ = ["StructureFactor", "baxter"]


class StructureFactor(Scatterer):
    """Base of the structure factors: structs with at least the two fields below.

    A subclass gives ``factor(q)``. As a model of its own (in a
    :class:`~diffscatter.analytic.Sample` of scale 1) it is S(q) itself, without a unit.

    Attributes:
        radius: of the spheres, nm; None inside an
            :class:`~diffscatter.analytic.Interacting` that takes it from its particle.
        volume_fraction: of the spheres.
    """

    radius: Array | None
    volume_fraction: Array

    @property
    def packing(self) -> Array:
        """Volume fraction that the fluid is computed at, below 1."""
        return self.volume_fraction

    @abstractmethod
    def factor(self, q: Array) -> Array:
        """Return S(q), in the shape of ``q`` (1/nm)."""

    def __call__(self, q: ArrayLike) -> Array:
        """Return S(q), in the shape of ``q`` (1/nm).

        Raises:
            ValueError: if ``q`` or a parameter is not finite, or if there is no such fluid.
        """
        check_model(self, q)
        return _factor(self, floating(q))

    def specific_intensity(self, q: Array) -> Array:
        return self.factor(q)

    def check(self, q: ArrayLike) -> None:
        """Refuse, from concrete values, a fluid that cannot be."""
        if self.radius is None:
            raise ValueError(f"{type(self).__name__} needs a radius, nm")
        fraction = concrete(self.packing)
        if fraction is not None and not ((fraction >= 0) & (fraction < 1)).all():
            raise ValueError(
                f"the volume fraction of the interacting bodies must be in [0, 1), got "
                f"{fraction.max():g}; a hollow body encloses more than its material fills"
            )


@jax.jit
def _factor(structure: StructureFactor, q: Array) -> Array:
    return structure.factor(q)


def baxter(
    x: Array,
    square: ArrayLike,
    linear: ArrayLike,
    constant: ArrayLike = 0.0,
    beyond: tuple[ArrayLike, ArrayLike] = (0.0, 0.0),
) -> Array:
    r"""Return S(x) of :math:`\psi(r) = \tfrac12 a (r^2 - 1) + b (r - 1) + c`, r < 1.

    Args:
        x: q times the diameter.
        square, linear, constant: a, b and c, dimensionless.
        beyond: real and imaginary part of the transform of the rest of :math:`\psi`.
    """
    j0, j1, j2 = (sine_moment(n, x) for n in range(3))
    real = 1 + square * j1 + linear * j0 - constant * sinc(x) - beyond[0]
    odd = square * (j0 - j2) / 2 + linear * (j0 - j1) - constant * j0
    imaginary = x * odd - beyond[1]
    return 1 / (real * real + imaginary * imaginary)
