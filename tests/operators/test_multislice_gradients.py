"""Gradients of multi-slice diffraction with respect to the body and to the geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.operators import multislice

PITCH, WAVELENGTH = np.float64(1.7), np.float64(13.5)
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(1)
REAL, IMAGINARY = RNG.normal(-0.1, 0.05, (6, 5, 4)), RNG.uniform(0, 0.15, (6, 5, 4))
KX, KY = np.array([-0.35, 0.0, 0.13, 0.5]), np.array([-0.15, 0.0, 0.25])
WEIGHT = RNG.uniform(0.5, 1.5, (3, 4))


def brightness(real, imaginary, pitch=PITCH, wavelength=WAVELENGTH, kx=KX, ky=KY, **options):
    chi = real + 1j * imaginary
    f = multislice.amplitude(chi, pitch, wavelength, kx, ky, **options)
    # A fresh copy: JAX may keep an array's conversion from another precision's context.
    return jnp.sum(WEIGHT.copy() * (f.real**2 + f.imag**2)) + jnp.sum(f.imag)


def test_with_respect_to_the_body():
    with jax.enable_x64(True):
        body = jnp.array(REAL), jnp.array(IMAGINARY)
        check_grads(jax.jit(brightness), body, order=1, rtol=1e-6)
        check_grads(jax.jit(brightness), body, order=2, modes=["rev"], rtol=1e-6)


def test_with_respect_to_the_geometry():
    by_geometry = jax.jit(lambda *geometry: brightness(REAL.copy(), IMAGINARY, *geometry))
    with jax.enable_x64(True):
        geometry = tuple(jnp.array(value.copy()) for value in (PITCH, WAVELENGTH, KX, KY))
        check_grads(by_geometry, geometry, order=1, rtol=1e-6)


def test_of_the_attenuated_field():
    def brightness(density, length):
        field = multislice.attenuated_field(density, PITCH, WAVELENGTH, length, KX, KY)
        return jnp.sum(WEIGHT.copy() * (field.real**2 + field.imag**2)) + jnp.sum(field.imag)

    with jax.enable_x64(True):
        arguments = (jnp.array(5 * IMAGINARY), jnp.array(12.5))
        check_grads(jax.jit(brightness), arguments, order=1, rtol=1e-6)


def test_float32_gradient_follows_float64():
    gradient = jax.jit(jax.grad(brightness, argnums=(0, 1)))
    single = gradient(jnp.array(REAL), jnp.array(IMAGINARY))
    with jax.enable_x64(True):
        double = gradient(jnp.array(REAL.copy()), jnp.array(IMAGINARY.copy()))
    for a, b in zip(single, double, strict=True):
        # A few hundred roundings of one size, as in the field itself.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max())


def test_empty_body_has_finite_gradients():
    empty = jnp.zeros((4, 4, 4))
    by_body = jax.jit(jax.grad(brightness, argnums=(0, 1)))(empty, empty)
    assert all(np.isfinite(part).all() for part in by_body)
    # The first-order answer: d Im f / d Re chi is the Fourier sum itself, not 0.
    assert np.abs(by_body[0]).max() > 0


def test_grazing_and_hidden_pixels_have_finite_gradients():
    # k_z = 0, just inside, just outside, far outside: as arrays and as tracers.
    kx = np.array([K, K * (1 - 1e-6), K * (1 + 1e-6), 3.0, 0.0])
    image = lambda chi, pitch, wavelength, kx: jnp.sum(
        jnp.abs(multislice.amplitude(chi, pitch, wavelength, kx, np.zeros(1))) ** 2
    )
    chi = jnp.array(REAL)
    assert np.isfinite(jax.grad(image)(chi, PITCH, WAVELENGTH, kx)).all()
    by_all = jax.jit(jax.grad(image, (0, 1, 2, 3)))(chi, PITCH, WAVELENGTH, kx)
    assert all(np.isfinite(part).all() for part in by_all)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="slabs are larger there")
def test_the_gradient_never_holds_a_volume():
    n = 192
    axis = 2 * np.pi / (512 * PITCH) * (np.arange(128) - 64)
    total = lambda chi: jnp.sum(
        jnp.abs(multislice.amplitude(chi, PITCH, WAVELENGTH, axis, axis)) ** 2
    )
    volume = jax.ShapeDtypeStruct((n, n, n), jnp.complex64)
    memory = jax.jit(jax.value_and_grad(total)).lower(volume).compile().memory_analysis()
    # A few slabs of 0.9 MB, against 57 MB for the volume and as much for one wave in it.
    assert memory.temp_size_in_bytes < n**3 * 8 / 5
