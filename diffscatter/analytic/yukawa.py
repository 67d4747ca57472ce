r"""Hard spheres with a screened repulsion, in the (rescaled) mean spherical approximation.

Beyond contact, in units of the diameter, the direct correlation function is the potential,
:math:`c(r) = K e^{-z(r - 1)}/r` with K < 0; inside, g(r) = 0. In Baxter's factorisation
(:mod:`~diffscatter.analytic.structure`) that is

.. math::
    \psi(r) = \tfrac12 a (r^2 - 1) + b (r - 1) - p \int_r^1 \frac{1 - e^{-zt}}{z}\,dt + z d
    \quad (r < 1),\qquad \psi(r) = z d\, e^{-z(r - 1)} \quad (r > 1)

with two conditions that are quadratic in d and in a second unknown y, from which
:math:`p = 12\eta(d - z y)`; a and b then follow from two linear ones. Written with these
unknowns nothing diverges as z or the volume fraction go to 0. A dilute and strongly charged
fluid would come out with g(1) < 0: the diameter is then grown by a factor 1/s, potential
unchanged, until g(1) = 0.

Hayter and Penfold, Mol. Phys. 42 (1981) 109; Hansen and Hayter, Mol. Phys. 46 (1982) 651;
Hoye and Blum, J. Stat. Phys. 16 (1977) 399 for the factorisation.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from diffscatter.analytic.structure import baxter
from diffscatter.core.special import sinc, sine_cosine, sine_moment

__all__ = ["Repulsion", "yukawa"]

# chi(r) = (1 - e^(-zr))/z. Its moments X_n over (0, 1) are sums of (-z)^m/((m+1)! (n+m+2)).
_SERIES_BELOW = 2.0
_POWERS = np.arange(24)
_MOMENTS = np.array(
    [[(-1) ** m / (math.factorial(m + 1) * (n + m + 2)) for m in range(24)] for n in range(3)]
)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_DENSEST = 0.9  # where the search for a larger diameter ends
_FARTHEST = 1e-6  # smallest s
_HALVINGS, _NEWTON = 30, 40


class Repulsion(NamedTuple):
    """What the fluid is, without dimensions.

    Attributes:
        fraction: volume fraction.
        screening: z, of the potential, times the diameter.
        contact: K, minus the potential at contact in kT, at most 0.
        tail: 12 times fraction times contact over screening^2, given for itself because it is
            finite where all of these go to 0.
    """

    fraction: Array
    screening: Array
    contact: Array
    tail: Array


class _Fluid(NamedTuple):
    """The function psi and its integrals at given unknowns."""

    square: Array
    linear: Array
    p: Array
    m0: Array
    m1: Array
    m_chi: Array
    m_z: Array


def yukawa(x: Array, repulsion: Repulsion) -> Array:
    """Return S at ``x``, q times the diameter."""
    d, y, s = _solved(repulsion)
    fraction, z, _, _ = _grown(repulsion, s)
    fluid = _fluid(d, y, fraction, z)
    k = x / s
    sine, cosine = sine_cosine(k)
    squares = z * z + k * k
    tail = z * d / squares
    inner = _transform(k, z, sine, cosine)
    beyond = (
        fluid.p * inner[0] + tail * (z * cosine - k * sine),
        fluid.p * inner[1] + tail * (z * sine + k * cosine),
    )
    return baxter(k, fluid.square, fluid.linear, z * d, beyond)


def _grown(repulsion: Repulsion, s: Array) -> Repulsion:
    """Return the same fluid in units of a diameter that is larger by 1/s."""
    fraction, z, contact, tail = repulsion
    fall = jnp.exp(z - z / s)
    return Repulsion(fraction / s**3, z / s, contact * s * fall, tail * fall)


def _fluid(d: Array, y: Array, fraction: Array, z: Array) -> _Fluid:
    x0, x1, x2 = _chi_moments(z)
    p = 12 * fraction * (d - z * y)
    first = 12 * fraction * (1 + p * x1 - z * d - d)
    second = 12 * fraction * (z * d / 2 - p * x2 / 2 + d + y)
    determinant = (1 - fraction) ** 2
    square = ((1 + 2 * fraction) * first + 6 * fraction * second) / determinant
    linear = ((1 - 4 * fraction) * second - 1.5 * fraction * first) / determinant
    m0 = z * d - square / 3 - linear / 2 - p * x1
    m1 = z * d / 2 - square / 8 - linear / 6 - p * x2 / 2
    m_chi = square * (x2 - x0) / 2 + linear * (x1 - x0) - p * x0 * x0 / 2 + z * d * x0
    return _Fluid(square, linear, p, m0, m1, m_chi, m0 - z * m_chi)


def _conditions(unknowns: Array, repulsion: Repulsion) -> Array:
    """Return what is 0: the two conditions, and g(1), at unknowns d, y and s."""
    d, y, s = unknowns
    fraction, z, contact, tail = _grown(repulsion, s)
    fluid = _fluid(d, y, fraction, z)
    fall = jnp.exp(-z)
    denominator = 1 - fluid.m_z - d * fall / 2
    pull = contact / denominator
    rest = 1 - fluid.m0 + fluid.m1
    return jnp.stack(
        [
            d * denominator - tail,
            y * (1 - fluid.m_z) - d * (fluid.m_chi - rest - pull / 2),
            rest + pull + d * _chi(1.0, z) + y * fall,
        ]
    )


def _touching(log_s: Array, repulsion: Repulsion) -> tuple[Array, Array]:
    """Return the unknowns for g(1) = 0, a quadratic, and the condition that is then left.

    It is above 0 where the fluid of this diameter has g(1) < 0.
    """
    s = jnp.exp(log_s)
    fraction, z, contact, tail = _grown(repulsion, s)
    fall = jnp.exp(-z)

    def linear(d: Array, y: Array) -> tuple[Array, Array]:
        """Return g(1) without the pull, and what d times is the tail."""
        fluid = _fluid(d, y, fraction, z)
        g = 1 - fluid.m0 + fluid.m1 + d * _chi(1.0, z) + y * fall
        return g, 1 - fluid.m_z - d * fall / 2

    # In terms of u = d/tail, which stays finite where both vanish.
    zero, one = jnp.zeros_like(z), jnp.ones_like(z)
    points = jnp.stack([zero, tail, zero]), jnp.stack([zero, zero, one])
    (g, g_u, g_y), (q, q_u, q_y) = jax.vmap(linear)(*points)
    g_u, g_y, q_u, q_y = g_u - g + contact, g_y - g, q_u - q, q_y - q
    alone, slope = q - q_y * g / g_y, q_u - q_y * g_u / g_y
    u = 2 / (alone + jnp.sqrt(jnp.maximum(alone * alone + 4 * slope, 0.0)))
    unknowns = jnp.stack([tail * u, -(g + g_u * u) / g_y, s])
    return unknowns, _conditions(unknowns, repulsion)[1]


@jax.custom_jvp
def _solved(repulsion: Repulsion) -> Array:
    """Return d, y and s of the fluid; s is 1 unless its diameter is grown."""
    lowest = jnp.log(jnp.maximum(jnp.cbrt(repulsion.fraction / _DENSEST), _FARTHEST))
    nominal = jnp.zeros_like(lowest)

    def halve(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """Narrow down log s; the first trial is the nominal diameter, where it may end."""
        low, high, _ = state
        middle = jnp.where(i == 0, high, (low + high) / 2)
        unknowns, excess = _touching(middle, repulsion)
        grows = excess > 0
        first = jnp.where(grows, low, nominal), nominal
        then = jnp.where(grows, low, middle), jnp.where(grows, middle, high)
        low, high = (jnp.where(i == 0, *pair) for pair in zip(first, then, strict=True))
        return low, high, unknowns

    state = jnp.minimum(lowest, 0.0), nominal, jnp.stack([nominal, nominal, nominal + 1])
    low, _, start = lax.fori_loop(0, _HALVINGS, halve, state)
    grows = low < 0
    start = jnp.where(grows, start, jnp.array([0.0, 0.0, 1.0], start.dtype))
    small = 100 * jnp.finfo(start.dtype).eps

    def moving(state: tuple[Array, Array, Array]) -> Array:
        unknowns, last, count = state
        change = jnp.abs(unknowns - last) > small * (1 + jnp.abs(unknowns))
        return jnp.any(change) & (count < _NEWTON)

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        unknowns, _, count = state
        value, slopes = _linearized(unknowns, grows, repulsion)
        return unknowns - _three_by_three(slopes, value), unknowns, count + 1

    return lax.while_loop(moving, step, (start, start + 1, 0))[0]


@_solved.defjvp
def _(primals: tuple[Repulsion], tangents: tuple[Repulsion]) -> tuple[Array, Array]:
    """The derivative of what solves equations is that of the equations."""
    (repulsion,), (change,) = primals, tangents
    unknowns = _solved(repulsion)
    grows = unknowns[2] < 1
    _, slopes = _linearized(unknowns, grows, repulsion)
    moved = lambda repulsion: _residual(unknowns, grows, repulsion)
    return unknowns, -_three_by_three(slopes, jax.jvp(moved, (repulsion,), (change,))[1])


def _linearized(unknowns: Array, grows: Array, repulsion: Repulsion) -> tuple[Array, Array]:
    """Return the residual and its matrix of derivatives."""
    residual = lambda unknowns: _residual(unknowns, grows, repulsion)
    along = jax.vmap(lambda axis: jax.jvp(residual, (unknowns,), (axis,)), out_axes=(None, 1))
    return along(jnp.eye(3, dtype=unknowns.dtype))


def _residual(unknowns: Array, grows: Array, repulsion: Repulsion) -> Array:
    found = _conditions(unknowns, repulsion)
    return found.at[2].set(jnp.where(grows, found[2], unknowns[2] - 1))


def _three_by_three(matrix: Array, right: Array) -> Array:
    """Solve for three unknowns, by Cramer's rule."""
    a, b, c = matrix.T
    volumes = [jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)]
    return jnp.stack([jnp.sum(v * right) for v in volumes]) / jnp.sum(volumes[0] * a)


