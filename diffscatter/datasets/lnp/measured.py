r"""Draws of lipid nanoparticles as instruments record them, and of bodies that are none.

A measured curve has a window of q, points of its own in it, and no known scale. So a draw gets
a window, points that are equally spaced in q or in ln q, noise of either law, and comes back to
the axis of the base as means over the bins around its points (NaN beyond the window), which is
the way a measured curve takes (:func:`on_axis`).

A quarter of the draws are other bodies (:mod:`~diffscatter.datasets.lnp.others`), with the
signal to noise that a particle would have in their place.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.pytree import replace
from diffscatter.core.resampling import bin_means
from diffscatter.datasets.lnp.base import Base, finer
from diffscatter.datasets.lnp.mixtures import MEANS, Mixture, between, sampler, size_weights
from diffscatter.datasets.lnp.noise import NOISES, STRENGTH
from diffscatter.datasets.lnp.others import other_curves

__all__ = ["MEASURED_STRENGTH", "WINDOW", "measured_sampler", "on_axis", "recorded", "windows"]

# Ends of the window, 1/nm: each is uniform in its logarithm; nothing beyond the base's axis.
FIRST, LAST = (0.02, 0.14), (0.8, 3.6)
WINDOW = FIRST[1], LAST[0]  # what every window holds
_POINTS = (100, 500)
# Range of alpha_n, (sld nm^3)^2: better curves than the published ones as well.
MEASURED_STRENGTH = (1e2, STRENGTH[1])
_ORDER = 6  # of the interpolation between points of the axis
_OTHER_SPREADS = (0.1, 8.0)  # nm


def on_axis(q: Array, values: Array, axis: Array) -> Array:
    """Return a curve's means over the bins around the points of an axis, by lines in ln q.

    Args:
        q: ascending, 1/nm; may be padded with its last point. Shape ``(n,)``.
        values: logarithms of intensities. Shape ``(n,)``.
        axis: 1/nm, ascending. Shape ``(nq,)``.

    Returns:
        Shape ``(nq,)``; NaN where the bin is not wholly within q.
    """
    return bin_means(jnp.log(q), values, jnp.log(_edges(axis)))


def windows(key: Array, axis: Array, intensity: Array, strength: Array) -> tuple[Array, Array]:
    """Return curves as they come from an instrument: its points of q, and noisy intensities.

    Args:
        key: of windows, points and noise; every other curve has the lognormal law, the rest
            count photons.
        axis: 1/nm, equally spaced. Shape ``(nq,)``.
        intensity: without noise, on the axis. Shape ``(b, nq)``.
        strength: alpha_n of the noise, in the unit of the intensity. Shape ``(b,)``.

    Returns:
        q, 1/nm, ascending, the last point again where a curve has fewer than others; and log10
        of the intensity, whose noise at that point is drawn anew. Shapes ``(b, 500)``.
    """
    key_window, key_normal, key_photons = jax.random.split(key, 3)
    axis = jnp.asarray(axis, intensity.dtype)
    uniform = jax.random.uniform(key_window, (4, len(intensity), 1), intensity.dtype)
    scaled = lambda u, ends: jnp.exp(between(u, tuple(map(math.log, ends))))
    edges = _edges(axis)
    low = jnp.maximum(scaled(uniform[0], FIRST), edges[0])
    high = jnp.minimum(scaled(uniform[1], LAST), 1.0001 * edges[-1])  # the last bin is within
    place = jnp.arange(_POINTS[1]) / (scaled(uniform[2], _POINTS) - 1)
    place = jnp.minimum(place, 1.0)
    even = uniform[3] < 0.5
    q = jnp.where(even, low + (high - low) * place, low * (high / low) ** place)
    clean = _interpolated(axis, intensity, q)
    noisy = jnp.zeros_like(clean)
    for start, (law, key) in enumerate(
        (("lognormal", key_normal), ("photons", key_photons)),
    ):
        some = slice(start, None, 2)
        noisy = noisy.at[some].set(NOISES[law](key, clean[some], strength[some]))
    return q, noisy


def recorded(key: Array, axis: Array, intensity: Array, strength: Array) -> Array:
    """Return curves of :func:`windows` on the axis that they came from.

    Returns:
        Log10 of the intensity, NaN beyond a curve's window. Shape ``(b, nq)``.
    """
    q, noisy = windows(key, axis, intensity, strength)
    return jax.vmap(on_axis, (0, 0, None))(q, noisy, jnp.asarray(axis, intensity.dtype))


def measured_sampler(base: Base, task: str = "classify", **_) -> Callable:
    """Return ``sample(key, batch) -> Mixture`` of measured curves, as :func:`sampler` does.

    Spreads are those of the text and of the listings, and sizes closer than those of the base
    (:func:`~diffscatter.datasets.lnp.finer`), as in nature. Three of four draws are of the
    task; the others are of other bodies: their fractions are 0, and their target is the number
    of the types plus 1. The sampler is a pytree: its arrays are data to programs.

    Raises:
        ValueError: if the axis of the base is not equally spaced.
    """
    steps = np.diff(base.q)
    if np.ptp(steps) > 1e-3 * steps.mean():
        raise ValueError(
            f"q of the base must be equally spaced, got steps of {steps.min():.4g} to "
            f"{steps.max():.4g} 1/nm"
        )
    bodies, often = other_curves(base.q, base.sizes)
    others = (bodies, np.cumsum(often), base.sizes)
    others = tuple(jnp.asarray(a, jnp.float32) for a in others)
    return jax.tree_util.Partial(_of_task(task), finer(base), others)


@lru_cache
def _of_task(task: str) -> Callable:
    """Return one function object a task, which compiled programs are found again by."""
    return lambda base, others, key, batch: _drawn(task, base, others, key, batch)


def _drawn(task: str, base: Base, others: tuple, key: Array, batch: int) -> Mixture:
    known = sampler(base, task, spread="all", strength=MEASURED_STRENGTH)
    key_known, key_other, key_recorded = jax.random.split(key, 3)
    mixture = known(key_known, batch)
    u = jax.random.uniform(key_other, (4, batch), jnp.float32)
    other = u[0] < 0.25
    bodies, upto, sizes = others
    body = jnp.minimum(jnp.searchsorted(upto, u[1]), len(bodies) - 1)
    weights = size_weights(sizes, between(u[2], MEANS), between(u[3], _OTHER_SPREADS))
    curves = jnp.einsum("bs,bsq->bq", weights, bodies[body], precision="highest")
    top = lambda curves: curves.max(axis=1, keepdims=True)
    curves = curves * (top(mixture.intensity) / top(curves))
    clean = jnp.where(other[:, None], curves, mixture.intensity)
    types = mixture.fractions.shape[1]
    return replace(
        mixture,
        curves=recorded(key_recorded, base.q, clean, mixture.strength),
        intensity=clean,
        fractions=jnp.where(other[:, None], 0.0, mixture.fractions),
        target=jnp.where(other, types + 1, mixture.target),
    )


def _edges(axis: Array) -> Array:
    """Return the edges of the bins around the points of an axis, ``(nq + 1,)``."""
    axis = jnp.asarray(axis)
    middle = (axis[1:] + axis[:-1]) / 2
    ends = 2 * axis[0] - middle[0], 2 * axis[-1] - middle[-1]
    return jnp.concatenate([ends[0][None], middle, ends[1][None]])


def _interpolated(axis: Array, values: Array, q: Array) -> Array:
    """Return curves ``(b, nq)`` at q ``(b, m)``, by polynomials through six points of the axis.

    The axis has half a radian of the largest body's waves in a step, where lines and cubics
    fill its minima. It is equally spaced; beyond it its last polynomials go on.
    """
    i = jnp.clip(jnp.searchsorted(axis, q, side="right") - 3, 0, axis.size - _ORDER)
    t = (q - axis[i]) / (axis[1] - axis[0])
    found = jnp.zeros_like(q)
    for j in range(_ORDER):
        others = [k for k in range(_ORDER) if k != j]
        weight = math.prod((t - k) / (j - k) for k in others)
        found += weight * jnp.take_along_axis(values, i + j, axis=1)
    return jnp.maximum(found, values.min(axis=1, keepdims=True) / 2)  # above nothing
