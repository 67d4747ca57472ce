"""Gradients of multiple scattering with respect to the body, its material and the geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.operators.propagation import split_step, wave_propagation

PITCH, WAVELENGTH = np.float64(1.7), np.float64(13.5)
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(1)
REAL, IMAGINARY = RNG.normal(-0.1, 0.05, (6, 5, 4)), RNG.uniform(0, 0.15, (6, 5, 4))
OCCUPANCY = RNG.uniform(size=(6, 5, 4))
N = np.complex128(0.89 + 0.08j)
KX, KY = np.array([-0.35, 0.0, 0.13, 0.5]), np.array([-0.15, 0.0, 0.25])
WEIGHT = RNG.uniform(0.5, 1.5, (3, 4))
PAD = 18  # of which one wave meets the Ewald circle below


def brightness(f):
    # A fresh copy: JAX may keep an array's conversion from another precision's context.
    return jnp.sum(WEIGHT.copy() * (f.real**2 + f.imag**2)) + jnp.sum(f.imag)


def by_screens(real, imaginary, pitch=PITCH, wavelength=WAVELENGTH, kx=KX, ky=KY):
    chi = real + 1j * imaginary
    return brightness(split_step(chi, pitch, wavelength, kx, ky, pad=PAD))


def by_material(occupancy, delta, beta, pitch=PITCH, wavelength=WAVELENGTH, kx=KX, ky=KY):
    n = 1 - delta + 1j * beta
    chi = (n - 1) * occupancy
    return brightness(wave_propagation(chi, pitch, wavelength, kx, ky, n=n, pad=PAD))


def everything(function):
    body = {
        by_screens: (REAL, IMAGINARY),
        by_material: (OCCUPANCY, 1 - N.real, N.imag),
    }[function]
    return tuple(jnp.array(x.copy()) for x in (*body, PITCH, WAVELENGTH, KX, KY))


@pytest.mark.parametrize("function", [by_screens, by_material])
def test_with_respect_to_everything(function):
    with jax.enable_x64(True):
        check_grads(jax.jit(function), everything(function), order=1, rtol=1e-6)
