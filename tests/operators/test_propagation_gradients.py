"""Gradients of multiple scattering: the body, its material, its pose, and the geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.operators import propagation
from diffscatter.operators.propagation import split_step, wave_propagation

PITCH, WAVELENGTH, PAD = 1.7, 13.5, 18
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(1)
SHAPE = 6, 9, 8
KX, KY = np.array([-0.35, 0.0, 0.13, 0.5]), np.array([-0.15, 0.0, 0.25])
WEIGHT = RNG.uniform(0.5, 1.5, (3, 4))


def brightness(f):
    # A fresh copy: JAX may keep an array's conversion from another precision's context.
    return jnp.sum(WEIGHT.copy() * (f.real**2 + f.imag**2)) + jnp.sum(f.imag)


def occupancy(radius, tilt, pitch):
    """A soft rod, tilted about x; ``radius`` in nm."""
    z, y, x = (
        (pitch * (np.arange(n) - n // 2)).reshape(np.roll((-1, 1, 1), axis))
        for axis, n in enumerate(SHAPE)
    )
    along = jnp.cos(tilt) * z - jnp.sin(tilt) * y
    across = jnp.cos(tilt) * y + jnp.sin(tilt) * z
    return jax.nn.sigmoid(4 * (1 - (across**2 + x**2) / radius**2 - (along / 6.0) ** 2))


def split(chi, geometry):
    return split_step(chi, *geometry, pad=PAD)


def materials(chi, geometry, n=None):
    return wave_propagation(chi, *geometry, n=n, pad=PAD)


@pytest.mark.parametrize("operator", [split, materials])
def test_against_central_differences(operator):
    def total(p):
        n = 1 - p["delta"] + 1j * p["beta"]
        chi = (n - 1) * (occupancy(p["radius"], p["tilt"], p["pitch"]) + p["voxels"])
        geometry = p["pitch"], p["wavelength"], p["stretch"] * KX, p["shift"] + KY
        options = {"n": n} if operator is materials else {}
        return brightness(operator(chi, geometry, **options))

    given = dict(radius=5.0, tilt=0.4, delta=0.11, beta=0.08, pitch=PITCH)
    given |= dict(wavelength=WAVELENGTH, stretch=1.0, shift=0.0, voxels=np.zeros(SHAPE))
    with jax.enable_x64(True):
        # From arrays: Python numbers are weak in dtype, and would be compiled for once more.
        p = {name: jnp.asarray(np.asarray(value)) for name, value in given.items()}
        both = jax.jit(jax.value_and_grad(total))  # compiled once, for the differences too
        value, slopes = both(p)
        for name, slope in slopes.items():
            direction = jnp.asarray(RNG.normal(size=np.shape(slope)))
            step = 1e-5
            moved = [both(p | {name: p[name] + s * direction})[0] for s in (step, -step)]
            expected = (moved[0] - moved[1]) / (2 * step)
            # Central differences: roundings of 1e-16/1e-5 of the value, and step^2.
            bound = 1e-6 * abs(expected) + 1e-9 * abs(value)
            assert abs(jnp.sum(slope * direction) - expected) < bound, name


def test_empty_bodies_and_dark_pixels_have_finite_gradients():
    # k_z = 0, just inside, just outside, far outside; and with this wavelength and pitch one
    # wave of the box has k_z = 0 as well.
    pitch, wavelength = 2.0, 12.0
    k = 2 * np.pi / wavelength
    kx = np.array([k, k * (1 - 1e-6), k * (1 + 1e-6), 3.0, 0.0])

    def total(real, imaginary, pitch, wavelength, kx):
        chi = jax.lax.complex(real, imaginary)
        f = split(chi, (pitch, wavelength, kx, np.zeros(1)))
        return jnp.sum(f.real**2 + f.imag**2) + jnp.sum(f.imag)

    empty = jnp.zeros(SHAPE, jnp.float32)
    gradient = jax.jit(jax.grad(total, argnums=(0, 1, 2, 3, 4)))
    found = gradient(empty, empty, pitch, wavelength, kx)
    assert all(np.isfinite(part).all() for part in found)
    # The first-order answer: d Im f / d Re chi is the Fourier sum itself, not 0.
    assert np.abs(found[0]).max() > 0
    body = gradient(empty - 0.1, empty + 0.1, pitch, wavelength, kx)
    assert all(np.isfinite(part).all() for part in body)


def test_an_empty_body_has_no_material_and_no_gradient():
    share = lambda stack: propagation._occupancy(
        stack, propagation._contrast(stack, None, stack.dtype)
    )
    empty = jnp.zeros((2, 3, 3, 3), jnp.complex64)
    value, slope = jax.value_and_grad(lambda stack: share(stack).sum())(empty)
    assert value == 0
    assert (slope == 0).all()


def test_memory_of_the_gradient_does_not_hold_the_boxes():
    n, pad = 64, 256
    axis = np.linspace(-0.4, 0.4, 8)

    def total(chi, pitch):
        f = split_step(chi, pitch, WAVELENGTH, axis, axis, pad=pad, rank=12)
        return jnp.sum(f.real**2 + f.imag**2)

    gradient = jax.jit(jax.grad(total, argnums=(0, 1)))
    volume = jax.ShapeDtypeStruct((n, n, n), jnp.complex64)
    found = gradient.lower(volume, PITCH).compile().memory_analysis().temp_size_in_bytes
    window, box = 8 * n * (n + 4) ** 2, 8 * pad**2
    # Some windows of all slices, and the boxes of sqrt(n) slices with what a step keeps of
    # them. All boxes together are 34 MB.
    assert found < 4 * window + 4 * np.sqrt(n) * box < 34e6
