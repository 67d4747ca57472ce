"""Posteriors whose moments are known: a linear model, a bound, a prior."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from diffscatter.core.data import Curve
from diffscatter.core.pytree import struct
from diffscatter.fitting import GaussianPrior, fit_curve, sample_posterior

pytest.importorskip("blackjax", reason="the extra bayes is not installed")


@struct
class Line:
    slope: object
    level: object

    def __call__(self, q):
        return self.slope * q + self.level


Q, NOISE = np.linspace(-1, 1, 40), 0.5
FREE = {"slope": (-100.0, 100.0), "level": (0.0, 50.0)}


def fitted(level, prior):
    noise = np.random.default_rng(0).normal(size=Q.size)
    noise -= noise.mean()
    curve = Curve(q=Q, intensity=3 * Q + level + NOISE * noise, sigma=np.full(Q.size, NOISE))
    start = Line(slope=1.0, level=10.0)
    return fit_curve(start, curve, free=FREE, starts=0, priors={"level": prior})


@pytest.fixture(scope="module")
def inside():
    with jax.enable_x64(True):
        result = fitted(5.0, GaussianPrior(6.0, 0.05))
        draw = lambda key: sample_posterior(
            result, chains=2, draws=500, warmup=200, key=jax.random.key(key)
        )
        return result, draw(1), draw(1)


def test_moments_are_those_of_the_linear_model(inside):
    result, posterior, _ = inside
    assert posterior.draws.shape == (2, 500, 2) and posterior.divergences == 0
    assert (posterior.rhat < 1.02).all() and (posterior.effective > 200).all()
    for i, (name, sigma) in enumerate(result.uncertainties.items()):
        # five standard errors of a mean and of a standard deviation
        error = sigma / np.sqrt(posterior.effective[i])
        assert abs(posterior.mean[name] - result.parameters[name]) < 5 * error
        assert abs(posterior.uncertainties[name] / sigma - 1) < 5 / np.sqrt(
            2 * posterior.effective[i]
        )
        low, high = posterior.interval(0.9)[name]
        assert abs((high - low) / (2 * 1.645 * sigma) - 1) < 0.2
    assert "2 chains of 500 draws, 0 divergences" in str(posterior)


def test_the_prior_counts(inside):
    _, posterior, _ = inside
    data, prior = Q.size / NOISE**2, 1 / 0.05**2
    mean, sigma = (data * 5 + prior * 6) / (data + prior), (data + prior) ** -0.5
    assert abs(posterior.mean["level"] - mean) < 5 * sigma / np.sqrt(posterior.effective[1])


def test_the_same_key_gives_the_same_draws(inside):
    _, first, second = inside
    np.testing.assert_array_equal(first.draws, second.draws)


def test_a_bound_cuts_the_posterior():
    """The best level lies on its bound of 0: half a normal law, whose mean is .80 sigma."""
    with jax.enable_x64(True):
        result = fitted(0.0, GaussianPrior(0.0, 1e6))
        posterior = sample_posterior(result, chains=2, draws=500, warmup=200)
    sigma = NOISE / np.sqrt(Q.size)
    half = stats.halfnorm(scale=sigma)
    level = posterior.flat[:, 1]
    assert level.min() >= 0
    error = half.std() / np.sqrt(posterior.effective[1])
    assert abs(level.mean() - half.mean()) < 5 * error
    assert posterior.effective[1] > 100


def test_too_few_and_missing(inside, monkeypatch):
    result, _, _ = inside
    with pytest.raises(ValueError, match="chains must be >= 2"):
        sample_posterior(result, chains=1)
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match=r"pip install 'diffscatter\[bayes\]'"):
        sample_posterior(result)


def test_float32():
    posterior = sample_posterior(
        fitted(5.0, GaussianPrior(5.0, 1.0)), chains=2, draws=200, warmup=100
    )
    assert posterior.draws.dtype == np.float32
    assert abs(posterior.mean["level"] - 5) < 0.05
    assert jnp.isfinite(posterior.rhat).all()
