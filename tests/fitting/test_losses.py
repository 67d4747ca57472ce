"""Losses against scipy's likelihoods, and their derivatives where they would be 0/0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from diffscatter.fitting import (
    LOSSES,
    assumed_sigma,
    chi2_residuals,
    log_residuals,
    poisson_deviance,
    poisson_residuals,
    scatter_loss,
    stretched_log,
)
from diffscatter.fitting.losses import loss_named


def test_chi2_is_the_gaussian_likelihood():
    m, d, s = np.array([[1.0, 2.5, 7.0], [1.5, 2.0, 9.0], [0.1, 0.5, 2.0]])
    with jax.enable_x64(True):
        total = jnp.sum(chi2_residuals(m, d, s) ** 2)
    ratio = stats.norm.logpdf(d, d, s) - stats.norm.logpdf(d, m, s)
    np.testing.assert_allclose(total, 2 * ratio.sum(), rtol=1e-13)


def test_poisson_deviance_is_the_likelihood_ratio():
    rng = np.random.default_rng(1)
    d = rng.poisson(20, 200).astype(float)
    d[:40] = rng.poisson(0.3, 40)
    m = d * rng.uniform(0.3, 3.0, 200) + rng.uniform(0.01, 2.0, 200)
    with jax.enable_x64(True):
        r = poisson_residuals(m, d)
        total = poisson_deviance(m, d)
    expected = 2 * (stats.poisson.logpmf(d, np.maximum(d, 1e-300)) - stats.poisson.logpmf(d, m))
    # scipy subtracts log-gammas of counts up to 60: 1e-13 of values near 100 is left
    np.testing.assert_allclose(r**2, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-11)
    np.testing.assert_array_equal(np.sign(r), np.sign(m - d))


def test_poisson_residuals_where_the_closed_form_cancels():
    """Against the power series of the deviance in m/d - 1, summed in longdouble."""
    with jax.enable_x64(True):
        d = 1e6
        t = np.array([1e-9, 1e-6, -1e-4, 0.01, 0.0999, 0.1001, -0.0999, -0.1001])
        m = d * (1 + t)
        r = np.asarray(poisson_residuals(m, d))
    wide = (m.astype(np.longdouble) - d) / d
    series = sum((-1) ** k * wide ** (k + 2) / (k + 2) for k in range(40))
    expected = np.sign(t) * np.sqrt(2 * d * series)
    # beyond |t| = 0.1 the closed form cancels t against ln(1 + t): 1e-16 / (t/2) = 2e-15
    np.testing.assert_allclose(r, expected.astype(float), rtol=1e-14)


@pytest.mark.parametrize("m", [9.3, 10.0 + 1e-7, 2.0, 40.0])
def test_poisson_gradient(m):
    with jax.enable_x64(True):
        check_grads(lambda m: poisson_residuals(m, 10.0), (m,), order=1, rtol=1e-6)
        check_grads(lambda m: poisson_residuals(m, 0.0), (m,), order=1, rtol=1e-6)


def test_poisson_slope_at_the_match_and_at_nothing():
    with jax.enable_x64(True):
        slope = jax.grad(poisson_residuals)
        np.testing.assert_allclose(slope(10.0, 10.0), 10**-0.5, rtol=1e-14)
        for m in (0.0, -5.0, 1e-9):
            for d in (0.0, 3.0):
                assert np.isfinite(poisson_residuals(m, d))
                assert np.isfinite(slope(m, d))
        # models below zero are worse than at zero, and lead back
        assert poisson_residuals(-1e-6, 3.0) ** 2 > poisson_residuals(0.0, 3.0) ** 2
        assert slope(-1e-6, 3.0) > 0


def test_log_residuals():
    with jax.enable_x64(True):
        m, d, s = np.array([[1.0, 2.5, 7.0], [1.5, 2.0, 9.0], [0.1, 0.5, 2.0]])
        expected = np.log(m / d) * d / s
        np.testing.assert_allclose(log_residuals(m, d, s), expected, rtol=1e-14)
        check_grads(lambda m: log_residuals(m, 2.0, 0.1), (1.3,), order=1, rtol=1e-6)
        for m in (0.0, -1.0):
            assert np.isfinite(log_residuals(m, 2.0, 0.1))
            assert jax.grad(log_residuals)(m, 2.0, 0.1) > 0


@pytest.mark.parametrize("name", list(LOSSES))
def test_information_is_the_slope_of_the_residual_at_the_data(name):
    """Where model and data agree, expected and observed information are one number."""
    loss = LOSSES[name]
    with jax.enable_x64(True):
        d, s = jnp.array([4.0, 25.0]), jnp.array([0.5, 2.0])
        slope = jax.jacfwd(lambda m: loss.residuals(m, d, s))(d).diagonal()
        np.testing.assert_allclose(loss.information(d, d, s), slope, rtol=1e-13)


@pytest.mark.parametrize("name", list(LOSSES))
def test_float32(name):
    loss = LOSSES[name]
    rng = np.random.default_rng(0)
    d, s = rng.uniform(1, 50, 100), rng.uniform(0.5, 2, 100)
    m = d * rng.uniform(0.5, 2, 100)
    single = loss.residuals(*(jnp.asarray(x, jnp.float32) for x in (m, d, s)))
    assert single.dtype == jnp.float32
    with jax.enable_x64(True):
        double = loss.residuals(*(jnp.asarray(x) for x in (m, d, s)))
    # m - d loses at most its own rounding, 6e-8 m/s; the closed deviance a factor 20 (t = 0.1)
    np.testing.assert_allclose(single, double, rtol=3e-6, atol=3e-6 * float((m / s).max()))


def test_assumed_sigma_is_relative_with_a_floor():
    d = np.concatenate([np.geomspace(1, 1e4, 90), [0.0, -1e-3] + [1e-2] * 8])
    sigma = assumed_sigma(d)
    np.testing.assert_array_equal(sigma[:90], d[:90])
    assert (sigma[90:] == sigma.min()).all() and sigma.min() > 0


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("poisson", [3.0, -1.0, 2.0], "counts >= 0.*got -1 at index 1"),
        ("log", [3.0, 1.0, 0.0], "data > 0.*got 0 at index 2"),
    ],
)
def test_data_that_a_loss_cannot_take(name, data, message):
    with pytest.raises(ValueError, match=message):
        LOSSES[name].check(np.array(data), None)


def test_unknown_loss():
    with pytest.raises(ValueError, match="one of chi2, poisson, log, got 'l1'"):
        loss_named("l1")


def patterns():
    rng = np.random.default_rng(5)
    model, data = np.exp(rng.uniform(0, 14, (2, 9, 7)))
    mask = rng.random((9, 7)) > 0.3
    return model, data, mask


def test_scatter_loss_is_that_of_the_stretched_logarithms():
    model, data, mask = patterns()

    def stretched(intensity):
        image = np.log(intensity[mask] + 100)
        return (image - image.min()) / np.ptp(image)

    expected = np.mean((stretched(model) - stretched(data)) ** 2)
    dark = np.where(mask, data, np.nan)  # what lies outside the mask may be no number
    with jax.enable_x64(True):
        np.testing.assert_allclose(scatter_loss(model, dark, mask), expected, rtol=1e-13)
        shown = stretched_log(model, mask)
        np.testing.assert_allclose(shown[mask], stretched(model), rtol=1e-13, atol=1e-15)
        assert (np.asarray(shown)[~mask] == 0).all()
        # a change of contrast and brightness of the logarithm is no change
        np.testing.assert_allclose(scatter_loss(7 * model, model, offset=1e-9), 0, atol=1e-20)
    single = scatter_loss(jnp.asarray(model, jnp.float32), jnp.asarray(data, jnp.float32), mask)
    # differences of numbers up to 1, each rounded a few times
    np.testing.assert_allclose(single, expected, rtol=1e-5)
    assert single.dtype == jnp.float32


def test_smooth_scatter_loss():
    model, data, mask = patterns()
    with jax.enable_x64(True):
        loss = lambda m, w: scatter_loss(m, data, mask, smoothing=w)
        check_grads(lambda m: loss(m, 0.3), (model,), order=1, rtol=1e-6)
        slope = jax.grad(loss)(jnp.asarray(model), 0.3)
        assert (np.asarray(slope)[~mask] == 0).all()
        np.testing.assert_allclose(loss(model, 1e-5), loss(model, 0.0), rtol=1e-12)


def test_scatter_loss_of_a_flat_or_empty_pattern_has_a_slope():
    for smoothing in (0.0, 0.3):
        for flat in (np.zeros((9, 7)), np.ones((9, 7))):
            loss = lambda m, w=smoothing: scatter_loss(m, patterns()[1], smoothing=w)
            assert np.isfinite(loss(flat)) and np.isfinite(jax.grad(loss)(flat)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": np.ones((2, 2), bool)}, r"mask has shape \(2, 2\), the pattern \(9, 7\)"),
        ({"mask": np.zeros((9, 7), bool)}, "mask leaves no pixel"),
        ({"model": np.ones((9, 6))}, r"model has shape \(9, 6\), data \(9, 7\)"),
        ({"smoothing": -1.0}, "smoothing must be at least 0, got -1"),
    ],
)
def test_scatter_loss_names_bad_input(changes, message):
    model, data, _ = patterns()
    with pytest.raises(ValueError, match=message):
        scatter_loss(**({"model": model, "data": data} | changes))
