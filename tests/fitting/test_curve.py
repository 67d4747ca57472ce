"""Curve fits against scipy, against the truth behind simulated curves, and on bad input."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Ball, Guinier, Q, Scaled, ball, guinier, noisy
from scipy import stats
from scipy.optimize import curve_fit

from diffscatter.core.data import Curve
from diffscatter.core.pytree import struct
from diffscatter.fitting import Bounds, fit_curve, multistart

FREE = {"radius": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}
SMOOTH = {"size": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}


def by_scipy(curve, shape, start):
    """Value and covariance of scale, size and background by scipy, shape from numpy."""
    function = lambda q, size, scale, background: scale * shape(q, size) + background
    return curve_fit(
        function,
        np.asarray(curve.q),
        np.asarray(curve.intensity),
        start,
        np.asarray(curve.sigma),
        absolute_sigma=True,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )


def numpy_ball(q, radius):
    x = q * radius
    return (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_value_and_covariance_are_scipys(seed):
    with jax.enable_x64(True):
        curve = noisy(ball(), seed)
        result = fit_curve(ball(7.0, 10.0, 0.5), curve, free=FREE, starts=8)
        at_data = np.asarray(result.model(curve.q))
    values, covariance = by_scipy(curve, numpy_ball, [5.0, 100.0, 1.0])
    sigma = np.sqrt(np.diag(covariance))
    got = np.array(list(result.parameters.values()))
    # The solver stops within 1e-3 sigma; scipy's Jacobian, by forward differences of 1.5e-8,
    # is good to about 1e-6.
    assert (np.abs(got - values) < 1e-3 * sigma).all()
    scale = np.outer(sigma, sigma)
    np.testing.assert_allclose(result.covariance / scale, covariance / scale, atol=1e-3)
    assert result.converged and result.status == "converged" and result.starts_agreed >= 6
    assert result.fixed == {} and result.dof == Q.size - 3
    np.testing.assert_allclose(result.chi2, np.sum(result.residuals**2), rtol=1e-12)
    np.testing.assert_allclose(
        result.residuals * np.asarray(curve.sigma),
        result.fitted - np.asarray(curve.intensity),
        rtol=1e-9,
        atol=1e-12,
    )
    np.testing.assert_allclose(at_data, result.fitted, rtol=1e-12)


def test_two_hundred_fits_cover_the_truth_as_often_as_they_say():
    truth = {"size": 5.0, "scale": 100.0, "background": 1.0}
    trials, inside = 200, {0.6827: np.zeros(3), 0.95: np.zeros(3)}
    reduced = []
    with jax.enable_x64(True):
        for seed in range(trials):
            result = fit_curve(
                guinier(6.0, 50.0, 0.7), noisy(guinier(), seed), free=SMOOTH, starts=0
            )
            reduced.append(result.reduced_chi2)
            for level, count in inside.items():
                interval = result.interval(level)
                count += [interval[n][0] <= x <= interval[n][1] for n, x in truth.items()]
    for level, count in inside.items():
        # six counts are tested: each within the 99.99 % range of its binomial law
        low, high = stats.binom.interval(0.9999, trials, level)
        assert (count >= low).all() and (count <= high).all(), (level, count / trials)
    # the mean of 200 chi-squares of 77 degrees of freedom, five standard errors
    assert abs(np.mean(reduced) - 1) < 5 * np.sqrt(2 / 77 / trials)


def test_many_starts_come_to_one_answer_whatever_the_key():
    """Above q R = 6 chi-square has a minimum a fringe; one start stays in the nearest."""
    q = np.linspace(0.3, 1.5, 120)
    free = {**FREE, "radius": (2, 50)}
    far = ball(25.0, 1e3, 0.5)
    with jax.enable_x64(True):
        curve = noisy(ball(20.0, 1e4, 0.1), 0, q=q)
        alone = fit_curve(far, curve, free=free, starts=0)
        results = [
            fit_curve(far, curve, free=free, starts=16, key=jax.random.key(k)) for k in range(3)
        ]
        again = fit_curve(far, curve, free=free, starts=16, key=jax.random.key(0))
    assert alone.reduced_chi2 > 100 and "does not describe the data" in alone.status
    for result in results:
        assert abs(result.parameters["radius"] - 20) < 4 * result.uncertainties["radius"]
        # the fringe is a twelfth of the range: chance alone would give one or two
        assert result.starts == 17 and result.starts_agreed >= 8
        assert result.start_parameters.shape == (17, 3)
        np.testing.assert_allclose(result.start_losses[0], alone.chi2, rtol=1e-6)
    assert again.parameters == results[0].parameters


def test_poisson_is_not_biased_where_chi2_is():
    """A flat level of 3 counts: sqrt(d) as error pulls a chi-square fit low, Poisson not."""
    q, level, trials = np.linspace(0.1, 1, 100), 3.0, 40
    flat = Scaled(shape=Ball(radius=0.0), scale=0.0, background=level)
    found = {"poisson": [], "chi2": []}
    with jax.enable_x64(True):
        for seed in range(trials):
            counts = np.random.default_rng(seed).poisson(level, q.size).astype(float)
            curve = Curve(q=q, intensity=counts, sigma=np.sqrt(np.maximum(counts, 1)))
            for loss, values in found.items():
                free = {"background": (0.1, 50)}
                result = fit_curve(flat, curve, free=free, loss=loss, starts=0)
                values.append(result.parameters["background"])
                if loss == "poisson":
                    # the maximum-likelihood level is the mean count, its error sqrt(mean/n)
                    np.testing.assert_allclose(values[-1], counts.mean(), rtol=1e-5)
                    sigma = result.uncertainties["background"]
                    np.testing.assert_allclose(
                        sigma, np.sqrt(counts.mean() / q.size), rtol=1e-4
                    )
    error = np.sqrt(level / q.size / trials)
    assert abs(np.mean(found["poisson"]) - level) < 4 * error
    assert np.mean(found["chi2"]) < level - 10 * error


def test_log_loss_agrees_with_chi2_where_errors_are_small():
    curve = noisy(guinier(), 3, error=1e-3)
    with jax.enable_x64(True):
        plain = fit_curve(guinier(), curve, free=SMOOTH, starts=0)
        log = fit_curve(guinier(), curve, free=SMOOTH, starts=0, loss="log")
    for name, value in plain.parameters.items():
        # they differ by terms of relative order error^2 n: a few thousandths of sigma
        assert abs(log.parameters[name] - value) < 0.05 * plain.uncertainties[name]
        np.testing.assert_allclose(
            log.uncertainties[name], plain.uncertainties[name], rtol=5e-3
        )


def test_without_errors_the_scatter_sets_the_scale():
    curve = noisy(guinier(), 5, error=0.02)
    bare = Curve(q=curve.q, intensity=curve.intensity)
    with jax.enable_x64(True):
        result = fit_curve(guinier(), bare, free=SMOOTH, starts=0)
        weighted = fit_curve(guinier(), curve, free=SMOOTH, starts=0)
    assert result.reduced_chi2 is None and result.errors_scaled
    assert any("no errors in the data" in text for text in result.warnings)
    assert "no reduced chi2" in str(result)
    for name, sigma in weighted.uncertainties.items():
        # the scale is estimated from 77 residuals: 8 %, three of them, and weights that differ
        assert 0.7 < result.uncertainties[name] / sigma < 1.4
    # Student's t, a little wider than the normal law
    low, high = result.interval(0.95)["size"]
    reach = stats.t.ppf(0.975, result.dof) * result.uncertainties["size"]
    np.testing.assert_allclose((high - low) / 2, reach, rtol=1e-12)


def test_scaled_errors_on_request():
    curve = noisy(guinier(), 5)
    with jax.enable_x64(True):
        plain = fit_curve(guinier(), curve, free=SMOOTH, starts=0)
        scaled = fit_curve(guinier(), curve, free=SMOOTH, starts=0, scale_errors=True)
    np.testing.assert_allclose(scaled.covariance, plain.covariance * plain.reduced_chi2)


def blurred(size=40):
    """A smearing matrix on a grid of its own: three-point averages."""
    grid = np.geomspace(0.04, 2.1, size)
    matrix = np.array([np.exp(-(((grid - q) / (0.1 * q + 0.02)) ** 2)) for q in Q])
    return grid, matrix / matrix.sum(1, keepdims=True)


@struct
class Blur:
    grid: object
    matrix: object

    def __call__(self, model):
        return self.matrix @ model(self.grid)


def test_smearing_as_a_pytree_and_as_a_closure():
    grid, matrix = blurred()
    true = matrix @ numpy_ball(grid, 5.0) * 100 + 1
    curve = Curve(q=Q, intensity=true, sigma=0.01 * true, resolution=0.1 * Q + 0.02)
    with jax.enable_x64(True):
        blur = Blur(grid=grid, matrix=matrix)
        tree = fit_curve(ball(6.0), curve, free=FREE, smear=blur, starts=8)
        closure = fit_curve(
            ball(6.0), curve, free=FREE, smear=lambda model: blur(model), starts=8
        )
        with pytest.warns(UserWarning, match="resolution that is not applied"):
            without = fit_curve(ball(6.0), curve, free=FREE, starts=8)
    assert abs(tree.parameters["radius"] - 5) < 1e-4 and tree.reduced_chi2 < 1e-5
    assert abs(closure.parameters["radius"] - 5) < 1e-4
    assert without.reduced_chi2 > 10
    assert "the curve's resolution was not applied" in without.warnings


def test_one_trace_for_each_shape():
    counted = []

    @struct
    class Counting:
        radius: object

        def __call__(self, q):
            counted.append(q.shape)
            return Ball(radius=self.radius)(q)

    def run(seed, high, q=Q):
        model = Scaled(shape=Counting(radius=6.0), scale=50.0, background=0.5)
        free = {"radius": (0.5, high), "scale": (1e-3, 1e6), "background": (0, 10)}
        fit_curve(model, noisy(ball(), seed, q=q), free=free, starts=2, draws=4)

    run(0, 50)
    first = len(counted)
    run(1, 60)  # other data, other bounds
    assert len(counted) == first
    run(1, 60, q=Q[:-1])
    assert len(counted) > first


def test_float32():
    curve = noisy(ball(), 2)
    result = fit_curve(ball(6.0), curve, free=FREE, starts=8)
    assert result.fitted.dtype == np.float32 and result.converged
    with jax.enable_x64(True):
        double = fit_curve(ball(6.0), noisy(ball(), 2), free=FREE, starts=8)
    for name, value in double.parameters.items():
        # the solver stops within 1e-3 sigma; residuals of 30 carry 30 * 6e-8 * sqrt(80) more
        assert abs(result.parameters[name] - value) < 0.01 * double.uncertainties[name]
        np.testing.assert_allclose(
            result.uncertainties[name], double.uncertainties[name], rtol=1e-2
        )


def test_what_the_data_do_not_determine_is_said():
    @struct
    class Twice:
        first: object
        second: object
        size: object

        def __call__(self, q):
            return self.first * self.second * Guinier(size=self.size)(q)

    model = Twice(first=10.0, second=10.0, size=5.0)
    free = {"first": (1, 1000), "second": (1, 1000), "size": (0.5, 50)}
    with jax.enable_x64(True):
        result = fit_curve(model, noisy(guinier(background=0.0), 0), free=free, starts=8)
    assert np.isinf(result.uncertainties["first"]) and np.isinf(result.uncertainties["second"])
    assert abs(result.parameters["size"] - 5) < 4 * result.uncertainties["size"] < 1
    np.testing.assert_allclose(
        result.parameters["first"] * result.parameters["second"], 100, rtol=0.02
    )
    assert "the data do not determine first" in result.warnings
    assert "(undetermined)" in str(result)
    # ends along the line that the data do not see are one answer
    assert result.starts_agreed >= 8


def test_a_fit_that_ends_at_a_bound_says_so():
    free = {"size": (0.5, 4.5), "scale": (1e-3, 1e6), "background": (0, 10)}
    with jax.enable_x64(True):
        result = fit_curve(guinier(4.0), noisy(guinier(), 1), free=free, starts=0)
    assert result.at_bound == {"size": "upper"}
    assert "size ended at its upper bound, 4.5" in result.warnings
    assert "at its upper bound" in str(result)


def test_a_start_that_is_no_number_is_passed_over():
    @struct
    class Broken:
        radius: object

        def __call__(self, q):
            return jnp.where(self.radius > 8, jnp.nan, 1.0) * Ball(radius=self.radius)(q)

    model = Scaled(shape=Broken(radius=9.0), scale=10.0, background=0.5)
    curve = noisy(ball(), 0)
    with jax.enable_x64(True):
        result = fit_curve(model, curve, free=FREE, starts=8)
        assert abs(result.parameters["radius"] - 5) < 4 * result.uncertainties["radius"]
        assert np.isinf(result.start_losses[0])
        with pytest.raises(ValueError, match="no finite intensity"):
            fit_curve(model, curve, free={**FREE, "radius": (8.5, 50)}, starts=8)


def test_the_report_names_errors_correlations_and_agreement():
    with jax.enable_x64(True):
        narrow = Q < 0.15  # the Guinier region alone: size and scale go together
        curve = noisy(guinier(background=0.0), 0, q=Q[narrow])
        free = {"size": Bounds(1, 20), "scale": (1, 1e4)}
        result = fit_curve(guinier(background=0.0), curve, free=free, starts=4)
    pairs = result.strong_correlations(0.5)
    assert pairs[0][:2] == ("size", "scale") and pairs[0][2] > 0.5
    text = str(result)
    assert "of 5 starts agree" in text and f"reduced chi2 {result.reduced_chi2:.4g}" in text
    assert result.fixed == {"background": 0.0}
    assert not result.strong_correlations(0.9999)


def with_columns(**changes):
    columns = dict(q=Q, intensity=np.ones(Q.size), sigma=np.ones(Q.size))
    return Curve(**{**columns, **changes})


@pytest.mark.parametrize(
    ("curve", "options", "message"),
    [
        (with_columns(), {"free": {"radios": (1, 2)}}, "radius, scale, background"),
        (with_columns(), {"free": {"radius": (6, 9)}}, "radius starts at 5, outside"),
        (with_columns(), {"starts": -1}, "starts must be >= 0"),
        (with_columns(), {"loss": "l1"}, "one of chi2, poisson, log"),
        (with_columns(intensity=-np.ones(Q.size)), {"loss": "poisson"}, "counts >= 0"),
        (with_columns(sigma=np.zeros(Q.size)), {}, "sigma must be above 0, got 0"),
        (with_columns(sigma=np.ones(3)), {}, "equal length"),
        (with_columns(intensity=np.full(Q.size, np.nan)), {}, "curve.intensity must be finite"),
        (Curve(q=Q[:3], intensity=np.ones(3)), {}, "3 points cannot determine 3 parameters"),
    ],
)
def test_bad_input(curve, options, message):
    with pytest.raises(ValueError, match=message):
        fit_curve(ball(), curve, **{"free": FREE, **options})


def test_a_model_of_the_wrong_shape_is_refused():
    @struct
    class Short:
        level: object

        def __call__(self, q):
            return self.level * q[:-1]

    with pytest.raises(ValueError, match="gives shape .79,. for 80 points"):
        fit_curve(Short(level=1.0), noisy(ball(), 0), free={"level": (0, 2)})


def test_ctrl_c_returns_the_starts_that_came_to_an_end(monkeypatch):
    """33 starts run in three blocks; the second is interrupted."""
    run, calls = multistart._descend, []

    def interrupted(*given, **options):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(*given, **options)

    monkeypatch.setattr(multistart, "_descend", interrupted)
    with jax.enable_x64(True):
        curve = noisy(guinier(), 0)
        result = fit_curve(guinier(6.0), curve, free=SMOOTH, starts=32)
        assert result.starts == result.starts_agreed == 11
        assert "interrupted after 11 of 33 starts" in result.warnings
        calls[:] = [None]
        with pytest.raises(KeyboardInterrupt):  # before anything was found
            fit_curve(guinier(6.0), curve, free=SMOOTH, starts=32)


def test_no_warning_without_a_cause():
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("error")
        result = fit_curve(guinier(), noisy(guinier(), 0), free=SMOOTH, starts=0)
    assert result.warnings == ()
