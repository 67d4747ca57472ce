r"""Number distributions of a parameter about its centre.

A distribution says how many particles have the ratio :math:`x = p/c` of a parameter p to its
centre c, and how to integrate over it. Smooth ones take equal steps in a variable s in which
density times dx/ds is smooth and vanishes at both ends: such a trapezoidal sum converges
exponentially (Trefethen and Weideman, SIAM Review 56 (2014) 385), one node for each period of
the fringes. The nodes x(s) move with the width, so the derivative of the sum with respect to
it is that of the integral. Every formula is even in the width and holds at width 0.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.pytree import struct
from diffscatter.core.special import log1p_ratio

__all__ = [
    "BLOCK",
    "Band",
    "Boltzmann",
    "DISTRIBUTIONS",
    "Distribution",
    "Gaussian",
    "Lognormal",
    "Rectangle",
    "Schulz",
    "Uniform",
    "named_distribution",
]

BLOCK = 16  # nodes in a block
_X, _W = np.polynomial.legendre.leggauss(BLOCK)
_X, _W = (_X + 1) / 2, _W / 2
_PHASE = 12.0  # rad of the squared amplitude on half a Gauss-Legendre block, for 1e-10
_TAIL = 6.5  # the normal law holds 1e-10 of its mass beyond so many widths
_MARGIN = 7.5  # a step 2 pi/(k + 7.5) sums a normal law times a wave of k rad to 1e-12


class Band(NamedTuple):
    """Smallest and largest phase, in rad per unit of x, with which F^2 turns."""

    low: Array
    high: Array


class Distribution(ABC):
    """What :class:`~diffscatter.analytic.Polydisperse` asks of a distribution.

    A :class:`Band` tells it how fast the squared amplitude turns.

    Attributes:
        block_size: nodes in a block.
        points, extent: nodes and half range, in widths, of the grid that sasmodels would use.
        smallest: smallest value on that grid, nm.
    """

    block_size = BLOCK
    points = 35
    extent = 3.0
    smallest = 0.0

    @abstractmethod
    def blocks(self, band: Band) -> Array:
        """Return how many blocks of nodes the integral needs, not yet rounded up."""

    @abstractmethod
    def block(self, j: Array, blocks: Array, band: Band) -> tuple[Array, Array]:
        """Return ratios x and weights, up to a common factor, of block ``j``'s nodes."""

    @abstractmethod
    def density(self, t: Array) -> Array:
        """Return p(x), up to a constant, at x = 1 + width t > 0."""

    @property
    @abstractmethod
    def largest(self) -> Array:
        """Ratio beyond which sizes are so rare that what turns faster still is not resolved."""


class _Smooth(Distribution):
    """Equal steps in s."""

    @abstractmethod
    def range(self, band: Band) -> tuple[Array, Array, Array]:
        """Return the ends of s and the rate k for which steps of 2 pi/k are short enough."""

    @abstractmethod
    def node(self, s: Array, band: Band) -> tuple[Array, Array]:
        """Return x(s) and p(x) dx/ds up to a constant."""

    @property
    def largest(self) -> Array:
        # Five widths of a normal law and more where F^2 grows: 1e-6 of what scatters.
        still = Band(jnp.zeros(()), jnp.zeros(()))
        return self.node(0.8 * self.range(still)[1], still)[0]

    def blocks(self, band: Band) -> Array:
        low, high, rate = self.range(band)
        return (high - low) * rate / (2 * jnp.pi * BLOCK)

    def block(self, j: Array, blocks: Array, band: Band) -> tuple[Array, Array]:
        low, high, _ = jax.lax.stop_gradient(self.range(band))
        step = (high - low) / (blocks * BLOCK)
        return self.node(low + step * (j * BLOCK + jnp.arange(BLOCK) + 0.5), band)


