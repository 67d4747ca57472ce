"""The one definition of centre and axes: index ``n // 2`` is coordinate 0, in both spaces."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["axis", "coordinates", "reciprocal_axis"]


def axis(n: int, pitch: ArrayLike = 1.0) -> Array:
    """Return the ``n`` voxel centres of one axis, in the unit of ``pitch``; shape ``(n,)``."""
    return (jnp.arange(n) - n // 2) * pitch


def reciprocal_axis(n: int, pitch: ArrayLike = 1.0) -> Array:
    """Return the q of a centred FFT of ``n`` points, ``2 pi (j - n//2) / (n pitch)``."""
    return axis(n, 2 * jnp.pi / (n * pitch))


def coordinates(shape: tuple[int, int, int], pitch: ArrayLike = 1.0) -> Array:
    """Return the (x, y, z) of every voxel centre of a ``(nz, ny, nx)`` volume.

    Returns:
        Positions, shape ``(nz, ny, nx, 3)``, (x, y, z) on the last axis.
    """
    z, y, x = (axis(n, pitch) for n in shape)
    z, y, x = jnp.meshgrid(z, y, x, indexing="ij")
    return jnp.stack([x, y, z], axis=-1)
