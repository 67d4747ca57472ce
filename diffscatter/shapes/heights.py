r"""A convex body as height maps: where each column meets it, and how far it runs inside.

The half-spaces :math:`\hat n_i\cdot x \le b_i` bound a column (x, y) by planes
:math:`z_i = (b_i - n_x x - n_y y)/n_z`: from below those with :math:`n_z < 0`, which the beam
meets, from above the others,

.. math:: z_f = \max_{n_z < 0} z_i,\qquad t = \min_{n_z > 0} z_i - z_f

Columns have a width. One that the silhouette crosses counts with the share of it that is
covered, the mean thickness of that share and the front at its centroid: the thickness falls
linearly to 0 there, along its gradient. Sums over columns therefore follow the body smoothly,
where sampled heights would jump.

Planes along the beam, to within :data:`STEEP`, bound no height. They cut columns sideways, at
half the height of the body.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, dtype_of

__all__ = ["STEEP", "column_heights", "heights"]

# |n_z| below which a plane counts as a wall: with some forty columns across a body, thickness
# would fall by more than there is of it within one of them.
STEEP = 0.03


def heights(
    normals: ArrayLike, offsets: ArrayLike, x: ArrayLike, y: ArrayLike
) -> tuple[Array, Array, Array]:
    """Return the front, the thickness and the coverage of a convex body's columns.

    Gradients reach the planes and the axes; which plane bounds a column is taken as given,
    and is right almost everywhere. The amount of matter in a column is
    ``coverage * thickness``, right to second order in the width of a column.

    Args:
        normals: outward directions (x, y, z) of any length, beam along +z. Shape ``(m, 3)``.
        offsets: distance b of each plane from the origin, nm. Shape ``(m,)``.
        x, y: centres of the columns, each axis equally spaced and ascending, nm. Shapes
            ``(nx,)`` and ``(ny,)``, at least 2 each.

    Returns:
        Front z and thickness in nm, coverage from 0 to 1; all 0 where the body is not. Shape
        ``(ny, nx)`` each.

    Raises:
        ValueError: if a shape is wrong, a number is not finite, a normal is zero, an axis is
            not equally spaced and ascending, or the planes leave the body open along z.
    """
    _check_planes(normals, offsets)
    _check_axis("x", x)
    _check_axis("y", y)
    dtype = dtype_of(normals, offsets, x, y)
    arrays = (jnp.asarray(value, dtype) for value in (normals, offsets, x, y))
    return column_heights(*arrays)


@jax.jit
def column_heights(
    normals: Array, offsets: Array, x: Array, y: Array, count: Array | None = None
) -> tuple[Array, Array, Array]:
    """As :func:`heights`, unchecked; only the first ``count`` planes count (all if None).

    The count may be traced, so that one program serves bodies of any number of planes.
    """
    length = jnp.sqrt(jnp.sum(normals**2, axis=1))
    length = jnp.where(length > 0, length, 1.0)
    normals, offsets = normals / length[:, None], offsets / length
    count = len(offsets) if count is None else count
    at = _Columns(x, y[:, None], jnp.stack([x[1] - x[0], y[1] - y[0]]))

    steep = jnp.abs(normals[:, 2]) < STEEP
    # Each plane as z = slope . (x, y) + level; that of a wall is never used.
    down = jnp.where(steep, 1.0, normals[:, 2])
    planes = jnp.concatenate([-normals[:, :2], offsets[:, None]], axis=1) / down[:, None]
    front, back = _bounding(*lax.stop_gradient((planes, normals[:, 2], steep, at)), count)
    front, back = planes[front], planes[back]
    entry, thickness = at.level(front), at.level(back) - at.level(front)
    slope = back[..., :2] - front[..., :2]

    # A wall that crosses a column leaves the part beyond it.
    middle = entry + thickness / 2
    wall = _nearest(*lax.stop_gradient((normals, offsets, steep, at, middle)), count)
    kept, shift = _cut(normals[wall], offsets[wall], steep[wall], at, middle)
    entry = entry + jnp.sum(front[..., :2] * shift, axis=-1)
    thickness = thickness + jnp.sum(slope * shift, axis=-1)

    # How far the thickness falls over one column; not quite 0 for parallel planes.
    fall = jnp.sqrt(jnp.sum((slope * at.width) ** 2, axis=-1) + 1e-6 * jnp.prod(at.width))
    depth = jnp.clip(thickness / fall, -0.5, 0.5)
    covered = depth + 0.5
    # The covered share's centroid lies up the gradient from the column's centre.
    climb = (0.5 - depth) / 2 * jnp.sum(front[..., :2] * slope * at.width**2, axis=-1) / fall
    thickness = jnp.where(depth < 0.5, fall * covered / 2, thickness)

    coverage = covered * kept
    inside = coverage > 0
    found = (entry + climb, thickness, coverage)
    return tuple(jnp.where(inside, value, 0.0) for value in found)


class _Columns(NamedTuple):
    """Centres ``x`` (nx,) and ``y`` (ny, 1), and the ``width`` (2,) of columns, nm."""

    x: Array
    y: Array
    width: Array

    def level(self, plane: Array) -> Array:
        """Return z of planes ``(..., 3)``, slopes along x and y and the level at the origin."""
        return plane[..., 0] * self.x + plane[..., 1] * self.y + plane[..., 2]


def _bounding(planes, toward, steep, at: _Columns, count) -> tuple[Array, Array]:
    """Return the index of the highest front and of the lowest back plane of each column.

    A loop with a running extreme: neither memory nor the program grows with the planes.
    """
    nowhere = jnp.zeros(jnp.broadcast_shapes(at.x.shape, at.y.shape), jnp.int32)
    highest = jnp.full(nowhere.shape, -jnp.inf, planes.dtype)

    def visit(i, state):
        top, front, bottom, back = state
        z = at.level(planes[i])
        above = ~steep[i] & (toward[i] < 0) & (z > top)
        below = ~steep[i] & (toward[i] > 0) & (z < bottom)
        chosen = jnp.asarray(i, jnp.int32)
        return (
            jnp.where(above, z, top),
            jnp.where(above, chosen, front),
            jnp.where(below, z, bottom),
            jnp.where(below, chosen, back),
        )

    start = (highest, nowhere, -highest, nowhere)
    _, front, _, back = lax.fori_loop(0, count, visit, start)
    return front, back


def _nearest(normals, offsets, steep, at: _Columns, middle, count) -> Array:
    """Return the index of the wall that cuts most of each column, 0 where there is none."""

    def visit(i, state):
        least, wall = state
        left = _room(normals[i], offsets[i], at, middle)
        more = steep[i] & (left < least)
        return jnp.where(more, left, least), jnp.where(more, jnp.asarray(i, jnp.int32), wall)

    start = (jnp.full(middle.shape, jnp.inf, middle.dtype), jnp.zeros(middle.shape, jnp.int32))
    return lax.fori_loop(0, count, visit, start)[1]


def _room(normal, offset, at: _Columns, middle) -> Array:
    """Return the distance of column centres inward from planes, in widths of a column."""
    distance = offset - normal[..., 0] * at.x - normal[..., 1] * at.y - normal[..., 2] * middle
    return distance / _across(normal, at)


def _across(normal, at: _Columns) -> Array:
    # 1e-30: a plane across the beam has no width; it is never a wall.
    return jnp.sqrt(jnp.sum((normal[..., :2] * at.width) ** 2, axis=-1) + 1e-30)


def _cut(normal, offset, is_wall, at: _Columns, middle) -> tuple[Array, Array]:
    """Return the share of each column inside its wall, and the shift of its centroid, nm."""
    normal = jnp.where(is_wall[..., None], normal, jnp.array([1.0, 0.0, 0.0], normal.dtype))
    room = jnp.where(is_wall, jnp.clip(_room(normal, offset, at, middle), -0.5, 0.5), 0.5)
    inward = -normal[..., :2] * at.width**2 / _across(normal, at)[..., None]
    return room + 0.5, ((0.5 - room) / 2)[..., None] * inward


def _check_planes(normals, offsets) -> None:
    shape = np.shape(normals)
    if len(shape) != 2 or shape[1] != 3 or shape[0] == 0:
        raise ValueError(f"normals must be (m, 3), m >= 1, got shape {shape}; vmap for many")
    if np.shape(offsets) != shape[:1]:
        raise ValueError(f"offsets must be ({shape[0]},), got shape {np.shape(offsets)}")
    check_finite("offsets", offsets)
    known = check_finite("normals", normals)
    if known is None:
        return
    length = np.linalg.norm(known, axis=1)
    if not length.all():
        raise ValueError("normals must not be zero: a plane needs a direction")
    toward = known[:, 2] / length
    if not ((toward <= -STEEP).any() and (toward >= STEEP).any()):
        raise ValueError(
            "the planes leave the body open along the beam: at least one normal must point "
            f"along -z and one along +z, got z from {toward.min():.3g} to {toward.max():.3g}"
        )


def _check_axis(name: str, axis: ArrayLike) -> None:
    if np.ndim(axis) != 1 or np.size(axis) < 2:
        raise ValueError(f"{name} must be an axis of 2 or more, got shape {np.shape(axis)}")
    known = check_finite(name, axis)
    if known is None:
        return
    step = np.diff(known)
    if not step[0] > 0 or np.ptp(step) > 1e-3 * step[0]:
        raise ValueError(f"{name} must be equally spaced and ascending, got steps {step}")
