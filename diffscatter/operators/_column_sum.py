r"""The Fourier sum over columns on the Ewald sphere, by real products on one quadrant.

.. math:: F = p^2 \sum_n \ell_n(q_z) \sum_{x, y} h(x, y, q_n)\,e^{-i(k_x x + k_y y)}

with :math:`\ell_n` the Lagrange polynomials of the Chebyshev nodes :math:`q_n` in the band of
q_z. Columns come in pairs about the middle of their grid and pixels in pairs about the beam:
the cosine sees the sum of two columns, the sine their difference, and four combinations give
the pixels of all quadrants.
"""

import math
from functools import partial, reduce
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from diffscatter.core.checks import concrete
from diffscatter.operators._lowrank import chebyshev_polynomials

__all__ = ["Detector", "detector", "far_field"]

# Below this modulus of (m + i q) t the closed form loses digits and a series takes over; its
# next term, by item size, is 2e-9 and 2e-17 of the sum.
_SMALL, _SERIES = 0.1, {4: 5, 8: 11}


class Detector(NamedTuple):
    """Pixels on two axes and how q_z reaches them: what no body changes.

    Attributes:
        kx, ky: moduli of the transverse wave vector, 1/nm. Shapes ``(px,)`` and ``(py,)``.
        columns, rows: index of each pixel of an axis into them, and the sign it has there.
            Shapes ``(nkx,)`` and ``(nky,)``.
        nodes: the q_z at which columns are evaluated, 1/nm. Shape ``(terms,)``.
        modes: interpolation from there to the pixels, 0 beyond the Ewald circle. Shape
            ``(py, terms, px)``.
    """

    kx: Array
    ky: Array
    columns: tuple[Array, Array]
    rows: tuple[Array, Array]
    nodes: Array
    modes: Array


def detector(
    kx: ArrayLike,
    ky: ArrayLike,
    wavelength: ArrayLike,
    terms: int,
    dtype,
    *,
    reach: float | None = None,
) -> Detector:
    """Return the :class:`Detector` of two axes; gradients reach all but ``terms``.

    What is concrete is planned by numpy in double precision, pixels on both sides of the beam
    folded into one; in float32 a traced geometry costs 1e-5 of the maximum.

    Args:
        kx, ky: transverse wave vector of the columns and rows, 1/nm. Shapes ``(nkx,)`` and
            ``(nky,)``.
        wavelength: nm.
        terms: nodes in q_z.
        dtype: real dtype of the arrays.
        reach: transverse wave vector beyond which pixels do not count, 1/nm; k if None.
    """
    known = [concrete(value) for value in (kx, ky, wavelength)]
    if any(value is None for value in known):
        kx, ky, wavelength = (jnp.asarray(value, dtype) for value in (kx, ky, wavelength))
        (columns, rows), xp = (_unfolded(q.size) for q in (kx, ky)), jnp
    else:
        kx, ky, wavelength = (np.asarray(value, float) for value in known)
        (kx, *columns), (ky, *rows), xp = _folded(kx), _folded(ky), np
    nodes, modes = _interpolation(xp, kx, ky, 2 * np.pi / wavelength, terms, reach)
    plan = Detector(kx, ky, tuple(columns), tuple(rows), nodes, modes)
    return jax.tree.map(lambda v: v if v.dtype.kind == "i" else v.astype(dtype), plan)


def _interpolation(xp: ModuleType, kx, ky, k, terms: int, reach):
    """Return nodes and modes of a :class:`Detector`; xp is numpy or ``jax.numpy``."""
    transverse = ky[:, None] ** 2 + kx**2
    inside = transverse < k * k
    if reach is not None:
        inside = inside & (transverse <= reach * reach)
    # Beyond the circle the root is taken of a harmless number: its derivative stays finite.
    kz = xp.sqrt(xp.where(inside, k * k - transverse, k * k))
    qz = xp.where(inside, -transverse / (k + kz), 0.0)
    band = xp.maximum(-qz.min() / 2, 1e-6 * k)
    if xp is jnp:
        band = lax.stop_gradient(band)  # the interpolation does not depend on it
    angles = np.pi * (np.arange(terms) + 0.5) / terms
    order = np.arange(terms)[:, None]
    weights = xp.asarray(np.where(order, 2, 1) * np.cos(order * angles) / terms, kx.dtype)
    polynomials = chebyshev_polynomials(xp, 1 + qz / band, terms)
    product = np.einsum if xp is np else partial(jnp.einsum, precision="highest")
    modes = product("jn,jyx->ynx", weights, polynomials)
    nodes = band * xp.asarray(np.cos(angles) - 1, kx.dtype)
    return nodes, xp.where(inside[:, None], modes, 0.0)


