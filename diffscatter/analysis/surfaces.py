"""Distances between the surfaces of two bodies. Numpy, on the host."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from diffscatter.core.checks import check_positive

__all__ = ["chamfer_distance", "surface_points"]


def surface_points(body: ArrayLike) -> np.ndarray:
    """Return the middles of all voxel faces between inside and outside.

    Args:
        body: occupancy, inside where above one half; what lies beyond the volume is outside.
            Shape ``(nz, ny, nx)``.

    Returns:
        (z, y, x) in voxels, those of a voxel's middle being its indices. Shape ``(n, 3)``.
    """
    inside = np.pad(np.asarray(body) > 0.5, 1)
    points = []
    for axis in range(3):
        faces = np.argwhere(np.diff(inside, axis=axis)) - 1.0
        faces[:, axis] += 0.5
        points.append(faces)
    return np.concatenate(points)


def chamfer_distance(
    found: ArrayLike,
    truth: ArrayLike,
    pitch: float,
    *,
    shift: Sequence[float] = (0, 0, 0),
) -> float:
    r"""Return the mean distance from each surface to the nearest point of the other one.

    .. math::
        d = \tfrac12\Big(\frac1{|A|}\sum_{a \in A}\min_{b \in B}|a - b|
            + \frac1{|B|}\sum_{b \in B}\min_{a \in A}|a - b|\Big)

    with the middles of the voxel faces on both surfaces, so 0 for equal bodies. A shift of a
    flat face by less than half a voxel is not seen.

    Args:
        found, truth: occupancies, inside where above one half. Shapes ``(nz, ny, nx)``.
        pitch: voxel side, nm.
        shift: (z, y, x) by which ``found`` is moved first, voxels.

    Returns:
        Distance, nm.

    Raises:
        ValueError: if a body is empty, or the pitch is not above 0.
    """
    from scipy.spatial import cKDTree  # only comparisons need it

    check_positive("pitch", pitch, "nm")
    ours, theirs = surface_points(found) + np.asarray(shift, float), surface_points(truth)
    for name, points in (("found", ours), ("truth", theirs)):
        if not points.size:
            raise ValueError(f"{name} is empty: no occupancy exceeds one half")
    there, back = (cKDTree(b).query(a)[0].mean() for a, b in ((ours, theirs), (theirs, ours)))
    return float(pitch) * float(there + back) / 2
