"""Quadrature over directions against Debye's sum and against a cube's exact amplitude."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.operators import orientation
from tests.operators.averages import PITCH, brute_force, by_quadrature

BODY = np.random.default_rng(0).normal(size=(7, 7, 7))  # contrasts of both signs
Q = np.linspace(0.0, np.pi / PITCH, 12)


def test_points_match_every_pair():
    with jax.enable_x64(True):
        got = orientation.intensity(BODY, PITCH, Q, voxel="point")
    # The non-uniform FFT is asked for 1e-9 of its largest amplitude; intensities square that.
    np.testing.assert_allclose(got, brute_force(BODY, Q), rtol=1e-7)


def test_averaged_voxels_match_a_plain_sum():
    q = Q[1:] * 0.9
    with jax.enable_x64(True):
        got = orientation.intensity(BODY, PITCH, q)
    np.testing.assert_allclose(got, by_quadrature(BODY, q, -2), rtol=1e-6)


def test_boxes_beyond_the_nyquist_limit():
    """Eight boxes that make one cube: the average of the cube's own three sincs."""
    side, q = 2 * PITCH, np.linspace(0.5, 3.0, 6) * np.pi / PITCH
    cosine, weight = np.polynomial.legendre.leggauss(80)
    azimuth = 2 * np.pi * (np.arange(160) + 0.5) / 160
    sine = np.sqrt(1 - cosine**2)[:, None]
    u = np.stack(
        [sine * np.cos(azimuth), sine * np.sin(azimuth), cosine[:, None] + 0 * azimuth]
    )
    cube = lambda k: side**6 * np.prod(np.sinc(k * u * side / (2 * np.pi)) ** 2, axis=0)
    exact = [np.sum(cube(k) * weight[:, None]) / 320 for k in q]
    with jax.enable_x64(True):
        got = orientation.intensity(np.ones((2, 2, 2)), PITCH, q, voxel="box")
    np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_float32_follows_intensities_far_below_forward_scattering():
    """A Gaussian body: the lattice sum would stop at 1e-5 of I(0), this does not."""
    x = np.arange(24) - 12.0
    body = np.exp(-(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2) / (2 * 2.0**2))
    q = np.linspace(0.1, 1.85, 10)
    exact = (2 * np.pi * 4.0) ** 3 * np.exp(-((2.0 * q) ** 2))
    assert exact[-1] < 1e-5 * exact[0]
    got = orientation.intensity(
        body.astype(np.float32), 1.0, q.astype(np.float32), voxel="point", diameter=24.0
    )
    assert got.dtype == jnp.float32
    # Amplitudes carry an absolute error of some 1e-6 F(0); at 1e-6 I(0) that is 2e-3 of I.
    np.testing.assert_allclose(got, exact, rtol=5e-3)


def test_gradients():
    q = np.array([0.3, 1.1])
    loss = lambda density, q: jnp.sum(
        jnp.log(orientation.intensity(density, PITCH, q, degree=24))
    )
    with jax.enable_x64(True):
        check_grads(loss, (BODY, q), order=1, modes=["rev"], rtol=1e-5)


def test_batches_and_traced_axes():
    q = np.array([0.3, 1.1])
    with jax.enable_x64(True):
        bodies = jnp.asarray(np.stack([BODY, BODY[::-1] * 2]))
        one = lambda density: orientation.intensity(density, PITCH, q)
        expected = jnp.stack([one(b) for b in bodies])
        np.testing.assert_allclose(jax.lax.map(one, bodies), expected, rtol=1e-9)
        np.testing.assert_allclose(jax.vmap(one)(bodies), expected, rtol=1e-9)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"q reaches 9 1/nm, beyond the Nyquist limit"):
        orientation.intensity(BODY, PITCH, np.array([9.0]))
    with pytest.raises(ValueError, match="give the rule's degree"):
        jax.jit(lambda q: orientation.intensity(BODY, PITCH, q))(Q)
    with pytest.raises(ValueError, match=r"got shape \(7, 7\)"):
        orientation.intensity(BODY[0], PITCH, Q)
