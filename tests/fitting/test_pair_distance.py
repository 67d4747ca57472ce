"""p(r) of balls and of a pair of points against the exact ones; derivatives; refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core.data import Curve
from diffscatter.fitting import fit_pair_distances, pair_distances
from diffscatter.fitting.pair_distance import _transform

Q = np.linspace(0.05, 1.5, 120)
RADIUS = 4.0


def sphere(q=Q):
    x = q * RADIUS
    return (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2


def ball(r):
    """p(r) of a ball with I(0) = 1: 12 x^2 (2 - 3x + x^3) / (4 pi D), x = r/D."""
    x = np.minimum(r / (2 * RADIUS), 1)
    return 12 * x**2 * (2 - 3 * x + x**3) / (4 * np.pi * 2 * RADIUS)


def measured(intensity, seed=0, error=0.01):
    sigma = error * intensity + 1e-4 * intensity.max()
    noise = np.random.default_rng(seed).normal(size=Q.size)
    return Curve(q=Q, intensity=intensity + sigma * noise, sigma=sigma)


def test_the_transform_takes_the_balls_p_to_its_curve():
    n = 400
    step = 2 * RADIUS / n
    r = step * np.arange(1, n)
    with jax.enable_x64(True):
        got = _transform(jnp.asarray(Q), jnp.asarray(r), jnp.asarray(step)) @ ball(r)
    # Linear between nodes: relative error of second order in the step, p''/p of about 8/D^2.
    np.testing.assert_allclose(got, sphere(), rtol=0, atol=8 / n**2)


@pytest.fixture(scope="module")
def found():
    with jax.enable_x64(True):
        return [fit_pair_distances(measured(sphere(), seed)) for seed in range(4)]


def test_a_balls_moments_are_exact_within_their_errors(found):
    for one in found:
        error = one.radius_of_gyration_sigma
        assert error < 0.01 * one.radius_of_gyration
        assert abs(one.radius_of_gyration - np.sqrt(0.6) * RADIUS) < 3.5 * error
        assert abs(one.forward_intensity - 1) < 3.5 * one.forward_intensity_sigma
        assert abs(one.largest - 2 * RADIUS) < 3.5 * one.largest_sigma
        assert 0.6 < one.reduced_chi2 < 1.5
        assert all("left out" in text for text in one.warnings)
        assert one.probabilities.sum() == pytest.approx(1)


def test_bands_hold_the_balls_p(found):
    inside = []
    for one in found:
        true = ball(one.r)
        assert np.abs(one.p - true).max() < 0.06 * true.max()
        kept = true > 0.02 * true.max()
        inside.append(((one.p_low <= true) & (true <= one.p_high))[kept].mean())
    assert np.mean(inside) > 0.75


def test_its_integral_is_the_forward_intensity(found):
    one = found[0]
    total = 4 * np.pi * np.trapezoid(one.p, one.r)
    assert total == pytest.approx(one.forward_intensity, rel=2e-3)
    assert "Rg" in str(one)


def test_a_background_is_found():
    with jax.enable_x64(True):
        one = fit_pair_distances(
            measured(sphere() + 0.01), largest=(6.0, 12.0), background=True
        )
    assert abs(one.background - 0.01) < 3.5 * one.background_sigma < 0.1
    error = one.radius_of_gyration_sigma
    assert abs(one.radius_of_gyration - np.sqrt(0.6) * RADIUS) < 3.5 * error


def test_the_resolution_is_taken_into_account():
    class Pairs:
        q = Q
        matrix = (np.eye(Q.size) + np.eye(Q.size, k=1) + np.eye(Q.size, k=-1)) / 3

    with jax.enable_x64(True):
        one = fit_pair_distances(
            measured(Pairs.matrix @ sphere() + 1e-9), largest=(6.0, 12.0), smear=Pairs
        )
    error = one.radius_of_gyration_sigma
    assert abs(one.radius_of_gyration - np.sqrt(0.6) * RADIUS) < 3.5 * error


@pytest.mark.slow
def test_derivatives_and_batches():
    curve = measured(sphere())
    diameters = np.linspace(7.0, 9.0, 3)
    rg = lambda d: pair_distances(Q, d, curve.sigma, diameters)["rg"]
    direction = np.asarray(curve.sigma) * np.random.default_rng(1).normal(size=Q.size)
    with jax.enable_x64(True):
        data = jnp.array(curve.intensity, float)
        slope = jax.grad(rg)(data) @ direction
        h = 1e-3
        central = (rg(data + h * direction) - rg(data - h * direction)) / (2 * h)
        np.testing.assert_allclose(slope, central, rtol=1e-5)
        many = jax.vmap(rg)(jnp.stack([data, 3 * data]))
        # Scaled data with the errors of before: another weight of smoothness, nearly one Rg.
        np.testing.assert_allclose(many[0], rg(data), rtol=1e-9)


def test_single_precision(found):
    one = fit_pair_distances(measured(sphere()))
    assert abs(one.radius_of_gyration - found[0].radius_of_gyration) < (
        found[0].radius_of_gyration_sigma
    )


def test_without_errors():
    curve = measured(sphere(), error=0.02)
    with jax.enable_x64(True):
        one = fit_pair_distances(Curve(q=Q, intensity=curve.intensity), largest=(6.0, 12.0))
    assert one.reduced_chi2 is None and "no errors" in one.warnings[0]
    assert one.radius_of_gyration == pytest.approx(np.sqrt(0.6) * RADIUS, rel=0.03)


def test_what_does_not_fit_is_said():
    with jax.enable_x64(True):
        one = fit_pair_distances(measured(sphere()), largest=3.0)
    assert any("does not describe" in text for text in one.warnings)
    assert one.largest == 3.0 and one.largest_sigma == 0


def test_bad_input():
    curve = measured(sphere())
    with pytest.raises(ValueError, match=r"largest must be above 0 nm.*\(5, 4\)"):
        fit_pair_distances(curve, largest=(5, 4))
    with pytest.raises(ValueError, match="or give the largest distance"):
        fit_pair_distances(Curve(q=Q, intensity=Q**-4.0, sigma=0.01 * Q**-4.0))
    with pytest.raises(ValueError, match="sigma must be above 0"):
        fit_pair_distances(Curve(q=Q, intensity=sphere(), sigma=0 * Q))
    with pytest.raises(ValueError, match="level"):
        fit_pair_distances(curve, largest=8.0, level=2.0)
