r"""Least-squares descent of a convex body: nine numbers of a linear map, or three a facet.

The polar vectors of a body (:mod:`.convex`) are what moves: all of them together by a linear
map, :math:`p_i B`, which turns, stretches and sizes a solid, or each on its own. The contrast
and the offset of the display go along.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from diffscatter.fitting.marquardt import marquardt
from diffscatter.pipelines.bodies.convex import NoBody, recentred
from diffscatter.pipelines.bodies.display import Tone
from diffscatter.pipelines.bodies.sight import Sight

__all__ = ["Trial", "by_facets", "by_linear_map", "seen"]


@dataclass(frozen=True, eq=False)
class Trial:
    """A body on its way.

    Attributes:
        polar: its vectors, 1/nm. Shape ``(m, 3)``.
        tone: of the display.
        rms: root mean square of the residual where it was last fitted.
        label: how it came about.
        solid: the base solid of which it is a linear map, or None.
        free: whether its facets were fitted one by one.
    """

    polar: np.ndarray
    tone: Tone
    rms: float
    label: str
    solid: str | None = None
    free: bool = False


def seen(sight: Sight, trial: Trial, *, margin: float) -> Trial:
    """Return a body with the best tone at a sight, and its rms there."""
    polar, half_width = _placed(trial.polar, margin)
    tone = sight.start(polar, half_width)
    return replace(trial, polar=polar, tone=tone, rms=sight.misfit(polar, half_width, tone))


def by_linear_map(
    sight: Sight, trial: Trial, *, steps: int, margin: float, tolerance: float = 1e-2
) -> Trial:
    """Fit the nine numbers of a linear map.

    Args:
        sight: what to look at.
        trial: the start.
        steps: Jacobians at most.
        margin: width of the grid of columns over that of the body.
        tolerance: as of :func:`.marquardt`.

    Raises:
        NoBody: if the start, or what it ends in, is none.
    """
    start, half_width = _placed(trial.polar, margin)
    # Row 3 a + b: vectors change along b by their component along a.
    unit = np.eye(3)
    tangents = np.einsum("ma,bc->abmc", start, unit).reshape(9, len(start), 3)
    vectors = lambda numbers: start @ numbers.reshape(3, 3)
    found, tone, rms = _descend(
        sight, vectors, tangents, unit.ravel(), trial.tone, half_width, steps, tolerance
    )
    return replace(trial, polar=vectors(found), tone=tone, rms=rms)


def by_facets(
    sight: Sight, trial: Trial, *, steps: int, margin: float, tolerance: float = 1e-2
) -> Trial:
    """Fit every facet by itself; arguments as of :func:`by_linear_map`."""
    start, half_width = _placed(trial.polar, margin)
    count = start.size
    tangents = np.eye(count).reshape(count, *start.shape) / half_width
    vectors = lambda numbers: numbers.reshape(start.shape) / half_width
    numbers = half_width * start.ravel()
    found, tone, rms = _descend(
        sight, vectors, tangents, numbers, trial.tone, half_width, steps, tolerance
    )
    return replace(trial, polar=vectors(found), tone=tone, rms=rms, free=True)


def _placed(polar: np.ndarray, margin: float) -> tuple[np.ndarray, float]:
    polar, half = recentred(polar)
    return polar, margin * float(half[:2].max())


def _descend(
    sight: Sight,
    vectors: Callable[[np.ndarray], np.ndarray],
    tangents: np.ndarray,
    start: np.ndarray,
    tone: Tone,
    half_width: float,
    steps: int,
    tolerance: float,
) -> tuple[np.ndarray, Tone, float]:
    display, weight = sight.display, sight.weight
    tangents = tangents.astype(np.float32)

    def residuals(x):
        intensity = sight.intensity(vectors(x[:-2]), half_width)
        return (display.tone(x[-2:]).show(intensity) - sight.image) * weight

    def linearise(x):
        tone = display.tone(x[-2:])
        intensity, slopes = sight.slopes(vectors(x[:-2]), tangents, half_width)
        by_intensity, by_tone = display.slopes(tone, intensity)
        rows = np.concatenate([slopes * by_intensity, by_tone]) * weight
        return (tone.show(intensity) - sight.image) * weight, rows.astype(np.float32)

    x = np.concatenate([start, display.variables(tone)])
    end = marquardt(residuals, linearise, x, steps=steps, tolerance=tolerance)
    if not np.isfinite(end.loss):
        raise NoBody("the descent left what can be computed")
    return end.x[:-2], display.tone(end.x[-2:]), float(np.sqrt(end.loss))
