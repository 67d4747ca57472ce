"""Covariance, correlations and flags against linear algebra done another way."""

import numpy as np
import pytest
from scipy import stats

from diffscatter.fitting.posterior import (
    agreeing,
    bounds_hit,
    correlations,
    covariance_of,
    quantile,
)

EPS = np.finfo(float).eps


def test_covariance_is_the_inverse_whatever_the_units():
    rng = np.random.default_rng(0)
    jacobian = rng.normal(size=(50, 4)) * [1e6, 1.0, 1e-9, 3e3]
    covariance, undetermined = covariance_of(jacobian, EPS)
    assert not undetermined.any()
    unit = np.array([1e6, 1.0, 1e-9, 3e3])
    expected = np.linalg.inv((jacobian / unit).T @ (jacobian / unit)) / np.outer(unit, unit)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(covariance / scale, expected / scale, rtol=0, atol=1e-12)


def test_what_is_not_determined_is_flagged_and_leaves_the_rest_alone():
    rng = np.random.default_rng(1)
    good = rng.normal(size=(30, 2))
    product = rng.normal(size=(30, 1)) @ [[2.0, 3.0]]  # only 2a + 3b is seen
    jacobian = np.concatenate([good, product, np.zeros((30, 1))], axis=1)
    covariance, undetermined = covariance_of(jacobian, EPS)
    np.testing.assert_array_equal(undetermined, [False, False, True, True, True])
    assert np.isinf(np.diag(covariance)[2:]).all()
    # the first two, with what the product's direction takes from them
    kept = np.concatenate([good, product[:, :1]], axis=1)
    expected = np.linalg.inv(kept.T @ kept)[:2, :2]
    np.testing.assert_allclose(covariance[:2, :2], expected, rtol=1e-10)
    matrix = correlations(covariance)
    assert np.isfinite(matrix).all() and (np.diag(matrix) == 1).all()
    assert (matrix[2, [0, 1, 3, 4]] == 0).all()


def test_a_jacobian_that_is_no_number_determines_nothing():
    covariance, undetermined = covariance_of(np.full((5, 2), np.nan), EPS)
    assert undetermined.all() and np.isinf(np.diag(covariance)).all()


def test_quantiles():
    np.testing.assert_allclose(quantile(0.6826894921370859), 1.0, rtol=1e-12)
    np.testing.assert_allclose(quantile(0.95, 5), stats.t.interval(0.95, 5)[1], rtol=1e-12)
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="between 0 and 1"):
            quantile(level)


def test_bounds_hit_needs_nearness_in_range_and_in_error():
    low, high = np.zeros(4), np.full(4, 10.0)
    values = np.array([1e-3, 1e-3, 9.9999, 5.0])
    sigma = np.array([0.1, 1e-5, np.inf, 0.1])
    hit = bounds_hit(values / 10, values, low, high, sigma)
    # the second is as near zero, but a hundred of its errors away
    assert hit == ["lower", "", "upper", ""]


def test_ends_agree_in_loss_and_in_what_is_determined():
    sigma = np.array([0.5, 2.0, np.inf])
    values = np.array(
        [[1.0, 2.0, 0.0], [1.04, 2.1, 9.0], [1.06, 2.0, 0.0], [1.0, 2.0, 0.0], [1.0, 2.5, 0.0]]
    )
    losses = np.array([50.0, 50.005, 50.005, 50.02, 50.0])
    got = agreeing(values, losses, sigma, 1.0, EPS)
    # the third moved .12 sigma, the fourth costs more, the fifth moved a quarter of a sigma
    np.testing.assert_array_equal(got, [True, True, False, False, False])
    # residuals nine times as large: three times the distance, nine times the loss
    assert agreeing(values, losses, sigma, 9.0, EPS).all()
    losses[3] = np.inf
    assert not agreeing(values, losses, sigma, 9.0, EPS)[3]
