"""From axes to pixels and back: points whose scattering is known everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from differences import assert_gradient

from diffscatter.instrument import (
    EwaldDetector,
    FlatDetector,
    SphericalDetector,
    axes_for,
    expected_photons,
    record,
    regrid,
)

WAVELENGTH, SIZE = 13.5, 90.0
K = 2 * np.pi / WAVELENGTH
POINTS = np.array([(40, 5, -10), (-30, 20, 25), (5, -43, 10), (12, 20, -38)], float)
RNG = np.random.default_rng(5)
FLAT = dict(distance=40.0, pixel=2.0, centre=(13.2, 17.9), tilt=(0.1, -0.15), shape=(36, 30))


def scattered(kx, ky, xp=np):
    """Return the amplitude of points that scatter alike, 1 in the forward direction."""
    square = K**2 - kx**2 - ky**2
    inside = square > 0
    qz = xp.sqrt(xp.where(inside, square, 0)) - K
    phases = [kx * x + ky * y + qz * z for x, y, z in POINTS]
    return xp.where(inside, sum(xp.exp(-1j * phase) for phase in phases) / len(POINTS), 0)


def recorded(detector, sampling, degree):
    """Return image, mask and the exact image."""
    with jax.enable_x64(True):
        kx, ky = axes_for(detector, WAVELENGTH, SIZE, sampling=sampling)
        values = scattered(kx[None, :], ky[:, None])
        image, mask = record(values, kx, ky, detector, WAVELENGTH, degree=degree)
        pixels = detector.pixels(WAVELENGTH)
    exact = scattered(np.asarray(pixels.kx), np.asarray(pixels.ky))
    return np.asarray(image), np.asarray(mask), np.where(pixels.inside, exact, 0)


def test_error_falls_with_the_order_of_the_spline():
    with jax.enable_x64(True):
        detector = FlatDetector(**FLAT)
    errors = []
    for sampling in (4, 8):
        image, mask, exact = recorded(detector, sampling, 5)
        assert mask.all()
        errors.append(np.abs(image - exact).max())
    # Order 6, but for what is not yet asymptotic; the table in `record` bounds it.
    assert np.log2(errors[0] / errors[1]) > 5.5 and errors[1] < 1.5 * 4e-9


def test_the_axes_themselves_are_returned_unchanged():
    detector = EwaldDetector(step=0.04, shape=(27, 25))
    kx, ky = detector.axes()
    values = RNG.normal(size=(27, 25))
    image, mask = record(values, kx, ky, detector, WAVELENGTH)
    inside = np.asarray(detector.pixels(WAVELENGTH).inside)
    assert inside.any() and not inside.all()
    np.testing.assert_array_equal(mask, inside)
    np.testing.assert_allclose(image, np.where(inside, values, 0), atol=2e-5)


def test_the_rim_is_masked_and_zero():
    with jax.enable_x64(True):
        detector = SphericalDetector(distance=20.0, pixel=1.0, shape=(70, 70))
    image, mask, exact = recorded(detector, 6, 5)
    beyond = exact == 0
    assert beyond.any() and not mask[beyond].any() and not image[~mask].any()
    assert mask.mean() > 0.5 * (~beyond).mean()
    # Three steps at least from the rim, where up to 1 breaks off; a quintic carries 0.43 of
    # that from one step to the next.
    assert np.abs(image - exact)[mask].max() < 0.43**3
    near = np.hypot(*(np.indices((70, 70)) - 35)) < 20  # pixels: to 1 rad
    assert np.abs(image - exact)[mask & near].max() < 1e-6


def test_off_the_axes_is_masked():
    detector = FlatDetector(**FLAT)
    kx = np.linspace(-0.05, 0.05, 21)
    image, mask = record(np.ones((21, 21)), kx, kx, detector, WAVELENGTH)
    pixels = detector.pixels(WAVELENGTH)
    on = (abs(np.asarray(pixels.kx)) <= 0.05) & (abs(np.asarray(pixels.ky)) <= 0.05)
    np.testing.assert_array_equal(mask, on)
    np.testing.assert_allclose(image, np.where(on, 1, 0), atol=1e-5)


def test_gradients():
    kx = np.linspace(-0.3, 0.3, 31)
    values = RNG.normal(size=(31, 31))

    def brightness(values, distance, pixel, centre, tilt, wavelength):
        detector = FlatDetector(
            distance=distance, pixel=pixel, centre=centre, tilt=tilt, shape=(9, 8)
        )
        image, mask = record(values, kx, kx, detector, wavelength)
        return jnp.sum(jnp.where(mask, image, 0) ** 2)

    with jax.enable_x64(True):
        geometry = 30.0, 2.0, (3.7, 4.1), (0.1, -0.2), WAVELENGTH
        arguments = tuple(jnp.asarray(v, float) for v in (values, *geometry))
        assert_gradient(brightness, arguments)


def test_beyond_the_circle_gradients_are_finite():
    detector = EwaldDetector(step=0.1, shape=(12, 12))
    kx = np.linspace(-0.6, 0.6, 25)
    total = lambda values, detector, wavelength: jnp.sum(
        jnp.abs(record(values, kx, kx, detector, wavelength)[0]) ** 2
    )
    slopes = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(np.ones((25, 25)), detector, 13.5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_float32_follows_and_vmaps():
    detector = FlatDetector(**FLAT)
    kx, ky = axes_for(detector, WAVELENGTH, SIZE, sampling=6)
    values = scattered(kx[None, :], ky[:, None]).astype(np.complex64)
    stack = jnp.stack([values, 2 * values])
    images, masks = jax.vmap(lambda v: record(v, kx, ky, detector, WAVELENGTH))(stack)
    assert images.dtype == jnp.complex64 and np.asarray(masks).all()
    pixels = detector.pixels(WAVELENGTH)
    exact = scattered(np.asarray(pixels.kx, float), np.asarray(pixels.ky, float))
    # Phases of 0.5/nm * 45 nm, and positions among some hundred steps, round to 1e-5.
    np.testing.assert_allclose(images[0], exact, atol=5e-5)
    np.testing.assert_allclose(images[1], 2 * images[0], atol=1e-5)


def test_regrid_takes_the_image_back():
    with jax.enable_x64(True):
        detector = FlatDetector(distance=40.0, pixel=0.5, tilt=(0.1, -0.15), shape=(90, 90))
        pixels = detector.pixels(WAVELENGTH)
        smooth = lambda kx, ky: np.exp(-((kx - 0.05) ** 2 + ky**2) / 0.02)
        image = smooth(np.asarray(pixels.kx), np.asarray(pixels.ky))
        k = np.linspace(-0.25, 0.25, 41)
        right = np.indices((90, 90))[1] > 45
        seen, some = regrid(image, detector, WAVELENGTH, k, k, mask=right, degree=5)
        values, mask = regrid(image, detector, WAVELENGTH, k, k, degree=5)
    mask, exact = np.asarray(mask), smooth(k[None, :], k[:, None])
    assert 0.5 < mask.mean() < 1 and np.asarray(some)[20, k > 0.02].any()
    assert not np.asarray(some)[:, k < 0].any() and not np.asarray(seen)[:, k < 0].any()
    # The Gaussian is 17 pixels wide: (1/17)^6 / 720 times a derivative of order a hundred.
    np.testing.assert_allclose(values[mask], exact[mask], atol=1e-8)
    assert not np.asarray(values)[~mask].any()


def test_expected_photons():
    detector = FlatDetector(distance=100.0, pixel=1.0, shape=(3, 3))
    pixels = detector.pixels(WAVELENGTH)
    counts = expected_photons(np.full((3, 3), 5.0), pixels, 200.0, polarisation="unpolarised")
    assert float(counts[1, 1]) == pytest.approx(5.0 * 200.0 * 1e-4)
    with pytest.raises(ValueError, match=r"shape \(3, 3\), got \(2, 3\)"):
        expected_photons(np.ones((2, 3)), pixels, 1.0)
    with pytest.raises(ValueError, match="fluence must be above 0"):
        expected_photons(np.ones((3, 3)), pixels, 0.0)


def test_refuses_by_name():
    detector, k = FlatDetector(**FLAT), np.linspace(-0.1, 0.1, 9)
    with pytest.raises(ValueError, match="kx must ascend in equal steps"):
        record(np.ones((9, 9)), k**3, k, detector, WAVELENGTH)
    with pytest.raises(ValueError, match="ky must ascend in equal steps"):
        record(np.ones((9, 9)), k, k[::-1], detector, WAVELENGTH)
    with pytest.raises(ValueError, match=r"got shape \(8, 9\) with ky"):
        record(np.ones((8, 9)), k, k, detector, WAVELENGTH)
    with pytest.raises(ValueError, match=r"mask must have the detector's shape \(36, 30\)"):
        regrid(np.ones((36, 30)), detector, WAVELENGTH, k, k, mask=np.ones((30, 36), bool))
    with pytest.raises(ValueError, match="size must be above 0 nm"):
        axes_for(detector, WAVELENGTH, 0.0)
