"""Batches of fits against the single fits of the same curves, and their coverage."""

import jax
import numpy as np
import pytest
from curves import Q, ball, guinier, noisy
from scipy import stats

from diffscatter.core.data import Curve
from diffscatter.fitting import GaussianPrior, fit_batch, fit_curve

FREE = {"radius": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}
SMOOTH = {"size": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}
OPTIONS = dict(free=FREE, starts=4, priors={"background": GaussianPrior(1.0, 0.1)})


def stack(model, count, **options):
    curves = [noisy(model, seed, **options) for seed in range(count)]
    columns = ("intensity", "sigma")
    return curves, *(np.stack([np.asarray(getattr(c, n)) for c in curves]) for n in columns)


@pytest.fixture(scope="module")
def batch():
    with jax.enable_x64(True):
        curves, data, sigma = stack(ball(), 3)
        return curves, fit_batch(ball(7.0, 10.0, 0.5), Q, data, sigma, **OPTIONS)


def test_each_fit_is_the_single_fit(batch):
    curves, result = batch
    assert len(result) == 3 and result.converged.all()
    for i, curve in enumerate(curves):
        with jax.enable_x64(True):
            single = fit_curve(ball(7.0, 10.0, 0.5), curve, **OPTIONS)
        # the same starts and steps: only the order of sums differs, far below an error
        values = np.array(list(single.parameters.values()))
        sigma = np.array(list(single.uncertainties.values()))
        assert (np.abs(result.values[i] - values) < 1e-6 * sigma).all()
        np.testing.assert_allclose(result.uncertainties[i], sigma, rtol=1e-6)
        scale = np.outer(sigma, sigma)
        np.testing.assert_allclose(
            result.covariance[i] / scale, single.covariance / scale, atol=1e-6
        )
        np.testing.assert_allclose(result.chi2[i], single.chi2, rtol=1e-9)
        np.testing.assert_allclose(result.fitted[i], single.fitted, rtol=1e-8)
        assert result.starts_agreed[i] == single.starts_agreed
        assert result.dof == single.dof
        ends = np.array(list(single.interval(0.9).values()))
        np.testing.assert_allclose(result.interval(0.9)[i], ends, rtol=1e-6)


def test_it_prints_and_names(batch):
    _, result = batch
    assert "3 curves, 3 converged" in str(result) and "radius: median" in str(result)
    np.testing.assert_array_equal(result.parameters["radius"], result.values[:, 0])


def test_one_sick_curve_does_not_spoil_the_others():
    """One whose only start is no number; one without errors of its own."""
    with jax.enable_x64(True):
        _, data, sigma = stack(guinier(), 3)
        model, free = guinier(6.0, 50.0, 0.7), SMOOTH
        plain = fit_batch(model, Q, data, sigma[0], free=free, starts=0)
        huge = np.where(np.arange(3)[:, None] == 1, 1e200, 1.0)
        sick = fit_batch(model, Q, data * huge, sigma[0], free=free, starts=0)
        bare = fit_batch(model, Q, data, free=free, starts=0)
    np.testing.assert_array_equal(sick.values[[0, 2]], plain.values[[0, 2]])
    assert np.isnan(sick.values[1]).all() and np.isnan(sick.uncertainties[1]).all()
    assert not sick.converged[1] and sick.starts_agreed[1] == 0
    assert "1 without a finite fit" in str(sick)
    assert bare.reduced_chi2 is None and bare.errors_scaled


def test_starts_of_ones_own():
    with jax.enable_x64(True):
        q = np.linspace(0.3, 1.5, 120)
        _, data, sigma = stack(ball(20.0, 1e4, 0.1), 2, q=q)
        far, free = ball(25.0, 1e3, 0.5), {**FREE, "radius": (2, 50)}
        lost = fit_batch(far, q, data, sigma, free=free, starts=0)
        begin = {"radius": [19.8, 20.2]}
        found = fit_batch(far, q, data, sigma, free=free, starts=0, initial=begin)
    assert (lost.reduced_chi2 > 100).all()  # in the next fringe
    assert (np.abs(found.values[:, 0] - 20) < 5 * found.uncertainties[:, 0]).all()


def test_a_thousand_fits_cover_the_truth_as_often_as_they_say():
    trials, level = 1000, 0.9
    with jax.enable_x64(True):
        _, data, sigma = stack(guinier(), trials)
        result = fit_batch(guinier(6.0, 50.0, 0.7), Q, data, sigma, free=SMOOTH, starts=0)
    ends, truth = result.interval(level), np.array([5.0, 100.0, 1.0])
    inside = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).sum(axis=0)
    # three counts: each within the 99.99 % range of its binomial law
    low, high = stats.binom.interval(0.9999, trials, level)
    assert ((inside >= low) & (inside <= high)).all(), inside / trials
    assert abs(result.reduced_chi2.mean() - 1) < 5 * np.sqrt(2 / 77 / trials)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intensities": np.ones(Q.size)}, r"must be \(curves, points\)"),
        ({"q": Q[:-1]}, r"on q of shape \(79,\), got \(2, 80\)"),
        ({"sigmas": np.zeros((2, Q.size))}, "sigmas must be above 0, got 0"),
        ({"sigmas": np.ones((3, Q.size))}, r"sigmas must have shape \(2, 80\)"),
        ({"initial": {"size": 3}}, "initial 'size' is not free"),
        ({"initial": {"radius": [1, 2, 3]}}, "initial radius must have 2 values"),
        ({"initial": {"radius": 99}}, "initial radius must lie in its bounds"),
        ({"intensities": -np.ones((2, Q.size)), "loss": "log"}, "data > 0"),
        ({"starts": -1}, "starts must be >= 0"),
    ],
)
def test_bad_batches(change, message):
    given = dict(q=Q, intensities=np.ones((2, Q.size)), sigmas=np.ones((2, Q.size)), free=FREE)
    with pytest.raises(ValueError, match=message):
        fit_batch(ball(), **{**given, **change})


def test_float32():
    _, data, sigma = stack(ball(), 2)
    result = fit_batch(ball(6.0), Q, data, sigma, free=FREE, starts=2)
    assert result.fitted.dtype == np.float32 and result.converged.all()
    with jax.enable_x64(True):
        exact = fit_curve(
            ball(6.0), Curve(q=Q, intensity=data[0], sigma=sigma[0]), free=FREE, starts=2
        )
    for value, (name, expected) in zip(result.values[0], exact.parameters.items(), strict=True):
        assert abs(value - expected) < 0.01 * exact.uncertainties[name]
