"""A flat detector's pattern on axes: what a simulated one shows, and where."""

import jax
import numpy as np
import pytest

from diffscatter.core.data import Pattern, checked_pattern
from diffscatter.core.pytree import replace
from diffscatter.pipelines import on_axes
from diffscatter.pipelines.flat import coarser

WAVELENGTH, DISTANCE, PIXEL = 13.5, 6e7, 2e6  # nm
K = 2 * np.pi / WAVELENGTH
CENTRE = (30.5, 33.0)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def smooth(kx, ky):
    """A cross-section without symmetry whose fringes are as wide as those of 30 nm."""
    return 3 + np.cos(30 * kx + 0.4) * np.cos(20 * ky - 0.2) + 3 * kx


def flat(ny, nx, pixel, centre):
    """Photons in the pixels of a flat detector, by the definition of its solid angle."""
    x, y = np.meshgrid(*((np.arange(n) - c) * pixel for n, c in zip((nx, ny), centre,
                                                                     strict=True)))  # fmt: skip
    r = np.sqrt(x**2 + y**2 + DISTANCE**2)
    solid_angle = pixel**2 * DISTANCE / r**3
    return smooth(K * x / r, K * y / r) * solid_angle


@pytest.mark.parametrize("block", [1, 3])
def test_the_cross_section_comes_back(block):
    side, centre = PIXEL / block, tuple((c + 0.5) * block - 0.5 for c in CENTRE)
    counts = flat(block * 60, block * 64, side, centre)
    pattern = checked_pattern(counts, distance=DISTANCE, pixel=(side, side), centre=centre)
    got = on_axes(pattern, wavelength=WAVELENGTH, n=64)
    assert got.image.shape == (64, 64) and float(got.kx[32]) == 0 == float(got.ky[32])
    edge = 33.5 * PIXEL
    assert float(got.kx[0]) == pytest.approx(-K * edge / np.hypot(edge, DISTANCE), rel=0.02)
    expected = smooth(np.asarray(got.kx), np.asarray(got.ky)[:, None])
    step = float(got.kx[1] - got.kx[0])
    error = np.abs(got.image / (step / K) ** 2 / expected - 1)[got.counts]
    # Cubic splines: (fringe step)^4 / 100; a block averages over (30 nm dk)^2 / 24 of a fringe.
    phase = 30 * K * PIXEL / DISTANCE
    assert error.max() < (phase**4 / 100 if block == 1 else phase**2 / 24)
    assert got.counts.sum() > 0.7 * 60 * 64  # of the square of axes around a round-off beam


def test_masked_pixels_stay_masked():
    counts = flat(60, 64, PIXEL, (32, 30))
    mask = np.ones(counts.shape, bool)
    mask[28:33, 30:35] = False
    pattern = checked_pattern(counts, mask)
    got = on_axes(pattern, wavelength=WAVELENGTH, distance=DISTANCE, pixel=PIXEL)
    assert not got.counts[31:34, 31:34].any()
    whole = on_axes(
        replace(pattern, mask=None), wavelength=WAVELENGTH, distance=DISTANCE, pixel=PIXEL
    )
    # Each pixel hides what lies within one of it.
    across = 6 * PIXEL / DISTANCE * K / float(got.kx[1] - got.kx[0]) + 1
    assert (whole.counts & ~got.counts).sum() <= across**2
    # A flat detector spans steps that shrink with the angle: only ratios of lengths count.
    same = on_axes(pattern, wavelength=WAVELENGTH, distance=30.0, pixel=1.0)
    np.testing.assert_allclose(same.image, got.image, rtol=1e-9)


def test_counts_stay_whole_numbers():
    counts = np.random.default_rng(0).poisson(1e9 * flat(60, 64, PIXEL, (32, 30)))
    got = on_axes(checked_pattern(counts), wavelength=WAVELENGTH, distance=30.0, pixel=1.0)
    values = np.asarray(got.image)[got.counts]
    np.testing.assert_array_equal(values, np.rint(values))
    step = float(got.kx[1] - got.kx[0])
    expected = 1e9 * (step / K) ** 2 * smooth(np.asarray(got.kx), np.asarray(got.ky)[:, None])
    assert np.mean(values / expected[got.counts]) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    "given, match",
    [
        ({"pixel": 1.0}, "give distance too"),
        ({"distance": 1.0}, "give pixel too"),
        ({"distance": 0.0, "pixel": 1.0}, "distance must be above 0"),
        ({"distance": 1.0, "pixel": -1.0}, "pixel must be above 0"),
        ({"distance": np.nan, "pixel": 1.0}, "distance must be finite"),
        ({"distance": 1.0, "pixel": 1.0, "wavelength": 0.0}, "wavelength must be above 0"),
    ],
)
def test_impossible_geometry(given, match):
    pattern = Pattern(image=np.ones((16, 16)))
    with pytest.raises(ValueError, match=match):
        on_axes(pattern, **{"wavelength": WAVELENGTH} | given)


@pytest.mark.parametrize("mean", [False, True])
def test_fewer_pixels(mean):
    k = np.linspace(-0.4, 0.4, 30)
    counts = np.random.default_rng(0).poisson(20.0, (29, 30))
    mask = np.ones((29, 30), bool)
    mask[:3, :2], mask[4:7, 0] = False, False
    pattern = checked_pattern(counts, mask, k, np.linspace(-0.3, 0.3, 29))
    got = coarser(pattern, 10, mean=mean)
    assert got.image.shape == (10, 10) and not got.counts[0, 0]
    middle = counts[3:6, 6:9].mean() if mean else counts[3:6, 6:9].sum()
    assert float(got.image[1, 2]) == pytest.approx(middle)
    np.testing.assert_allclose(got.kx, k[1::3])
    # Two of nine are masked: the others stand for them.
    left = counts[3:6, :3][mask[3:6, :3]].mean()
    expected = left if mean else np.rint(9 * left)
    assert float(got.image[1, 0]) == pytest.approx(expected)
    assert coarser(pattern, 30) is pattern


def test_pixels_that_are_not_square_and_axes_already():
    pattern = Pattern(image=np.ones((16, 16)), distance=1e8, pixel=(1e6, 2e6))
    with pytest.raises(ValueError, match="pixels must be square, got 1e"):
        on_axes(pattern, wavelength=WAVELENGTH)
    with pytest.raises(ValueError, match="on axes kx, ky already"):
        on_axes(pattern.with_axes(0.4, WAVELENGTH), wavelength=WAVELENGTH, distance=1, pixel=1)
