r"""Form-factor kernels with right values and right derivatives of any order at 0.

Each kernel is even and analytic, but written as a quotient it is 0/0 at the origin and its
derivatives cancel catastrophically nearby. Below a threshold the kernel is therefore a
polynomial in :math:`x^2`, which automatic differentiation handles exactly; above it the closed
form. ``jax.scipy.special.bessel_jn`` loses all digits on both sides, so J1 is our own.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "bessel_j1",
    "debye_kernel",
    "disc_kernel",
    "horner",
    "log1p_ratio",
    "sinc",
    "sine_cosine",
    "sine_moment",
    "sphere_kernel",
    "sphere_kernel_of_square",
]

# sin(x)/x = sum (-1)^k x^2k / (2k+1)!   and   3 j1(x)/x = sum 6 (-1)^k (k+1) x^2k / (2k+3)!
# Twelve terms leave 1e-18 at x = 1.4, where the closed form has lost only one digit.
_THRESHOLD = 1.4
_SINC = [(-1) ** k / math.factorial(2 * k + 1) for k in range(12)]
_SPHERE = [6 * (-1) ** k * (k + 1) / math.factorial(2 * k + 3) for k in range(12)]
# int_0^1 t^2 sin(xt)/x dt = sum (-1)^k x^2k / ((2k+1)! (2k+4))
_MOMENT = [(-1) ** k / (math.factorial(2 * k + 1) * (2 * k + 4)) for k in range(12)]

# pi/2 in 33 + 33 + 53 bits: a multiple of the first two is exact up to 2^20 quarter turns.
_QUARTER_TURN = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)
# Taylor series of sin(r)/r and cos(r) in r^2: what is left out is below 5e-17 at r = pi/4.
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(8)]
_COSINE = [(-1) ** k / math.factorial(2 * k) for k in range(9)]
# 2 (e^-x - 1 + x)/x^2 = sum 2 (-x)^k / (k+2)! and ln(1 + x)/x = sum (-x)^k / (k+1), each to
# 1e-17 at its threshold.
_DEBYE = [2 * (-1) ** k / math.factorial(k + 2) for k in range(18)]
_LOG = [(-1) ** k / (k + 1) for k in range(16)]

# Chebyshev coefficients, computed in 40-digit arithmetic (mpmath) from the exact functions:
# J1(x)/x on s = (x/8)^2 in [0, 1], and for x >= 8 the Hankel amplitudes P and Q of
# J1 = sqrt(2/(pi x)) (P cos(x - 3pi/4) - Q sin(x - 3pi/4)), P and Q x/8 on s = (8/x)^2
# (Abramowitz and Stegun 9.2.5).
_J1_SMALL = [
    0.081044846325658115, -0.14897514506765211, 0.1609992623572097, -0.082680491766817907,
    0.022213639654966035, -0.003646940600769276, 0.00040503377283548218,
    -3.2555548668572585e-5, 1.9858774049915167e-6, -9.5219847567504362e-8,
    3.6871337590971482e-9, -1.1780266226958848e-10, 3.1601545803480033e-12,
    -7.2217552396517734e-14, 1.4232144003513942e-15, -2.4441972916190464e-17,
]  # fmt: skip
_J1_P = [
    1.0009030408600137, 0.00089898983308594086, -3.9872843004889085e-6,
    6.1776339606442985e-8, -1.8718907491063066e-9, 8.8168986595823389e-11,
    -5.7048636403956447e-12, 4.6991955152305424e-13, -4.6842237839904892e-14,
    5.4526748960447172e-15, -7.2211808422740179e-16, 1.0667689114335412e-16,
    -1.7312313216116335e-17,
]  # fmt: skip
_J1_Q = [
    0.046777787069535325, -9.6277235491570793e-5, 9.1386152579554541e-7,
    -2.0959781384083422e-8, 8.2291933276505541e-10, -4.6863636881769452e-11,
    3.5152187949686081e-12, -3.2643156743278999e-13, 3.5967765829165292e-14,
    -4.5612523950772972e-15, 6.508282957783384e-16, -1.0269147531823243e-16,
    1.7676355487764792e-17,
]  # fmt: skip


def horner(coefficients: Sequence[float], x: Array) -> Array:
    """Return the polynomial with these coefficients, the constant first, in the dtype of x."""
    total = jnp.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


# In powers of t in [-1, 1]: the coefficients fall so fast that nothing cancels.
_J1_SMALL, _J1_P, _J1_Q = (
    np.polynomial.chebyshev.cheb2poly(c).tolist() for c in (_J1_SMALL, _J1_P, _J1_Q)
)


def _floating(x: ArrayLike) -> Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def _elementwise(function: Callable[[Array], Array]) -> Callable[[ArrayLike], Array]:
    """Give a function of one variable its derivative as one factor.

    However many tangents are carried, the derivative is computed once and multiplies each, and
    a backward pass keeps one array instead of one for each step of a series.
    """
    kernel = jax.custom_jvp(function)

    @kernel.defjvp
    def _(primals, tangents):
        (x,), (tangent,) = primals, tangents
        value, slope = jax.jvp(function, (x,), (jnp.ones_like(x),))
        return value, slope * tangent

    return wraps(function)(lambda x: kernel(_floating(x)))


@jax.custom_jvp
def _sine_cosine(x: Array) -> tuple[Array, Array]:
    if x.dtype != jnp.float64:
        return jnp.sin(x), jnp.cos(x)
    turns = jnp.round(x * (2 / math.pi))
    r = x
    for part in _QUARTER_TURN:
        r = r - turns * part
    r = jnp.clip(r, -1.0, 1.0)  # does nothing before 1e15, where no phase is left
    sine, cosine = r * horner(_SINE, r * r), horner(_COSINE, r * r)
    quadrant = turns - 4 * jnp.floor(turns / 4)
    odd = (quadrant == 1) | (quadrant == 3)
    sine, cosine = jnp.where(odd, cosine, sine), jnp.where(odd, sine, cosine)
    sine = jnp.where(quadrant >= 2, -sine, sine)
    return sine, jnp.where((quadrant == 1) | (quadrant == 2), -cosine, cosine)


@_sine_cosine.defjvp
def _(primals, tangents):
    sine, cosine = _sine_cosine(*primals)
    return (sine, cosine), (cosine * tangents[0], -sine * tangents[0])


def sine_cosine(x: ArrayLike) -> tuple[Array, Array]:
    """Return sin(x) and cos(x) of real ``x``.

    Absolute error below 3e-16 (float64) up to 1e6, below the rounding of ``x`` from there.
    """
    return _sine_cosine(_floating(x))


@_elementwise
def sinc(x: ArrayLike) -> Array:
    r"""Return :math:`\sin(x)/x`, 1 at 0 (no pi: not numpy's convention)."""
    small = jnp.abs(x) < _THRESHOLD
    series = horner(_SINC, jnp.where(small, x * x, 0.0))
    safe = jnp.where(small, 2.0, x)
    return jnp.where(small, series, sine_cosine(safe)[0] / safe)


@_elementwise
def sphere_kernel(x: ArrayLike) -> Array:
    r"""Return :math:`3 j_1(x)/x = 3(\sin x - x\cos x)/x^3`, 1 at 0: a ball's form factor."""
    small = jnp.abs(x) < _THRESHOLD
    series = horner(_SPHERE, jnp.where(small, x * x, 0.0))
    safe = jnp.where(small, 2.0, x)
    sine, cosine = sine_cosine(safe)
    return jnp.where(small, series, 3 * (sine - safe * cosine) / safe**3)


@_elementwise
def sphere_kernel_of_square(squared: ArrayLike) -> Array:
    r"""Return :math:`3 j_1(x)/x` as a function of :math:`x^2`.

    For arguments that are roots of sums of squares (ellipsoids): the root has no derivative at
    0, the kernel has all of them.
    """
    small = squared < _THRESHOLD**2
    series = horner(_SPHERE, jnp.where(small, squared, 0.0))
    x = jnp.sqrt(jnp.where(small, 4.0, squared))
    sine, cosine = sine_cosine(x)
    return jnp.where(small, series, 3 * (sine - x * cosine) / x**3)


@_elementwise
def _j1_over_x(x: Array) -> Array:
    """J1(x)/x for any real x; even."""
    small = jnp.abs(x) < 8
    inner = horner(_J1_SMALL, 2 * jnp.where(small, x / 8, 0.0) ** 2 - 1)
    far = jnp.where(small, 8.0, jnp.abs(x))
    t = 2 * (8 / far) ** 2 - 1
    p, q = horner(_J1_P, t), horner(_J1_Q, t) * (8 / far)
    # cos and sin of far - 3 pi/4, spelled out: the difference itself would round at large far.
    sine, cosine = sine_cosine(far)
    outer = (p * (sine - cosine) + q * (sine + cosine)) / (jnp.sqrt(math.pi * far) * far)
    return jnp.where(small, inner, outer)


def bessel_j1(x: ArrayLike) -> Array:
    """Return the Bessel function of the first kind, order 1, of real ``x``.

    Absolute error below 4e-16 (float64) for all x, relative below 1e-14 away from the zeros.
    """
    x = _floating(x)
    return x * _j1_over_x(x)


def disc_kernel(x: ArrayLike) -> Array:
    r"""Return :math:`2 J_1(x)/x`, 1 at 0: a disc's form factor."""
    return 2 * _j1_over_x(x)


def sine_moment(power: int, x: ArrayLike) -> Array:
    r"""Return :math:`\int_0^1 t^n \sin(xt)/x\,dt` for a power n of 0, 1 or 2."""
    if power == 0:
        return sinc(jnp.asarray(x) / 2) ** 2 / 2
    return sphere_kernel(x) / 3 if power == 1 else _second_moment(x)


@_elementwise
def _second_moment(x: Array) -> Array:
    small = jnp.abs(x) < _THRESHOLD
    series = horner(_MOMENT, jnp.where(small, x * x, 0.0))
    safe = jnp.where(small, 2.0, x)
    sine, cosine = sine_cosine(safe)
    return jnp.where(small, series, (2 * safe * sine - (safe**2 - 2) * cosine - 2) / safe**4)


@_elementwise
def debye_kernel(x: ArrayLike) -> Array:
    r"""Return :math:`2 (e^{-x} - 1 + x)/x^2`, 1 at 0, for x >= 0: a Gaussian coil."""
    small = x < 1
    series = horner(_DEBYE, jnp.where(small, x, 0.0))
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, series, 2 * (jnp.expm1(-safe) + safe) / safe**2)


@_elementwise
def log1p_ratio(x: ArrayLike) -> Array:
    r"""Return :math:`\ln(1 + x)/x`, 1 at 0, for x > -1."""
    small = jnp.abs(x) < 0.1
    series = horner(_LOG, jnp.where(small, x, 0.0))
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, series, jnp.log1p(safe) / safe)
