"""Windows, points and noise of measured curves; bodies that are none, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core.pytree import replace
from diffscatter.datasets import lnp
from diffscatter.datasets.lnp import measured, others
from tests.shapes import closed_forms

Q = np.linspace(0.04, 3.0, 150)
SIZES = np.arange(20.0, 101.0, 4.0)
KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def base():
    """Balls for type 4, smaller ones of higher density for type 3."""
    ball = lambda size, sld: (sld * closed_forms.sphere_amplitude(Q, size / 2)) ** 2
    curves = [[ball(s * size, sld) for size in SIZES] for s, sld in ((0.7, 14.0), (1.0, 9.0))]
    return lnp.Base(kinds=(3, 4), sizes=SIZES, q=Q, intensity=np.array(curves))


@pytest.fixture(scope="module")
def draw(base):
    return jax.jit(lnp.measured_sampler(base), static_argnums=1)


@pytest.fixture(scope="module")
def drawn(draw):
    return draw(KEY, 2000)


def test_a_curve_comes_to_the_axis():
    law = lambda q: 3.0 - 4.0 * np.log10(q)  # a straight line in ln q: averages are exact
    axis = np.linspace(0.04, 3.0, 500)
    q = np.geomspace(0.1, 2.0, 73)
    with jax.enable_x64(True):
        got = np.asarray(lnp.on_axis(q, law(q), axis))
    step = axis[1] - axis[0]
    there = (axis - step / 2 >= 0.1) & (axis + step / 2 <= 2.0)
    np.testing.assert_array_equal(np.isfinite(got), there)
    # A bin of relative width w has its middle in ln q at ln q + ln(1 - w^2/4)/2; the power: 4.
    middle = np.log10(1 - (step / axis[there]) ** 2 / 4) / 2
    np.testing.assert_allclose(got[there], law(axis[there]) - 4 * middle, rtol=1e-10)


def test_windows_and_noise_are_those_said(drawn):
    curves = np.asarray(drawn.curves)
    there = np.isfinite(curves)
    assert (np.diff(there.astype(int), axis=1) == 1).sum(axis=1).max() <= 1, "one window"
    inside = (lnp.WINDOW[0] + 0.03 < Q) & (lnp.WINDOW[1] - 0.03 > Q)
    assert there[:, inside].all()
    first, last = there[:, :2].any(axis=1), there[:, -2:].any(axis=1)
    # Uniform in the logarithm, to a bin: shares of windows that hold the axis's own ends.
    for got, expected in (
        (first, np.log(0.05 / 0.02) / np.log(0.14 / 0.02)),
        (last, np.log(3.6 / 2.98) / np.log(3.6 / 0.8)),
    ):
        assert abs(got.mean() - expected) < 0.06
    # Where noise is small, the curve is there, but for its curvature within a bin of 0.02 1/nm,
    # in which a ball of 100 nm turns by 1 rad.
    quiet = (drawn.strength[:, None] < 1e-6 * drawn.intensity) & there & inside
    far = (curves - np.log10(drawn.intensity))[np.asarray(quiet)]
    assert far.size > 1000 and np.median(np.abs(far)) < 0.03 and abs(np.median(far)) < 0.01


def test_a_window_of_a_curve_without_noise_is_that_curve():
    axis = np.linspace(0.04, 3.0, 500)
    law = lambda q: 1.01 + np.cos(80.0 * q)  # a body of 80 nm, and its deep minima
    curves = np.tile(law(axis), (64, 1))
    with jax.enable_x64(True):
        q, noisy = jax.device_get(
            lnp.windows(KEY, axis, jnp.asarray(curves), jnp.full(64, 1e-13))
        )
    assert q.shape == noisy.shape == (64, 500)
    assert (np.diff(q, axis=1) >= 0).all() and (np.diff(q, axis=1) == 0).any()
    assert q[:, 0].max() <= lnp.WINDOW[0] and q[:, -1].min() >= lnp.WINDOW[1]
    inside = (q > 0.06) & (q < 2.98)  # cubics would be off by 1e-3
    np.testing.assert_allclose(10 ** noisy[inside], law(q[inside]), atol=1e-4)


def test_a_quarter_are_other_bodies(drawn):
    other = np.asarray(drawn.fractions).sum(axis=1) == 0
    n = other.size
    assert abs(other.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)
    np.testing.assert_array_equal(np.asarray(drawn.target) == 3, other)
    shares = np.bincount(np.asarray(drawn.target)) / n
    np.testing.assert_allclose(shares, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / n))
    assert drawn.deviations.min() < 0.5 and drawn.deviations.max() > 3.5


def test_the_key_is_all(draw, drawn):
    np.testing.assert_array_equal(drawn.curves, draw(KEY, 2000).curves)
    assert not np.array_equal(drawn.strength, draw(jax.random.key(8), 2000).strength)


def test_other_bodies_against_closed_forms():
    q, sizes = np.linspace(0.05, 1.0, 20), np.array([20.0, 50.0])
    curves, often = others.other_curves(q, sizes)
    ball = lambda radius: closed_forms.sphere_amplitude(q, radius)
    counts = np.cumsum(
        [len(others._RATIOS), len(others._LENGTHS), len(others._CORES) * len(others._CONTRASTS)]
    )
    assert curves.shape == (counts[-1] + len(others._SHELLED) + len(others._CHAINS), 2, 20)
    np.testing.assert_allclose([often.sum(), often[: counts[0]].sum()], [1.0, 0.3], rtol=1e-12)
    for at, size in enumerate(sizes):
        # Two spheres that touch: |1 + e^(iqd)|^2 on average.
        x = q * size / 2
        pair = ball(size / 4) ** 2 * (2 + 2 * np.sin(x) / x)
        np.testing.assert_allclose(curves[-3, at], pair, rtol=1e-9)
        # A cylinder by Guinier's law, V^2 exp(-q^2 Rg^2 / 3), Rg^2 = R^2/2 + L^2/12.
        length = 0.3 * size
        volume, rg2 = np.pi * size**2 / 4 * length, size**2 / 8 + length**2 / 12
        if size == 20.0:
            small = volume**2 * np.exp(-(q[0] ** 2) * rg2 / 3)
            np.testing.assert_allclose(
                curves[counts[0], at, 0], small, rtol=(q[0] ** 2 * rg2) ** 2
            )
        # The first shelled ball: core of half the radius, contrast -1.5.
        shelled = ball(size / 2) - 2.5 * ball(size / 4)
        np.testing.assert_allclose(curves[counts[1], at], shelled**2, rtol=1e-6, atol=1e-6)
        # An oblate ellipsoid over Gauss's nodes.
        mu, w = np.polynomial.legendre.leggauss(200)
        radius = size / 2 * np.sqrt(1 - mu**2 + (0.25 * mu) ** 2)
        each = [
            [closed_forms.sphere_amplitude(np.array([k]), r)[0] / r**3 for r in radius]
            for k in q
        ]
        oblate = (np.array(each) ** 2 @ w) / 2 * (0.25 * (size / 2) ** 3) ** 2
        np.testing.assert_allclose(curves[0, at], oblate, rtol=1e-8)


def test_interpolation_goes_on_beyond_the_axis():
    axis, values = jnp.linspace(1.0, 2.0, 11), jnp.linspace(3.0, 5.0, 11)[None]
    q = jnp.array([[0.95, 1.0, 1.234, 2.0, 2.05]])
    got = measured._interpolated(axis, values, q)
    np.testing.assert_allclose(got, 1 + 2 * q, rtol=1e-5)


def test_a_base_on_another_axis_is_refused(base):
    uneven = replace(base, q=np.geomspace(0.04, 3.0, Q.size))
    with pytest.raises(ValueError, match="q of the base must be equally spaced, got steps of"):
        lnp.measured_sampler(uneven)
