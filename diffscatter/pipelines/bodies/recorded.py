"""A pattern as a reconstruction takes it: checked, masked, binned where it is fine."""

from typing import NamedTuple

import numpy as np

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Pattern
from diffscatter.core.pytree import replace
from diffscatter.pipelines.bodies.display import Display, of_counts, of_image
from diffscatter.pipelines.flat import coarser

__all__ = ["MOST_PIXELS", "Recorded", "recorded"]

MOST_PIXELS = 160  # of an edge; finer patterns are binned


class Recorded(NamedTuple):
    """A checked pattern.

    Attributes:
        image: 0 where it does not count. Shape ``(ny, nx)``.
        counts: True where a pixel counts: inside the mask and the Ewald circle.
        kx, ky: axes, 1/nm, ascending. Shapes ``(nx,)`` and ``(ny,)``.
        wavelength: nm.
        scale: ``"linear"`` or ``"log"``.
        notes: what was done to it, one line each.
    """

    image: np.ndarray
    counts: np.ndarray
    kx: np.ndarray
    ky: np.ndarray
    wavelength: float
    scale: str
    notes: tuple[str, ...]

    def display(self) -> Display:
        """Return the pattern on a logarithmic scale."""
        make = of_image if self.scale == "log" else of_counts
        return make(self.image, self.counts, self.kx, self.ky)


def recorded(pattern: Pattern, wavelength: float, scale: str) -> Recorded:
    """Return the pattern, binned if it is fine, after refusing what no body explains.

    Raises:
        ValueError: naming what cannot be used, and the mend.
    """
    image = np.asarray(pattern.image)
    if image.ndim != 2:
        raise ValueError(f"the pattern must be (ny, nx), got shape {image.shape}")
    kx = _axis("kx", pattern.kx, image.shape[1])
    ky = _axis("ky", pattern.ky, image.shape[0])
    mask = np.ones(image.shape, bool) if pattern.mask is None else np.asarray(pattern.mask)
    if mask.shape != image.shape:
        raise ValueError(
            f"mask must have the shape of the pattern, {image.shape}, got {mask.shape}"
        )
    k, transverse = 2 * np.pi / wavelength, np.hypot(ky[:, None], kx)
    if not (transverse < k).any():
        raise ValueError(
            f"no pixel lies inside the Ewald circle: |k| starts at {transverse.min():.6g} "
            f"1/nm, 2 pi/wavelength is {k:.6g} 1/nm"
        )
    counts = (transverse < k) & mask.astype(bool)
    if not counts.any():
        raise ValueError("the mask leaves no pixel inside the Ewald circle")
    check_finite("the pattern where it counts", image[counts])
    image = np.where(counts, image, 0).astype(float)
    if not image.max() > 0:
        raise ValueError("the pattern is 0 wherever it counts: nothing was recorded")
    if np.ptp(image[counts]) == 0:
        raise ValueError("the pattern is the same wherever it counts: nothing was recorded")
    if max(image.shape) <= MOST_PIXELS:
        return Recorded(image, counts, kx, ky, wavelength, scale, ())
    fine = replace(pattern, image=image, mask=counts, kx=kx, ky=ky, notes=())
    coarse = coarser(fine, MOST_PIXELS, mean=scale == "log")
    image, kx, ky = (np.asarray(v, float) for v in (coarse.image, coarse.kx, coarse.ky))
    return Recorded(image, coarse.counts, kx, ky, wavelength, scale, coarse.notes)


def _axis(name: str, axis, size: int) -> np.ndarray:
    if axis is None:
        raise ValueError(f"the pattern has no axes: give {name} (1/nm), see core.data.Pattern")
    axis = np.asarray(axis, float)
    if axis.shape != (size,):
        raise ValueError(f"{name} must be ({size},) as the pattern, got {axis.shape}")
    check_finite(name, axis)
    if size < 2 or not (np.diff(axis) > 0).all():
        raise ValueError(f"{name} must ascend, over two pixels or more")
    return axis
