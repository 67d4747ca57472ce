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

__all__ = ["STRONG", "chosen", "contenders", "verdict", "voxels_of"]

# Facets have three numbers each where a solid has nine in all: they must fit better than that.
_PARSIMONY = 1.6
# Display units: what columns and flat facets leave of a pattern that they describe.
_FLOOR = 0.004
_POOR, _DOUBTFUL = 0.03, 0.018
_ALIKE, _AS_WELL = 0.85, 1.25
# |n - 1| from which on straight rays err by more than a tenth at wide angles, and what of a
# pattern they then leave: bodies some tenths off make up for most of it.
STRONG, _SPREADING = 0.02, 0.01


def contenders(trials: Sequence[Trial]) -> list[Trial]:
    """Return the best of each solid, and the best body of free facets."""
    best: dict[tuple[bool, str | None], Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.rms):
        best.setdefault((trial.free, None if trial.free else trial.solid), trial)
    return list(best.values())


def chosen(trials: Sequence[Trial]) -> Trial:
    """Return the body to report: the best solid unless free facets fit clearly better."""
    lowest = lambda some: min(some, key=lambda trial: trial.rms)
    # All of them where there is one kind only.
    solid = lowest([trial for trial in trials if not trial.free] or trials)
    facets = lowest([trial for trial in trials if trial.free] or trials)
    return solid if solid.rms <= _PARSIMONY * max(facets.rms, _FLOOR) else facets


def verdict(
    best: Trial,
    trials: Sequence[Trial],
    *,
    rms: float,
    noise: float,
    largest: float,
    straight: float = 0.0,
) -> str:
    """Return the status of a body: "reliable", or "doubtful: " and why.

    Args:
        best: the body.
        trials: all that were found, from every start.
        rms: of the body in the end.
        noise: rms of the display that noise alone makes.
        largest: radius that the pixels resolve, nm.
        straight: modulus of n - 1 where the wave was taken to run straight on through matter.
    """
    excess = float(np.sqrt(max(rms**2 - noise**2, 0.0)))
    if not excess <= _POOR:
        return (
            f"doubtful: the pattern is not described (rms {rms:.3g} of the display, "
            f"{_POOR:g} at most where a body is right)"
        )
    if straight > STRONG and excess > _SPREADING:
        return (
            f"doubtful: straight rays leave an rms of {excess:.3g} of the display that noise "
            f"does not explain, and in matter of |n - 1| = {straight:.2g} they make bodies too "
            "thin by tenths; physics 'split-step' refines them"
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
