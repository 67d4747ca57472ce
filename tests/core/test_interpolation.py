"""Splines on a lattice against scipy's not-a-knot splines, and their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.interpolate import make_interp_spline

from diffscatter.core.interpolation import DEGREES, spline_at

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=(12, 9)) + 1j * RNG.normal(size=(12, 9))
ROW, COLUMN = RNG.uniform(0, 11, 40), RNG.uniform(0, 8, 40)


def by_scipy(values, row, column, degree):
    """Apply one spline along each axis."""
    along = make_interp_spline(np.arange(values.shape[0]), values, k=degree)(row)
    axis = np.arange(values.shape[1])
    pairs = zip(along, column, strict=True)
    return np.array([make_interp_spline(axis, line, k=degree)(x) for line, x in pairs])


@pytest.mark.parametrize("degree", DEGREES)
def test_is_the_spline_of_scipy(degree):
    with jax.enable_x64(True):
        found = spline_at(VALUES.copy(), ROW.copy(), COLUMN.copy(), degree=degree)
    # Coefficients exceed the values some fivefold an axis; both solve for them.
    np.testing.assert_allclose(found, by_scipy(VALUES, ROW, COLUMN, degree), atol=1e-12)


def test_meets_the_values_and_is_zero_beyond():
    row, column = np.indices(VALUES.shape)
    np.testing.assert_allclose(spline_at(VALUES, row, column), VALUES, atol=2e-5)
    off = spline_at(VALUES, [-0.01, 3.0, 11.1, np.nan], [2.0, 8.1, 2.0, 2.0])
    np.testing.assert_array_equal(off, 0)


def test_float32_follows_float64():
    single = spline_at(VALUES, ROW, COLUMN)
    assert single.dtype == jnp.complex64
    exact = by_scipy(VALUES, ROW, COLUMN, 5)
    # Positions round to 12 * 6e-8, and slopes reach ten a step.
    np.testing.assert_allclose(single, exact, atol=2e-5)


def test_gradients():
    real = lambda values, row, column: jnp.sum(
        jnp.abs(spline_at(values, row, column) - 0.3) ** 2
    )
    with jax.enable_x64(True):
        arguments = VALUES.real.copy(), ROW.copy(), COLUMN.copy()
        check_grads(jax.jit(real), arguments, order=1, modes=["rev"], rtol=1e-6)
    slopes = jax.grad(real, argnums=(1, 2))(VALUES.real, jnp.array([-3.0]), jnp.array([2.0]))
    np.testing.assert_array_equal(slopes, 0)


def test_vmaps():
    stack = jnp.stack([VALUES.real, VALUES.imag])
    many = jax.vmap(spline_at, (0, None, None))(stack, ROW, COLUMN)
    one = spline_at(VALUES, ROW, COLUMN)
    np.testing.assert_allclose(many[0] + 1j * many[1], one, atol=1e-5)


def test_refuses():
    with pytest.raises(ValueError, match="1, 3, 5, got 2"):
        spline_at(VALUES, ROW, COLUMN, degree=2)
    with pytest.raises(ValueError, match=r"at least 6 .* \(5, 9\)"):
        spline_at(VALUES[:5], ROW, COLUMN)
