r"""How far a body is from the true one, after what a pattern cannot see is taken out.

A single wide-angle pattern does not see where the body stands, so bodies are compared at the
best of all whole-voxel shifts. Where the beam is absorbed it hardly sees the far side either:
the *seen half* of a column of material along the beam is what has at most half of that material
before it. Overlap is counted over the whole bodies, and over the half that the beam sees:

.. math::
    \mathrm{IoU} = \max_s \frac{|A \cap B_s|}{|A \cup B_s|},\qquad
    \mathrm{IoU}_\mathrm{seen} = \max_s \frac{|A \cap B_s \cap W|}{|(A \cup B_s) \cap W|}

with the true body A, the found one B shifted by s, and W the region before the middle of the
true material in each column, or of the found material in columns that the true body misses.
All shifts are tried: every count is a cross-correlation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import correlate

from diffscatter.analysis.surfaces import chamfer_distance
from diffscatter.core.checks import check_positive

__all__ = ["BodyComparison", "compare_bodies", "registered_overlap", "seen_half"]

_Shift = tuple[int, int, int]


@dataclass(frozen=True)
class BodyComparison:
    """What :func:`compare_bodies` finds.

    Attributes:
        seen: intersection over union on the half that the beam sees, at its own best shift.
        full: intersection over union of the whole bodies, at its own best shift.
        chamfer: mean distance between the two surfaces at the best shift of ``full``, nm.
        seen_shift, full_shift: (z, y, x) in voxels, from the found body to the true one.
        turned: the found body was turned by half a turn about the beam first.
    """

    seen: float
    full: float
    chamfer: float
    seen_shift: _Shift
    full_shift: _Shift
    turned: bool


def seen_half(body: ArrayLike) -> np.ndarray:
    """Return the voxels that have at most half of their column's material before them.

    Args:
        body: occupancy, inside where above one half. Shape ``(nz, ny, nx)``, beam along +z.

    Returns:
        Boolean, the shape of ``body``: True also before the material, where nothing is yet, and
        in empty columns.
    """
    inside = _inside("body", body)
    before = np.cumsum(inside, axis=0, dtype=np.int32)
    return 2 * (before - inside) <= before[-1]


def compare_bodies(
    found: ArrayLike, truth: ArrayLike, pitch: float, *, turn: bool = False
) -> BodyComparison:
    """Compare a found body with the true one after registration.

    Args:
        found, truth: occupancies, inside where above one half. Shapes ``(nz, ny, nx)``, which
            may differ, beam along +z.
        pitch: voxel side of both, nm.
        turn: also try the found body after half a turn about the beam, and keep the better one
            by ``seen``: at small angles a pattern is the same for both.

    Raises:
        ValueError: if a body is empty or not three-dimensional, or the pitch is not above 0.
    """
    check_positive("pitch", pitch, "nm")
    found, truth = _inside("found", found), _inside("truth", truth)
    ways = [_compare(found, truth, pitch, False)]
    if turn:
        ways.append(_compare(found[:, ::-1, ::-1], truth, pitch, True))
    return max(ways, key=lambda way: way.seen)


def registered_overlap(found: ArrayLike, truth: ArrayLike) -> tuple[float, _Shift]:
    """Return the best intersection over union of two bodies over whole-voxel shifts.

    :func:`compare_bodies` also gives the overlap of what the beam sees, and distances.

    Args:
        found, truth: occupancies of the same pitch, inside where above one half. Shapes
            ``(nz, ny, nx)``, which may differ.

    Returns:
        Intersection over union in 0..1, and the shift (z, y, x) in voxels that takes ``found``
        onto ``truth``.

    Raises:
        ValueError: if a body is empty or not three-dimensional.
    """
    found, start = _cropped("found", _inside("found", found))
    truth, origin = _cropped("truth", _inside("truth", truth))
    overlap, shift = _whole(found, truth)
    return overlap, _sum(shift, origin, start)


def _inside(name: str, body: ArrayLike) -> np.ndarray:
    inside = np.asarray(body) > 0.5
    if inside.ndim != 3:
        raise ValueError(f"{name} must be (nz, ny, nx), got shape {inside.shape}")
    return inside


def _cropped(name: str, inside: np.ndarray) -> tuple[np.ndarray, _Shift]:
    """Return the body in the smallest box around it, and the corner of that box."""
    if not inside.any():
        raise ValueError(f"{name} is empty: no occupancy exceeds one half")
    spans = [np.flatnonzero(inside.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    return inside[box], tuple(int(span[0]) for span in spans)


def _sum(shift: _Shift, origin: _Shift, start: _Shift) -> _Shift:
    """Return a shift between cropped bodies as one between the volumes they were cut from."""
    return tuple(s + o - f for s, o, f in zip(shift, origin, start, strict=True))


def _compare(found, truth, pitch, turned: bool) -> BodyComparison:
    (found, start), (truth, origin) = _cropped("found", found), _cropped("truth", truth)
    seen, seen_shift = _seen(found, truth)
    full, full_shift = _whole(found, truth)
    return BodyComparison(
        seen=seen,
        full=full,
        chamfer=chamfer_distance(found, truth, pitch, shift=full_shift),
        seen_shift=_sum(seen_shift, origin, start),
        full_shift=_sum(full_shift, origin, start),
        turned=turned,
    )


def _whole(found: np.ndarray, truth: np.ndarray) -> tuple[float, _Shift]:
    common = _common(truth, found)
    return _best(common, found.sum() + truth.sum() - common, found.shape)


def _seen(found: np.ndarray, truth: np.ndarray) -> tuple[float, _Shift]:
    columns = truth.any(axis=0)
    front = truth & seen_half(truth)
    # The region W in columns of the true body reaches forward without end: far enough.
    ahead = found.shape[0] - 1
    region = np.pad(seen_half(truth) & columns, ((ahead, 0), (0, 0), (0, 0)), mode="edge")
    beside = (found & seen_half(found)).sum(axis=0)
    within = _common(region, found)[ahead:]
    outside = beside.sum() - _common(columns, beside)  # in columns that the truth lacks
    common = _common(front, found)
    return _best(common, front.sum() + within + outside - common, found.shape)


def _common(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return what two arrays of counts have in common, for every shift of the second."""
    return np.rint(correlate(fixed.astype(float), moved.astype(float), method="fft"))


def _best(common: np.ndarray, union: np.ndarray, shape) -> tuple[float, _Shift]:
    ratio = common / union  # of all shifts of a body of that shape
    best = np.unravel_index(np.argmax(ratio), ratio.shape)
    return float(ratio[best]), tuple(int(b) - n + 1 for b, n in zip(best, shape, strict=True))
