"""A body from its pattern alone: spheres, ellipsoids, then facets that grow out of them.

A scan of radii finds spheres, nine numbers make ellipsoids of them at small q, and thirty-two
facets that touch an ellipsoid everywhere become those of the body from stage to stage. The
ellipsoid itself stays in the race: many flat facets fit the cap of a smooth body too flat.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diffscatter.core.directions import even_directions
from diffscatter.pipelines.bodies.convex import NoBody
from diffscatter.pipelines.bodies.descent import Trial, by_linear_map, seen
from diffscatter.pipelines.bodies.sight import MOST_PLANES
from diffscatter.pipelines.bodies.stages import (
    GROWING,
    Stages,
    attempt,
    best_of,
    finished,
    passed,
)

__all__ = ["cold_start", "ellipsoids", "random_rotation", "rounded", "thinned"]

GOOD = 0.018  # rms of a display up to which facets have found the body
_FACETS, _SMOOTH, _THINNED = 32, 92, 96
_CLOSE = 0.008  # rms at which facets have hardly anything to gain
_RADII = 40
_STRETCHED = 5  # ellipsoids tried beside the spheres, at each of two sights
_SPREAD = 0.35  # of the logarithms of their axes
_ALIKE = 0.08
_MOST_ASPECT = 8.0


def cold_start(
    stages: Stages,
    random: np.random.Generator,
    *,
    solids_only: bool = False,
    polytopes: Callable[[], list[Trial]] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[Trial]:
    """Return bodies that fit a pattern, the best first: free facets, and an ellipsoid.

    Args:
        stages: the sights of the pattern.
        random: for the stretched ellipsoids.
        solids_only: stop at ellipsoids.
        polytopes: further bodies of free facets, called where none is good.
        report: called with what was reached.
    """
    smooth = ellipsoids(stages, random)
    report(f"ellipsoids, rms {smooth[0].rms:.4f}")
    if solids_only:
        return _ellipsoid(stages, smooth)
    trials = [
        replace(trial, polar=_grown(trial, random_rotation(random) if i else np.eye(3)))
        for i, trial in enumerate(smooth[:6])
    ]
    trials = passed(stages.second, trials, steps=6, keep=4)
    trials = passed(stages.third, trials, steps=7, keep=3, turns=True)
    trials = passed(stages.fourth, trials, steps=8, keep=2)
    report(f"facets at small q, rms {min((t.rms for t in trials), default=1):.4f}")
    found = []
    for trial in trials:
        found += finished(stages, trial, steps=10, facets=True, fine=False)
    ellipsoid = _ellipsoid(stages, smooth)
    best = best_of(found + ellipsoid, 1)
    if polytopes is not None and (not best or best[0].rms > GOOD):
        found += polytopes()
    if ellipsoid and ellipsoid[0].rms < 2.5 * min((t.rms for t in found), default=np.inf):
        polar, label = thinned(ellipsoid[0].polar), "cold, ellipsoid, facets"
        start = replace(ellipsoid[0], polar=polar, label=label)
        found += finished(stages, start, steps=8, facets=True, fine=False)
    for trial in best_of(found, 1):
        # A large body has more fringes, and more to go.
        steps = 3 if trial.rms < _CLOSE else 12
        found += finished(stages, trial, steps=steps, facets=True)
    report(f"facets, rms {min((t.rms for t in found), default=1):.4f}")
    return best_of(found + ellipsoid, 4)


def ellipsoids(stages: Stages, random: np.random.Generator, count: int = 6) -> list[Trial]:
    """Return different ellipsoids that fit small q, the best first."""
    found = []
    ball = even_directions(_SMOOTH)
    for sight in (stages.first, stages.second):
        starts = _spheres(stages, sight, ball)
        for number in range(len(starts) + _STRETCHED):
            trial = starts[number % len(starts)]
            if number >= len(starts):
                turn = random_rotation(random)
                stretch = random.normal(size=3) * _SPREAD
                matrix = turn @ np.diag(np.exp(stretch - stretch.mean())) @ turn.T
                trial = replace(trial, polar=trial.polar @ matrix)
            sights = (sight,) if sight is stages.second else (stages.first, stages.second)
            ends = [trial]
            for look in sights:
                ends = [
                    end
                    for start in ends
                    for end in attempt(by_linear_map, look, start, steps=8, margin=GROWING)
                ]
            found += [end for end in ends if _sensible(stages, end)]
    if not found:
        raise NoBody("no ellipsoid fits the pattern at small angles")
    kept: list[tuple[np.ndarray, Trial]] = []
    for trial in best_of(found, len(found)):
        shape = _shape(trial)
        if all(np.abs(shape - other).max() > _ALIKE * np.abs(other).max() for other, _ in kept):
            kept.append((shape, trial))
    return [trial for _, trial in kept[:count]]


def random_rotation(random: np.random.Generator) -> np.ndarray:
    """Draw a rotation uniformly from SO(3); shape ``(3, 3)``."""
    q, r = np.linalg.qr(random.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def thinned(polar: np.ndarray) -> np.ndarray:
    """Return an ellipsoid of many tangent planes with as few as facets can be fitted to."""
    return even_directions(_THINNED) @ _matrix(polar)


def rounded(polar: np.ndarray) -> np.ndarray:
    """Return an ellipsoid with so many tangent planes that all of a pattern takes it for one.

    Ninety-two of them stand out by a fortieth of the radius between where they touch.
    """
    return even_directions(MOST_PLANES) @ _matrix(polar)


def _spheres(stages: Stages, sight, ball: np.ndarray) -> list[Trial]:
    """Return the three best spheres of clearly different radii."""
    radii = np.geomspace(stages.smallest, stages.largest, _RADII)
    trials = []
    for radius in radii:
        start = Trial(polar=ball / radius, tone=None, rms=np.inf, label="cold")
        trials.append((radius, seen(sight, start, margin=1.1)))
    chosen: list[tuple[float, Trial]] = []
    for radius, trial in sorted(trials, key=lambda pair: pair[1].rms):
        if all(abs(np.log(radius / other)) > 0.1 for other, _ in chosen):
            chosen.append((radius, trial))
        if len(chosen) == 3:
            break
    return [trial for _, trial in chosen]


def _ellipsoid(stages: Stages, smooth: list[Trial]) -> list[Trial]:
    """Return the best ellipsoid, fitted to all pixels by its nine numbers."""
    found = []
    for trial in smooth[:2]:
        found += attempt(by_linear_map, stages.fourth, trial, steps=8, margin=GROWING)
    for trial in best_of(found, 1):
        polar = rounded(trial.polar)
        named = replace(trial, polar=polar, solid="sphere", label="cold, ellipsoid")
        return finished(stages, named, steps=8, facets=False)
    return []


def _matrix(polar: np.ndarray) -> np.ndarray:
    r"""Return a map of unit vectors to those of an ellipsoid, up to a rotation of its own.

    .. math:: p = u B,\quad |u| = 1\quad\Rightarrow\quad p\,(B^T B)^{-1} p^T = 1
    """
    x, y, z = polar.T
    terms = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    a, b, c, d, e, f = np.linalg.lstsq(terms, np.ones(len(polar)), rcond=None)[0]
    form = np.array([[a, d, e], [d, b, f], [e, f, c]])
    values, axes = np.linalg.eigh(form)
    if not (values > 0).all():
        raise NoBody("the planes are those of no ellipsoid")
    return (axes / np.sqrt(values)) @ axes.T


def _grown(trial: Trial, turn: np.ndarray) -> np.ndarray:
    return even_directions(_FACETS) @ turn.T @ _matrix(trial.polar)


def _shape(trial: Trial) -> np.ndarray:
    """Return the quadratic form of an ellipsoid, nm^2."""
    matrix = _matrix(trial.polar)
    return np.linalg.inv(matrix.T @ matrix)


def _sensible(stages: Stages, trial: Trial) -> bool:
    axes = 1 / np.linalg.svd(_matrix(trial.polar), compute_uv=False)
    return axes[2] / axes[0] < _MOST_ASPECT and axes[2] < 1.4 * stages.largest
