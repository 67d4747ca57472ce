"""A pattern as a reconstruction takes it: checked, masked, binned where it is fine."""

from typing import NamedTuple

import numpy as np

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Pattern
from diffscatter.pipelines.bodies.display import Display, of_counts, of_image

__all__ = ["Recorded", "recorded"]

_MOST_PIXELS = 160  # of an edge; finer patterns are binned
_HALF = 0.5  # of a block of pixels that must count, or the block does not


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
    data = Recorded(image, counts, kx, ky, wavelength, scale, ())
    factor = -(-max(image.shape) // _MOST_PIXELS)
    return data if factor == 1 else _binned(data, factor)


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


def _binned(data: Recorded, factor: int) -> Recorded:
    """Return the pattern in blocks of pixels; counts add up, and half a block must count."""
    ny, nx = (size // factor for size in data.image.shape)
    blocks = lambda a: a[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    share = blocks(data.counts.astype(float)).mean(axis=(1, 3))
    kept = share >= _HALF
    image = np.where(kept, blocks(data.image).sum(axis=(1, 3)) / np.where(kept, share, 1), 0)
    if data.scale == "log":
        image = image / factor**2
    elif (data.image == np.round(data.image)).all():
        image = np.round(image)  # still counts
    middle = lambda a, n: a[: n * factor].reshape(n, factor).mean(axis=1)
    return data._replace(
        image=image,
        counts=kept,
        kx=middle(data.kx, nx),
        ky=middle(data.ky, ny),
        notes=(f"pixels were binned {factor} x {factor}, to {ny} x {nx}",),
    )
