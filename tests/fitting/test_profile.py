"""Profile intervals against scans by scipy, bounds, and the covariance where they agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Q, guinier, noisy
from scipy.optimize import brentq, minimize_scalar

from diffscatter.core.data import Curve
from diffscatter.core.pytree import struct
from diffscatter.fitting import fit_curve, profile_intervals

FREE = {"size": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}


@pytest.fixture(scope="module")
def smooth():
    with jax.enable_x64(True):
        result = fit_curve(guinier(6.0), noisy(guinier(), 0), free=FREE, starts=0)
        return result, profile_intervals(result, 0.9)


def test_it_is_the_covariances_where_the_fit_is_linear(smooth):
    result, profile = smooth
    for name, (low, high) in result.interval(0.9).items():
        assert profile[name].found and not profile[name].open_low
        # errors of 1 %: they differ in that order
        reach = 0.05 * (high - low)
        np.testing.assert_allclose(
            [profile[name].low, profile[name].high], [low, high], 0, reach
        )
        assert profile[name].lowest > -1e-3
    assert list(profile) == list(result.parameters)


@struct
class Bent:
    """exp(-a) b: a strongly bent pair at five points, with a spread of 30 %."""

    a: object
    b: object

    def __call__(self, q):
        return self.b * jnp.exp(-self.a * q) / (1 + self.a)


BENT = np.linspace(0.2, 3.0, 8)


def bent_curve():
    true = 2.0 * np.exp(-0.8 * BENT) / 1.8
    noise = np.random.default_rng(3).normal(size=BENT.size)
    return Curve(q=BENT, intensity=true + 0.15 * noise, sigma=np.full(BENT.size, 0.15))


def test_ends_are_where_scipys_profile_has_risen():
    curve = bent_curve()
    with jax.enable_x64(True):
        free = {"a": (0.0, 50.0), "b": (0.01, 1e3)}
        result = fit_curve(Bent(a=1.0, b=1.0), curve, free=free, starts=4)
        interval = profile_intervals(result, 0.9, ["a"])["a"]
    q, data = BENT, np.asarray(curve.intensity, float)
    shape = lambda a: np.exp(-a * q) / (1 + a)

    def loss(a):
        return (
            np.sum(((shape(a) @ data) / (shape(a) @ shape(a)) * shape(a) - data) ** 2) / 0.0225
        )

    best = minimize_scalar(loss, (0.5, 2.0), tol=1e-12).x
    rise = lambda a: loss(a) - loss(best) - 1.6448536**2
    ends = brentq(rise, 1e-6, best), brentq(rise, best, 30.0)
    np.testing.assert_allclose(result.parameters["a"], best, rtol=1e-3)
    # a thousandth of the half width, both in its root
    np.testing.assert_allclose([interval.low, interval.high], ends, rtol=5e-3)
    # and it is not symmetric
    assert interval.high - best > 1.2 * (best - interval.low)
    assert str(interval) == f"{interval.low:.6g} to {interval.high:.6g}"


def test_a_bound_ends_an_interval():
    curve = bent_curve()
    with jax.enable_x64(True):
        free = {"a": (0.0, 0.9), "b": (0.01, 1e3)}
        result = fit_curve(Bent(a=0.5, b=1.0), curve, free=free, starts=4)
        interval = profile_intervals(result, 0.95, ["a"])["a"]
    assert interval.open_high and interval.high == pytest.approx(0.9) and interval.found
    assert not interval.open_low and str(interval).endswith("0.9 (its bound)")


def test_what_is_not_determined_is_open_on_both_sides():
    @struct
    class Twice:
        first: object
        second: object

        def __call__(self, q):
            return self.first * self.second * jnp.exp(-q)

    with jax.enable_x64(True):
        curve = Curve(q=Q, intensity=100 * np.exp(-Q), sigma=0.01 * np.exp(-Q))
        free = {"first": (5, 20), "second": (1, 100)}
        result = fit_curve(Twice(first=9.0, second=9.0), curve, free=free, starts=0)
        first = profile_intervals(result, names=["first"])["first"]
    assert first.open_low and first.open_high
    np.testing.assert_allclose([first.low, first.high], [5, 20], rtol=1e-6)


def test_refusals(smooth):
    result, _ = smooth
    with pytest.raises(ValueError, match="'radius' is not a free parameter; free are size"):
        profile_intervals(result, names=["radius"])
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        profile_intervals(result, 90)
