r"""Mixtures of lipid nanoparticles, drawn on the device from a key.

Within a type the sizes D follow a lognormal law of mean m and standard deviation s nm,

.. math::
    w(D) \propto \frac1D \exp\left(-\frac{(\ln D - \mu)^2}{2\tau^2}\right),\qquad
    \tau^2 = \ln(1 + s^2/m^2),\quad \mu = \ln m - \tau^2/2

between 20 and 100 nm, where each size of the base stands for its cell; so all bases that reach
from there to there tell of the same law. Across types populations are fractions by *number*:

.. math:: I = \sum_k \alpha_k \sum_D w_k(D)\, I_k(D)

so of two types of equal number the larger one scatters nearly everything.

The text draws s from 1 to 4 nm, the listings from 0.1 to 0.4 nm, below the 1 nm between sizes:
there one or two base curves are all that is left of a distribution.

Four tasks, by the report's listings 5 to 8:

==========  ===========  ==========================================  ===========================
task        types        fractions                                   target
==========  ===========  ==========================================  ===========================
classify    3, 4         pure, pure or alpha : 1 - alpha (thirds)    0, 1 or 2
fraction    3, 4         alpha : 1 - alpha, alpha uniform            alpha
mixed       1, 2, 3, 4   each pure or Dirichlet(1, 1, 1, 1) (fifths)  0 pure, 1 mixture
weights     1, 2, 3      Dirichlet(1, 1, 1)                          three fractions
==========  ===========  ==========================================  ===========================
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from diffscatter.core.pytree import struct
from diffscatter.datasets.lnp.base import CURVES_VERSION, LIMITS, Base
from diffscatter.datasets.lnp.noise import NOISES, STRENGTH

__all__ = [
    "MEANS",
    "SPREADS",
    "TASKS",
    "VERSION",
    "Mixture",
    "between",
    "check_options",
    "drawer",
    "sampler",
    "size_weights",
]

# Of the draws, raised when the same key gives others: "1.1" was that of sizes with equal cells.
VERSION = f"{CURVES_VERSION}.2"
MEANS = (25.0, 95.0)  # nm
SPREADS = {"text": (1.0, 4.0), "listings": (0.1, 0.4), "all": (0.1, 4.0)}  # nm

TASKS = {"classify": (3, 4), "fraction": (3, 4), "mixed": (1, 2, 3, 4), "weights": (1, 2, 3)}


@struct
class Mixture:
    """Curves, and all that was drawn for them; b curves of k types.

    Attributes:
        curves: log10 of the noisy intensity. Shape ``(b, nq)``.
        intensity: without noise, (sld nm^3)^2. Shape ``(b, nq)``.
        fractions: of the types by number, sums 1. Shape ``(b, k)``.
        means, deviations: of the sizes of each type, nm. Shapes ``(b, k)``.
        strength: alpha_n of the noise, (sld nm^3)^2. Shape ``(b,)``.
        target: what the task asks. Shape ``(b,)`` or ``(b, k)``.
    """

    curves: Array
    intensity: Array
    fractions: Array
    means: Array
    deviations: Array
    strength: Array
    target: Array


def size_weights(sizes: Array, mean: Array, deviation: Array) -> Array:
    """Return the numbers of particles of each size, with sum 1.

    A size stands for its cell, cut at :data:`LIMITS`: of sizes from 20 to 100 nm the first and
    the last have half of one, and sizes a cell beyond have no weight.

    Args:
        sizes: nm, equally spaced. Shape ``(ns,)``.
        mean, deviation: of the lognormal law, nm. Shape ``(...)``.

    Returns:
        Shape ``(..., ns)``, differentiable in mean and deviation.
    """
    variance = jnp.log1p((deviation / mean) ** 2)[..., None]
    centre = jnp.log(mean)[..., None] - variance / 2
    half = (sizes[1] - sizes[0]) / 2
    cells = jnp.minimum(sizes + half, LIMITS[1]) - jnp.maximum(sizes - half, LIMITS[0])
    # A softmax: the nearest size keeps its weight however narrow the law is.
    return jax.nn.softmax(
        jnp.log(jnp.maximum(cells, 0.0) / sizes)
        - (jnp.log(sizes) - centre) ** 2 / (2 * variance),
        axis=-1,
    )


def check_options(
    task: str,
    spread: str = "text",
    noise: str = "lognormal",
    strength: tuple[float, float] = STRENGTH,
) -> None:
    """Refuse what :func:`sampler` would, before base curves are made.

    Raises:
        ValueError: naming the option, its value and what is known.
    """
    for name, given, known in (
        ("task", task, TASKS),
        ("spread", spread, SPREADS),
        ("noise", noise, NOISES),
    ):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")
    if not 0 < strength[0] < strength[1]:
        raise ValueError(f"strength must be a range of numbers above 0, got {strength}")


def sampler(
    base: Base,
    task: str,
    *,
    spread: str = "text",
    noise: str = "lognormal",
    strength: tuple[float, float] = STRENGTH,
) -> Callable[[Array, int], Mixture]:
    """Return ``sample(key, batch) -> Mixture`` of a task, in float32.

    Args:
        base: curves that hold the types of the task (:data:`TASKS`).
        task: ``"classify"``, ``"fraction"``, ``"mixed"`` or ``"weights"``.
        spread: range of the standard deviation, ``"text"``, ``"listings"`` or ``"all"``, from
            the least of either to the largest.
        noise: ``"lognormal"`` as published, or ``"photons"``.
        strength: range of alpha_n, (sld nm^3)^2.

    Raises:
        ValueError: for an unknown name, a missing type, or a range that is none.
    """
    check_options(task, spread, noise, strength)
    if missing := set(TASKS[task]) - set(base.kinds):
        raise ValueError(f"base holds types {base.kinds}; {task} needs {sorted(missing)} too")
    rows = jnp.array([base.kinds.index(kind) for kind in TASKS[task]])
    curves = jnp.asarray(base.intensity)[rows].astype(jnp.float32)
    sizes = jnp.asarray(base.sizes, jnp.float32)
    kinds = rows.size
    logarithms = tuple(math.log(bound) for bound in strength)

    def sample(key: Array, batch: int) -> Mixture:
        key_drawn, key_noise = jax.random.split(key)
        # All that a curve is made of in one call: each costs its compilation.
        uniform = jax.random.uniform(key_drawn, (batch, 3 * kinds + 2), jnp.float32)
        means, deviations, shares, rest = jnp.split(uniform, [kinds, 2 * kinds, 3 * kinds], 1)
        means, deviations = between(means, MEANS), between(deviations, SPREADS[spread])
        alpha = jnp.exp(between(rest[:, 0], logarithms))
        fractions, target = _composition(task, shares, rest[:, 1])
        weights = fractions[..., None] * size_weights(sizes, means, deviations)
        clean = jnp.einsum("bks,ksq->bq", weights, curves, precision="highest")
        return Mixture(
            curves=NOISES[noise](key_noise, clean, alpha),
            intensity=clean,
            fractions=fractions,
            means=means,
            deviations=deviations,
            strength=alpha,
            target=target,
        )

    return sample


def drawer(base: Base, task: str, **options) -> Callable[[Array, int], tuple[Array, Array]]:
    """Return ``draw(key, batch) -> (curves, target)`` of a task; arguments as :func:`sampler`.

    ``curves`` are ``(batch, nq)`` float32, log10 of the noisy intensity. The simulator is the
    data loader: a key a step (``jax.random.fold_in(key, step)``) never draws a curve twice.
    """
    sample = sampler(base, task, **options)

    def draw(key: Array, batch: int) -> tuple[Array, Array]:
        drawn = sample(key, batch)
        return drawn.curves, drawn.target

    return draw


def _composition(task: str, shares: Array, choice: Array) -> tuple[Array, Array]:
    """Return the fractions of the types, ``(b, k)``, and the target, from uniform numbers."""
    kinds = shares.shape[1]
    # Shares of exponential numbers are Dirichlet(1, ..., 1); of two, alpha is uniform.
    mixed = -jnp.log1p(-shares)
    mixed = mixed / mixed.sum(axis=1, keepdims=True)
    if task == "weights":
        return mixed, mixed
    if task == "fraction":
        return mixed, mixed[:, 0]
    label = jnp.floor(choice * (kinds + 1)).astype(jnp.int32)
    pure = jax.nn.one_hot(label, kinds, dtype=jnp.float32)
    fractions = jnp.where((label == kinds)[:, None], mixed, pure)
    return fractions, label if task == "classify" else (label == kinds).astype(jnp.int32)


def between(uniform: Array, bounds: tuple[float, float]) -> Array:
    """Return numbers between bounds from numbers between 0 and 1."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform
