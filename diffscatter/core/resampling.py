"""Moving values between axes: sharing, means over bins, splines, the Guinier extension."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

__all__ = ["bin_means", "guinier_extension", "share_linearly", "spline_matrix"]


def bin_means(x: Array, values: Array, edges: Array) -> Array:
    r"""Return the means over bins of the straight lines through the points of a curve.

    .. math:: m_i = \frac{1}{e_{i+1} - e_i} \int_{e_i}^{e_{i+1}} y(x)\,dx

    so a bin of many points averages them and one without any interpolates.

    Args:
        x: ascending; of equal neighbours the lines between them have no length, so a curve may
            be padded with its last point. Shape ``(n,)``, n at least 2.
        values: at x. Shape ``(n,)``.
        edges: ascending. Shape ``(m + 1,)``.

    Returns:
        Shape ``(m,)``; NaN for a bin that is not wholly within x.
    """
    step = jnp.diff(x)
    level = values.mean()  # less to cancel between integrals
    y = values - level
    areas = jnp.cumsum(step * (y[1:] + y[:-1]) / 2)
    before = jnp.concatenate([jnp.zeros_like(areas[:1]), areas])
    i = jnp.clip(jnp.searchsorted(x, edges, side="right") - 1, 0, x.size - 2)
    t = edges - x[i]
    slope = (y[i + 1] - y[i]) / jnp.where(step[i] > 0, step[i], 1.0)
    integral = before[i] + t * (y[i] + slope * t / 2)
    inside = (edges[:-1] >= x[0]) & (edges[1:] <= x[-1])
    return jnp.where(inside, jnp.diff(integral) / jnp.diff(edges) + level, jnp.nan)


def share_linearly(values: Array, position: Array, n: int) -> Array:
    """Share each value between the channels ``floor(position)`` and ``floor(position) + 1``.

    Args:
        values: what is shared. Any shape.
        position: channel coordinate of each value, ``0 <= position``. Same shape.
        n: number of channels; what falls at or beyond ``n`` is dropped.

    Returns:
        Sums by channel, shape ``(n,)``; ``sum(out) == sum(values)`` if nothing is dropped.
    """
    low = jnp.floor(position)
    fraction = (position - low).ravel().astype(values.dtype)
    index = low.astype(jnp.int32).ravel()
    values = values.ravel()
    total = jax.ops.segment_sum(values * (1 - fraction), index, n)
    return total + jax.ops.segment_sum(values * fraction, index + 1, n)


def spline_matrix(x: ArrayLike, x_new: ArrayLike, degree: int = 3) -> np.ndarray:
    """Return the matrix that takes values on ``x`` to their not-a-knot spline on ``x_new``.

    A spline is linear in its values, so this is the whole operator and its transpose the
    gradient. Both axes must be concrete; ``x_new`` must lie inside ``x``. The degree is odd.

    Returns:
        Shape ``(len(x_new), len(x))``, float64.

    Raises:
        ValueError: if ``x_new`` leaves the range of ``x`` (extrapolation is another operator).
    """
    from scipy.interpolate import make_interp_spline

    x, x_new = np.asarray(x, float), np.asarray(x_new, float)
    if x_new.min() < x.min() or x_new.max() > x.max():
        raise ValueError(
            f"x_new runs over [{x_new.min():.6g}, {x_new.max():.6g}], beyond x over "
            f"[{x.min():.6g}, {x.max():.6g}]; extend the curve first (guinier_extension)"
        )
    return make_interp_spline(x, np.eye(x.size), degree)(x_new)


def guinier_extension(
    q: ArrayLike, intensity: Array, q_new: ArrayLike, points: int = 5
) -> Array:
    r"""Return the curve's Guinier law at ``q_new``, from its first ``points`` values.

    .. math:: \ln I = A + B q^2,\qquad B = -R_g^2 / 3

    A and B by least squares, so the result is differentiable in ``intensity``.

    Args:
        q: axis in ascending order, 1/nm. Shape ``(nq,)``.
        intensity: positive over the first ``points``. Shape ``(nq,)``.
        q_new: where the law is wanted, usually below ``q[0]``. Shape ``(m,)``.
        points: how many values carry the fit, at least 2.

    Returns:
        Shape ``(m,)``.

    Raises:
        ValueError: if there are fewer values than ``points``, or ``points < 2``.
    """
    if not 2 <= points <= np.size(q):
        raise ValueError(
            f"points must lie in 2..{np.size(q)} (the curve's length), got {points}"
        )
    x = jnp.asarray(q)[:points] ** 2
    y = jnp.log(intensity[:points])
    slope = jnp.sum((x - x.mean()) * (y - y.mean())) / jnp.sum((x - x.mean()) ** 2)
    return jnp.exp(y.mean() + slope * (jnp.asarray(q_new) ** 2 - x.mean()))
