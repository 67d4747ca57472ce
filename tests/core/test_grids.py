"""Index ``n // 2`` is coordinate 0, in both spaces."""

import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core.grids import axis, coordinates, reciprocal_axis


@pytest.mark.parametrize("n", [1, 4, 5])
def test_centre(n):
    assert axis(n, 0.5)[n // 2] == 0
    np.testing.assert_allclose(np.diff(axis(n, 0.5)), 0.5)
    assert reciprocal_axis(n, 0.5)[n // 2] == 0


def test_reciprocal_axis_is_that_of_numpy():
    for n in (6, 7):
        expected = 2 * np.pi * np.fft.fftshift(np.fft.fftfreq(n, 0.3))
        np.testing.assert_allclose(reciprocal_axis(n, 0.3), expected, rtol=1e-6)


def test_coordinates_are_x_y_z_on_the_last_axis():
    points = coordinates((2, 3, 5), 2.0)
    assert points.shape == (2, 3, 5, 3)
    np.testing.assert_array_equal(points[0, 2, 4], [4.0, 2.0, -2.0])


def test_dtype_follows_the_pitch():
    assert axis(3, jnp.float32(0.1)).dtype == jnp.float32
    assert coordinates((2, 2, 2), jnp.float32(0.1)).dtype == jnp.float32
