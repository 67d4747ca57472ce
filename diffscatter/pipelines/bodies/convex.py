r"""Convex bodies by their polar vectors, on the host.

A half-space :math:`p\cdot x \le 1` with the origin inside is one vector p, its outward normal
over its distance: three free numbers without a constraint, of which any value is a body. A
linear map B of the vectors is a linear map :math:`B^{-T}` of the body.
"""

import numpy as np
from scipy.spatial import HalfspaceIntersection, QhullError

__all__ = [
    "NoBody",
    "corners",
    "half_turned",
    "planes_of",
    "polar_of",
    "recentred",
    "with_planes",
]


class NoBody(ValueError):
    """The vectors enclose no body."""


def polar_of(normals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return polar vectors, 1/nm, of planes with the origin inside; shape ``(m, 3)``."""
    if not (offsets > 0).all():
        raise NoBody("the origin lies outside")
    return normals / offsets[:, None]


def planes_of(polar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit normals ``(m, 3)`` and offsets ``(m,)`` in nm."""
    length = np.linalg.norm(polar, axis=1)
    return polar / length[:, None], 1 / length


def corners(polar: np.ndarray) -> np.ndarray:
    """Return the corners of a body, nm. Shape ``(v, 3)``.

    Raises:
        NoBody: if the vectors leave it open.
    """
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = HalfspaceIntersection(
                np.c_[polar, -np.ones(len(polar))], np.zeros(3)
            ).intersections
    except (QhullError, ValueError) as error:
        raise NoBody("the planes enclose no body") from error
    # Open bodies have their far corners at infinity.
    if not np.isfinite(found).all() or len(found) < 4:
        raise NoBody("the planes leave the body open")
    return found


def recentred(polar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the body with the middle of its bounding box at the origin, and half its sides."""
    found = corners(polar)
    low, high = found.min(axis=0), found.max(axis=0)
    room = 1 - polar @ ((low + high) / 2)
    if not (room > 1e-6).all():
        raise NoBody("the middle of the bounding box lies outside")
    return polar / room[:, None], (high - low) / 2


def half_turned(polar: np.ndarray) -> np.ndarray:
    """Return the body after half a turn about the beam."""
    return polar * np.array([-1.0, -1.0, 1.0])


def with_planes(polar: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return the same body with planes that just miss it added, up to ``count``."""
    missing = count - len(polar)
    if missing <= 0:
        return polar
    directions = random.normal(size=(missing, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    reach = (corners(polar) @ directions.T).max(axis=0)
    return np.vstack([polar, directions / (1.03 * reach)[:, None]])
