r"""A convex body of half-spaces as voxels, by the share of each voxel that it fills.

Columns of voxels, divided into finer ones, meet the body from :math:`z_f` over the length t
(:mod:`.heights`). A voxel is filled by what its stretch of the column has of that:

.. math:: \rho = \Big\langle c\,\frac{\min(z_f + t, z + a/2) - \max(z_f, z - a/2)}{a}
    \Big\rangle_+

averaged over its fine columns with their coverage c. The planes move the occupancy smoothly,
so gradients reach them, and one array of columns serves all voxels: a millisecond a plane.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_positive, dtype_of
from diffscatter.shapes.heights import heights

__all__ = ["occupancy"]


def occupancy(
    normals: ArrayLike,
    offsets: ArrayLike,
    n: int | tuple[int, int, int],
    pitch: ArrayLike,
    *,
    oversampling: int = 2,
) -> Array:
    """Return the share of each voxel that a convex body fills.

    What lies beyond the grid is cut off. Along the beam the shares are exact but for the
    slope within a fine column: the error falls with the square of ``oversampling``.

    Args:
        normals: outward directions (x, y, z) of any length, beam along +z. Shape ``(m, 3)``.
        offsets: distance of each plane from the origin, nm. Shape ``(m,)``.
        n: number of voxels along each axis, or ``(nz, ny, nx)``; index ``n // 2`` is at 0.
        pitch: voxel side, nm.
        oversampling: fine columns across a voxel.

    Returns:
        0 to 1, in the precision of the planes. Shape ``(nz, ny, nx)``.

    Raises:
        ValueError: as :func:`.heights`; if a count is below 1 or the pitch is not above 0.
    """
    shape = (n,) * 3 if isinstance(n, int | np.integer) else tuple(n)
    if len(shape) != 3 or min(shape) < 1 or oversampling < 1:
        raise ValueError(
            f"n must be one or three counts >= 1 and oversampling >= 1, got {n}, {oversampling}"
        )
    check_positive("pitch", pitch, "nm")
    z, y, x = (np.arange(count) - count // 2 for count in shape)
    fine = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    columns = [(axis[:, None] + fine).ravel() for axis in (x, y)]
    if min(column.size for column in columns) < 2:
        raise ValueError(f"a row needs at least two columns, got n = {n}: use oversampling")
    dtype = dtype_of(normals, offsets)
    pitch = jnp.asarray(pitch, dtype)
    x, y = (jnp.asarray(column, dtype) * pitch for column in columns)
    return _filled(*heights(normals, offsets, x, y), jnp.asarray(z, dtype), pitch, oversampling)


@jax.jit(static_argnames="oversampling")
def _filled(front, thickness, coverage, z, pitch, oversampling: int) -> Array:
    ny, nx = (size // oversampling for size in front.shape)
    # In voxels, so that a full one is 1 and not a rounding more.
    front, back = front / pitch, (front + thickness) / pitch

    def slab(z):
        inside = jnp.minimum(back, z + 0.5) - jnp.maximum(front, z - 0.5)
        share = coverage * jnp.maximum(inside, 0)
        return share.reshape(ny, oversampling, nx, oversampling).mean(axis=(1, 3))

    return jax.lax.map(slab, z)
