r"""One-way propagation of a scattered wave through a body, slice by slice.

The wave is the incident plane wave times :math:`1 + u`. Only u is carried, so weak bodies keep
their precision, and only as a spectrum on a periodic box, which free flight over one slice
multiplies by

.. math:: P = e^{i (k_z - k) a},\qquad k_z = \sqrt{k^2 - k_\perp^2 + 0i}

(beyond the Ewald circle it decays). Slice j sees u in its middle plane, within the *window* of
the volume, and emits :math:`g_j` there; then :math:`\hat u \leftarrow P(\hat u + \hat g_j)`.
The far field is the sum of all that was emitted, with its phase on the Ewald sphere
(:mod:`._ewald`): the same as the transform of the exit wave, but nothing that has left the
window matters any more. So the box need not hold the exit wave; it only has to be so wide that
what leaves the window does not come back into it through the periodic images.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.ad_checkpoint import checkpoint_name
from scipy.fft import next_fast_len

from diffscatter.core.transforms import cropped_ifft, padded_fft
from diffscatter.operators._ewald import Geometry, as_dtype

__all__ = ["Box", "box_for", "march"]

# Tangents of the angles to which waves are kept from coming back: as wide as the axes ask for,
# within these limits. Below, waves of 45 degrees would still disturb smaller angles by 1 %;
# beyond, little is scattered.
_FLATTEST, _STEEPEST = 1.0, 1.75


class Box(NamedTuple):
    """What free flight does on the periodic box, by spectral indices (x, y).

    Attributes:
        step: the factor P of one slice. Shape ``(mx, my)``, complex.
        kz: wave vector along the beam, 1/nm. The same shape.
    """

    step: Array
    kz: Array


def _box(xp: ModuleType, pitch, wavelength, size: tuple[int, int]) -> Box:
    k = 2 * np.pi / wavelength
    qx, qy = (2 * np.pi / pitch * xp.asarray(_frequencies(n)) for n in size)
    square = k * k - (qx[:, None] ** 2 + qy**2)
    # Where k_z = 0 its derivative is infinite: the root is taken of a harmless number there.
    root = xp.where(square == 0, 0, xp.sqrt(xp.where(square == 0, 1, abs(square))))
    forward = square > 0
    # k_z - k without cancellation where the wave runs; -k + i root where it decays.
    real = xp.where(forward, (square - k * k) / (k + root), -k)
    decay = xp.where(forward, 0, root)
    return Box(
        step=xp.exp(1j * pitch * real - pitch * decay),
        kz=xp.where(forward, root, 0) + 1j * decay,
    )


def _frequencies(n: int) -> np.ndarray:
    """Return the frequencies of a transform of ``n`` points in its order, cycles a point."""
    index = np.arange(n)
    return np.where(index < (n + 1) // 2, index, index - n) / n


_traced_box = jax.jit(partial(_box, jnp), static_argnames="size")


@lru_cache(maxsize=4)
def _known_box(pitch: float, wavelength: float, size: tuple[int, int], itemsize: int) -> Box:
    """Return the box of a concrete geometry, as numpy arrays of the precision of the result."""
    box = _box(np, pitch, wavelength, size)
    return jax.tree.map(lambda x: x.astype(f"c{2 * itemsize}"), box)


def box_for(window, known: Geometry, geometry: tuple, pad: Any, room: float, dtype):
    """Choose the size of the box and return what flight does on it.

    Args:
        window: slices, and points of the window, ``(nz, wy, wx)``.
        known: what is concrete of the geometry.
        geometry: pitch, wavelength, kx and ky as they were given.
        pad: points of the box along both sides, or ``(y, x)``; None chooses by the angle.
        room: points beside the window, in units of what a wave at the widest angle crosses.
        dtype: the real dtype of the result.
    """
    size = _chosen(window, known, room) if pad is None else _given(pad, window)
    if known.pitch is None or known.wavelength is None:
        return _traced_box(*as_dtype(dtype, *geometry[:2]), size=size)
    return _known_box(known.pitch, known.wavelength, size, dtype.itemsize)


def _chosen(window, known: Geometry, room: float) -> tuple[int, int]:
    """Return points along x and y for the widest angle that an axis asks for."""
    nz, wy, wx = window
    return tuple(
        next_fast_len(math.ceil(points + room * nz * _slope(known, axis)))
        for points, axis in ((wx, known.kx), (wy, known.ky))
    )


def _slope(known: Geometry, axis: np.ndarray | None) -> float:
    """Return the tangent of the widest angle that matters along one axis."""
    if known.wavelength is None:
        return _STEEPEST
    tangent = lambda sine: sine / math.sqrt(1 - sine**2) if sine < 1 else math.inf
    wanted = math.inf
    if axis is not None:
        wanted = tangent(abs(axis).max() * known.wavelength / (2 * np.pi))
    # Coarse voxels carry no steep waves.
    carried = math.inf if known.pitch is None else tangent(known.wavelength / (2 * known.pitch))
    return min(max(wanted, _FLATTEST), _STEEPEST, carried)


def _given(pad: Any, window) -> tuple[int, int]:
    size = tuple(pad) if isinstance(pad, tuple | list) else (pad, pad)
    whole = len(size) == 2 and all(isinstance(points, int | np.integer) for points in size)
    if not whole or any(m < n for m, n in zip(size, window[1:], strict=True)):
        raise ValueError(
            f"pad must be a whole number of points, or (y, x), of at least {window[1:]}: the "
            f"volume and the margin of its voxels; got {pad}; None chooses by the angle"
        )
    return int(size[1]), int(size[0])


@partial(jax.jit, static_argnames=("emit",))
def march(emit: Callable, slices: Array, box: Box, parameters: Any) -> Array:
    """Carry a wave through the slices; return what each one emits, shape ``(nz, wy, wx)``.

    Args:
        emit: ``emit(spectrum, part, box, parameters)`` returns what a slice emits within the
            window, in its middle plane. It calls :func:`seen` for the wave it sees.
        slices: along the beam on the first axis.
        box: free flight.
        parameters: what else ``emit`` needs.

    In reverse mode the waves within the window are kept, not the spectra; where the geometry
    is traced, those are computed again in blocks of about sqrt(nz) slices.
    """
    nz = len(slices)
    block = _block(nz)
    blocks = -(-nz // block)
    filled = jnp.pad(slices, [(0, blocks * block - nz)] + [(0, 0)] * (slices.ndim - 1))

    def slice_(spectrum, part):
        emitted = emit(spectrum, part, box, parameters)
        along_x = padded_fft(emitted, box.step.shape[0], axis=1)
        added = padded_fft(along_x.T, box.step.shape[1], axis=1)
        return box.step * (spectrum + added), emitted

    @partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names("wave"))
    def several(spectrum, parts):
        return lax.scan(slice_, spectrum, parts)

    emitted = lax.scan(
        several, jnp.zeros_like(box.step), filled.reshape(blocks, block, *slices.shape[1:])
    )[1]
    return emitted.reshape(-1, *emitted.shape[2:])[:nz]


def seen(spectrum: Array, window: tuple[int, int]) -> Array:
    """Return the wave of a spectrum within the window ``(wy, wx)``."""
    along_x = cropped_ifft(spectrum, window[0], axis=1).T
    return checkpoint_name(cropped_ifft(along_x, window[1], axis=1), "wave")


def _block(nz: int) -> int:
    """Return about sqrt(nz), such that few slices are missing in the last block."""
    root = math.sqrt(nz)
    candidates = range(max(int(root / 1.5), 1), int(1.5 * root) + 2)
    return min(candidates, key=lambda n: (-nz % n, abs(n - root)))
