"""What a measured curve says of itself: scatter against its errors, points that stand out."""

from dataclasses import dataclass

import numpy as np

from diffscatter.core.data import Curve

__all__ = ["CurveQuality", "curve_quality"]

_NORMAL = 0.6745  # median of |z| of a normal distribution
_OUTLIER = 6.0  # standard deviations, and times what the neighbours scatter


@dataclass(frozen=True)
class CurveQuality:
    """What :func:`curve_quality` finds.

    Attributes:
        scatter: how far points lie off the line between their neighbours, in units of the
            errors given: near 1 where errors are right and points denser than features. None
            without errors.
        outliers: indices of points far off that line where their surroundings are not.
        shadowed: number of points at the start that rise steeply, as behind a beam stop.
        drowned: q (1/nm) from which on most points are below their own error, or None.
    """

    scatter: float | None
    outliers: tuple[int, ...]
    shadowed: int
    drowned: float | None


def curve_quality(curve: Curve) -> CurveQuality:
    """Compare each point of a curve with its neighbours.

    The line between neighbours is straight on logarithmic axes where they are positive.
    """
    columns = curve.columns
    q, intensity, sigma = columns["q"], columns["intensity"], columns.get("sigma")
    offset, weights = _off_the_line(q, intensity)
    error = None
    if sigma is not None:
        below, above = weights
        error = np.sqrt(sigma[1:-1] ** 2 + (below * sigma[:-2]) ** 2 + (above * sigma[2:]) ** 2)
    scale = np.abs(intensity[1:-1]) + np.abs(offset) if error is None else error
    z = np.abs(offset) / np.maximum(scale, np.finfo(float).tiny)
    shadowed = _shadowed(intensity, sigma)
    return CurveQuality(
        scatter=None if error is None else float(np.median(z) / _NORMAL),
        outliers=tuple(k for k in _outliers(z) if not shadowed or k > shadowed),
        shadowed=shadowed,
        drowned=None if sigma is None else _drowned(q, intensity, sigma),
    )


def _off_the_line(q: np.ndarray, intensity: np.ndarray):
    """Return each inner point less the line through its neighbours, and that line's slopes."""
    left, here, right = intensity[:-2], intensity[1:-1], intensity[2:]
    share = (q[1:-1] - q[:-2]) / (q[2:] - q[:-2])
    line = (1 - share) * left + share * right
    below, above = 1 - share, share
    both = (left > 0) & (right > 0)
    x = np.log(q)
    part = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    a, b = np.where(both, left, 1.0), np.where(both, right, 1.0)
    power = a ** (1 - part) * b**part
    line = np.where(both, power, line)
    below = np.where(both, (1 - part) * power / a, below)
    above = np.where(both, part * power / b, above)
    return here - line, (below, above)


def _outliers(z: np.ndarray) -> list[int]:
    """Return the points, counted in the whole curve, that deviate as no others around do."""
    found = []
    for k in np.flatnonzero(z > _OUTLIER):
        around = np.concatenate([z[max(k - 6, 0) : max(k - 1, 0)], z[k + 2 : k + 7]])
        peak = z[k] >= z[max(k - 1, 0) : k + 2].max()
        if peak and around.size and z[k] > _OUTLIER * max(np.median(around) / _NORMAL, 1.0):
            found.append(int(k) + 1)
    return found


def _shadowed(intensity: np.ndarray, sigma: np.ndarray | None) -> int:
    """Return how many points climb at the start, to twice the first and beyond its errors."""
    top = int(np.argmax(np.diff(intensity, append=-np.inf) <= 0))  # the end of the climb
    if not 0 < top <= 0.1 * intensity.size or intensity[top] < 2 * max(intensity[0], 0.0):
        return 0
    if sigma is not None and intensity[top] - intensity[0] < 5 * np.hypot(sigma[0], sigma[top]):
        return 0
    return top


def _drowned(q: np.ndarray, intensity: np.ndarray, sigma: np.ndarray) -> float | None:
    """Return the q beyond which most points are smaller than their error.

    Most of those next to it, and most of all that follow.
    """
    small = intensity < sigma
    lost = np.append(0.0, np.cumsum(small))
    start = np.arange(q.size)
    near = np.minimum(start + max(5, q.size // 20), q.size)
    share = lambda end: (lost[end] - lost[start]) / (end - start)
    late = small & (share(near) > 0.5) & (share(q.size) > 0.5) & (near - start >= 5)
    return float(q[np.argmax(late)]) if late.any() else None