@struct
class Gaussian(_Smooth):
    r"""Normal distribution of positive sizes.

    .. math:: p(x) \propto e^{-(x - 1)^2 / 2 w^2},\qquad x > 0

    Attributes:
        width: standard deviation over mean, w (of the distribution before it is cut at 0).
    """

    width: Array

    def range(self, band: Band) -> tuple[Array, Array, Array]:
        width, u = _magnitude(self.width), self._zero()
        # Beyond x = 0, at s = -u, the weight still falls as e^s from e^(-u^2/2).
        bent = u + 2 + jnp.maximum(_TAIL**2 - u * u, 0.0) / 2
        left = jnp.where(u < _TAIL + 1.5, bent, _TAIL)
        # F^2 grows as x^6, which moves the weight up.
        return -left, _TAIL + jnp.minimum(6 * width, 2.5), band.high * width + _MARGIN

    def node(self, s: Array, band: Band) -> tuple[Array, Array]:
        # t = s, bent smoothly so as to stay above -1/w, where x = 0.
        u = self._zero()
        t = s + jax.nn.softplus(-(s + u))
        return 1 + _magnitude(self.width) * t, jnp.exp(-t * t / 2) * jax.nn.sigmoid(s + u)

    def density(self, t: Array) -> Array:
        return jnp.exp(-t * t / 2)

    def _zero(self) -> Array:
        """1/w; from 40 on, x = 0 is too far away to matter."""
        return 1 / jnp.maximum(_magnitude(self.width), 0.025)


class _Logarithmic(_Smooth):
    r"""Equal steps in v = ln(x)/w while x is small, in x itself where fringes need it.

    .. math:: x = \ln(1 + e^{ws} (e^u - 1))/u,\qquad u = k w / 30

    where F^2 turns by k rad to a unit of x, is 1 at s = 0; it goes as :math:`e^{ws}` below 1/u
    and linearly above, by 30 rad to a unit of s. At u = 0 it is :math:`e^{ws}`.
    """

    _TURN = 30.0

    @abstractmethod
    def density_of_log(self, v: Array) -> Array:
        """Return the density of v = ln(x)/w up to a constant."""

    def lowest(self, width: Array) -> Array:
        """Return the v below which nothing counts."""
        return jnp.asarray(-_TAIL)

    def highest(self, width: Array, power: int) -> Array:
        """Return the v above which nothing counts of what grows as x^power."""
        return _TAIL + power * width

    def margin(self, width: Array) -> Array:
        """Return the part of the rate that the density itself takes."""
        return jnp.asarray(_MARGIN)

    def range(self, band: Band) -> tuple[Array, Array, Array]:
        u, bent = self._bend(band)
        width = _magnitude(self.width)
        safe = jnp.maximum(width, 1e-4)
        # F^2 grows as x^6 up to a few 1/band and as x^2 from there.
        corner = jnp.log(10 / jnp.maximum(band.low, 1e-6)) / safe
        highest = jnp.clip(corner, self.highest(width, 2), self.highest(width, 6))
        s_of = lambda v: jnp.where(
            bent, (_log_expm1(u * jnp.exp(width * v)) - _log_expm1(u)) / safe, v
        )
        top = jnp.exp(width * highest)
        turn = band.high * width * jnp.where(bent, -jnp.expm1(-u * top) / u, top)
        return s_of(self.lowest(width)), s_of(highest), turn + self.margin(width)

    def node(self, s: Array, band: Band) -> tuple[Array, Array]:
        u, bent = self._bend(band)
        width = _magnitude(self.width)
        divisor = jnp.where(bent, width, 1.0)
        z = divisor * s + _log_expm1(u)
        linear = jax.nn.softplus(z) / u
        x = jnp.where(bent, linear, jnp.exp(width * s))
        v = jnp.where(bent, jnp.log(linear) / divisor, s)
        slope = jnp.where(bent, jax.nn.sigmoid(z) / (u * linear), 1.0)
        return x, self.density_of_log(v) * slope

    def _bend(self, band: Band) -> tuple[Array, Array]:
        """Return u, and whether there is need of it: not for narrow ones or little phase."""
        width = jax.lax.stop_gradient(_magnitude(self.width))
        u = jax.lax.stop_gradient(band.high) * width / self._TURN
        bent = (width > 0.01) & (u > 0.01)
        return jnp.where(bent, u, 0.01), bent


