"""Multiple scattering against textbook propagation of the exit wave, Mie spheres and limits."""

from functools import partial

import jax
import numpy as np
import pytest

from diffscatter.operators.propagation import split_step, wave_propagation

PITCH, WAVELENGTH = 2.5, 13.5
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(0)
SILVER, HELIUM = -0.1096 + 0.0793j, -0.00393 + 0.00123j
PAD = 40
OCCUPANCY = RNG.uniform(size=(11, 14, 12))
# Roundings of a few hundred terms of one size.
TOLERANCE = {False: 2e-5, True: 1e-11}
OPERATORS = {"split step": split_step, "wave propagation": partial(wave_propagation)}


def relative(found, expected):
    found = np.asarray(found)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


def root(square):
    value = np.sqrt(square + 0j)
    return np.where(value.imag < 0, -value, value)


def exit_wave(occupancies, indices, materials=True):
    """Propagate the whole wave to the exit plane and transform it; on the axis of its FFT.

    ``materials``: each plane wave crosses a slice at its own angle in each material; otherwise
    a phase screen follows flight in vacuum.
    """
    nz, ny, nx = occupancies[0].shape
    axis = 2 * np.pi * np.fft.fftfreq(PAD, PITCH)
    transverse = axis[:, None] ** 2 + axis**2
    flight = np.exp(1j * root(K**2 - transverse) * PITCH)
    wave = np.ones((PAD, PAD), complex)
    for j in range(nz):
        cells = [np.zeros((PAD, PAD)) for _ in indices]
        for cell, occupancy in zip(cells, occupancies, strict=True):
            cell[:ny, :nx] = occupancy[j]
        if materials:
            spectrum = np.fft.fft2(wave)
            wave = (1 - sum(cells)) * np.fft.ifft2(flight * spectrum)
            for cell, n in zip(cells, indices, strict=True):
                inside = np.exp(1j * root((n * K) ** 2 - transverse) * PITCH)
                wave += cell * np.fft.ifft2(inside * spectrum)
        else:
            chi = sum((n - 1) * cell for n, cell in zip(indices, cells, strict=True))
            wave = np.fft.ifft2(flight * np.fft.fft2(np.exp(1j * K * PITCH * chi) * wave))
    modulus = np.abs(np.fft.fft2(wave - np.exp(1j * K * nz * PITCH))) * PITCH**2 / WAVELENGTH
    return np.fft.fftshift(axis), np.fft.fftshift(np.where(transverse < K**2, modulus, 0))


@pytest.mark.parametrize("x64", [False, True])
def test_split_step_is_the_transform_of_the_exit_wave(x64):
    axis, expected = exit_wave([OCCUPANCY], [1 + SILVER], materials=False)
    with jax.enable_x64(x64):
        chi = SILVER * OCCUPANCY
        found = split_step(chi, PITCH, WAVELENGTH, axis, axis, voxel="point", pad=PAD)
    assert found.dtype == (np.complex128 if x64 else np.complex64)
    assert relative(abs(found), expected) < TOLERANCE[x64]


@pytest.mark.parametrize("x64", [False, True])
def test_wave_propagation_is_the_transform_of_the_exit_wave(x64):
    shares = [OCCUPANCY, (1 - OCCUPANCY) * RNG.uniform(size=OCCUPANCY.shape)]
    n = np.array([1 + SILVER, 0.95])
    axis, expected = exit_wave(shares, n)
    stack = np.stack([(m - 1) * share for m, share in zip(n, shares, strict=True)])
    with jax.enable_x64(x64):
        found = wave_propagation(
            stack, PITCH, WAVELENGTH, axis, axis, n=n, voxel="point", pad=PAD
        )
    assert relative(abs(found), expected) < TOLERANCE[x64]
