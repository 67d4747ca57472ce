r"""The 21 base solids of single-particle imaging, as intersections of half-spaces.

T. Stielow, S. Scheel, *Phys. Rev. E* 103, 053312 (2021): the five Platonic solids, the
Archimedean ones but for the snub dodecahedron, the decahedron, the truncated twinned
tetrahedron, the sphere, and the convex hull of 50 random points. Each can be stretched along an
axis of its symmetry, cut across one, turned and sized:

.. math:: x \mapsto R\,S\,x,\quad S = s\,(1 + (t - 1)\,\hat a\hat a^T),\qquad
   \hat n\cdot x \le b \;\mapsto\; \frac{M^{-T}\hat n}{|M^{-T}\hat n|}\cdot x \le
   \frac{b}{|M^{-T}\hat n|},\quad M = RS

Unit solids have their corners within a circumscribed sphere of radius 1. Half-spaces make the
sphere a polytope too: of many tangent planes, moved inwards until it has the ball's volume.
Where the body itself is wanted, :class:`.Ellipsoid` and :class:`.Sphere` are exact.
"""

import difflib
import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, concrete
from diffscatter.core.directions import even_directions
from diffscatter.shapes._corners import CORNERS
from diffscatter.shapes.polytope import HalfSpaces
from diffscatter.shapes.primitives import check_rotation, check_vector, rotation_matrix

__all__ = [
    "NAMES",
    "canonical_name",
    "planes",
    "solid",
    "stretching",
    "symmetry_axes",
    "transform",
    "vertices",
]

SPHERE, HULL = "sphere", "random hull"
NAMES = (*CORNERS, SPHERE, HULL)

_ALIASES = {
    "potato": HULL,
    "convex hull": HULL,
    "pentagonal bipyramid": "decahedron",
    "great rhombicuboctahedron": "truncated cuboctahedron",
    "truncated rhombicuboctahedron": "truncated cuboctahedron",
    "great rhombicosidodecahedron": "truncated icosidodecahedron",
    "truncated rhombicosidodecahedron": "truncated icosidodecahedron",
}
_SPHERE_PLANES = 92
_HULL_POINTS = 50
_SAME = 1e-9  # of unit solids: of coordinates, and of squared distances


def canonical_name(name: str) -> str:
    """Return a solid's name as in :data:`NAMES`: case, ``_`` and ``-`` do not matter.

    Raises:
        ValueError: if there is no such solid, with the names that are alike.
    """
    key = " ".join(str(name).lower().replace("_", " ").replace("-", " ").split())
    key = _ALIASES.get(key, key)
    if key in NAMES:
        return key
    alike = difflib.get_close_matches(key, [*NAMES, *_ALIASES], n=3)
    hint = f"did you mean {', '.join(alike)}?" if alike else f"one of {', '.join(NAMES)}"
    raise ValueError(f"solid {name!r} is not known; {hint}")


def vertices(name: str, *, key: Array | None = None) -> np.ndarray:
    """Return the corners of a unit solid.

    Args:
        name: one of :data:`NAMES`.
        key: of the random hull, whose points are uniform in a cube; not for the others.

    Returns:
        Corners within a distance of 1 from the origin, float64. Shape ``(k, 3)``. Those of the
        sphere are the corners of its polytope, just outside of it.

    Raises:
        ValueError: if the name is not known, or ``key`` is missing or is not needed.
    """
    name = canonical_name(name)
    _check_key(name, key)
    return (_hull(key) if name == HULL else _named(name))[2].copy()


