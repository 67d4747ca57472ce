"""Height maps of convex bodies: exact columns, volumes, walls, silhouettes and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.core.rotations import from_rotation_vector
from diffscatter.shapes import HalfSpaces
from diffscatter.shapes.heights import STEEP, heights

AXIS = (np.arange(97) - 48) * 1.25
CUBE = np.vstack([np.eye(3), -np.eye(3)])


def rotated_cube(vector, side=50.0):
    return CUBE @ np.asarray(from_rotation_vector(np.array(vector))).T, np.full(6, side / 2)


def tangent_planes(count, radius):
    """Planes that touch a sphere in points spread evenly over it."""
    index = np.arange(count) + 0.5
    height, turn = 1 - 2 * index / count, np.pi * (3 - 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    normals = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    return normals, np.full(count, radius)


def test_columns_well_inside_are_exact():
    front, thickness, coverage = heights(*tangent_planes(2000, 50.0), AXIS, AXIS)
    radius = np.hypot(AXIS[:, None], AXIS)
    inside = radius < 45
    half = np.sqrt(2500 - radius[inside] ** 2)
    # No point of the sphere is farther than 3.1 nm from where one of 2000 planes touches it, so
    # they stand out by (3.1 nm)^2 / (2 * 50 nm).
    slack = 0.097 * 50 / half
    assert (np.abs(front[inside] + half) < slack).all()
    assert (np.abs(thickness[inside] - 2 * half) < 2 * slack).all()
    assert (np.asarray(coverage)[inside] == 1).all()
    assert not np.asarray(coverage)[radius > 54].any()


@pytest.mark.parametrize(
    "vector", [(0, 0, 0), (0, 0, 0.3), (0.01, 0.02, 0.4), (0.05, 0, 0.2), (0.6, 0.3, 0.1)]
)
def test_volume_whether_walls_lean_or_not(vector):
    planes = rotated_cube(vector, side=51.3)
    front, thickness, coverage = heights(*planes, AXIS, AXIS)
    volume = np.sum(np.asarray(coverage * thickness)) * 1.25**2
    with jax.enable_x64(True):
        exact = float(HalfSpaces(normals=planes[0], offsets=planes[1]).volume)
    # The middle of a column w errs by s w^2/8 a length of edge at which the slope changes by s,
    # at most 20 here, along two sides.
    assert volume == pytest.approx(exact, rel=20 / 4 * (1.25 / 51.3) ** 2)
    centre = np.asarray(coverage * thickness * (front + thickness / 2)).sum() * 1.25**2 / volume
    assert abs(centre) < 0.05


def test_volume_follows_the_body_smoothly():
    # A face that moves over the grid: the volume grows by its area, without steps.
    volumes = []
    for offset in np.linspace(20, 25, 11):
        normals, offsets = rotated_cube((0.5, 0.2, 0.1))
        offsets[0] = offset
        _, thickness, coverage = heights(normals, offsets, AXIS, AXIS)
        volumes.append(float(jnp.sum(coverage * thickness)) * 1.25**2)
    np.testing.assert_allclose(np.diff(volumes), 0.5 * 50**2, rtol=0.02)


def test_planes_that_touch_nothing_change_nothing():
    normals, offsets = rotated_cube((0.5, 0.2, 0.1))
    more = np.vstack([normals, [[0, 0, 1], [1, 0, 0]]]), np.append(offsets, [1e3, 1e3])
    plain = heights(normals, offsets, AXIS, AXIS)
    for a, b in zip(plain, heights(*more, AXIS, AXIS), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(plain, heights(3 * normals, 3 * offsets, AXIS, AXIS), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def moments(normals, offsets, x=AXIS):
    front, thickness, coverage = heights(normals, offsets, x, x)
    amount = coverage * thickness
    weight = jnp.cos(0.11 * x) + jnp.sin(0.07 * x)[:, None]
    return jnp.sum(amount * weight) + jnp.sum(amount * (front + thickness / 2) ** 2) / 100


@pytest.mark.parametrize("vector", [(0.5, 0.2, 0.1), (0.002, 0.003, 0.3)])
def test_gradient(vector):
    with jax.enable_x64(True):
        normals, offsets = (jnp.asarray(a) for a in rotated_cube(vector))
        # Lengths of normals matter together with offsets: both scaled, nothing changes.
        lengths = jnp.array([1.0, 2.0, 0.5, 1.5, 0.8, 1.2])
        planes = (normals * lengths[:, None], offsets * lengths)
        check_grads(jax.jit(moments), planes, order=1, modes=["rev"], rtol=1e-5, eps=1e-7)


def test_float32_and_batch():
    normals, offsets = rotated_cube((0.5, 0.2, 0.1))
    with jax.enable_x64(True):
        exact = heights(normals, offsets, AXIS, AXIS)
    single = tuple(np.float32(v) for v in (normals, offsets, AXIS, AXIS))
    for a, b in zip(heights(*single), exact, strict=True):
        assert a.dtype == np.float32
        # Slopes up to 1/STEEP of lengths up to 60 nm.
        np.testing.assert_allclose(a, b, atol=60 / STEEP * 1e-6)
    two = jnp.stack([offsets, 0.9 * offsets])
    both = jax.vmap(lambda b: moments(jnp.asarray(normals), b))(two)
    each = jax.lax.map(lambda b: moments(jnp.asarray(normals), b), two)
    np.testing.assert_allclose(both, each, rtol=1e-4)


def test_an_empty_body_is_finite():
    normals, offsets = rotated_cube((0.5, 0.2, 0.1))
    nothing = jnp.asarray(-offsets)
    assert not np.asarray(heights(normals, nothing, AXIS, AXIS)).any()
    assert np.isfinite(jax.grad(moments, argnums=1)(jnp.asarray(normals), nothing)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normals": np.zeros((6, 2))}, r"\(6, 2\)"),
        ({"normals": np.zeros((6, 3))}, "must not be zero"),
        ({"offsets": np.ones(5)}, r"\(5,\)"),
        ({"offsets": np.full(6, np.nan)}, "offsets must be finite"),
        ({"normals": np.abs(CUBE)}, "open along the beam"),
        ({"x": AXIS[::-1]}, "ascending"),
        ({"y": np.array([0.0, 1.0, 3.0])}, "equally spaced"),
        ({"x": np.zeros(1)}, "2 or more"),
    ],
)
def test_bad_input(change, message):
    given = {"normals": CUBE, "offsets": np.ones(6), "x": AXIS, "y": AXIS} | change
    with pytest.raises(ValueError, match=message):
        heights(**given)
