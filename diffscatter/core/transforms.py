r"""Fourier transforms in one convention: ``F(q) = sum_x f(x) exp(-i q x)``.

Only this module calls ``jnp.fft`` or shifts. Centred transforms put coordinate 0 at index
``n // 2`` in both spaces; the ``padded_*`` transforms leave the origin at index 0 and the phase
to the caller, which is what a power spectrum or a circular propagation step needs.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from diffscatter.core.grids import axis as centred_axis

__all__ = [
    "centred_fft",
    "centred_ifft",
    "cosine_matrix",
    "cropped_ifft",
    "dft_matrix",
    "padded_fft",
    "padded_rfft",
]


def centred_fft(field: Array, axes: Sequence[int] = (-2, -1)) -> Array:
    """Transform with coordinate 0 at index ``n // 2``, in and out."""
    return jnp.fft.fftshift(jnp.fft.fftn(jnp.fft.ifftshift(field, axes), axes=axes), axes)


def centred_ifft(field: Array, axes: Sequence[int] = (-2, -1)) -> Array:
    """Invert :func:`centred_fft`."""
    return jnp.fft.fftshift(jnp.fft.ifftn(jnp.fft.ifftshift(field, axes), axes=axes), axes)


def padded_fft(field: Array, n: int, axis: int) -> Array:
    """Transform one axis padded with zeros to ``n`` points, origin at index 0 in and out."""
    return jnp.fft.fft(field, n=n, axis=axis)


def padded_rfft(field: Array, n: int, axis: int) -> Array:
    """As :func:`padded_fft` for a real field: the ``n // 2 + 1`` non-negative frequencies."""
    return jnp.fft.rfft(field, n=n, axis=axis)


def cropped_ifft(spectrum: Array, n: int, axis: int) -> Array:
    """Invert :func:`padded_fft`: the first ``n`` points of one axis."""
    return lax.slice_in_dim(jnp.fft.ifft(spectrum, axis=axis), 0, n, axis=axis)


def dft_matrix(q: ArrayLike, n: int, pitch: ArrayLike) -> Array:
    """Return ``exp(-i q x)`` for the ``n`` centred positions x; shape ``(nq, n)``.

    A product with it is the Fourier sum at arbitrary q. Pass ``precision="highest"``: reduced
    matrix precision keeps three digits.
    """
    phase = jnp.asarray(q)[:, None] * centred_axis(n, pitch)
    return jnp.exp(-1j * phase)


def cosine_matrix(rows: int, n: int, *, half: bool = False) -> np.ndarray:
    """Return the inverse DFT of even spectra, ``cos(2 pi j k / n) / n``, as a numpy array.

    Args:
        rows: lags j kept, ``0 .. rows - 1``.
        n: length of the transform.
        half: the spectrum holds only ``0 .. n // 2`` and inner points count twice.

    Returns:
        Shape ``(rows, n)``, or ``(rows, n // 2 + 1)`` if ``half``.
    """
    k = np.arange(n // 2 + 1 if half else n)
    # j k mod n keeps the argument small: full accuracy at any length.
    matrix = np.cos(2 * np.pi / n * (np.outer(np.arange(rows), k) % n)) / n
    if half:
        matrix *= np.where((k == 0) | (2 * k == n), 1.0, 2.0)
    return matrix