@struct
class Lognormal(_Logarithmic):
    r"""Normal distribution of the logarithm.

    .. math:: p(x) \propto e^{-\ln^2 x / 2 w^2} / x

    Attributes:
        width: standard deviation of ln x, w. The centre is the median.
    """

    width: Array

    points = 80
    extent = 8.0
    smallest = 1e-9

    def density_of_log(self, v: Array) -> Array:
        return jnp.exp(-v * v / 2)

    def density(self, t: Array) -> Array:
        x = _magnitude(self.width) * t
        return jnp.exp(-((t * log1p_ratio(x)) ** 2) / 2) / (1 + x)


@struct
class Schulz(_Logarithmic):
    r"""Schulz-Zimm (gamma) distribution.

    .. math:: p(x) \propto x^{z - 1} e^{-z x},\qquad z = 1/w^2

    Attributes:
        width: standard deviation over mean, w. The centre is the mean.
    """

    width: Array

    points = 80
    extent = 8.0
    smallest = 1e-9

    def density_of_log(self, v: Array) -> Array:
        # z (ln x - x + 1) with ln x = w v.
        return jnp.exp(-v * v * _exponential_rest(_magnitude(self.width) * v))

    def lowest(self, width: Array) -> Array:
        return -(_TAIL + 20 * width)  # e^(v/w) on this side

    def highest(self, width: Array, power: int) -> Array:
        # Root of z (e^x - 1 - x) - power x = T^2/2 for x = w v, approached from above.
        x = width * (_TAIL + power * width)
        for _ in range(4):
            x = jnp.log1p(x + width**2 * (_TAIL**2 / 2 + power * x))
        return jnp.where(width > 0.01, x / jnp.maximum(width, 0.01), _TAIL + power * width)

    def margin(self, width: Array) -> Array:
        return _MARGIN + 15 * width  # exp(-z e^(wv)) is smooth over pi/2w of the imaginary axis

    def density(self, t: Array) -> Array:
        x = _magnitude(self.width) * t
        return jnp.exp(t * t * _log_rest(x)) / (1 + x)


class _Flat(Distribution):
    """Equal numbers between ``1 - h`` and ``1 + h``, cut at 0; Gauss-Legendre panels."""

    @abstractmethod
    def half_width(self) -> Array:
        """Return h."""

    def blocks(self, band: Band) -> Array:
        low, high = self._ends()
        return band.high * (high - low) / 2 / _PHASE

    def block(self, j: Array, blocks: Array, band: Band) -> tuple[Array, Array]:
        low, high = self._ends()
        dtype = jnp.result_type(self.width, float)
        x, w = jnp.asarray(_X, dtype), jnp.asarray(_W, dtype)
        return low + (high - low) * (j + x) / blocks, w

    def density(self, t: Array) -> Array:
        return jnp.ones_like(t)

    @property
    def largest(self) -> Array:
        return self._ends()[1]

    def _ends(self) -> tuple[Array, Array]:
        h = self.half_width()
        return jnp.maximum(1 - h, 0.0), 1 + h


@struct
class Uniform(_Flat):
    """Uniform distribution. Attributes: ``width``, half the full range over the mean."""

    width: Array

    extent = 1.0

    def half_width(self) -> Array:
        return _magnitude(self.width)


@struct
class Rectangle(_Flat):
    """Uniform distribution. Attributes: ``width``, standard deviation over mean."""

    width: Array

    extent = 1.73205  # sqrt(3), in the digits that sasmodels uses

    def half_width(self) -> Array:
        return 3**0.5 * _magnitude(self.width)

    def density(self, t: Array) -> Array:
        return jnp.where(jnp.abs(t) <= 3**0.5, 1.0, 0.0).astype(t.dtype)