def planes(
    name: str, *, key: Array | None = None, sphere_planes: int = 92
) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces of a unit solid as half-spaces ``normals @ x <= offsets``.

    Args:
        name: one of :data:`NAMES`.
        key: of the random hull; not for the others.
        sphere_planes: of the sphere; 92 leave it by up to 3 % of its radius, 400 by 0.7 %.

    Returns:
        Outward unit vectors ``(m, 3)`` and distances from the origin ``(m,)``, float64. A
        random hull has as many as it has triangles, at most 96.

    Raises:
        ValueError: if the name is not known, or ``key`` is missing or is not needed.
    """
    name = canonical_name(name)
    _check_key(name, key)
    if name == SPHERE:
        normals, offsets, _ = _tangent_polytope(sphere_planes)
    else:
        normals, offsets, _ = _hull(key) if name == HULL else _named(name)
    return normals.copy(), offsets.copy()


def symmetry_axes(name: str) -> dict[int, np.ndarray]:
    """Return the axes of a solid's rotations by 2 pi / order, under their highest order.

    Every axis of a polytope goes through a corner, the middle of an edge or of a face. One unit
    vector an axis: along a threefold axis of the tetrahedron the two ends differ.

    Args:
        name: one of :data:`NAMES`. The sphere, of which every direction is an axis, and the
            random hull, which has none, give an empty dictionary.

    Returns:
        For each order from 2 to 6 that occurs, highest first, the axes, shape ``(k, 3)``.
    """
    return {order: axes.copy() for order, axes in _axes(canonical_name(name)).items()}


def stretching(factor: ArrayLike, axis: ArrayLike) -> Array:
    r"""Return the matrix ``(3, 3)`` that stretches along an axis: 1 + (t - 1) a a^T."""
    axis = jnp.asarray(axis)
    axis = axis / jnp.linalg.norm(axis)
    return jnp.eye(3, dtype=axis.dtype) + (factor - 1) * axis[:, None] * axis


def transform(normals: ArrayLike, offsets: ArrayLike, matrix: ArrayLike) -> tuple[Array, Array]:
    """Return the half-spaces of a body's image under ``x -> matrix @ x``.

    Args:
        normals: outward directions, ``(m, 3)``.
        offsets: of ``normals @ x <= offsets``, ``(m,)``.
        matrix: invertible, ``(3, 3)``.

    Returns:
        Outward unit vectors ``(m, 3)`` and distances ``(m,)``, differentiable in everything.
    """
    # By cofactors: a fraction of the time of a general solver's, compilation included.
    columns = jnp.asarray(matrix).T
    cofactors = jnp.cross(columns[jnp.array([1, 2, 0])], columns[jnp.array([2, 0, 1])])
    inverse = cofactors / jnp.sum(columns[0] * cofactors[0])
    turned = jnp.matmul(jnp.asarray(normals), inverse, precision="highest")
    length = jnp.linalg.norm(turned, axis=1)
    return turned / length[:, None], offsets / length


def solid(
    name: str,
    *,
    size: ArrayLike,
    rotation: ArrayLike | None = None,
    stretch: ArrayLike = 1.0,
    stretch_axis: ArrayLike | None = None,
    cut: ArrayLike | None = None,
    cut_axis: ArrayLike | None = None,
    centre: ArrayLike | None = None,
    key: Array | None = None,
    sphere_planes: int = 92,
) -> HalfSpaces:
    """Return a base solid, stretched, cut, turned and sized.

    Args:
        name: one of :data:`NAMES`.
        size: radius of the circumscribed sphere before stretch and cut, nm.
        rotation: takes the solid's own axes to the laboratory's: rotation vector ``(3,)`` or
            matrix ``(3, 3)``.
        stretch: factor along ``stretch_axis``, above 0.
        stretch_axis: direction in the solid's own axes, ``(3,)``; the first axis of highest
            order unless given, see :func:`symmetry_axes`.
        cut: where a plane across ``cut_axis`` cuts the stretched solid, as a share of its
            reach from the origin along that axis; in 0 to 1, 1 only touches.
        cut_axis: direction in the solid's own axes, ``(3,)``; ``stretch_axis`` unless given.
        centre: (x, y, z), nm.
        key: of the random hull; not for the others.
        sphere_planes: as of :func:`planes`.

    Returns:
        The body, with all of this in its ``normals`` and ``offsets`` (nm); the cut, if any,
        comes last. Differentiable in every argument but ``name`` and ``key``.

    Raises:
        ValueError: if the name is not known, a size or a stretch is not above 0, an axis is
            zero, the cut is not in 0 to 1, or ``key`` is missing or is not needed.

    Example:
        >>> body = solid("decahedron", size=80.0, rotation=(0.3, 0.1, 0.0), stretch=1.6)
        >>> body.normals.shape
        (10, 3)
    """
    name = canonical_name(name)
    stretch_axis = _default_axis(name) if stretch_axis is None else stretch_axis
    cut_axis = stretch_axis if cut_axis is None else cut_axis
    _check(size, rotation, stretch, {"stretch_axis": stretch_axis, "cut_axis": cut_axis}, cut)
    given = [size, rotation, stretch, cut, centre]
    given = [jnp.asarray(v) if isinstance(v, tuple | list) else v for v in given]
    # Python numbers take the dtype of the arrays they meet, or the default one.
    dtype = jnp.result_type(float, *(v for v in given if v is not None))
    unit = planes(name, key=key, sphere_planes=sphere_planes)
    normals, offsets = (jnp.asarray(v, dtype) for v in unit)
    shape = jnp.asarray(size, dtype) * stretching(stretch, jnp.asarray(stretch_axis, dtype))
    turn = None if rotation is None else rotation_matrix(jnp.asarray(rotation, dtype))
    matrix = shape if turn is None else jnp.matmul(turn, shape, precision="highest")
    normals, offsets = transform(normals, offsets, matrix)
    if cut is not None:
        axis = jnp.asarray(cut_axis, dtype)
        axis = axis / jnp.linalg.norm(axis)
        reach = cut * _reach(name, shape, axis, key)
        axis = axis if turn is None else jnp.matmul(turn, axis, precision="highest")
        normals = jnp.concatenate([normals, axis[None]])
        offsets = jnp.concatenate([offsets, reach[None]])
    return HalfSpaces(normals=normals, offsets=offsets, centre=centre)


def _reach(name: str, shape: Array, axis: Array, key: Array | None) -> Array:
    """Return how far a unit solid under ``shape`` reaches along a unit vector."""
    pulled = jnp.matmul(axis, shape, precision="highest")
    if name == SPHERE:
        return jnp.linalg.norm(pulled)
    return _furthest(jnp.asarray(vertices(name, key=key), shape.dtype), pulled)


@jax.jit
def _furthest(corners: Array, direction: Array) -> Array:
    return jnp.matmul(corners, direction, precision="highest").max()


@cache
def _named(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return normals, offsets and corners of a unit solid that is not random."""
    if name == SPHERE:
        return _tangent_polytope(_SPHERE_PLANES)
    corners = CORNERS[name] - CORNERS[name].mean(axis=0)
    corners = corners / np.linalg.norm(corners, axis=1).max()
    return *_faces(corners), corners


