"""The ways people compute voxel SAXS today, written as well as their method allows."""

import contextlib
import os

import jax.numpy as jnp
import numpy as np
from jax.ops import segment_sum


def published_pipeline(density, *, ratio=6, real=False):
    """The padded cube transformed at once, binned with linear sharing; pitch 1, q = 2 pi k / n.

    Args:
        density: cube, shape ``(m, m, m)``.
        ratio: padded side over m.
        real: transform as real numbers (half the work) instead of complex ones as published.

    Returns:
        I for k = 1 .. n/2 - 1.
    """
    n = ratio * density.shape[0]
    frequency = jnp.fft.fftfreq(n, 1 / n).astype(density.dtype)
    last = jnp.arange(n // 2 + 1, dtype=density.dtype) if real else frequency
    transform = jnp.fft.rfftn if real else jnp.fft.fftn
    field = transform(density, s=(n, n, n), axes=(0, 1, 2))
    box = lambda k: jnp.sinc(k / n) ** 2
    power = (field.real**2 + field.imag**2) * (
        box(frequency)[:, None, None] * box(frequency)[:, None] * box(last)
    )
    radius = jnp.sqrt(frequency[:, None, None] ** 2 + frequency[:, None] ** 2 + last**2)
    weight = (
        jnp.where((last == 0) | (last == n // 2), 1.0, 2.0) if real else jnp.ones_like(last)
    )
    weight = jnp.broadcast_to(weight, radius.shape)
    low = jnp.floor(radius)
    fraction = radius - low
    index = low.astype(jnp.int32)

    def shared(values):
        here = segment_sum((values * (1 - fraction)).ravel(), index.ravel(), n)
        return here + segment_sum((values * fraction).ravel(), index.ravel() + 1, n)

    return (shared(power * weight) / shared(weight))[1 : n // 2]


def pyausaxs_debye(density, q):
    """Debye's sum over occupied voxels by pyausaxs, with the settings that make it accurate.

    Raises:
        ImportError: where pyausaxs is not installed (extra ``benchmark``).
    """
    import pyausaxs

    density = np.asarray(density)
    where = np.nonzero(np.abs(density) > 1e-6 * np.abs(density).max())
    z, y, x = (axis.astype(float) for axis in where)
    weights = density[where]
    pyausaxs.settings.histogram(bin_width=0.01, weighted_bins=True)

    def run():
        # The library greets on standard output from C++.
        with open(os.devnull, "w") as sink, _descriptor(1, sink.fileno()):
            return np.asarray(pyausaxs.sasview.debye_no_ff(np.asarray(q), x, y, z, weights))

    return run


@contextlib.contextmanager
def _descriptor(number, target):
    kept = os.dup(number)
    os.dup2(target, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