@struct
class Boltzmann(Distribution):
    r"""Two exponentials back to back: Laplace's distribution of positive sizes.

    .. math:: p(x) \propto e^{-|x - 1| / w},\qquad x > 0

    Its density has a kink at the centre, so the sum takes Gauss-Legendre panels on either
    side. sasmodels calls it so.

    Attributes:
        width: decay length over centre, w; the standard deviation is 1.41 w.
    """

    width: Array

    block_size = 2 * BLOCK  # a panel on either side

    def blocks(self, band: Band) -> Array:
        width = _magnitude(self.width)
        return self._tail() * jnp.hypot(band.high * width, 1.0) / 2 / _PHASE

    def block(self, j: Array, blocks: Array, band: Band) -> tuple[Array, Array]:
        width, tail = _magnitude(self.width), self._tail()
        dtype = jnp.result_type(width, float)
        x, w = (jnp.asarray(a, dtype) for a in (_X, _W))
        left = 1 / jnp.maximum(width, 1 / tail)  # to x = 0
        sides = [(-1, left), (1, tail)]
        t = [end * (j + x) / blocks for _, end in sides]
        ratio = [1 + sign * width * t for (sign, _), t in zip(sides, t, strict=True)]
        weight = [end * w * jnp.exp(-t) for (_, end), t in zip(sides, t, strict=True)]
        return jnp.concatenate(ratio), jnp.concatenate(weight)

    def density(self, t: Array) -> Array:
        return jnp.exp(-jnp.abs(t))

    @property
    def largest(self) -> Array:
        width = _magnitude(self.width)
        return 1 + width * (14 + 12 * width)

    def _tail(self) -> Array:
        """Decay lengths until 1e-11 is left, more where F^2 grows."""
        return jax.lax.stop_gradient(26 + 30 * _magnitude(self.width))


DISTRIBUTIONS = {
    "gaussian": Gaussian,
    "lognormal": Lognormal,
    "schulz": Schulz,
    "uniform": Uniform,
    "rectangle": Rectangle,
    "boltzmann": Boltzmann,
}


def named_distribution(kind: str, width: float) -> Distribution:
    """Return a distribution by its name, as users write it.

    Raises:
        ValueError: for a name that is not in the list, or a width that is negative or NaN.
    """
    if kind not in DISTRIBUTIONS:
        known = ", ".join(DISTRIBUTIONS)
        raise ValueError(f"the distribution must be one of {known}, got {kind!r}")
    value = check_finite("width", width)
    if value is not None and value < 0:
        raise ValueError(f"the width of a {kind} distribution must be at least 0, got {width}")
    return DISTRIBUTIONS[kind](width=width)


def _magnitude(width: Array) -> Array:
    """|w|, with the right-hand derivative at 0."""
    return jnp.where(width < 0, -width, width)


def _log_expm1(a: Array) -> Array:
    """ln(e^a - 1) for a > 0, without overflow."""
    return a + jnp.log(-jnp.expm1(-a))


def _smooth(closed, coefficients: list[float], x: Array, threshold: float) -> Array:
    """Return ``closed(x)``, and its Taylor polynomial where ``|x|`` is below ``threshold``."""
    small = jnp.abs(x) < threshold
    near = jnp.where(small, x, 0.0)
    series = jnp.zeros_like(near)
    for c in reversed(coefficients):
        series = series * near + c
    return jnp.where(small, series, closed(jnp.where(small, threshold, x)))


def _exponential_rest(x: Array) -> Array:
    """(e^x - 1 - x)/x^2, 1/2 at 0."""
    closed = lambda x: (jnp.expm1(x) - x) / x**2
    return _smooth(closed, [1 / math.factorial(k + 2) for k in range(17)], x, 1.0)


def _log_rest(x: Array) -> Array:
    """(ln(1 + x) - x)/x^2, -1/2 at 0."""
    closed = lambda x: (jnp.log1p(x) - x) / x**2
    return _smooth(closed, [-((-1) ** k) / (k + 2) for k in range(15)], x, 0.1)
