r"""A dilute sample of particles in a solvent, in absolute units.

.. math:: I(q) = \frac{s}{\langle V \rangle} \langle F^2(q) \rangle + b
"""

from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.particle import check_model, floating
from diffscatter.core.pytree import struct

__all__ = ["Sample"]


@struct
class Sample:
    """Particles at a volume fraction, over a flat background: what a curve is fitted with.

    Attributes:
        model: a particle model, polydisperse or not; a law; or several of them.
        scale: volume fraction of the particles; 1 where the model has its own.
        background: 1/cm.
    """

    model: Any
    scale: Array = 1.0
    background: Array = 0.0

    def __call__(self, q: ArrayLike) -> Array:
        """Return I(q) in 1/cm, in the shape of ``q`` (1/nm).

        Raises:
            ValueError: as :meth:`Particle.intensity`.
        """
        check_model(self, q)
        return _absolute(self, floating(q))

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of quadrature nodes of the model at the largest of ``q``."""
        return self.model.node_count(q)

    def check(self, q: ArrayLike) -> None:
        """Refuse, from concrete values, what cannot be computed at ``q`` (1/nm)."""
        self.model.check(q)


@jax.jit
def _absolute(sample: Sample, q: Array) -> Array:
    return sample.scale * sample.model.specific_intensity(q) + sample.background
