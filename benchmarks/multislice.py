"""Multi-slice diffraction, 192^3 voxels to 128^2 pixels, against a padded and a pruned FFT.

A silver-like sphere off the axis at 13.5 nm, float32, pixels of an FFT padded to 512. Two
detectors: the whole hemisphere (that of the published networks) and one to 30 degrees at the
middle of its edge. Errors are maxima relative to the maximum, against a padded FFT of every
slice in double precision by numpy. Gradients are of sum |f|^2, judged by their own double.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from harness import case, race, report
from rivals_multislice import (
    attenuate,
    by_slices,
    padded,
    pruned,
    refract,
    waves_first,
)

from diffscatter.operators import multislice

N, PAD, PIXELS = 192, 512, 128
WAVELENGTH, CHI, LENGTH = 13.5, -0.1096 + 0.0793j, 27.1
PITCHES = {"90 deg": 318.75 / N, "30 deg": WAVELENGTH * PIXELS / PAD}  # nm


def sphere(radius=0.31 * N, centre=(3.3, -4.1, 2.7), edge=1.5):
    """Occupancy with a soft edge, all lengths in voxels."""
    r = np.arange(N) - N // 2
    z, y, x = (r - c for c in centre)
    distance = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    return np.clip((radius - distance) / edge + 0.5, 0, 1)


def exact(slices, pitch):
    """Sum the padded FFTs of all slices in double precision; pixels and their q_z."""
    k, index = 2 * np.pi / WAVELENGTH, np.arange(PIXELS) - PIXELS // 2
    axis = 2 * np.pi / (PAD * pitch) * index
    transverse = axis[:, None] ** 2 + axis**2
    qz = np.sqrt(np.maximum(k**2 - transverse, 0)) - k
    total = 0
    for j, part in enumerate(slices):
        rows = np.fft.fft(part, n=PAD, axis=0)[index % PAD]
        field = np.fft.fft(rows, n=PAD, axis=1)[:, index % PAD]
        total = total + field * np.exp(-1j * qz * pitch * (j - N // 2))
    return total * (transverse < k**2)


def races(label, pitch):
    """Race amplitude against its rivals, forward and gradient, on one detector."""
    k = 2 * np.pi / WAVELENGTH
    chi = CHI * sphere()
    axis = 2 * np.pi / (PAD * pitch) * (np.arange(PIXELS) - PIXELS // 2)
    inside = axis[:, None] ** 2 + axis**2 < k**2
    phase = k * pitch * chi
    reference = exact(
        np.exp(1j * (np.cumsum(phase, axis=0) - phase)) * np.expm1(1j * phase), pitch
    )
    # Rivals sum without prefactor and count from voxel 0; moduli are compared.
    scale = WAVELENGTH / pitch**2
    settings = dict(strength=k * pitch, pitch=pitch, wavelength=WAVELENGTH, pad=PAD, n=PIXELS)
    ours = lambda c: (
        scale * multislice.amplitude(c, pitch, WAVELENGTH, axis, axis, voxel="point")
    )
    rivals = {
        "padded FFT": partial(by_slices, emit=refract, transform=padded, **settings),
        "pruned FFT": partial(by_slices, emit=refract, transform=pruned, **settings),
        "padded FFT, waves first": partial(waves_first, **settings),
    }
    return _race(f"multislice {label}", ours, rivals, chi, inside, reference)


def absorption_races(label, pitch):
    """Race the absorption-only field likewise."""
    density = sphere()
    k = 2 * np.pi / WAVELENGTH
    axis = 2 * np.pi / (PAD * pitch) * (np.arange(PIXELS) - PIXELS // 2)
    inside = axis[:, None] ** 2 + axis**2 < k**2
    reference = exact(density * np.exp(-pitch / LENGTH * np.cumsum(density, axis=0)), pitch)
    settings = dict(
        strength=pitch / LENGTH, pitch=pitch, wavelength=WAVELENGTH, pad=PAD, n=PIXELS
    )
    ours = lambda d: multislice.attenuated_field(d, pitch, WAVELENGTH, LENGTH, axis, axis)
    rivals = {
        "padded FFT": partial(by_slices, emit=attenuate, transform=padded, **settings),
        "pruned FFT": partial(by_slices, emit=attenuate, transform=pruned, **settings),
    }
    return _race(f"absorption {label}", ours, rivals, density, inside, reference)


def _race(group, ours, rivals, volume, inside, reference):
    single = jnp.asarray(volume, jnp.complex64 if np.iscomplexobj(volume) else jnp.float32)
    functions = {"low rank": ours, **rivals}
    peak = np.abs(reference).max()
    error = lambda f: np.abs(np.abs(np.asarray(f)) - np.abs(reference))[inside].max() / peak
    forward = [
        case(f"{group}/{name}", function, single, error=error)
        for name, function in functions.items()
    ]

    def brightness(function):
        def total(v):
            f = function(v)
            return jnp.sum(jnp.where(inside, f.real**2 + f.imag**2, 0).astype(f.real.dtype))

        return jax.value_and_grad(total)

    double = brightness(rivals["padded FFT"])(jnp.asarray(volume))[1]
    slope = lambda result: np.abs(np.asarray(result[1]) - double).max() / np.abs(double).max()
    gradients = [
        case(f"{group}, gradient/{name}", brightness(function), single, error=slope)
        for name, function in functions.items()
    ]
    records = []
    for cases in (forward, gradients):
        records += race(cases, baseline=[c.name for c in cases[1:]], repeats=5)
    return records


def main():
    records = []
    for label, pitch in PITCHES.items():
        records += races(label, pitch)
    report(records + absorption_races("90 deg", PITCHES["90 deg"]))


if __name__ == "__main__":
    main()