def _folded(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct moduli of an axis, the index of each pixel there, and its sign."""
    # The two sides of an axis differ by rounding.
    grain = 1e-9 * max(abs(axis).max(), 1e-30)
    _, first, index = np.unique(
        np.round(abs(axis) / grain), return_index=True, return_inverse=True
    )
    return abs(axis)[first], index, np.where(axis < 0, -1.0, 1.0)


def _unfolded(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n), np.ones(n)


@jax.jit
def far_field(
    front: Array,
    thickness: Array,
    coverage: Array,
    pitch: Array,
    rate: tuple[Array, Array],
    at: Detector,
) -> Array:
    """Return F in nm^3, shape ``(nky, nkx)``.

    Args:
        front, thickness: of each column, nm. Shape ``(ny, nx)``.
        coverage: 0 to 1. Shape ``(ny, nx)``.
        pitch: side of a column, nm.
        rate: real and imaginary part of m, 1/nm.
        at: the pixels.
    """
    ny, nx = front.shape
    emitted = _emitted(front, thickness, coverage, *rate, at.nodes)
    product = lambda *arguments: jnp.einsum(*arguments, precision="highest")
    along_x = [
        product("yncx,xk->ynck", part, wave)
        for part, wave in zip(_pairs(emitted, 3), _waves(at.kx, nx, pitch), strict=True)
    ]
    along_y = [
        product("yp,ynck->pnck", wave, part)
        for field in along_x
        for part, wave in zip(_pairs(field, 0), _waves(at.ky, ny, pitch), strict=True)
    ]
    both, odd_y, odd_x, odd = (jnp.sum(part * at.modes[:, :, None], axis=1) for part in along_y)

    # A pixel on the other side of the beam sees the odd parts reversed.
    (row, up), (column, right) = at.rows, at.columns
    spread = lambda part: part[row][:, :, column]
    up = up[:, None, None]
    even = spread(both) - up * right * spread(odd)
    turned = up * spread(odd_y) + right * spread(odd_x)  # carries the factor -i
    field = lax.complex(even[:, 0] + turned[:, 1], even[:, 1] - turned[:, 0])
    # The middle of an even grid lies half a column below its coordinate 0.
    away = lambda n: 0.0 if n % 2 else pitch / 2
    phase = away(ny) * at.ky[row][:, None] * up[:, 0] + away(nx) * at.kx[column] * right
    return pitch**2 * field * lax.complex(jnp.cos(phase), jnp.sin(phase))


def _waves(q: Array, n: int, pitch: Array) -> tuple[Array, Array]:
    """Return cosine and sine of q times the positions of half a grid, shape ``(half, nq)``."""
    index = np.arange(n // 2, n)
    phase = jnp.asarray(index - (n - 1) / 2, q.dtype)[:, None] * pitch * q
    # The middle column of an odd grid is in both halves.
    share = jnp.asarray(np.where(index == (n - 1) / 2, 0.5, 1.0)[:, None], q.dtype)
    return share * jnp.cos(phase), jnp.sin(phase)


def _pairs(field: Array, axis: int) -> tuple[Array, Array]:
    """Return sums and differences of the two halves of an axis, from its middle outward."""
    n = field.shape[axis]
    far = lax.slice_in_dim(field, n // 2, n, axis=axis)
    near = lax.rev(lax.slice_in_dim(field, 0, n - n // 2, axis=axis), (axis,))
    return far + near, far - near


def _emitted(front, thickness, coverage, real, imaginary, nodes) -> Array:
    r"""Return :math:`c\,e^{-iqz_f} G(m + iq, t)`, parts apart, shape ``(ny, terms, 2, nx)``."""
    front, thickness, coverage = (v[:, None] for v in (front, thickness, coverage))
    q = nodes[:, None]
    phase = q * front
    wave = lax.complex(coverage * jnp.cos(phase), -coverage * jnp.sin(phase))
    rate = lax.complex(jnp.broadcast_to(real, q.shape), imaginary + q)
    emitted = wave * _stretch(rate, thickness)
    return jnp.stack([emitted.real, emitted.imag], axis=2)


@jax.custom_jvp
def _stretch(s: Array, t: Array) -> Array:
    r"""Return :math:`G = \int_0^t e^{-su}\,du = (1 - e^{-st})/s` to full precision.

    Its derivatives are given in closed form: those of the quotient would lose digits.
    """
    loss, lag = _decay(s, t)
    small, safe = _regimes(s, t)
    return jnp.where(small, t * _series(s * t, 1), (lag - loss) / safe)


@partial(_stretch.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    s, t = primals
    ds, dt = (None if isinstance(d, SymbolicZero) else d for d in tangents)
    value = _stretch(s, t)
    loss, lag = _decay(s, t)
    end = 1 + loss - lag
    slope = jnp.zeros_like(value)
    if dt is not None:
        slope = slope + end * dt
    if ds is not None:
        small, safe = _regimes(s, t)
        fading = jnp.where(small, -(t**2) * _series(s * t, 2), (t * end - value) / safe)
        slope = slope + fading * ds
    return value, slope


def _decay(s: Array, t: Array) -> tuple[Array, Array]:
    r"""Return :math:`e^{-st} - 1` as loss - lag, a real and a complex part, small with t."""
    loss = jnp.expm1(-s.real * t)
    half = s.imag * t / 2
    sine = 2 * (1 + loss) * jnp.sin(half)
    return loss, lax.complex(sine * jnp.sin(half), sine * jnp.cos(half))


def _regimes(s: Array, t: Array) -> tuple[Array, Array]:
    """Return where a series stands in for the quotient, and s without zeros."""
    size = s.real**2 + s.imag**2
    return size * t**2 < _SMALL**2, jnp.where(size > 0, s, 1.0)


def _series(x: Array, order: int) -> Array:
    r"""Return :math:`\sum_j (-x)^j/(j!\,(j + \mathrm{order}))`, a moment of the decay."""
    terms = range(_SERIES[x.real.dtype.itemsize])
    coefficients = [(-1) ** j / (math.factorial(j) * (j + order)) for j in terms]
    *lower, last = coefficients
    return reduce(lambda total, c: total * x + c, reversed(lower), jnp.full_like(x, last))
