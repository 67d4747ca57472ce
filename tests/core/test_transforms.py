"""Transforms against their sums, written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core.grids import axis, reciprocal_axis
from diffscatter.core.transforms import (
    centred_fft,
    centred_ifft,
    cosine_matrix,
    dft_matrix,
    padded_fft,
    padded_rfft,
)

RNG = np.random.default_rng(5)
# A sum of n terms of size 1 rounds to about sqrt(n) eps; n <= 40, with slack for phases of
# up to 20 rad.
TOLERANCE = {np.dtype("float64"): 1e-12, np.dtype("float32"): 1e-4}


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(True):
        yield np.dtype(request.param)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_centred_fft_is_the_sum(shape, dtype):
    field = RNG.normal(size=shape).astype(dtype)
    got = centred_fft(jnp.asarray(field))
    y, x = (np.asarray(axis(n)) for n in shape)
    ky, kx = (np.asarray(reciprocal_axis(n)) for n in shape)
    expected = np.exp(-1j * np.outer(ky, y)) @ field @ np.exp(-1j * np.outer(x, kx))
    assert got.dtype == np.result_type(dtype, np.complex64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(centred_ifft(got), field, rtol=0, atol=TOLERANCE[dtype])


def test_chosen_axes():
    field = jnp.asarray(RNG.normal(size=(3, 4, 5)))
    np.testing.assert_allclose(centred_fft(field)[1], centred_fft(field[1]), atol=1e-5)
    summed = centred_fft(field, axes=(0,)).sum((1, 2))
    np.testing.assert_allclose(summed, centred_fft(field.sum((1, 2)), (0,)), atol=1e-5)


def test_dft_matrix_at_the_frequencies_of_the_fft(dtype):
    n, pitch = 9, 0.7
    values = jnp.asarray(RNG.normal(size=n).astype(dtype))
    matrix = dft_matrix(reciprocal_axis(n, dtype.type(pitch)), n, dtype.type(pitch))
    got = jnp.matmul(matrix, values, precision="highest")
    np.testing.assert_allclose(got, centred_fft(values, (0,)), rtol=0, atol=TOLERANCE[dtype])


def test_dft_matrix_between_the_frequencies():
    q, n, pitch = np.array([0.1234, 2.7]), 4, 0.5
    expected = np.exp(-1j * np.outer(q, (np.arange(4) - 2) * 0.5))
    np.testing.assert_allclose(dft_matrix(q, n, pitch), expected, atol=1e-6)


def test_padded_transforms_have_their_origin_at_index_0():
    values = RNG.normal(size=(3, 4))
    frequencies = np.outer(np.arange(10), np.arange(4))
    expected = values @ np.exp(-2j * np.pi / 10 * frequencies).T
    np.testing.assert_allclose(padded_fft(jnp.asarray(values), 10, 1), expected, atol=1e-5)
    half = padded_rfft(jnp.asarray(values), 10, 1)
    np.testing.assert_allclose(half, expected[:, :6], atol=1e-5)


@pytest.mark.parametrize("n", [10, 11])
def test_cosine_matrix_inverts_even_spectra(n):
    field = RNG.normal(size=n)
    power = np.abs(np.fft.fft(field)) ** 2
    lags = np.array([field @ np.roll(field, -j) for j in range(4)])  # cyclic autocorrelation
    np.testing.assert_allclose(cosine_matrix(4, n) @ power, lags, atol=1e-12)
    half = cosine_matrix(4, n, half=True)
    np.testing.assert_allclose(half @ power[: n // 2 + 1], lags, atol=1e-12)


def test_gradient_passes_through():
    with jax.enable_x64(True):
        values = jnp.asarray(RNG.normal(size=(4, 4)))
        power = lambda f: jnp.sum(jnp.abs(centred_fft(f)) ** 2)
        # Parseval: the sum is n^2 times sum f^2.
        np.testing.assert_allclose(jax.grad(power)(values), 2 * 16 * values, rtol=1e-12)
