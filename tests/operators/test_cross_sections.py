"""Cross-sections: solid angles of the whole hemisphere, Rayleigh and Mie spheres, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scattnlay import scattnlay
from slice_sums import ball

from diffscatter.operators import born
from diffscatter.operators.cross_sections import (
    extinction,
    polarisation,
    scattering,
    solid_angle,
)

WAVELENGTH = 13.5
K = 2 * np.pi / WAVELENGTH
AXIS = K * np.linspace(-1, 1, 81)
UNEVEN = K * np.sort(np.random.default_rng(0).uniform(-1.2, 1.2, 60))


@pytest.mark.parametrize("x64", [False, True])
def test_pixels_fill_the_hemisphere(x64):
    with jax.enable_x64(x64):
        for kx, ky in ((AXIS, AXIS), (AXIS[::-1], np.append(UNEVEN, 1.3 * K))):
            found = solid_angle(WAVELENGTH, kx, ky)
            assert found.dtype == (np.float64 if x64 else np.float32)
            np.testing.assert_allclose(found.sum(), 2 * np.pi, rtol=1e-11 if x64 else 1e-5)


def test_a_pixel_is_its_area_over_its_cosine():
    step = 1e-3 * K
    kx, ky = 0.5 * K + step * np.arange(-1, 2), -0.3 * K + step * np.arange(-1, 2)
    kz = np.sqrt(K**2 - ky[:, None] ** 2 - kx**2)
    with jax.enable_x64(True):
        # The mean of 1/k_z over a pixel and its middle differ in second order, by 1e-6.
        np.testing.assert_allclose(
            solid_angle(WAVELENGTH, kx, ky), step**2 / (K * kz), rtol=2e-6
        )


def test_pixels_beyond_the_circle_are_dark():
    beyond = K * np.array([1.1, 1.2])
    for quantity in (solid_angle, polarisation):
        assert (np.asarray(quantity(WAVELENGTH, beyond, AXIS)) == 0).all()


def test_polarisation_is_that_of_a_dipole():
    kx, ky = K * np.array([0.0, 0.6]), K * np.array([0.0, 0.5])
    x, y, both, scalar = (
        np.asarray(polarisation(WAVELENGTH, kx, ky, state=state))
        for state in ("x", "y", "unpolarised", "scalar")
    )
    np.testing.assert_allclose(x, [[1, 0.64], [1, 0.64]], rtol=1e-6)
    np.testing.assert_allclose(y, [[1, 1], [0.75, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(both, (x + y) / 2, rtol=1e-6)
    assert (scalar == 1).all()


def test_point_scatterers_have_the_cross_section_of_rayleigh():
    # A body far below the wavelength sends as much back as forward: half of 8 pi/3 k^4 alpha^2.
    chi, radius = 1e-3, 0.3
    pitch = 2.2 * radius / 6
    f = born.amplitude(chi * ball(6, radius / pitch), pitch, WAVELENGTH, AXIS, AXIS)
    volume = chi * ball(6, radius / pitch).sum() * pitch**3
    expected = 4 * np.pi / 3 * (K**2 * volume / (2 * np.pi)) ** 2
    for state in ("x", "y", "unpolarised"):
        found = scattering(f, WAVELENGTH, AXIS, AXIS, state=state)
        # Pixels with their centre beyond the rim count nothing: their share of 2 pi, and less.
        lost = float(jnp.sum(jnp.where(f == 0, solid_angle(WAVELENGTH, AXIS, AXIS), 0)))
        assert 1 - lost / (2 * np.pi) - 2e-3 < float(found) / expected < 1 + 2e-3


def test_a_weak_sphere_scatters_as_mie():
    radius, chi = 30.0, -1e-3
    pitch = 2.2 * radius / 24
    f = born.amplitude(chi * ball(24, radius / pitch), pitch, WAVELENGTH, AXIS, AXIS)
    _, _, efficiency, *_ = scattnlay(np.array([K * radius]), np.array([1 + chi + 0j]))
    expected = float(efficiency) * np.pi * radius**2
    found = float(scattering(f, WAVELENGTH, AXIS, AXIS))
    # Born leaves out k chi R = 1.4 % of phase, squared; pixels of 1 degree 1e-3.
    assert abs(found / expected - 1) < 3e-3


def test_extinction_is_the_optical_theorem():
    f = np.array([1 + 2j, 3 - 0.5j])
    np.testing.assert_allclose(extinction(f, WAVELENGTH), 4 * np.pi / K * f.imag, rtol=1e-6)


def test_gradients():
    axis = 1.1 * K * np.linspace(-1, 1, 9)  # reaches beyond the rim

    def total(wavelength, scale, imaginary):
        grid = scale * axis.copy()
        seen = scattering(f, wavelength, grid, grid, state="x")
        return seen + extinction(1j * imaginary, wavelength)

    with jax.enable_x64(True):
        f = jnp.array(np.random.default_rng(1).normal(size=(9, 9)) + 0.5j)
        at = tuple(jnp.array(np.array(v)) for v in (13.5, 0.7, 2.0))
        both = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2)))
        _, slopes = both(*at)
        for i, slope in enumerate(slopes):
            step = 1e-6 * at[i]
            moved = [both(*at[:i], at[i] + s, *at[i + 1 :])[0] for s in (step, -step)]
            np.testing.assert_allclose(slope, (moved[0] - moved[1]) / (2 * step), rtol=1e-6)
        rim = jax.jit(jax.grad(lambda a: solid_angle(WAVELENGTH, a, a)[0].sum()))(AXIS.copy())
    assert np.isfinite(rim).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extinction(3.0, WAVELENGTH), "forward must be the complex amplitude f"),
        (lambda: extinction(1j, -1.0), "wavelength must be above 0 nm, got -1"),
        (lambda: solid_angle(WAVELENGTH, AXIS[:1], AXIS), "kx must have two points or more"),
        (lambda: solid_angle(WAVELENGTH, AXIS, AXIS[[0, 2, 1]]), "ky must rise or fall"),
        (lambda: polarisation(WAVELENGTH, AXIS, AXIS, state="z"), "state must be one of x, y"),
        (
            lambda: scattering(np.ones((3, 4), complex), WAVELENGTH, AXIS[:3], AXIS[:4]),
            r"f must be \(\.\.\., nky, nkx\) = \(\.\.\., 4, 3\), got shape \(3, 4\)",
        ),
    ],
)
def test_names_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
