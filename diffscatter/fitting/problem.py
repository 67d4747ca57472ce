"""What the searches of this package ask of a fit."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array

from diffscatter.fitting.losses import Loss
from diffscatter.fitting.parameters import Parameters

__all__ = ["Problem", "as_pytree"]


class Problem(Protocol):
    """Free parameters, data, and a prediction; itself a pytree.

    One curve, several with shared parameters, or a curve with priors differ only in
    ``predict`` and in what ``data`` and ``sigma`` hold.
    """

    parameters: Parameters
    data: Array
    sigma: Array
    loss: Loss

    def predict(self, values: Array | list[Array]) -> Array:
        """Return what ``data`` should be at given values of the free parameters."""


def as_pytree(function: Callable | None) -> Any:
    """Return a callable that can be an argument of a compiled function.

    One that is a pytree of numbers passes, so that its arrays are data; any other becomes part
    of the program, which is then compiled for each function object.
    """
    leaves = jax.tree.leaves(function)
    if all(isinstance(leaf, jax.Array | np.ndarray | float | int) for leaf in leaves):
        return function
    return jax.tree_util.Partial(function)
