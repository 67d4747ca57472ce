r"""What a network tells, and how it is taught to: classes, proportions, shares; with spreads.

A head turns two rows of numbers, *centres* and *spreads*, into a loss and into a prediction.
Values with an interval, and shares of a whole, follow a Dirichlet distribution whose mean m and
concentration s come from the two rows. Its loss is the sum of two:

* the cross-entropy of the true shares t against m, less the entropy of t,
  :math:`\sum t \ln(t/m)`, whose least expectation lies at the mean of what can be true,
* minus the logarithm of the density at t for the *given* m, which teaches s alone.

So a mean is learnt as if there were no spreads, and a spread is that of the truth about it.
"""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = ["Classes", "Estimate", "Head", "Proportion", "Shares", "dirichlet_nll"]

Raw = tuple[Array, Array | None]

# Logarithms of concentrations end here: a standard deviation of 2e-4, and less than what is
# flat. Shares end at the least number that leaves their logarithm small in float32.
_SHARPEST, _WIDEST = 16.0, -2.0
_LEAST = 1e-6


class Head(Protocol):
    """What every head has: how many numbers it takes, a loss, a prediction."""

    @property
    def centres(self) -> int: ...

    @property
    def spreads(self) -> int: ...

    def loss(self, raw: Raw, target: Array) -> Array: ...

    def predict(self, raw: Raw) -> "Array | Estimate": ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Estimate:
    """A prediction with its spread.

    Attributes:
        mean: of what can be true, in the target's unit.
        spread: its standard deviation.
        shares: the mean as a share of the range.
        concentration: of the Beta or Dirichlet distribution of the shares.
        low, high: the range.
    """

    mean: Array
    spread: Array
    shares: Array
    concentration: Array
    low: Array
    high: Array

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Return the two ends between which the truth lies with a probability of ``level``.

        The tails beyond them are equal; each share of several is taken alone.
        """
        from scipy.special import betaincinv

        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        share, s = np.asarray(self.shares, float), np.asarray(self.concentration, float)
        low, high = float(self.low), float(self.high)
        ends = (
            betaincinv(share * s, (1 - share) * s, tail)
            for tail in ((1 - level) / 2, (1 + level) / 2)
        )
        first, last = (low + (high - low) * end for end in ends)
        return first, last


@dataclass(frozen=True)
class Classes:
    """One of several classes; the target is its number, ``(batch,)``."""

    count: int

    def __post_init__(self):
        _check_count(self.count)

    @property
    def centres(self) -> int:
        return self.count

    @property
    def spreads(self) -> int:
        return 0

    def loss(self, raw: Raw, target: Array) -> Array:
        """Return the mean cross-entropy in nats."""
        logs = jax.nn.log_softmax(raw[0])
        return -jnp.take_along_axis(logs, target[:, None], axis=1).mean()

    def predict(self, raw: Raw) -> Array:
        """Return probabilities, ``(batch, count)``."""
        return jax.nn.softmax(raw[0])


@dataclass(frozen=True)
class Proportion:
    """A value between two ends; the target is ``(batch,)``, NaN where there is none.

    Its place between the ends follows a Beta distribution.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")

    @property
    def centres(self) -> int:
        return 1

    @property
    def spreads(self) -> int:
        return 1

    def loss(self, raw: Raw, target: Array) -> Array:
        """Return the mean loss in nats over the targets that there are."""
        there = jnp.isfinite(target)
        # Before any arithmetic: a NaN's gradient is NaN even where it is not chosen.
        share = (jnp.where(there, target, self.low) - self.low) / (self.high - self.low)
        shares = jnp.stack([share, 1 - share], axis=-1)
        losses = _loss(self._logs(raw), raw[1][:, 0], shares)
        return jnp.where(there, losses, 0.0).sum() / jnp.maximum(there.sum(), 1)

    def predict(self, raw: Raw) -> Estimate:
        """Return mean and spread, ``(batch,)`` each."""
        return _estimate(jnp.exp(self._logs(raw)[:, 0]), raw[1][:, 0], self.low, self.high)

    def _logs(self, raw: Raw) -> Array:
        z = raw[0][:, 0]
        return jnp.stack([jax.nn.log_sigmoid(z), jax.nn.log_sigmoid(-z)], axis=-1)


