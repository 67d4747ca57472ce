"""Patterns as polar maps: rings of q and angles about the beam, on which a turn is a shift."""

from dataclasses import dataclass

import numpy as np

__all__ = ["PolarGrid", "polar_map"]


@dataclass(frozen=True)
class PolarGrid:
    """Rings around the beam.

    Attributes:
        radii: transverse wave vector of the rings, 1/nm, ascending. Shape ``(nr,)``.
        angles: how many directions, evenly spaced from +kx towards +ky; an even number.
    """

    radii: np.ndarray
    angles: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.radii), self.angles

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return kx and ky of all points, 1/nm, each ``(nr, angles)``."""
        angle = 2 * np.pi * np.arange(self.angles) / self.angles
        return np.outer(self.radii, np.cos(angle)), np.outer(self.radii, np.sin(angle))

    def weights(self, kx: np.ndarray, ky: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how to interpolate from a detector to the points, bilinearly.

        Args:
            kx, ky: axes of the detector, ascending, 1/nm.

        Returns:
            Flat indices of four pixels a point and their weights, each ``(4, nr, angles)``; the
            weights are 0 for points beyond the detector.
        """
        x, y = self.points()
        column, across, inside_x = _between(np.asarray(kx, float), x)
        row, down, inside_y = _between(np.asarray(ky, float), y)
        first = row * len(kx) + column
        index = np.stack([first, first + 1, first + len(kx), first + len(kx) + 1])
        shares = np.stack(
            [
                (1 - down) * (1 - across),
                (1 - down) * across,
                down * (1 - across),
                down * across,
            ]
        )
        return index, shares * (inside_x & inside_y)


def polar_map(
    image: np.ndarray, kx: np.ndarray, ky: np.ndarray, grid: PolarGrid, mask=None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a pattern on rings, and which points of them were recorded.

    Args:
        image: ``(ny, nx)``; what the mask leaves out may hold anything.
        kx, ky: its axes, ascending, 1/nm. Shapes ``(nx,)`` and ``(ny,)``.
        grid: the rings.
        mask: True where a pixel counts, ``(ny, nx)``; all of them if None.

    Returns:
        Values and weights, float32, each ``(nr, angles)``. The weight is 1 where all of the
        pixels around a point count, else 0, and the value there 0.
    """
    index, shares = grid.weights(kx, ky)
    image = np.asarray(image, float)
    counts = np.ones(image.shape, bool) if mask is None else np.asarray(mask, bool)
    image = np.where(counts, image, 0.0)
    recorded = np.sum(shares * counts.ravel()[index], axis=0) > 1 - 1e-6
    values = np.sum(shares * image.ravel()[index], axis=0)
    return np.where(recorded, values, 0).astype(np.float32), recorded.astype(np.float32)


def _between(axis: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixel before each position, the way to the next as a share, and if there."""
    before = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 2)
    share = (at - axis[before]) / (axis[before + 1] - axis[before])
    return before, np.clip(share, 0, 1), (share >= 0) & (share <= 1)
