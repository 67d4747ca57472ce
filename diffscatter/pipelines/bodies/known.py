"""Bodies that begin as a known one: of a library of patterns, those that match best.

Nine numbers fit each match at small q, the best of different solids go on to all pixels, and
their facets are set free at last. The solid itself stays in the race.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from diffscatter.pipelines.bodies.cold import GOOD, rounded, thinned
from diffscatter.pipelines.bodies.convex import NoBody, recentred, with_planes
from diffscatter.pipelines.bodies.descent import Trial, by_linear_map, seen
from diffscatter.pipelines.bodies.library import Library
from diffscatter.pipelines.bodies.match import Candidate, match
from diffscatter.pipelines.bodies.polar import polar_map
from diffscatter.pipelines.bodies.sight import MOST_FACETS
from diffscatter.pipelines.bodies.stages import (
    GROWING,
    Stages,
    attempt,
    best_of,
    finished,
    passed,
)
from diffscatter.shapes.solids import SPHERE

__all__ = ["matches", "polytopes_start", "solids_start"]

_MATCHES, _OF_ONE_SOLID, _GOING_ON = 24, 2, 4
_FEWEST_FACETS = 26


def matches(stages: Stages, library: Library, count: int = _MATCHES) -> list[Trial]:
    """Return the bodies of a library that match a pattern best, fitted at small q."""
    display = stages.display
    grid = library.grid(stages.wavelength)
    values, weights = polar_map(
        display.image, display.kx, display.ky, grid, mask=display.weight > 0
    )
    found = []
    for candidate in match(library, values, weights, wavelength=stages.wavelength, top=count):
        try:
            start = seen(stages.fourth, _trial(candidate), margin=GROWING)
        except NoBody:
            continue
        found += attempt(by_linear_map, stages.fourth, start, steps=8, margin=GROWING)
    return best_of(found, count)


def solids_start(
    stages: Stages,
    library: Library,
    random: np.random.Generator,
    *,
    solids_only: bool = False,
    kinds: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> list[Trial]:
    """Return bodies that fit a pattern: solids, and their facets set free.

    Args:
        stages: the sights of the pattern.
        library: of solids.
        random: for facets added to solids of few.
        solids_only: leave the facets as they are.
        kinds: different solids that are fitted to all pixels, at least: more than one where
            straight rays do not tell them apart.
        report: called with what was reached.
    """
    close = matches(stages, library)
    if not close:
        return []
    report(f"library: {close[0].solid}, rms {close[0].rms:.4f}")
    chosen = []
    for trial in _different(close, kinds):
        chosen += attempt(
            by_linear_map, stages.fourth, trial, steps=10, margin=GROWING, tolerance=5e-3
        )
    solids = []
    chosen = best_of(chosen, len(chosen))
    for trial in chosen[:2] if kinds == 1 else _best_of_each(chosen)[:kinds]:
        if trial.solid == SPHERE:
            trial = replace(trial, polar=rounded(trial.polar))
        solids += finished(stages, trial, steps=8, facets=False)
    solids = best_of(solids, len(solids))
    if solids_only or not solids:
        return solids
    report(f"library: {solids[0].solid}, rms {solids[0].rms:.4f}")
    found = []
    for trial in solids[: 1 if solids[0].rms < GOOD else 2]:
        polar = thinned(trial.polar) if len(trial.polar) > MOST_FACETS else trial.polar
        polar = with_planes(recentred(polar)[0], _FEWEST_FACETS, random)
        start = replace(trial, polar=polar, label=trial.label + ", facets")
        found += finished(stages, start, steps=10, facets=True)
    return best_of(found, 2) + solids


def polytopes_start(stages: Stages, library: Library) -> list[Trial]:
    """Return facets that began as the polytopes that match best, on all pixels.

    Random polytopes are near a body that no solid resembles. Their columns are not yet fine.
    """
    trials = passed(stages.third, matches(stages, library)[:6], steps=8, keep=3)
    found = []
    for trial in passed(stages.fourth, trials, steps=8, keep=2):
        found += finished(stages, trial, steps=10, facets=True, fine=False)
    return found


def _different(trials: Sequence[Trial], kinds: int) -> list[Trial]:
    """Return the first few, of one solid two at most, and the first of further kinds."""
    chosen: list[Trial] = []
    for trial in trials:
        if sum(other.solid == trial.solid for other in chosen) < _OF_ONE_SOLID:
            chosen.append(trial)
    several = _best_of_each(chosen)[:kinds]
    return chosen[:_GOING_ON] + [trial for trial in several if trial not in chosen[:_GOING_ON]]


def _best_of_each(trials: Sequence[Trial]) -> list[Trial]:
    """Return the first of every solid."""
    first: dict[str | None, Trial] = {}
    for trial in trials:
        first.setdefault(trial.solid, trial)
    return list(first.values())


def _trial(candidate: Candidate) -> Trial:
    # n.u <= b with x = M u: (n / b) M^-1 . x <= 1.
    unit = candidate.unit_normals / candidate.unit_offsets[:, None]
    label = "polytope" if candidate.name is None else candidate.name
    return Trial(
        polar=unit @ np.linalg.inv(candidate.matrix),
        tone=None,
        rms=np.inf,
        label=f"library, {label}",
        solid=candidate.name,
    )
