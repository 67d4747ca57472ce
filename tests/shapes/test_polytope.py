"""Convex polytopes: volume and bounds against Qhull, edges against an exact form factor."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.spatial import ConvexHull, HalfspaceIntersection

from diffscatter import shapes
from diffscatter.analysis import curve_error
from diffscatter.core.rotations import from_rotation_vector
from diffscatter.operators import saxs
from tests.shapes import closed_forms

SIGNS = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
TETRAHEDRON = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def random_planes(m=14, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, 3)), rng.uniform(3, 5, m)


def test_volume_and_bounds_of_a_random_polytope():
    normals, offsets = random_planes()
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    corners = HalfspaceIntersection(np.c_[unit, -offsets], np.zeros(3)).intersections
    with jax.enable_x64(True):
        body = shapes.HalfSpaces(normals=normals, offsets=offsets, centre=(1.0, 2.0, 3.0))
        np.testing.assert_allclose(body.volume, ConvexHull(corners).volume, rtol=1e-12)
        low, high = body.bounds()
    np.testing.assert_allclose(low, corners.min(axis=0) + [1, 2, 3], rtol=1e-12)
    np.testing.assert_allclose(high, corners.max(axis=0) + [1, 2, 3], rtol=1e-12)


def test_volume_of_solids_whose_corners_join_more_than_three_faces():
    with jax.enable_x64(True):
        octahedron = shapes.HalfSpaces(normals=SIGNS, offsets=np.full(8, 3 / np.sqrt(3)))
        np.testing.assert_allclose(octahedron.volume, 4 / 3 * 3**3, rtol=1e-12)
        tetrahedron = shapes.HalfSpaces(normals=TETRAHEDRON, offsets=np.full(4, 3**-0.5))
        # The cube of half side 1 scaled threefold circumscribes the dual tetrahedron.
        np.testing.assert_allclose(tetrahedron.volume, 8 / 3, rtol=1e-12)


def test_volume_in_single_precision():
    """Opposite faces are parallel to rounding: nothing may be made of where they meet."""
    turned = SIGNS @ np.asarray(from_rotation_vector(jnp.array([0.3, 0.2, 0.9]))).T
    body = shapes.HalfSpaces(
        normals=jnp.asarray(turned, jnp.float32), offsets=jnp.full(8, 80.0, jnp.float32)
    )
    assert body.volume.dtype == jnp.float32
    # Half-diagonal sqrt(3) b; forty terms of rounding 6e-8.
    np.testing.assert_allclose(body.volume, 4 / 3 * (80 * 3**0.5) ** 3, rtol=3e-6)


def test_volume_differentiates():
    normals, offsets = random_planes(8, seed=1)
    with jax.enable_x64(True):
        volume = lambda n, b: shapes.HalfSpaces(normals=n, offsets=b).volume
        check_grads(volume, (normals, offsets), order=1, modes=["rev"], rtol=1e-6)
        # dV/db is the area of a face: by the divergence theorem they balance.
        area = jax.grad(volume, argnums=1)(jnp.asarray(normals), jnp.asarray(offsets))
        unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        np.testing.assert_allclose(area @ unit, 0, atol=1e-12 * float(area.sum()))


def test_edges_of_an_octahedron_scatter_as_they_should():
    q = np.linspace(0.05, np.pi / 2, 60)
    with jax.enable_x64(True):
        body = shapes.HalfSpaces(
            normals=SIGNS,
            offsets=np.full(8, 13 / np.sqrt(3)),
            centre=(0.2, -0.3, 0.1),
            rotation=(0.3, 0.5, 0.7),
        )
        soft = shapes.rasterise(body, 40, 1.0)
        got = saxs.intensity(soft.values, 1.0, q, voxel="point", blur=soft.blur)
    error = curve_error(got, closed_forms.octahedron(q, 13.0))
    # The bare product of half-spaces, which loses volume along the edges, gives 2e-3 / 1e-2.
    assert error["median"] < 1e-4 and error["max"] < 1e-3


def test_planes_that_enclose_nothing_are_refused():
    up = [0.0, 0.0, 1.0]
    cases = {
        "slab": ([up, [0.0, 0, -1], up, [0.0, 0, -1]], [2.0, 2.0, 3.0, 3.0]),
        "prism": ([[1.0, 0, 0], [-1.0, 0, 0], [0.0, 1, 0], [0.0, -1, 0]], [2.0] * 4),
        "empty": (TETRAHEDRON, [-1.0] * 4),
    }
    for normals, offsets in cases.values():
        body = shapes.HalfSpaces(normals=normals, offsets=offsets)
        with pytest.raises(ValueError, match="empty or unbounded"):
            shapes.rasterise(body, 16, 1.0)
    # One plane makes a body only together with another.
    cut = shapes.HalfSpaces(normals=[up], offsets=[1.0])
    cap = shapes.rasterise(shapes.Sphere(radius=3.0) & cut, 18, 1.0)
    np.testing.assert_allclose(cap.values.sum(), 36 * np.pi - np.pi * 4 * 7 / 3, rtol=1e-4)
