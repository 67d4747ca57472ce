"""The ways people compute multi-slice diffraction today, as well as their method allows.

All take one slice at a time through ``lax.scan`` with a checkpointed body, except where the
name says otherwise, and share the library's exponential, so that what is compared is the
transform.
"""

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter.operators._emission import exp_minus_one

__all__ = ["attenuate", "by_slices", "padded", "pruned", "refract", "waves_first"]


def refract(wave, chi, strength):
    """Return the wave behind a slice, and what the slice added to it."""
    emitted = wave * exp_minus_one(chi * strength)
    return wave + emitted, emitted


def attenuate(wave, density, strength):
    """The same for the absorption-only field."""
    wave = wave * jnp.exp(-strength * density)
    return wave, density * wave


def padded(slice_, pad, index):
    """Transform a slice padded with zeros on both sides, and cut the detector out."""
    return jnp.fft.fft2(slice_, s=(pad, pad))[index[:, None], index]


def pruned(slice_, pad, index):
    """Transform along y, keep the rows of the detector, transform those along x."""
    rows = jnp.fft.fft(slice_, n=pad, axis=0)[index]
    return jnp.fft.fft(rows, n=pad, axis=1)[:, index]


def by_slices(volume, strength, pitch, wavelength, pad, n, *, emit, transform):
    """Return the sum over slices of their transforms on ``n x n`` pixels, origin at voxel 0."""
    index, qz, z = _geometry(volume, pitch, wavelength, pad, n)

    @jax.checkpoint
    def body(carry, inputs):
        wave, total = carry
        part, depth = inputs
        wave, emitted = emit(wave, part, strength)
        field = transform(emitted, pad, index)
        return (wave, total + field * jnp.exp(-1j * qz * depth)), None

    start = jnp.ones_like(volume[0]), jnp.zeros((n, n), jnp.result_type(volume, jnp.complex64))
    return jax.lax.scan(body, start, (volume, z))[0][1]


def waves_first(chi, strength, pitch, wavelength, pad, n):
    """As published programs do it: the waves of the whole volume, then padded FFTs."""
    index, qz, z = _geometry(chi, pitch, wavelength, pad, n)
    behind = jnp.exp(1j * strength * jnp.cumsum(chi, axis=0))
    before = jnp.concatenate([jnp.ones_like(behind[:1]), behind[:-1]])

    @jax.checkpoint
    def body(total, inputs):
        emitted, depth = inputs
        return total + padded(emitted, pad, index) * jnp.exp(-1j * qz * depth), None

    return jax.lax.scan(body, jnp.zeros((n, n), chi.dtype), (behind - before, z))[0]


def _geometry(volume, pitch, wavelength, pad, n):
    """Indices of the detector in an FFT, q_z of its pixels, z of the slices."""
    real = jnp.finfo(volume.dtype).dtype
    k, index = 2 * np.pi / wavelength, np.arange(n) - n // 2
    axis = 2 * np.pi / (pad * pitch) * index
    qz = np.sqrt(np.maximum(k**2 - axis[:, None] ** 2 - axis**2, 0)) - k
    nz = volume.shape[0]
    z = (np.arange(nz) - nz // 2) * pitch
    return jnp.asarray(index % pad), jnp.asarray(qz, real), jnp.asarray(z, real)
