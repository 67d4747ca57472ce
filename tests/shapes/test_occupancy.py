"""Voxels of half-spaces against bodies whose filling is known, and their slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.shapes import solid
from diffscatter.shapes.occupancy import occupancy

CUBE = np.concatenate([np.eye(3), -np.eye(3)])


def test_a_box_fills_voxels_by_its_share():
    with jax.enable_x64(True):
        offsets = np.array([5.0, 4.0, 3.25, 2.0, 4.0, 3.25])  # x, y, z, then downwards
        got = np.asarray(occupancy(CUBE, offsets, (10, 9, 12), 1.0))

    def share(n, low, high):
        middle = np.arange(n) - n // 2
        return np.clip(np.minimum(middle + 0.5, high) - np.maximum(middle - 0.5, low), 0, 1)

    z, y, x = share(10, -3.25, 3.25), share(9, -4, 4), share(12, -2, 5)
    np.testing.assert_allclose(got, z[:, None, None] * y[:, None] * x, atol=1e-12)


def test_volume_of_a_tilted_body():
    with jax.enable_x64(True):
        body = solid("truncated octahedron", size=9.0, rotation=(0.3, -0.5, 0.2))
        planes = np.asarray(body.normals), np.asarray(body.offsets)
        volumes = [float(occupancy(*planes, 24, 1.0, oversampling=m).sum()) for m in (1, 2, 4)]
        error = np.abs(np.array(volumes) / float(body.volume) - 1)
    # Columns hold their matter to second order in their width: 1/9^2 of the radius squared.
    assert error[0] < 9**-2 and error[1] < 9**-2 / 4 and error[2] < 9**-2 / 16


def test_middle_of_mass_is_that_of_the_body():
    with jax.enable_x64(True):
        body = solid("tetrahedron", size=9.0, rotation=(1.0, 0.4, 0.2))
        planes = np.asarray(body.normals), np.asarray(body.offsets)
        got = np.asarray(occupancy(*planes, 24, 1.0, oversampling=4))
    at = np.indices(got.shape) - 12
    # A tetrahedron's is at the origin; a voxel's matter is off its middle by less than 1/2.
    np.testing.assert_allclose((at * got).sum(axis=(1, 2, 3)) / got.sum(), 0, atol=0.02)


def test_gradient_and_precision():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(12, 12, 12))
    normals = np.asarray(solid("cube", size=1.0, rotation=(0.3, 0.5, 0.2)).normals)
    with jax.enable_x64(True):
        total = lambda b: jnp.sum(weight * occupancy(normals, b, 12, 1.0))
        b = jnp.array([4.0, 3.7, 3.3, 3.9, 4.1, 3.6])
        slope, step = jax.grad(total)(b), 1e-6
        for i in range(6):
            move = step * np.eye(6)[i]
            difference = (total(b + move) - total(b - move)) / (2 * step)
            # Sums of hundreds of terms near 1: rounding 1e-14 / 1e-6.
            np.testing.assert_allclose(slope[i], difference, rtol=1e-5, atol=1e-6)
        wide = occupancy(normals, b, 12, 1.0)
    narrow = occupancy(np.asarray(normals, np.float32), np.asarray(b, np.float32), 12, 1.0)
    assert narrow.dtype == jnp.float32
    # Never a rounding more than full, whatever the pitch.
    odd = occupancy(np.asarray(normals, np.float32), np.full(6, 3.1, np.float32), 12, 0.7)
    assert float(odd.max()) == 1.0
    np.testing.assert_allclose(narrow, wide, atol=2e-5)  # heights near 10 in steps of 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "counts >= 1"),
        ({"n": (4, 4)}, r"one or three counts.*got \(4, 4\)"),
        ({"pitch": -1.0}, "pitch must be above 0 nm, got -1"),
        ({"oversampling": 0}, "oversampling >= 1, got 8, 0"),
        ({"n": 1, "oversampling": 1}, "at least two columns"),
        ({"offsets": np.ones(5)}, r"offsets must be \(6,\)"),
    ],
)
def test_names_bad_input(changes, message):
    given = {"normals": CUBE, "offsets": np.ones(6), "n": 8, "pitch": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        occupancy(**given)
