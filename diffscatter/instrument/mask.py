"""Which pixels count: holes, blind spots, crops, saturation, and masks of the user's.

A mask is True where a pixel counts, ``(ny, nx)``. Lengths are in pixels, positions are (column,
row), and without one the pixel ``(nx // 2, ny // 2)`` is meant. Radii and positions may be
traced; a mask has no derivative.
"""

from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import concrete

__all__ = [
    "blind_spot",
    "central_hole",
    "checked_mask",
    "circle",
    "combine",
    "rectangle",
    "unsaturated",
]

Shape = tuple[int, int]


def central_hole(shape: Shape, radius: ArrayLike, centre: ArrayLike | None = None) -> Array:
    """Leave out a disc about the direct beam, its rim included: hole or beam stop."""
    _at_least_zero("radius", radius)
    return _squared_distance(shape, centre) > jnp.asarray(radius) ** 2


def blind_spot(shape: Shape, radius: ArrayLike, at: ArrayLike) -> Array:
    """Leave out a disc about the pixel ``at``: a shadow, or a dead piece of the detector."""
    return central_hole(shape, radius, at)


def circle(shape: Shape, radius: ArrayLike, centre: ArrayLike | None = None) -> Array:
    """Keep a disc, its rim included: a round detector, an aperture."""
    _at_least_zero("radius", radius)
    return _squared_distance(shape, centre) <= jnp.asarray(radius) ** 2


def rectangle(shape: Shape, size: ArrayLike, centre: ArrayLike | None = None) -> Array:
    """Keep a window of ``size`` = (columns, rows) about ``centre``.

    Of an even number of columns the window has one more before its centre than after it, as an
    axis has about pixel ``n // 2``.
    """
    _at_least_zero("size", size)
    width, height = (jnp.asarray(size)[i] for i in (0, 1))
    u, v = _offsets(shape, centre)
    return _within(u, width) & _within(v, height)


def unsaturated(image: ArrayLike, level: ArrayLike) -> Array:
    """Keep what lies below the ``level`` at which a pixel is full."""
    _above_zero("level", level)
    return jnp.asarray(image) < level


def combine(*masks: ArrayLike) -> Array:
    """Keep what all masks keep.

    Raises:
        ValueError: if there is none, or their shapes differ.
    """
    shapes = [np.shape(mask) for mask in masks]
    if not masks or len(set(shapes)) > 1:
        raise ValueError(f"masks must be at least one, of one shape, got shapes {shapes}")
    return reduce(jnp.logical_and, [jnp.asarray(mask, bool) for mask in masks])


def checked_mask(mask: ArrayLike | None, shape: Shape) -> Array:
    """Return a mask of the user's, not 0 where a pixel counts; None lets every pixel count.

    Raises:
        ValueError: if its shape is not that of the image, or it leaves no pixel.
    """
    if mask is None:
        return jnp.ones(shape, bool)
    if np.shape(mask) != tuple(shape):
        raise ValueError(f"mask must have the image's shape {shape}, got {np.shape(mask)}")
    known = concrete(mask)
    if known is not None and not (known != 0).any():
        raise ValueError("mask leaves no pixel; it must be True (not 0) where a pixel counts")
    return jnp.asarray(mask, bool)


def _offsets(shape: Shape, centre: ArrayLike | None) -> tuple[Array, Array]:
    """Return columns ``(1, nx)`` and rows ``(ny, 1)`` counted from a pixel."""
    ny, nx = shape
    column, row = (
        (nx // 2, ny // 2) if centre is None else (jnp.asarray(centre)[i] for i in (0, 1))
    )
    return jnp.arange(nx)[None, :] - column, jnp.arange(ny)[:, None] - row


def _squared_distance(shape: Shape, centre: ArrayLike | None) -> Array:
    u, v = _offsets(shape, centre)
    return u**2 + v**2


def _within(offset: Array, length: Array) -> Array:
    return (offset >= -jnp.floor(length / 2)) & (offset < jnp.ceil(length / 2))


def _at_least_zero(name: str, value: ArrayLike) -> None:
    known = concrete(value)
    if known is not None and not (known >= 0).all():
        raise ValueError(f"{name} must be at least 0 pixels, got {known}")


def _above_zero(name: str, value: ArrayLike) -> None:
    known = concrete(value)
    if known is not None and not (known > 0).all():
        raise ValueError(f"{name} must be above 0, got {known}")
