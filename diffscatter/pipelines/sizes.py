r"""Means of the distributed sizes of a model: by number and by volume.

Distributions are by number, but what scatters most, and what is weighed, are the large ones:

.. math:: \langle x \rangle_n = \langle x \rangle, \qquad
    \langle x \rangle_v = \langle x V \rangle / \langle V \rangle
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from diffscatter.analytic import Named, Polydisperse, parameter_of

__all__ = ["SizeMeans", "size_means"]


@dataclass(frozen=True)
class SizeMeans:
    """A distributed parameter. Attributes: ``number_mean`` and ``deviation``, mean and standard
    deviation by number; ``volume_mean``; all in the parameter's unit."""

    number_mean: float
    deviation: float
    volume_mean: float


def size_means(model: Named) -> dict[str, SizeMeans]:
    """Return the means of every distributed parameter of a model, by name.

    Example:
        >>> size_means(pipelines.fit(curve, "sphere", polydispersity=...).model)["radius"]
    """
    found = {}
    parts = [part for part in model.composition.parts if part.spreads]
    for part, population in zip(parts, _populations(model.sample().model), strict=True):
        names = tuple(spread.parameter for spread in part.spreads)
        for spread, row in zip(part.spreads, _moments(population, names), strict=True):
            first, second, weighted = map(float, row)
            deviation = max(second - first**2, 0.0) ** 0.5
            found[part.prefix + spread.key] = SizeMeans(first, deviation, weighted)
    return found


def _populations(model: Any) -> Iterator[Polydisperse]:
    """Yield the populations of a model, in the order of its parts."""
    if isinstance(model, Polydisperse):
        yield model
    elif hasattr(model, "particle"):
        yield from _populations(model.particle)
    else:
        for part in getattr(model, "models", ()):
            yield from _populations(part)


@partial(jax.jit, static_argnums=1)
def _moments(population: Polydisperse, names: tuple[str, ...]) -> list[Array]:
    """Return for each parameter its mean, its mean square, and its mean by volume."""

    def moments(particle: Any) -> Array:
        volume = particle.form_volume
        sizes = jnp.stack([parameter_of(particle, name) for name in names])
        return jnp.concatenate([volume[None], sizes, sizes**2, sizes * volume])

    volume, *rest = population.number_mean(moments)
    n = len(names)
    return [jnp.stack([rest[i], rest[n + i], rest[2 * n + i] / volume]) for i in range(n)]
