r"""How far a computed curve is from a measured one, as residuals and as information.

Every loss is the sum of squared residuals r, so that least-squares solvers apply to all of
them, and each comes with the square root of the Fisher information of one point: the Jacobian
of the *curve* times that root gives the covariance, also where residuals bend.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import concrete

__all__ = [
    "LOSSES",
    "Loss",
    "assumed_sigma",
    "scatter_sigma",
    "chi2_residuals",
    "loss_named",
    "log_residuals",
    "poisson_deviance",
    "poisson_residuals",
    "scatter_loss",
    "stretched_log",
]

# Expected counts below this continue as 1/(2 - m): they stay positive, and the root of the
# deviance keeps a finite slope, at the price of a deviance wrong by less than this.
_FEWEST = 1e-6
# Where |m/d - 1| is below this, the deviance's closed form has lost digits to cancellation.
_NEAR = 0.1


def chi2_residuals(model: ArrayLike, data: ArrayLike, sigma: ArrayLike) -> Array:
    r"""Return :math:`(m - d)/\sigma`."""
    return (jnp.asarray(model) - data) / sigma


def poisson_residuals(model: ArrayLike, data: ArrayLike, sigma: ArrayLike = 1.0) -> Array:
    r"""Return the signed roots of the Poisson deviance of counts d against expectations m.

    .. math:: r = \mathrm{sign}(m - d)\,\sqrt{2 (m - d + d \ln(d/m))}

    Smooth through m = d, where it is :math:`(m - d)/\sqrt d`, and at d = 0, where it is
    :math:`\sqrt{2m}`. Expectations below 1e-6 counts, negative ones included, continue
    smoothly. ``sigma`` is not used: counts carry their own.
    """
    m, d = _expected(model), jnp.asarray(data)
    counted = d > 0
    safe = jnp.where(counted, d, 1.0)
    t = (m - safe) / safe
    near = jnp.abs(t) < _NEAR
    # 2 (t - ln(1 + t)) = t^2 g(t) with g(t) = 2 sum_k (-t)^k / (k + 2).
    small = jnp.where(near, t, 0.0)
    series = jnp.zeros_like(small)
    for k in reversed(range(16)):
        series = 2 * (-1) ** k / (k + 2) + series * small
    far = jnp.where(near, 1.0, t)
    closed = 2 * (far - jnp.log1p(far)) / far**2
    some = t * jnp.sqrt(safe * jnp.where(near, series, closed))
    return jnp.where(counted, some, jnp.sqrt(2 * m))


def poisson_deviance(model: ArrayLike, data: ArrayLike) -> Array:
    r"""Return :math:`2 \sum (m - d + d\ln(d/m))`: minus twice the log-likelihood ratio."""
    return jnp.sum(poisson_residuals(model, data) ** 2)


def log_residuals(model: ArrayLike, data: ArrayLike, sigma: ArrayLike) -> Array:
    r"""Return :math:`(\ln m - \ln d)\,d/\sigma`: the error of ln d is sigma/d.

    The logarithm of the model continues as its tangent below ``1e-6 d``, so that a model that
    touches zero, or goes below, still has a slope that leads back. ``data`` must be positive.
    """
    d = jnp.asarray(data)
    ratio = jnp.asarray(model) / d
    floor = 1e-6
    above = jnp.log(jnp.maximum(ratio, floor))
    below = jnp.minimum(ratio / floor - 1, 0.0)
    return (above + below) * (d / sigma)


def stretched_log(
    intensity: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    offset: ArrayLike = 100.0,
    smoothing: float = 0.0,
) -> Array:
    r"""Return a pattern as it is published: its logarithm, stretched to 0 to 1.

    .. math:: s = \frac{\ln(I + c) - \min}{\max - \min}

    with the extrema over the pixels that count. An extremum passes its slope to one pixel, and
    another one after a small step; with ``smoothing`` w above 0 each is an average with weights
    :math:`e^{\pm\ln(I + c)/w}` instead, smooth, and nearer the middle by about w.

    Args:
        intensity: at least 0. Any shape.
        mask: True where a pixel counts, in the shape of ``intensity``; None for all.
        offset: c, in the unit of ``intensity``, above 0.
        smoothing: w, in natural-logarithmic units; a Python number.

    Returns:
        0 to 1 inside the mask, 0 outside it and everywhere for a flat pattern.

    Raises:
        ValueError: if the mask has another shape or no pixel, or ``smoothing`` is below 0.
    """
    intensity = jnp.asarray(intensity)
    counts = _counting(mask, intensity.shape)
    if not smoothing >= 0:
        raise ValueError(f"smoothing must be at least 0, got {smoothing}")
    # Masked pixels may be anything, no number included.
    image = jnp.log(jnp.where(counts, intensity, 0.0) + offset)

    def extreme(sign):
        if smoothing == 0:
            return sign * jnp.max(jnp.where(counts, sign * image, -jnp.inf))
        weights = jax.nn.softmax(jnp.where(counts, sign * image / smoothing, -jnp.inf), None)
        return jnp.sum(weights * image)

    low, high = extreme(-1), extreme(1)
    span = jnp.where(high > low, high - low, 1.0)
    return jnp.where(counts & (high > low), (image - low) / span, 0.0)


def scatter_loss(
    model: ArrayLike,
    data: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    offset: ArrayLike = 100.0,
    smoothing: float = 0.0,
) -> Array:
    r"""Return the mean squared difference of two stretched logarithmic patterns.

    .. math:: \frac1N \sum (s(I_\mathrm{model}) - s(I_\mathrm{data}))^2

    with :func:`stretched_log` s of each and its arguments; ``offset`` is 100 in the units of
    :func:`diffscatter.operators.multislice.attenuated_field` squared there. A pattern that is
    published stretched already is compared by the mean square of its difference from
    ``stretched_log(model)``.

    Stielow and Scheel, *Phys. Rev. E* 103, 053312 (2021).
    """
    model, data = jnp.asarray(model), jnp.asarray(data)
    if model.shape != data.shape:
        raise ValueError(f"model has shape {model.shape}, data {data.shape}")
    counts = _counting(mask, data.shape)
    options = dict(offset=offset, smoothing=smoothing)
    difference = stretched_log(model, mask, **options) - stretched_log(data, mask, **options)
    return jnp.sum(difference**2) / jnp.sum(counts)


def _counting(mask: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Return the mask as an array of that shape, refusing one without a pixel."""
    if mask is None:
        return jnp.ones(shape, bool)
    if jnp.shape(mask) != shape:
        raise ValueError(f"mask has shape {jnp.shape(mask)}, the pattern {shape}")
    known = concrete(mask)
    if known is not None and not known.any():
        raise ValueError("mask leaves no pixel")
    return jnp.asarray(mask, bool)