def _faces(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of a hull, each face once however many triangles it has."""
    from scipy.spatial import ConvexHull

    found = ConvexHull(corners).equations
    _, first = np.unique(np.round(found, 6), axis=0, return_index=True)
    return found[first, :3], -found[first, 3]


@cache
def _tangent_polytope(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return planes on a Fibonacci lattice of directions around a ball of their volume."""
    if not (isinstance(count, int) and count >= 4):
        raise ValueError(f"sphere_planes must be a whole number of at least 4, got {count}")
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    normals = even_directions(count)
    planes = np.concatenate([normals, np.full((count, 1), -1.0)], axis=1)
    corners = HalfspaceIntersection(planes, np.zeros(3)).intersections
    scale = (4 / 3 * math.pi / ConvexHull(corners).volume) ** (1 / 3)
    return normals, np.full(count, scale), corners * scale


def _hull(key: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return normals, offsets and corners of the hull of random points in a cube."""
    from scipy.spatial import ConvexHull

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        # One dtype, so that a key is one body whatever the precision of the session.
        points = jax.random.uniform(key, (_HULL_POINTS, 3), np.float32, minval=-1, maxval=1)
    points = np.asarray(points, dtype=float)
    points = points / np.linalg.norm(points, axis=1).max()
    hull = ConvexHull(points)
    return hull.equations[:, :3], -hull.equations[:, 3], points[hull.vertices]


@cache
def _axes(name: str) -> dict[int, np.ndarray]:
    if name in (SPHERE, HULL):
        return {}
    normals, offsets, corners = _named(name)
    touching = np.abs(normals @ corners.T - offsets[:, None]) < _SAME
    faces = [corners[on].mean(axis=0) for on in touching]
    # Two corners make an edge where two faces share them.
    first, second = np.nonzero(np.triu((touching.T.astype(int) @ touching) >= 2, 1))
    candidates = np.concatenate([corners, faces, (corners[first] + corners[second]) / 2])
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    found: dict[int, list[np.ndarray]] = {order: [] for order in (6, 5, 4, 3, 2)}
    for axis in candidates:
        if any(abs(axis @ known) > 1 - _SAME for group in found.values() for known in group):
            continue
        for order, group in found.items():
            if _is_symmetry(axis, order, corners):
                group.append(axis)
                break
    return {order: np.array(group) for order, group in found.items() if group}


def _is_symmetry(axis: np.ndarray, order: int, corners: np.ndarray) -> bool:
    """Say whether a turn by 2 pi / order takes the corners to themselves."""
    angle = 2 * math.pi / order
    cosine, sine = math.cos(angle), math.sin(angle)
    along = (corners @ axis)[:, None] * axis
    turned = along + cosine * (corners - along) + sine * np.cross(axis, corners)
    squared = np.sum(corners**2, axis=1)
    apart = squared[:, None] + squared - 2 * turned @ corners.T
    return bool((apart.min(axis=1) < _SAME).all())


def _default_axis(name: str) -> np.ndarray:
    axes = _axes(name)
    return next(iter(axes.values()))[0] if axes else np.array([0.0, 0.0, 1.0])


def _check_key(name: str, key: Array | None) -> None:
    if (key is None) == (name == HULL):
        mend = "give key=jax.random.key(...)" if key is None else "leave out key"
        raise ValueError(f"solid {name!r}: {mend}; of all solids the random hull alone has one")


def _check(size, rotation, stretch, axes: dict, cut) -> None:
    check_positive("size", size, "nm")
    check_positive("stretch", stretch)
    if rotation is not None:
        check_rotation(rotation)
    for name, axis in axes.items():
        check_vector(name, axis)
        array = concrete(axis)
        if array is not None and not array.any():
            raise ValueError(f"{name} must not be zero: it is a direction")
    if cut is not None:
        array = check_finite("cut", cut)
        if array is not None and not (array.ndim == 0 and 0 < array <= 1):
            raise ValueError(f"cut must be a share of the reach in 0 to 1, got {array}")
