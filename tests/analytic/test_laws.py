"""Laws without a shape against correlation functions, chains of segments and plain sums."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf

from diffscatter.analytic import (
    BroadPeak,
    DebyeAndersonBrumberger,
    GaussianCoil,
    Guinier,
    GuinierPorod,
    PolydisperseCoil,
    Porod,
    PowerLaw,
    Sample,
    Sphere,
    TeubnerStrey,
    Unified,
    from_sasmodels,
)

Q = np.array([1e-6, 0.003, 0.05, 0.2, 0.7, 2.0])


def evaluated(law, q=Q, **parameters):
    with jax.enable_x64(True):
        return np.asarray(Sample(model=law(**parameters))(q))


def random_phases(q, correlation, period=np.inf):
    """Return 4 pi times the transform of e^(-r/L) sinc(2 pi r/d), 1/cm for a contrast of 1."""
    pieces = np.linspace(0, 45 * correlation, 181)

    def integrand(r):
        return (
            r**2 * np.exp(-r / correlation) * np.sinc(2 * r / period) * np.sinc(q * r / np.pi)
        )

    ends = zip(pieces[:-1], pieces[1:], strict=True)
    return 1e7 * 4 * np.pi * sum(quad(integrand, a, b, epsrel=1e-12)[0] for a, b in ends)


def test_debye_anderson_brumberger_from_its_correlation_function():
    got = evaluated(DebyeAndersonBrumberger, correlation_length=4.0, contrast=2e-4)
    expected = [4e-8 * random_phases(q, 4.0) for q in Q]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_teubner_strey_from_its_correlation_function():
    p = {"period": 9.0, "correlation_length": 4.0, "volume_fraction": 0.3, "contrast": -2e-4}
    expected = [0.3 * 0.7 * 4e-8 * random_phases(q, 4.0, 9.0) for q in Q]
    np.testing.assert_allclose(evaluated(TeubnerStrey, **p), expected, rtol=1e-9)


def test_teubner_strey_without_a_period_is_debye_anderson_brumberger():
    p = {"period": 1e9, "correlation_length": 4.0, "volume_fraction": 0.5, "contrast": 1e-4}
    other = evaluated(DebyeAndersonBrumberger, correlation_length=4.0, contrast=0.5e-4)
    np.testing.assert_allclose(evaluated(TeubnerStrey, **p), other, rtol=1e-12)
    for end in ({"volume_fraction": 0.0}, {"volume_fraction": 1.0}, {"period": 0.0}):
        np.testing.assert_array_equal(evaluated(TeubnerStrey, **p | end), 0)


def debye(x):
    return 2 * quad(lambda t: (1 - t) * np.exp(-x * t), 0, 1, epsabs=0, epsrel=1e-13)[0]


def test_coil_is_a_double_sum_over_its_segments():
    expected = [debye((q * 6.0) ** 2) for q in Q]
    np.testing.assert_allclose(evaluated(GaussianCoil, rg=6.0), expected, rtol=1e-12)


@pytest.mark.parametrize("dispersity", [1.0, 1.0 + 1e-9, 1.02, 1.7, 3.0, 40.0])
def test_polydisperse_coil_in_many_digits(dispersity):
    """Both sides of the series, and Mw/Mn = 1, where the law is a limit."""
    got = evaluated(PolydisperseCoil, rg=6.0, dispersity=dispersity)
    with mpmath.workdps(90):
        u = mpmath.mpf(float(dispersity)) - 1
        for q, value in zip(Q, got, strict=True):
            z = (mpmath.mpf(q) * 6) ** 2 / (1 + 2 * u)
            fall = (1 + u * z) ** (-1 / u) if u else mpmath.exp(-z)
            expected = 2 * (fall - 1 + z) / ((1 + u) * z**2)
            # 1 - Mw/Mn itself has 1e-16 of rounding.
            np.testing.assert_allclose(value, float(expected), rtol=1e-13)


def test_polydisperse_coil_is_a_population_of_coils():
    """Schulz-Zimm numbers of chains, each seen with its mass squared; Rg^2 goes with mass."""
    u = 0.8
    z_mean = lambda n: np.prod([1 + k * u for k in range(1, n)])  # <m^n>, number mean 1
    weight = lambda m: m ** (1 / u - 1) * np.exp(-m / u) * m**2
    total = lambda f: quad(f, 0, 60, epsrel=1e-12, limit=400)[0]
    for q, value in zip(Q, evaluated(PolydisperseCoil, rg=6.0, dispersity=1 + u), strict=True):
        x = (q * 6.0) ** 2 * z_mean(2) / z_mean(3)
        expected = total(lambda m, x=x: weight(m) * debye(x * m)) / total(weight)
        np.testing.assert_allclose(value, expected, rtol=1e-8)


def test_guinier_and_power_law():
    np.testing.assert_allclose(evaluated(Guinier, rg=5.0), np.exp(-25 * Q**2 / 3), rtol=1e-13)
    np.testing.assert_allclose(evaluated(Guinier, rg=-5.0), np.exp(25 * Q**2 / 3), rtol=1e-13)
    np.testing.assert_allclose(evaluated(PowerLaw, power=2.3), Q**-2.3, rtol=1e-13)
    np.testing.assert_array_equal(evaluated(PowerLaw, [0.0, 1.0], power=0.0), 1.0)


def test_porod_is_where_spheres_end():
    """Over a period of its fringes a sphere is Porod's law with S/V = 3/R, to 1/(qR)^2."""
    q = 3.0 + np.linspace(0, 2 * np.pi / 100, 200, endpoint=False)
    spheres = evaluated(Sphere, q, radius=100.0, contrast=1e-4) * q**4
    law = evaluated(Porod, q, surface=3 / 100.0, contrast=1e-4) * q**4
    np.testing.assert_allclose(spheres.mean(), law.mean(), rtol=3e-5)
    np.testing.assert_allclose(law, 1e7 * 2 * np.pi * 0.03 * 1e-8, rtol=1e-13)