def _expected(model: ArrayLike) -> Array:
    """Return expected counts, continued smoothly below ``_FEWEST`` by a positive hyperbola."""
    m = jnp.asarray(model)
    below = _FEWEST / (2 - jnp.minimum(m / _FEWEST, 1.0))
    return jnp.where(m > _FEWEST, m, below)


@dataclass(frozen=True)
class Loss:
    """A loss that fits can use; frozen and hashable, so it can be a static argument.

    Attributes:
        name: as users write it.
        residuals: of ``(model, data, sigma)``, elementwise.
        information: root of the Fisher information of a point about the model's value there,
            of ``(model, data, sigma)``.
        weights: root of a point's weight in a first, linear estimate, of ``(data, sigma)``.
        check: refuses data the loss cannot take, ``(data, sigma)`` as numpy arrays.
        absolute: its minimum has the units of chi-square even without ``sigma``.
    """

    name: str
    residuals: Callable[[Array, Array, Array], Array]
    information: Callable[[Array, Array, Array], Array]
    weights: Callable[[Array, Array], Array] = lambda data, sigma: 1 / sigma
    check: Callable[[np.ndarray, np.ndarray | None], None] = lambda data, sigma: None
    absolute: bool = False


def _refuse(bad: np.ndarray, data: np.ndarray, problem: str) -> None:
    if bad.any():
        where = np.argwhere(bad)[0]
        index = tuple(int(i) for i in where) if bad.ndim > 1 else int(where[0])
        raise ValueError(
            f"{problem}; got {data[bad][0]:.6g} at index {index} "
            f"({int(bad.sum())} of {data.size} values)"
        )


def _check_counts(data: np.ndarray, sigma: np.ndarray | None) -> None:
    _refuse(data < 0, data, "loss 'poisson' needs counts >= 0: use 'chi2', or leave those out")


def _check_positive(data: np.ndarray, sigma: np.ndarray | None) -> None:
    _refuse(data <= 0, data, "loss 'log' needs data > 0: use 'chi2', or leave those out")


LOSSES = {
    "chi2": Loss(
        "chi2",
        chi2_residuals,
        lambda model, data, sigma: jnp.broadcast_to(1 / jnp.asarray(sigma), jnp.shape(model)),
    ),
    "poisson": Loss(
        "poisson",
        poisson_residuals,
        lambda model, data, sigma: 1 / jnp.sqrt(_expected(model)),
        lambda data, sigma: 1 / jnp.sqrt(jnp.maximum(data, 1.0)),
        _check_counts,
        absolute=True,
    ),
    "log": Loss(
        "log",
        log_residuals,
        lambda model, data, sigma: data / (sigma * jnp.maximum(model, 1e-6 * data)),
        check=_check_positive,
    ),
}


def loss_named(loss: "str | Loss") -> Loss:
    """Return the loss of that name; a :class:`Loss` of one's own passes through."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]


def scatter_sigma(data: np.ndarray) -> np.ndarray:
    r"""Return errors from the scatter of neighbouring points, where none were measured.

    :func:`assumed_sigma` times the median of :math:`|d_i - (d_{i-1} + d_{i+1})/2|` over it,
    as the standard deviation of a normal law with that median.
    """
    data = np.asarray(data, dtype=float)
    shape = assumed_sigma(data)
    apart = np.abs(data[1:-1] - (data[:-2] + data[2:]) / 2) / shape[1:-1]
    return shape * max(1.4826 * float(np.median(apart)) / np.sqrt(1.5), 1e-6)


def assumed_sigma(data: np.ndarray) -> np.ndarray:
    r"""Return the errors to assume where none were measured, up to a common factor.

    .. math:: \sigma_i = \max(|d_i|, d_{10})

    Equal *relative* errors, so that every decade of a curve counts, but none smaller than at
    the tenth percentile of :math:`|d|`: values near zero must not rule the fit.
    """
    magnitude = np.abs(np.asarray(data, dtype=float))
    floor = max(np.quantile(magnitude, 0.1), 1e-6 * magnitude.max())
    return np.maximum(magnitude, floor if floor > 0 else 1.0)
