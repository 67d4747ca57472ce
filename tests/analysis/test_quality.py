"""A curve's own testimony: right errors, wrong errors, single points, beam stop, noise."""

import numpy as np
import pytest

from diffscatter.analysis import curve_quality
from diffscatter.core.data import Curve

Q = np.geomspace(0.05, 3.0, 400)
LAW = 1 / (1 + (3 * Q) ** 2) ** 2 + 1e-3


def noisy(claimed=1.0, seed=1, **fields):
    """A curve with 1 % of noise, which says ``claimed`` times as much of itself."""
    noise = np.random.default_rng(seed).normal(size=Q.size)
    values = fields.pop("intensity", LAW) * (1 + 0.01 * noise)
    return Curve(q=Q, intensity=values, sigma=0.01 * claimed * np.abs(values), **fields)


@pytest.mark.parametrize("claimed", [0.2, 1.0, 5.0])
def test_scatter_is_in_units_of_the_errors_given(claimed):
    found = [curve_quality(noisy(claimed, seed)).scatter for seed in range(20)]
    # A median of 400 |z|, neighbours of which share points, is known to about 8 %.
    np.testing.assert_allclose(found, 1 / claimed, rtol=0.35)
    assert np.mean(found) == pytest.approx(1 / claimed, rel=0.08)


def test_sound_curves_are_not_suspected():
    for seed in range(50):
        quality = curve_quality(noisy(seed=seed))
        assert quality.outliers == () and not quality.shadowed and quality.drowned is None


@pytest.mark.parametrize("place", [1, 2, 200, 396, 398])
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_one_point_that_stands_out(place, factor):
    values = LAW.copy()
    values[place] *= factor  # 20 sigma
    assert curve_quality(noisy(intensity=values)).outliers == (place,)
    bare = Curve(q=Q, intensity=values)
    assert curve_quality(bare).scatter is None


def test_fringes_finer_than_the_points_are_no_outliers():
    fringes = LAW * (1 + 0.5 * np.cos(200 * Q))
    quality = curve_quality(noisy(intensity=fringes))
    assert quality.scatter > 5 and quality.outliers == ()


def test_the_shadow_of_a_beam_stop():
    shadow = LAW.copy()
    shadow[:6] *= np.linspace(0.1, 0.9, 6)
    assert curve_quality(noisy(intensity=shadow)).shadowed in (6, 7)
    late = LAW * np.exp(-((np.log(Q / 0.5) / 0.3) ** 2))  # a peak far inside is none
    assert curve_quality(noisy(intensity=late)).shadowed == 0


def test_where_only_noise_is_left():
    rng = np.random.default_rng(2)
    sigma = np.full(Q.size, 3e-3)
    values = LAW - 1e-3 + sigma * rng.normal(size=Q.size)
    drowned = curve_quality(Curve(q=Q, intensity=values, sigma=sigma)).drowned
    # The law is one sigma where 1 / (3 q)^4 = 3e-3: q = 1.42.
    assert 1.2 < drowned < 1.8


def test_negative_points_and_short_curves():
    values = np.array([1.0, -0.1, 0.5])
    found = curve_quality(Curve(q=Q[:3], intensity=values, sigma=np.full(3, 0.5)))
    assert np.isfinite(found.scatter) and found.outliers == ()