def _chi(r: float, z: Array) -> Array:
    return -jnp.expm1(-z * r) / z


def _chi_moments(z: Array) -> Array:
    """Return the integrals of chi(r) r^n over (0, 1), n = 0, 1, 2."""
    small = z < _SERIES_BELOW
    near, far = jnp.where(small, z, 0.0), jnp.where(small, _SERIES_BELOW, z)
    fall = jnp.exp(-far)
    closed = (
        (1 - (1 - fall) / far) / far,
        (1 / 2 - (1 - (1 + far) * fall) / far**2) / far,
        (1 / 3 - (2 - (2 + 2 * far + far**2) * fall) / far**3) / far,
    )
    series = jnp.sum(jnp.asarray(_MOMENTS, near.dtype) * near**_POWERS, axis=-1)
    return jnp.where(small, series, jnp.stack(closed))


def _transform(k: Array, z: Array, sine: Array, cosine: Array) -> tuple[Array, Array]:
    """Return real and imaginary part of the transform of -int_r^1 chi(t) dt over (0, 1)."""
    squares = z * z + k * k
    small = squares < 1
    nodes, weights = jnp.asarray(_NODES, k.dtype), jnp.asarray(_WEIGHTS, k.dtype)
    near = jnp.where(small, k, 0.0)[..., None] * nodes
    chi = weights * -jnp.expm1(-z * nodes) / z
    near_real = -jnp.sum(chi * nodes * sinc(near), axis=-1)
    near_odd = -jnp.sum(chi * nodes * nodes * sine_moment(0, near), axis=-1)

    far = jnp.where(small, 1.0, squares)
    fall, ratio = jnp.exp(-z), sinc(k)
    j0, j1 = sine_moment(0, k), sine_moment(1, k)
    far_real = -(j0 - (1 - fall * (z * ratio + cosine)) / far) / z
    grown = -jnp.expm1(-z) - fall * z * (z * j0 + ratio)
    far_odd = -(j0 - j1 - grown / (z * far)) / z
    return jnp.where(small, near_real, far_real), k * jnp.where(small, near_odd, far_odd)
