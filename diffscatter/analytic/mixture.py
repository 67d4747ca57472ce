r"""Sums and products of models.

.. math:: I(q) = \sum_i s_i I_i(q), \qquad I(q) = \prod_i I_i(q)
"""

from functools import reduce
from operator import mul
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.particle import Scatterer
from diffscatter.core.pytree import struct

__all__ = ["Mixture", "Product"]


class _Several(Scatterer):
    models: tuple[Any, ...]

    def node_count(self, q: ArrayLike) -> int:
        """Return the largest number of quadrature nodes of the parts."""
        return max(model.node_count(q) for model in self.models)

    def check(self, q: ArrayLike) -> None:
        for model in self.models:
            model.check(q)


@struct
class Mixture(_Several):
    """Several models side by side, without interference between them.

    Attributes:
        models: two or more.
        scales: one each: the volume fraction of its particles.
    """

    models: tuple[Any, ...]
    scales: Any

    def check(self, q: ArrayLike) -> None:
        if len(self.scales) != len(self.models):
            raise ValueError(
                f"{len(self.models)} models need as many scales, got {len(self.scales)}"
            )
        super().check(q)

    def specific_intensity(self, q: Array) -> Array:
        parts = zip(self.scales, self.models, strict=True)
        return sum(scale * model.specific_intensity(q) for scale, model in parts)


@struct
class Product(_Several):
    """The product of several intensities, each at a scale of 1. Attributes: ``models``."""

    models: tuple[Any, ...]

    def specific_intensity(self, q: Array) -> Array:
        return reduce(mul, (model.specific_intensity(q) for model in self.models))
