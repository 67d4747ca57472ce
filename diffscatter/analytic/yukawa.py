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
from diffscatter.core.special import horner, sinc, sine_cosine, sine_moment

__all__ = ["Repulsion", "yukawa"]

# chi(r) = (1 - e^(-zr))/z. Its moments X_n over (0, 1) are sums of (-z)^m/((m+1)! (n+m+2)).
_SERIES_BELOW = 2.0
_MOMENTS = [
    [(-1) ** m / (math.factorial(m + 1) * (n + m + 2)) for m in range(24)] for n in range(3)
]
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


def _touching(log_s: Array, repulsion: Repulsion) -> tuple[Array, Array, Array]:
    """Return d and y for g(1) = 0, which is a quadratic, and the condition that is then left.

    It is above 0 where g(1) < 0.
    """
    s = jnp.exp(log_s)
    fraction, z, contact, tail = _grown(repulsion, s)
    fall = jnp.exp(-z)

    def at(d: float, y: float) -> tuple[Array, Array]:
        """Return g(1) without the pull, and the denominator: both linear."""
        fluid = _fluid(jnp.asarray(d), jnp.asarray(y), fraction, z)
        g = 1 - fluid.m0 + fluid.m1 + d * _chi(1.0, z) + y * fall
        return g, 1 - fluid.m_z - d * fall / 2

    # The pull is d contact/tail; its ratio is 0/0 without charge, where d is 0 as well.
    ratio = jnp.where(tail < 0, contact / jnp.where(tail < 0, tail, 1.0), 0.0)
    (g, q), (g_d, q_d), (g_y, q_y) = at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0)
    g_d, g_y, q_d, q_y = g_d - g + ratio, g_y - g, q_d - q, q_y - q
    q, q_d = q - q_y * g / g_y, q_d - q_y * g_d / g_y
    d = 2 * tail / (q + jnp.sqrt(jnp.maximum(q * q + 4 * q_d * tail, 0.0)))
    y = -(g + g_d * d) / g_y
    return d, y, _conditions(jnp.stack([d, y, s]), repulsion)[1]


def _solved(repulsion: Repulsion) -> Array:
    """Return d, y and s of the fluid, differentiable to third order."""
    fixed = lax.stop_gradient(repulsion)
    lowest = jnp.log(jnp.maximum(jnp.cbrt(fixed.fraction / _DENSEST), _FARTHEST))
    lowest = jnp.minimum(lowest, 0.0)
    d, y, excess = _touching(jnp.zeros_like(lowest), fixed)
    grows = excess > 0

    def halve(_, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        above = _touching(middle, fixed)[2] > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    log_s = lax.fori_loop(0, _HALVINGS, halve, (lowest, jnp.zeros_like(lowest)))[0]
    d, y, _ = _touching(log_s, fixed)
    start = jnp.stack([d, y, jnp.exp(log_s)])
    start = jnp.where(grows, start, jnp.array([0.0, 0.0, 1.0], start.dtype))

    def step(unknowns: Array, repulsion: Repulsion) -> Array:
        def residual(unknowns: Array) -> Array:
            found = _conditions(unknowns, repulsion)
            return found.at[2].set(jnp.where(grows, found[2], unknowns[2] - 1))

        value, slopes = residual(unknowns), jax.jacfwd(residual)(unknowns)
        return unknowns - _three_by_three(slopes, value)

    small = 100 * jnp.finfo(start.dtype).eps

    def moving(state: tuple[Array, Array, Array]) -> Array:
        unknowns, last, count = state
        change = jnp.abs(unknowns - last) > small * (1 + jnp.abs(unknowns))
        return jnp.any(change) & (count < _NEWTON)

    once = lambda state: (step(state[0], fixed), state[0], state[2] + 1)
    found, _, _ = lax.while_loop(moving, once, (start, start + 1, 0))
    # Steps from the solution leave it where it is and give it its derivatives: one the first,
    # two the first three.
    return step(step(lax.stop_gradient(found), repulsion), repulsion)


def _three_by_three(matrix: Array, right: Array) -> Array:
    """Solve for three unknowns, by Cramer's rule."""
    a, b, c = matrix.T
    volumes = [jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)]
    return jnp.stack([jnp.sum(v * right) for v in volumes]) / jnp.sum(volumes[0] * a)


def _chi(r: float, z: Array) -> Array:
    return -jnp.expm1(-z * r) / z


def _chi_moments(z: Array) -> list[Array]:
    """Return the integrals of chi(r) r^n over (0, 1), n = 0, 1, 2."""
    small = z < _SERIES_BELOW
    near, far = jnp.where(small, z, 0.0), jnp.where(small, _SERIES_BELOW, z)
    fall = jnp.exp(-far)
    closed = (
        (1 - (1 - fall) / far) / far,
        (1 / 2 - (1 - (1 + far) * fall) / far**2) / far,
        (1 / 3 - (2 - (2 + 2 * far + far**2) * fall) / far**3) / far,
    )
    pairs = zip(_MOMENTS, closed, strict=True)
    return [jnp.where(small, horner(series, near), value) for series, value in pairs]


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
    wave = jnp.where(small, 1.0, k)
    fall, ratio = jnp.exp(-z), sinc(wave)
    by_sine = (1 - fall * (z * ratio + cosine)) / far
    by_cosine = (z + fall * (k * sine - z * cosine)) / far
    far_real = -(sine_moment(0, wave) - by_sine) / z
    far_imaginary = -(_chi_moments(z)[0] - (ratio - by_cosine) / z) / wave
    return (
        jnp.where(small, near_real, far_real),
        jnp.where(small, k * near_odd, far_imaginary),
    )
