"""Free-form distributions: the solver against scipy, the strong limit against a lognormal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from diffscatter.core.data import Curve
from diffscatter.fitting import density_of_data, fit_distribution
from diffscatter.fitting.populations import extents, peaks
from diffscatter.fitting.smooth import Smooth, differences, solve

Q = np.geomspace(0.05, 2.0, 100)
RADII = np.geomspace(2.0, 20.0, 64)
VOLUMES = 4 / 3 * np.pi * RADII**3
STEP = np.log(RADII[1] / RADII[0])


def spheres(radii):
    """Intensity of a unit volume fraction of balls, up to a factor, ``(nq, n)``."""
    x = Q[:, None] * radii
    return radii**3 * (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2


def kernel():
    """Hat functions by a fine trapezoidal sum."""
    fine = np.exp(np.linspace(np.log(RADII[0]), np.log(RADII[-1]), 63 * 20 + 1))
    place = np.log(fine / RADII[0]) / STEP
    hats = np.maximum(1 - np.abs(place[:, None] - np.arange(64)), 0)
    return spheres(fine) @ hats * STEP / 20


KERNEL = kernel()


def lognormal(median, width):
    """Volume per unit of ln(size), 1 in all."""
    v = np.log(RADII / median) / width
    return np.exp(-v * v / 2) / (width * np.sqrt(2 * np.pi))


def curve(f, seed=0, error=0.02, background=0.5):
    true = KERNEL @ f + background
    sigma = error * true
    noise = np.random.default_rng(seed).normal(size=Q.size)
    return Curve(q=Q, intensity=true + sigma * noise, sigma=sigma)


TWO = lognormal(5.0, 0.1) + lognormal(10.0, 0.1)


@pytest.fixture(scope="module")
def two():
    with jax.enable_x64(True):
        return fit_distribution(KERNEL, RADII, VOLUMES, curve(TWO))


def small(seed=0, n=24):
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, n)
    matrix = np.exp(-(((np.linspace(0, 1, 30)[:, None] - x) / 0.15) ** 2))
    matrix = np.concatenate([matrix, np.ones((30, 1))], axis=1)
    f = np.exp(-(((x - 0.4) / 0.15) ** 2) / 2)
    data = matrix @ np.append(f, 0.3) + 0.02 * rng.normal(size=30)
    return matrix / 0.02, data / 0.02, differences(n, 1 / n)


def test_the_optimum_is_scipys():
    matrix, data, rows = small()

    def loss(z):
        misfit = matrix @ np.append(np.exp(z[:-1]), z[-1]) - data
        rough = rows @ z[:-1]
        slope = matrix.T @ misfit * np.append(np.exp(z[:-1]), 1)
        slope[:-1] += 1e-6 * rows.T @ rough
        return (misfit @ misfit + 1e-6 * rough @ rough) / 2, slope

    best = minimize(loss, np.zeros(25), jac=True, options={"gtol": 1e-9, "maxiter": 5000})
    with jax.enable_x64(True):
        problem = Smooth(
            matrix=jnp.asarray(matrix),
            data=jnp.asarray(data),
            differences=jnp.asarray(rows),
            size=24,
        )
        found = solve(
            problem,
            1e-6,
        )
    assert float(loss(np.asarray(found))[0]) <= best.fun + 1e-9
    np.testing.assert_allclose(np.exp(found[:-1]), np.exp(best.x[:-1]), rtol=0, atol=1e-4)


def test_the_strong_limit_is_the_best_lognormal():
    data = curve(lognormal(7.0, 0.15), seed=3)
    model = lambda p: p[0] * KERNEL @ lognormal(p[1], p[2]) + p[3]
    residuals = lambda p: (model(p) - data.intensity) / data.sigma
    best = least_squares(residuals, [1, 7, 0.15, 0.5], x_scale=[1, 7, 0.1, 1], xtol=1e-12)
    with jax.enable_x64(True):
        found = fit_distribution(KERNEL, RADII, VOLUMES, data, strength=1e4)
    assert found.chi2 == pytest.approx(2 * best.cost, abs=0.01)
    (population,) = found.populations
    # The mean by volume of a lognormal in ln(size), on the nodes of a population.
    f = lognormal(*best.x[1:3])
    number, peak = f / VOLUMES, np.argmax(f)
    f = np.where(np.minimum(f / f[peak], number / number[peak]) >= 1e-2, f, 0.0)
    assert population.volume_mean == pytest.approx(f @ RADII / f.sum(), rel=1e-3)


def test_two_populations(two):
    assert two.status == "converged" and not two.bumps and not two.warnings
    assert len(two.populations) == 2
    number = TWO / VOLUMES
    for population, part in zip(two.populations, (RADII < 7, RADII > 7), strict=True):
        true = number[part] @ RADII[part] / number[part].sum()
        sigma = population.sigma["number_mean"]
        assert abs(population.number_mean - true) < 3 * sigma < 0.05 * true
        assert population.number_width == pytest.approx(0.1, abs=0.02)
    shares = [p.volume_share for p in two.populations]
    assert sum(shares) == pytest.approx(1) and shares[0] == pytest.approx(0.5, abs=0.03)
    assert 0.7 < two.reduced_chi2 < 1.4
    assert two.volume_fraction == pytest.approx(2.0, rel=0.02)
    assert abs(two.background - 0.5) < 4 * two.background_sigma


def test_densities_integrate_to_one(two):
    for density in (two.by_volume, two.by_number):
        assert np.sum(density * RADII) * STEP == pytest.approx(1, abs=0.01)
    for weighting in ("volume", "number"):
        low, middle, high = (
            getattr(two, f"by_{weighting}{end}") for end in ("_low", "", "_high")
        )
        assert (low <= middle).all() and (middle <= high).all() and (low >= 0).all()
    mean = np.sum(two.by_number * RADII**2) / np.sum(two.by_number * RADII)
    assert two.number_mean == pytest.approx(mean, rel=1e-3)
    text = str(two)
    assert "by number" in text and "population 2" in text


def test_bands_hold_the_truth_about_as_often_as_they_say():
    held = []
    with jax.enable_x64(True):
        for seed in range(12):
            found = fit_distribution(KERNEL, RADII, VOLUMES, curve(lognormal(7.0, 0.15), seed))
            true = lognormal(7.0, 0.15) / RADII
            kept = true > 0.1 * true.max()
            inside = (found.by_volume_low <= true) & (true <= found.by_volume_high)
            held.append(inside[kept].mean())
            assert len(found.populations) == 1
    # Points of one curve are correlated: 12 curves tell 0.9 to about 0.1.
    assert np.mean(held) > 0.7


def test_without_errors_the_scatter_is_the_error(two):
    given = curve(TWO)
    with jax.enable_x64(True):
        found = fit_distribution(KERNEL, RADII, VOLUMES, Curve(q=Q, intensity=given.intensity))
    assert found.reduced_chi2 is None and "no errors" in found.warnings[0]
    for mine, theirs in zip(found.populations, two.populations, strict=True):
        assert mine.number_mean == pytest.approx(theirs.number_mean, rel=0.02)


def test_a_wrong_body_is_said():
    intensity = Q**-2.0
    given = Curve(q=Q, intensity=intensity, sigma=1e-3 * intensity)
    with jax.enable_x64(True):
        found = fit_distribution(KERNEL, RADII, VOLUMES, given)
    assert any("no distribution of these bodies" in text for text in found.warnings)


@pytest.mark.slow
def test_derivatives_with_respect_to_the_data():
    given = curve(TWO)
    data, sigma = np.asarray(given.intensity), np.asarray(given.sigma)
    direction = sigma * np.random.default_rng(1).normal(size=Q.size)
    with jax.enable_x64(True):
        mean = lambda d: (
            ((f := density_of_data(KERNEL, RADII, d, sigma, strength=1e-3)) @ jnp.log(RADII))
            / f.sum()
        )
        slope = jax.jit(jax.grad(mean))(jnp.asarray(data)) @ direction
        h = 1e-2
        slopes = [
            (mean(data + s * direction) - mean(data - s * direction)) / (2 * s)
            for s in (h, h / 2)
        ]
        # Richardson: the central difference's own error is of second order.
        central = (4 * slopes[1] - slopes[0]) / 3
        forward = jax.jvp(mean, (jnp.array(data, float),), (jnp.array(direction, float),))[1]
    np.testing.assert_allclose(slope, central, rtol=1e-5)
    np.testing.assert_allclose(slope, forward, rtol=1e-5)


@pytest.mark.slow
def test_many_curves_in_one_call():
    curves = [curve(TWO, seed) for seed in (1, 2)]
    with jax.enable_x64(True):
        data = jnp.stack([jnp.asarray(c.intensity) for c in curves])
        sigma = jnp.stack([jnp.asarray(c.sigma) for c in curves])
        one = lambda a: density_of_data(KERNEL, RADII, a[0], a[1], strength=1e-3)
        batch = jax.lax.map(one, (data, sigma))
        mapped = jax.vmap(lambda d, s: one((d, s)))(data, sigma)
        for row, d, s in zip(batch, data, sigma, strict=True):
            np.testing.assert_allclose(row, one((d, s)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mapped, batch, rtol=1e-5, atol=1e-7)


def test_single_precision(two):
    found = fit_distribution(KERNEL.astype(np.float32), RADII, VOLUMES, curve(TWO))
    assert len(found.populations) == 2
    for mine, theirs in zip(found.populations, two.populations, strict=True):
        assert abs(mine.number_mean - theirs.number_mean) < theirs.sigma["number_mean"]


def test_a_peak_inside_its_band_is_none():
    f = np.array([0.0, 1, 3, 1, 0.5, 1, 0.4, 0.0])
    assert peaks(f, 0.9 * f, 1.1 * f) == ([2, 5], [])
    assert peaks(f, 0.3 * f, 1.1 * f) == ([2], [5])
    assert extents(f, f, [2, 5]) == [slice(1, 4), slice(4, 7)]
    assert extents(f, f, []) == []


def refused(match, *, sizes=RADII, volumes=VOLUMES, matrix=KERNEL, given=None, **options):
    given = curve(TWO) if given is None else given
    with pytest.raises(ValueError, match=match):
        fit_distribution(matrix, sizes, volumes, given, **options)


def test_bad_input():
    refused(r"kernel must be \(100, 64\)", matrix=KERNEL.T)
    refused("equal steps of the logarithm", sizes=np.linspace(2, 20, 64))
    refused("at least 8", sizes=RADII[:4])
    refused("above 0 nm", volumes=-VOLUMES)
    refused("level must be between 0 and 1, got 1.5", level=1.5)
    refused("strength must be above 0", strength=-1)
    refused("does not scatter", matrix=np.where(RADII > 3, KERNEL, 0.0))
    refused("finite", matrix=np.where(RADII > 3, KERNEL, np.nan))
    refused("curve.sigma", given=Curve(q=Q, intensity=Q, sigma=0 * Q))
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda k: fit_distribution(k, RADII, VOLUMES, curve(TWO)).chi2)(KERNEL)
