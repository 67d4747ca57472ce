r"""exp(-i q z) over a band of q as a short sum of products, to contract a volume along z first.

With q in a band :math:`[-2h, 0]`, z about the middle of the volume and :math:`x = 1 + q/h`,

.. math:: e^{-iqz} = e^{ihz} \sum_n (-i)^{n \bmod 2}\, T_n(x)\, b_n(z)

where the :math:`b_n` are real: Chebyshev interpolation in q, :math:`b_n = \pm 2 J_n(hz)` to
rounding. Its error falls faster than exponentially once n exceeds :math:`h |z|_{max}`. Where
the geometry is known beforehand, singular values shorten the sum further, towards
:math:`2 h L/2\pi + 11` terms for a volume of depth L.

The expansion takes ``xp``, numpy or ``jax.numpy``: the same formula serves a plan that is made
once in double precision, and one that gradients pass through.
"""

from functools import partial
from types import ModuleType

import jax.numpy as jnp
import numpy as np
from scipy.special import jv

__all__ = ["chebyshev_expansion", "chebyshev_polynomials", "chebyshev_terms", "compress"]


def chebyshev_terms(phase: float, tolerance: float) -> int:
    """Return how many terms interpolate exp(i phase x) on [-1, 1] to ``tolerance``.

    The orders left out add up to ``2 sum |J_n(phase)|``; aliasing at the nodes doubles it.
    """
    orders = np.arange(int(1.2 * phase) + 60)
    left_out = 4 * np.cumsum(np.abs(jv(orders, phase))[::-1])[::-1]
    return max(int(np.argmax(left_out < tolerance)), 2)


def chebyshev_polynomials(xp: ModuleType, x, terms: int):
    """Return :math:`T_0(x)` to :math:`T_{terms-1}(x)`, stacked before the axes of ``x``."""
    found = xp.stack([xp.ones_like(x), x])
    while len(found) < terms:  # T_{n+j} = 2 T_n T_j - T_{n-j}
        found = xp.concatenate([found, 2 * found[-1] * found[1:] - found[-2::-1]])
    return found[:terms]


def chebyshev_expansion(xp: ModuleType, q, half_band, z, terms: int):
    """Return the factors of ``exp(-i q z) exp(-i half_band z)``, even and odd n apart.

    Args:
        xp: numpy or ``jax.numpy``.
        q: points of the band, ``-2 half_band <= q <= 0``, 1/nm. Any shape.
        half_band: above 0, 1/nm.
        z: positions about their middle, nm. Shape ``(nz,)``.
        terms: number of terms, at least 2.

    Returns:
        Pairs ``(modes, basis)``, real, for even n and for odd n: what depends on q, shape
        ``(terms_of_parity, *q.shape)``, and what on z, shape ``(terms_of_parity, nz)``.
    """
    modes = chebyshev_polynomials(xp, 1 + q / half_band, terms)
    order = np.arange(terms)[:, None]
    angles = np.pi * (np.arange(terms) + 0.5) / terms
    weights = xp.asarray(np.cos(order * angles) * np.where(order, 2, 1) / terms, z.dtype)
    phases = half_band * xp.asarray(np.cos(angles), z.dtype)[:, None] * z
    product = np.matmul if xp is np else partial(jnp.matmul, precision="highest")
    # Nodes lie in pairs +-x: even polynomials see the cosine of a pair, odd ones the sine.
    even = product(weights[0::2], xp.cos(phases))
    odd = product(weights[1::2], xp.sin(phases))
    return (modes[0::2], even), (modes[1::2], odd)


def compress(modes: np.ndarray, basis: np.ndarray, tolerance: float):
    """Shorten ``sum_n modes[n] basis[n]`` by singular values.

    Args:
        modes: shape ``(terms, ...)``.
        basis: shape ``(terms, nz)``.
        tolerance: smallest singular value of ``basis`` that is kept.

    Returns:
        Fewer modes, and orthonormal rows in place of ``basis``.
    """
    left, sizes, right = np.linalg.svd(basis, full_matrices=False)
    rank = int(np.sum(sizes > tolerance))
    return np.tensordot((left * sizes)[:, :rank].T, modes, 1), right[:rank]
