"""What a resolution sees of a curve, as exact integrals over a grid of panels."""

from collections.abc import Callable

import jax
import numpy as np
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite
from diffscatter.instrument._panels import panel_weights, plan_panels

__all__ = ["checked_axis", "integrals", "mean_q", "visible"]

_FADED = 6.0  # a fringe of 6 rad in a standard deviation is smeared down to e^-18


def checked_axis(q: ArrayLike, size: float | None, **extents: ArrayLike):
    """Return data points and the extents of what smears them, each as long as q, in float64."""
    for name, value in {"q": q, **extents}.items():
        if isinstance(value, jax.core.Tracer):
            raise ValueError(f"{name} must not be traced: plan the smearing outside jit")
    arrays = {name: check_finite(name, value) for name, value in {"q": q, **extents}.items()}
    shape = arrays["q"].shape
    for name, array in arrays.items():
        if len(shape) != 1 or 0 in shape or array.shape not in ((), shape):
            raise ValueError(
                f"q must be one axis and {name} a scalar or as long, got shapes {shape} and "
                f"{array.shape}"
            )
        if (array < 0).any():
            raise ValueError(f"{name} must be at least 0 1/nm, got {array.min():.6g}")
    if size is not None and not (np.isfinite(size) and size > 0):
        raise ValueError(f"size must be positive and finite, got {size} nm")
    axis, *found = (np.broadcast_to(array.astype(float), shape) for array in arrays.values())
    return axis, found


def mean_q(q: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the mean q of rings that a round spot of ``sigma`` covers, to second order."""
    return q + sigma**2 / (2 * np.where(q > 0, q, np.inf))


def visible(q: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return, at each point, the largest size (nm) whose fringes the data could show."""
    order = np.argsort(q)
    spacing = np.empty_like(q)
    spacing[order] = np.gradient(q[order]) if q.size > 1 else 0.0
    with np.errstate(divide="ignore"):
        return np.minimum(_FADED / sigma, 20 / np.maximum(spacing, 1e-300))


def integrals(q, sigma, width, window, sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and matrix of the exact integrals over piecewise polynomials.

    Each point sees the curve through a Gaussian of ``sigma``, cut at ``window``, smeared again
    by a slit from ``-width`` to ``width``.
    """
    smeared = (sigma > 0) | (width > 0)
    # Points without a resolution are nodes themselves.
    nodes, columns = [q[~smeared]], [np.eye(q.size)[:, ~smeared]]
    if smeared.any():
        # Between these the density is smooth.
        ends = (
            q + far * sigma + side * width
            for far in (-window[0], window[1])
            for side in (-1, 1)
        )
        breaks = np.sort(list(ends), axis=0)
        low, high = breaks[0], breaks[-1]
        floor = 0.05 * np.min(q, where=smeared & (q > 0), initial=high.max())
        density = _density(q, sigma, width, window)
        parts = [(a, b, density) for a, b in zip(breaks[:-1], breaks[1:], strict=True)]
        if (low < 0).any():
            # What lies at q' < 0 is seen at |q'|.
            mirrored = lambda x, point: density(-x, point)
            parts += [(-b, -a, mirrored) for a, b, _ in parts]
        parts = [(a, b, f) for a, b, f in parts if (b > np.maximum(a, 0)).any()]
        start = np.where(low < floor, 0.0, low)[smeared]
        end = np.maximum(high, -low)[smeared]
        for panel in plan_panels(start, end, sizes[smeared], floor):
            weights = 0.0
            for near, far, part in parts:
                x, weight = panel_weights(panel, near, np.where(smeared, far, near), part)
                weights = weights + weight
            nodes.append(x)
            columns.append(weights)
    return np.concatenate(nodes), np.concatenate(columns, axis=1)


def _density(centre, sigma, width, window) -> Callable:
    """Return what a point sees of q: a Gaussian that is cut, convolved with a box."""
    from scipy.special import ndtr

    def density(x: np.ndarray, point: np.ndarray) -> np.ndarray:
        c, s, w = (a[point, None] for a in (centre, sigma, width))
        with np.errstate(divide="ignore", invalid="ignore"):
            gauss = np.exp(-(((x - c) / s) ** 2) / 2) / (np.sqrt(2 * np.pi) * s)
            below = lambda z: ndtr(np.clip(z / s, -window[0], window[1]))
            boxed = (below(x - c + w) - below(x - c - w)) / (2 * w)
        return np.where(w > 0, boxed, gauss)

    return density
