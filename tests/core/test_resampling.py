"""Sharing conserves, splines are scipy's, the Guinier law is recovered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.interpolate import CubicSpline

from diffscatter.core.resampling import (
    bin_means,
    guinier_extension,
    share_linearly,
    spline_matrix,
)

RNG = np.random.default_rng(2)


def test_shares_by_distance():
    got = share_linearly(jnp.array([4.0, 10.0]), jnp.array([1.25, 2.0]), 4)
    np.testing.assert_allclose(got, [0, 3, 11, 0])


def test_sharing_conserves_the_sum_and_drops_beyond_the_end():
    values = jnp.asarray(RNG.normal(size=(5, 6)))
    inside = jnp.asarray(RNG.uniform(0, 7, size=(5, 6)))
    np.testing.assert_allclose(share_linearly(values, inside, 8).sum(), values.sum(), rtol=1e-5)
    np.testing.assert_allclose(share_linearly(jnp.ones(1), jnp.array([3.75]), 4).sum(), 0.25)
    np.testing.assert_array_equal(share_linearly(jnp.ones(1), jnp.array([4.0]), 4), np.zeros(4))


def test_sharing_has_gradients():
    weights = jnp.arange(5.0) ** 2
    with jax.enable_x64(True):
        position = jnp.asarray(RNG.uniform(0.1, 3.9, size=9))
        f = jax.jit(lambda v, p: jnp.sum(weights * share_linearly(v, p, 5)))
        check_grads(f, (jnp.linspace(1.0, 2.0, 9), position), order=1, rtol=1e-6)


def test_spline_matrix_is_scipys_spline():
    x = np.sort(RNG.uniform(0, 5, 12))
    new = np.linspace(x[0], x[-1], 30)
    y = RNG.normal(size=12)
    # The matrix and the spline take the same sums in another order.
    np.testing.assert_allclose(spline_matrix(x, new) @ y, CubicSpline(x, y)(new), atol=1e-10)


@pytest.mark.parametrize("degree", [3, 5])
def test_spline_matrix_is_exact_for_polynomials_of_its_degree(degree):
    x, new = np.linspace(0, 2, 8), np.linspace(0.1, 1.9, 11)
    law = lambda t: 1 - t + 2 * t ** (degree - 1) - 0.5 * t**degree
    np.testing.assert_allclose(spline_matrix(x, new, degree) @ law(x), law(new), atol=1e-12)
    steeper = lambda t: t ** (degree + 1)
    assert abs(spline_matrix(x, new, degree) @ steeper(x) - steeper(new)).max() > 1e-5


def test_spline_matrix_refuses_to_extrapolate():
    with pytest.raises(ValueError, match="extend the curve first"):
        spline_matrix([0.0, 1, 2, 3], [0.5, 3.5])


def test_guinier_law_is_recovered():
    q, radius = np.linspace(0.1, 1.0, 20), 1.3
    law = lambda q: 7 * np.exp(-((radius * np.asarray(q)) ** 2) / 3)
    low = np.linspace(0, 0.1, 5)
    with jax.enable_x64(True):
        got = guinier_extension(q, jnp.asarray(law(q)), low)
        np.testing.assert_allclose(got, law(low), rtol=1e-13)
        at_zero = lambda i: guinier_extension(q, i, jnp.zeros(1))[0]
        check_grads(at_zero, (jnp.asarray(law(q)),), order=1, rtol=1e-6)


@pytest.mark.parametrize("points", [1, 4])
def test_guinier_refuses_too_few_points(points):
    with pytest.raises(ValueError, match=rf"2\.\.3.*got {points}"):
        guinier_extension(np.ones(3), jnp.ones(3), np.ones(1), points)


def test_bin_means_are_those_of_the_lines():
    x, values = np.sort(RNG.uniform(0, 4, 30)), RNG.normal(size=30) + 100.0
    edges = np.array([-0.5, 0.5, 0.9, 0.91, 2.0, 3.5, 4.5])
    with jax.enable_x64(True):
        got = bin_means(jnp.asarray(x), jnp.asarray(values), jnp.asarray(edges))
        padded = bin_means(
            jnp.asarray([*x, x[-1], x[-1]]),
            jnp.asarray([*values, 7.0, 7.0]),
            jnp.asarray(edges),
        )
    assert np.isnan(got[0]) and np.isnan(got[-1]), "not wholly within x"
    np.testing.assert_allclose(padded, got, rtol=1e-12)
    for i in range(1, 5):
        # The trapezoid of the points within and the two ends is the integral of the lines.
        low, high = edges[i : i + 2]
        at = np.unique([low, *x[(x > low) & (x < high)], high])
        expected = np.trapezoid(np.interp(at, x, values), at) / (high - low)
        np.testing.assert_allclose(got[i], expected, rtol=1e-12)
