"""Which of the bodies that were found it is, and whether to believe it.

A loss alone never proves a body: a wrong one often fits small angles. What gives it away is a
residual that noise does not explain, or another body that fits as well from another start.
"""

from collections.abc import Sequence

import numpy as np

from diffscatter.analysis.registration import compare_bodies
from diffscatter.pipelines.bodies.convex import planes_of, recentred
from diffscatter.pipelines.bodies.descent import Trial
from diffscatter.shapes.occupancy import occupancy

__all__ = ["chosen", "finalists", "verdict", "voxels_of"]

# Facets have three numbers each where a solid has nine in all: they must fit better than that.
_PARSIMONY = 1.6
# Display units: what columns and flat facets leave of a pattern that they describe.
_FLOOR = 0.004
_POOR, _DOUBTFUL = 0.03, 0.018
_ALIKE, _AS_WELL = 0.85, 1.25


def finalists(trials: Sequence[Trial]) -> list[Trial]:
    """Return the best solid and the best body of free facets, where there are any."""
    kinds = ([trial for trial in trials if trial.free == free] for free in (False, True))
    return [min(kind, key=lambda trial: trial.rms) for kind in kinds if kind]


def chosen(trials: Sequence[Trial]) -> Trial:
    """Return the body to report: the best solid unless free facets fit clearly better."""
    best = finalists(trials)
    solid, facets = best[0], best[-1]  # the same where there is one kind only
    return solid if solid.rms <= _PARSIMONY * max(facets.rms, _FLOOR) else facets


def verdict(
    best: Trial, trials: Sequence[Trial], *, rms: float, noise: float, largest: float
) -> str:
    """Return the status of a body: "reliable", or "doubtful: " and why.

    Args:
        best: the body.
        trials: all that were found, from every start.
        rms: of the body in the end.
        noise: rms of the display that noise alone makes.
        largest: radius that the pixels resolve, nm.
    """
    excess = float(np.sqrt(max(rms**2 - noise**2, 0.0)))
    if not excess <= _POOR:
        return (
            f"doubtful: the pattern is not described (rms {rms:.3g} of the display, "
            f"{_POOR:g} at most where a body is right)"
        )
    radius = float(recentred(best.polar)[1][:2].max())
    if radius > 0.97 * largest:
        return (
            f"doubtful: with a radius of {radius:.3g} nm the body is as large as these pixels "
            f"resolve ({largest:.3g} nm)"
        )
    rivals = [t for t in trials if t is not best and t.label != best.label]
    limit = max(excess, _DOUBTFUL) if excess > _DOUBTFUL else _AS_WELL * max(excess, _FLOOR)
    for rival in rivals:
        other = float(np.sqrt(max(rival.rms**2 - noise**2, 0.0)))
        if other > (2 * limit if excess > _DOUBTFUL else limit):
            continue
        alike = likeness(best, rival)
        if alike < _ALIKE:
            return (
                f"doubtful: another body fits nearly as well ({rival.label}, rms "
                f"{rival.rms:.3g} against {rms:.3g}) and shares {alike:.2f} of what the "
                "beam sees"
            )
    if excess > _DOUBTFUL and not rivals:
        return (
            f"doubtful: the fit is poor (rms {rms:.3g} of the display) and no other start "
            "confirms it"
        )
    return f"reliable: rms {rms:.3g} of the display"


def likeness(one: Trial, other: Trial) -> float:
    """Return the registered overlap of two bodies on the half that the beam sees."""
    halves = [recentred(trial.polar)[1] for trial in (one, other)]
    pitch = float(np.max(halves)) / 22
    bodies = [voxels_of(trial.polar, 48, pitch) for trial in (one, other)]
    return compare_bodies(*bodies, pitch).seen


def voxels_of(polar: np.ndarray, n: int, pitch: float) -> np.ndarray:
    """Return the occupancy of a body in the middle of its volume, ``(n, n, n)``.

    The middle of the body's box, to which the pattern is blind, is that of the volume, half a
    voxel below coordinate 0 where n is even: bodies that are made about the middle of theirs
    then stand on the same voxels, also after these have been merged.
    """
    normals, offsets = planes_of(recentred(polar)[0])
    offsets = offsets - (0 if n % 2 else 0.5 * pitch) * normals.sum(axis=1)
    planes = normals.astype(np.float32), offsets.astype(np.float32)
    # Single precision leaves shares a rounding beyond 1.
    return np.clip(np.asarray(occupancy(*planes, n, np.float32(pitch))), 0, 1)