@pytest.mark.parametrize(("s", "m"), [(0.0, 4.0), (1.0, 3.3), (2.0, 2.5), (0.4, 0.4), (2.0, 1)])
def test_guinier_porod_written_out(s, m):
    rg = 3.0
    got = evaluated(GuinierPorod, rg=rg, s=s, porod_power=m)
    if m <= s:
        expected = Q**-s
    else:
        corner = np.sqrt((m - s) * (3 - s) / 2) / rg
        outer = corner ** (m - s) * np.exp(-(m - s) / 2) * Q**-m
        expected = np.where(Q < corner, Q**-s * np.exp(-((Q * rg) ** 2) / (3 - s)), outer)
        assert (Q < corner).any() and (Q > corner).any()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_guinier_porod_is_smooth_at_its_corner():
    law = lambda q: GuinierPorod(rg=3.0, s=1.0, porod_power=4.0).specific_intensity(q)
    with jax.enable_x64(True):
        corner = jnp.sqrt(jnp.float64(3.0)) / 3.0
        sides = jnp.stack([corner * (1 - 1e-9), corner * (1 + 1e-9)])
        value, slope = jax.jvp(law, (sides,), (jnp.ones(2),))
    np.testing.assert_allclose(value[0], value[1], rtol=1e-8)
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-7)


def test_unified_written_out():
    p = {
        "rg": np.array([1.2, 8.0, 60.0]),
        "power": np.array([4.0, 3.1, 2.0]),
        "guinier_scale": np.array([0.3, 20.0, 900.0]),
        "porod_scale": np.array([0.4, 0.1, 0.02]),
    }
    following = [8.0, 60.0, 0.0]
    expected = sum(
        g * np.exp(-((Q * r) ** 2) / 3)
        + b * np.exp(-((Q * after) ** 2) / 3) * (erf(Q * r / 6**0.5) ** 3 / Q) ** power
        for r, power, g, b, after in zip(*p.values(), following, strict=True)
    )
    np.testing.assert_allclose(evaluated(Unified, **p), expected, rtol=1e-12)
    np.testing.assert_allclose(evaluated(Unified, 0.0, **p), 920.3, rtol=1e-14)
    with pytest.raises(ValueError, match="rg, power, guinier_scale, porod_scale must have one"):
        evaluated(Unified, **p | {"power": np.array([4.0])})
    with pytest.raises(ValueError, match=r"level must be in \[1, 6\], got 0"):
        from_sasmodels("unified_power_Rg", {"level": 0})


def test_broad_peak_written_out():
    p = {
        "porod_scale": 0.02,
        "porod_power": 2.7,
        "peak_scale": 12.0,
        "peak_position": 0.7,
        "correlation_length": 9.0,
        "width_power": 1.6,
        "shape_power": 1.2,
    }
    peak = 12 / (1 + (np.abs(Q - 0.7) * 9.0) ** 1.6)
    expected = (0.02 * Q**-2.7 + peak) ** 1.2
    np.testing.assert_allclose(evaluated(BroadPeak, **p), expected, rtol=1e-12)
    # Without the power law it is finite at rest.
    alone = evaluated(BroadPeak, 0.0, **p | {"porod_scale": 0.0})
    np.testing.assert_allclose(alone, (12 / (1 + 6.3**1.6)) ** 1.2, rtol=1e-12)
    nothing = evaluated(BroadPeak, **p | {"porod_scale": 0.0, "peak_scale": 0.0})
    np.testing.assert_array_equal(nothing, 0)
