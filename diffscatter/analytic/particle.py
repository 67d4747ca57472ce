"""What every particle model offers, and how a model describes itself."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, concrete

__all__ = ["ANY", "POSITIVE", "Model", "Parameter", "Particle"]


POSITIVE = (0.0, math.inf)
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes:
        name: as the constructor's keyword.
        unit: ``"nm"``, ``"1/nm^2"`` or ``""``.
        default: value where none is given.
        limits: smallest and largest value that means something, both included.
        description: one line.
    """

    name: str
    unit: str
    default: float
    limits: tuple[float, float]
    description: str


@dataclass(frozen=True)
class Model:
    """How a model presents itself to the registry, the command line and the reports.

    Attributes:
        name: as users write it.
        constructor: the particle's class; takes the parameters as keywords.
        parameters: its table, in the order of presentation.
        title: one line; equation: TeX; reference: where it is derived.
    """

    name: str
    constructor: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    title: str
    equation: str
    reference: str


class Particle:
    """Base of the particle models: structs whose fields are lengths (nm) and contrasts.

    A subclass gives ``volume`` (nm^3) and one of two things: ``amplitude(q)``, the form factor
    F in nm of a body that looks the same from everywhere, or ``average_square(q)``, the
    average of F^2 over orientations (and over whatever else is distributed) in nm^2.
    """

    def average_square(self, q: Array) -> Array:
        return self.amplitude(q) ** 2

    def node_count(self, q: ArrayLike) -> int:
        """Return how many quadrature nodes the largest of ``q`` (1/nm) needs; 1 if none."""
        return 1

    def intensity(self, q: ArrayLike) -> Array:
        r"""Return :math:`\langle F^2(q) \rangle` of one particle, in nm^2.

        Args:
            q: 1/nm; 0 is allowed. Any shape; an ascending axis is fastest.

        Returns:
            In the shape of ``q``.

        Raises:
            ValueError: if ``q`` or a parameter is not finite, or if the body is so large that
                the quadrature would need more nodes than it has.
        """
        check_model(self, q)
        return _intensity(self, floating(q))


def check_model(model: Any, q: ArrayLike) -> None:
    """Refuse, from concrete values, what would silently give wrong numbers."""
    values = check_finite("q", q)
    for path, leaf in jax.tree_util.tree_leaves_with_path(model):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if check_finite(name, leaf) is None:
            return
    if values is not None:
        model.node_count(values)


def floating(q: ArrayLike) -> Array:
    """Return q as an array of floats; Python numbers stay weakly typed."""
    q = jnp.asarray(q)
    return q if jnp.issubdtype(q.dtype, jnp.floating) else q.astype(float)


def concrete_count(count: Array, limit: int, size: int, what: str) -> int:
    """Return blocks times ``size`` as an integer; refuse more than ``limit`` blocks."""
    blocks = int(concrete(count))
    if blocks > limit:
        raise ValueError(
            f"the average over {what} needs more than {limit * size} nodes at the largest q; "
            "lower q or the size, or set nodes= to accept a fixed number"
        )
    return blocks * size


@jax.jit
def _intensity(model: Particle, q: Array) -> Array:
    return model.average_square(q)