@dataclass(frozen=True)
class Shares:
    """Shares of a whole, which sum to 1; the target is ``(batch, count)``."""

    count: int

    def __post_init__(self):
        _check_count(self.count)

    @property
    def centres(self) -> int:
        return self.count

    @property
    def spreads(self) -> int:
        return 1

    def loss(self, raw: Raw, target: Array) -> Array:
        """Return the mean loss in nats."""
        return _loss(jax.nn.log_softmax(raw[0]), raw[1][:, 0], target).mean()

    def predict(self, raw: Raw) -> Estimate:
        """Return mean and spread of each share, ``(batch, count)``."""
        return _estimate(jax.nn.softmax(raw[0]), raw[1], 0.0, 1.0)


def dirichlet_nll(shares: Array, logs: Array, log_concentration: Array) -> Array:
    r"""Return minus the logarithm of a Dirichlet density, accurate at any concentration.

    .. math::
        -\ln p(t \mid m, s) = s \sum m \ln\frac{m}{t} + \sum \ln t - \frac12 \sum \ln(m s)
            + \frac12 \ln s + \frac{k - 1}{2} \ln 2\pi + \sum R(m s) - R(s)

    with the parameters m s and Binet's remainder R of Stirling's formula. The logarithms of
    gamma functions grow as s ln s and cancel to a few nats, which leaves no digit of float32
    beyond s = 1e5; here they cancel on paper.

    Args:
        shares: t, above 0, with a sum of 1. Shape ``(..., k)``.
        logs: ln m, likewise.
        log_concentration: ln s. Shape ``(...)``.
    """
    s = jnp.exp(log_concentration)
    mean, log_shares = jnp.exp(logs), jnp.log(shares)
    # m ln(m/t) less m - t, whose sum is 0: each term is as small as their distance squared.
    far = (shares - mean) / mean
    apart = mean * (far - jnp.log1p(far))
    # One call, because gamma functions are most of what there is to compile here.
    rest = _remainder(jnp.concatenate([mean, jnp.ones_like(mean[..., :1])], -1) * s[..., None])
    each = log_shares - (logs + log_concentration[..., None]) / 2 + rest[..., :-1]
    count = shares.shape[-1]
    flat = log_concentration / 2 + (count - 1) / 2 * np.log(2 * np.pi) - rest[..., -1]
    return s * apart.sum(axis=-1) + each.sum(axis=-1) + flat


def _remainder(a: Array) -> Array:
    """Return ln Gamma(a) - [(a - 1/2) ln a - a + ln(2 pi)/2] for a above 0."""
    few = a < 8.0
    small, large = jnp.where(few, a, 1.0), jnp.where(few, 8.0, a)
    stirling = (small - 0.5) * jnp.log(small) - small + 0.5 * np.log(2 * np.pi)
    u = 1 / large**2
    # Abramowitz and Stegun, 6.1.41; the next term is below 1e-11 at 8.
    series = (1 / 12 - u * (1 / 360 - u * (1 / 1260 - u / 1680))) / large
    return jnp.where(few, jax.lax.lgamma(small) - stirling, series)


def _loss(logs: Array, raw_concentration: Array, shares: Array) -> Array:
    """Return the two parts of the loss, ``(batch,)``, from ln m ``(batch, k)``."""
    shares = jnp.clip(shares, _LEAST, 1.0)
    shares = shares / shares.sum(axis=-1, keepdims=True)
    entropy = jnp.sum(shares * (jnp.log(shares) - logs), axis=-1)
    fixed = jnp.maximum(jax.lax.stop_gradient(logs), np.log(_LEAST))
    return entropy + dirichlet_nll(shares, fixed, _log_concentration(raw_concentration))


def _log_concentration(raw: Array) -> Array:
    """Bound the logarithm of a concentration; raw 0 means e^3, a standard deviation of 0.1."""
    return jnp.clip(raw + 3.0, _WIDEST, _SHARPEST)


def _estimate(mean: Array, raw: Array, low: float, high: float) -> Estimate:
    s = jnp.exp(_log_concentration(raw))
    spread = jnp.sqrt(mean * (1 - mean) / (1 + s))
    low, high = jnp.asarray(low, mean.dtype), jnp.asarray(high, mean.dtype)
    return Estimate(
        mean=low + (high - low) * mean,
        spread=(high - low) * spread,
        shares=mean,
        concentration=jnp.broadcast_to(s, mean.shape),
        low=low,
        high=high,
    )


def _check_count(count: int) -> None:
    if count < 2:
        raise ValueError(f"count must be at least 2, got {count}")
