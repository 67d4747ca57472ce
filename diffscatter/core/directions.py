"""Directions that cover the sphere evenly."""

import math

import numpy as np

__all__ = ["even_directions"]


def even_directions(count: int) -> np.ndarray:
    r"""Return unit vectors (x, y, z) on a Fibonacci lattice, from +z to -z; ``(count, 3)``.

    .. math:: z_j = 1 - (2j + 1)/n,\qquad \varphi_j = \pi (3 - \sqrt5)\,(j + \tfrac12)

    Á. González, *Mathematical Geosciences* 42, 49 (2010).
    """
    step = np.arange(count) + 0.5
    azimuth, z = math.pi * (3 - math.sqrt(5)) * step, 1 - 2 * step / count
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), z], axis=1)
