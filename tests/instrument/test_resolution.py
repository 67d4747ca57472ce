"""Pinhole smearing against adaptive quadrature, closed forms and sasmodels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad

from diffscatter.core.special import sphere_kernel
from diffscatter.instrument import pinhole

Q = np.geomspace(0.02, 2.0, 40)
SIGMA = 0.08 * Q + 0.004


def sphere(q, radius=8.0):
    return sphere_kernel(q * radius) ** 2


def by_quadrature(curve, q, sigma, window, centre):
    """The defining integral, cut and normalised, by scipy's adaptive rule."""
    low, high = centre - window * sigma, centre + window * sigma
    gauss = lambda x: np.exp(-((x - centre) ** 2) / (2 * sigma**2))
    value = lambda x: gauss(x) * float(curve(abs(x)))
    settings = {
        "epsabs": 0,
        "epsrel": 1e-10,
        "limit": 400,
        "points": [0.0] if low < 0 else None,
    }
    return quad(value, low, high, **settings)[0] / quad(gauss, low, high, **settings)[0]


@pytest.mark.parametrize("convention", ["mean", "line"])
@pytest.mark.parametrize("window", [2.0, 3.0])
def test_matches_adaptive_quadrature(convention, window):
    numpy_sphere = lambda q: (3 * (np.sin(8 * q) - 8 * q * np.cos(8 * q)) / (8 * q) ** 3) ** 2
    with jax.enable_x64(True):
        smear = pinhole(Q, SIGMA, convention=convention, window=window, size=20.0)
        got = np.asarray(smear(sphere))
    centre = Q + SIGMA**2 / (2 * Q) if convention == "mean" else Q
    exact = [
        by_quadrature(numpy_sphere, q, s, window, c)
        for q, s, c in zip(Q, SIGMA, centre, strict=True)
    ]
    # A fringe of period pi/8 nm^-1 on panels planned for bodies of 20 nm.
    np.testing.assert_allclose(got, exact, rtol=1e-7)


def test_wide_resolution_reflects_at_zero():
    """Where 3 sigma reach below q = 0, |q| counts there: a Gaussian curve has a closed form."""
    q, sigma, width = np.array([0.05, 0.1]), np.array([0.04, 0.06]), 0.2
    with jax.enable_x64(True):
        smear = pinhole(q, sigma, convention="line", window=9.0)
        got = np.asarray(smear(lambda x: jnp.exp(-((x / width) ** 2) / 2)))
    total = width**2 + sigma**2
    np.testing.assert_allclose(
        got, width / np.sqrt(total) * np.exp(-(q**2) / (2 * total)), rtol=1e-9
    )


def test_mean_lies_above_q():
    """A straight line smeared is the line at the mean, q + sigma^2 / 2q."""
    q, sigma = np.array([0.5, 1.0]), np.array([0.1, 0.05])
    with jax.enable_x64(True):
        got = np.asarray(pinhole(q, sigma)(lambda x: x))
    np.testing.assert_allclose(got, q + sigma**2 / (2 * q), rtol=1e-12)


def test_rows_sum_to_one_and_zero_resolution_is_exact():
    sigma = np.where(np.arange(Q.size) % 3 == 0, 0.0, SIGMA)
    with jax.enable_x64(True):
        smear = pinhole(Q, sigma)
        np.testing.assert_allclose(np.asarray(smear.matrix).sum(axis=1), 1, rtol=1e-12)
        sharp = np.asarray(smear(sphere))[::3]
        np.testing.assert_allclose(sharp, np.asarray(sphere(Q))[::3], rtol=1e-12)
        none = pinhole(Q, 0.0)(sphere)
        np.testing.assert_allclose(none, sphere(Q), rtol=1e-12)


def test_sasmodels_convention_is_sasmodels():
    resolution = pytest.importorskip("sasmodels.resolution")
    theirs = resolution.Pinhole1D(Q / 10, SIGMA / 10)
    curve = lambda q: 1 / (1 + (5 * q) ** 4)
    with jax.enable_x64(True):
        smear = pinhole(Q, SIGMA, convention="sasmodels")
        np.testing.assert_allclose(smear.q, 10 * theirs.q_calc, rtol=1e-12)
        got = np.asarray(smear(curve))
    np.testing.assert_allclose(got, theirs.apply(curve(10 * theirs.q_calc)), rtol=1e-10)


def test_gradient_passes_through():
    with jax.enable_x64(True):
        smear = pinhole(Q, SIGMA)
        loss = lambda radius: jnp.sum(jnp.log(smear(lambda q: sphere(q, radius)) + 1e-6))
        check_grads(loss, (8.0,), order=2, rtol=1e-6)


def test_float32_and_batches():
    radii = jnp.array([6.0, 8.0])
    with jax.enable_x64(True):
        exact = np.asarray(pinhole(Q, SIGMA)(sphere))
    smear = pinhole(Q.astype(np.float32), SIGMA.astype(np.float32))
    got = smear(sphere)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, exact, rtol=1e-3, atol=1e-6)
    one = lambda radius: smear(lambda q: sphere(q, radius))
    stacked = np.stack([one(r) for r in radii])
    np.testing.assert_allclose(jax.vmap(one)(radii), stacked, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(jax.lax.map(one, radii), stacked, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": SIGMA[1:]}, r"shapes \(40,\) and \(39,\)"),
        ({"resolution": -SIGMA}, "resolution must be at least 0 1/nm, got -0.164"),
        ({"resolution": np.nan}, "resolution must be finite"),
        ({"q": Q[:, None]}, "q must be one axis"),
        ({"window": 0.0}, "window must be positive"),
        ({"size": -1.0}, "size must be positive and finite, got -1.0 nm"),
        ({"convention": "slit"}, "convention must be one of mean, line, sasmodels, got 'slit'"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        pinhole(**({"q": Q, "resolution": SIGMA} | change))


def test_plan_is_not_traced():
    with pytest.raises(ValueError, match="must not be traced"):
        jax.jit(lambda s: pinhole(Q, s).matrix)(jnp.asarray(SIGMA))
