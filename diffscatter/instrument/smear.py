"""A resolution in q as a linear operator on curves.

The model is evaluated on a grid of its own, wider and denser than the data, and a matrix, made
once, does the rest: smearing is linear, so that matrix is also its own derivative.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.pytree import static, struct

__all__ = ["Smear", "planned"]


@struct
class Smear:
    """A resolution, ready to be applied to any curve.

    Attributes:
        q: where the curve must be known, ascending, 1/nm. Shape ``(nc,)``.
        matrix: takes I(q) there to the smeared data points; rows sum to 1. ``(nq, nc)``.
        size: fringes of bodies up to this size in nm are resolved by ``q``: everywhere, or, of
            a slit without a size of its own, as far as the data reach.
    """

    q: Array
    matrix: Array
    size: float = static()

    def apply(self, intensity: ArrayLike) -> Array:
        """Return the smeared curve, ``(nq,)``, of an intensity known on :attr:`q`."""
        return jnp.matmul(self.matrix, intensity, precision="highest")

    def __call__(self, model: Callable[[Array], Array]) -> Array:
        """Return the smeared curve, ``(nq,)``, of a model callable on q (1/nm)."""
        return self.apply(model(self.q))


def planned(nodes: np.ndarray, matrix: np.ndarray, size: float, dtype: np.dtype) -> Smear:
    """Return the operator of a planned matrix, its nodes ascending."""
    order = np.argsort(nodes, kind="stable")
    return Smear(
        q=jnp.asarray(nodes[order], dtype),
        matrix=jnp.asarray(matrix[:, order], dtype),
        size=float(size),
    )
