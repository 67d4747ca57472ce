r"""Values between the points of a lattice: splines that are differentiable in everything.

A spline of odd degree d with the lattice as knots is

.. math:: s(x, y) = \sum_{ij} c_{ij}\,\beta_d(y - i)\,\beta_d(x - j)

with the B-spline :math:`\beta_d` (I. J. Schoenberg, *Q. Appl. Math.* 4, 45 (1946)). The
coefficients follow from the values by one matrix an axis. Its ends are *not-a-knot*: the first
and last pieces are one polynomial, so that the order of accuracy, d + 1 in the spacing, holds
up to the edge. ``scipy.ndimage`` mirrors there and falls to the second order.
"""

from functools import lru_cache, partial
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

__all__ = ["DEGREES", "spline_at"]

DEGREES = (1, 3, 5)
_BATCH = 4096  # points at once: bounds the memory at (d + 1)^2 values a point


def spline_at(
    values: ArrayLike, row: ArrayLike, column: ArrayLike, *, degree: int = 5
) -> Array:
    """Return the spline through ``values`` at fractional positions; 0 off the lattice.

    Differentiable in the values and in the positions: of the quintic all derivatives up to the
    fourth are continuous. Where a position is off the lattice, or NaN, value and derivative
    are 0.

    Args:
        values: real or complex. Shape ``(ny, nx)``, at least ``degree + 1`` along each axis.
        row, column: positions in units of the spacing, ``0`` the first value, ``ny - 1`` and
            ``nx - 1`` the last. One shape.
        degree: 1, 3 or 5.

    Returns:
        Shape of ``row``, dtype of ``values``.

    Raises:
        ValueError: for another degree, or fewer values than a polynomial of it needs.
    """
    values = jnp.asarray(values)
    if degree not in DEGREES:
        raise ValueError(f"degree must be one of {', '.join(map(str, DEGREES))}, got {degree}")
    if values.ndim != 2 or min(values.shape) <= degree:
        raise ValueError(
            f"values must be (ny, nx) with at least {degree + 1} along each axis for degree "
            f"{degree}, got shape {values.shape}"
        )
    dtype = jnp.finfo(values.dtype).dtype
    row, column = jnp.broadcast_arrays(*(jnp.asarray(v, dtype) for v in (row, column)))
    return _spline_at(values, row, column, degree)


@partial(jax.jit, static_argnames="degree")
def _spline_at(values: Array, row: Array, column: Array, degree: int) -> Array:
    ny, nx = values.shape
    on = (row >= 0) & (row <= ny - 1) & (column >= 0) & (column <= nx - 1)
    product = partial(jnp.matmul, precision="highest")
    down, across = (jnp.asarray(_coefficients(n, degree), row.dtype) for n in (ny, nx))
    coefficients = product(product(down, values), across.T)

    # Nothing of a point is stored for the gradient: its patch is fetched again.
    @jax.checkpoint
    def point(at):
        first, weights = zip(
            *(_weights(x, n, degree) for x, n in zip(at, (ny, nx), strict=True)), strict=True
        )
        patch = lax.dynamic_slice(coefficients, first, (degree + 1, degree + 1))
        return jnp.sum(patch * weights[0][:, None] * weights[1])

    safe = (jnp.where(on, x, 0).ravel() for x in (row, column))
    found = lax.map(point, tuple(safe), batch_size=min(_BATCH, max(row.size, 1)))
    return jnp.where(on, found.reshape(row.shape), 0)


def _weights(x: Array, n: int, degree: int) -> tuple[Array, Array]:
    """Return the first of the coefficients that reach x, and their ``degree + 1`` weights."""
    first = jnp.clip(jnp.floor(lax.stop_gradient(x)).astype(jnp.int32), 0, n - 2)
    t = x - first
    weights = [jnp.ones_like(t)]
    for p in range(1, degree + 1):  # the recursion of de Boor on whole knots
        padded = [0.0, *weights, 0.0]
        weights = [
            (padded[j] * (t + p - j) + padded[j + 1] * (1 - t + j)) / p for j in range(p + 1)
        ]
    return first, jnp.stack(weights)


@lru_cache(maxsize=16)
def _coefficients(n: int, degree: int) -> np.ndarray:
    """Return the matrix from ``n`` values to ``n + degree - 1`` coefficients."""
    margin = degree // 2
    size = n + 2 * margin
    system = np.zeros((size, size))
    at_knots = _at_knots(degree)
    for j in range(n):
        system[j, j : j + at_knots.size] = at_knots
    # The derivative of order d jumps by alternating binomials: not at the knots next the ends.
    jump = np.array([(-1) ** a * comb(degree + 1, a) for a in range(degree + 2)], float)
    for k, knot in enumerate([*range(1, margin + 1), *range(n - 1 - margin, n - 1)]):
        system[n + k, knot - 1 : knot + degree + 1] = jump
    return np.linalg.solve(system, np.eye(size)[:, :n])


def _at_knots(degree: int) -> np.ndarray:
    """Return the B-spline at the whole numbers where it is not 0."""
    weights = np.ones(1)
    for p in range(1, degree + 1):
        j, padded = np.arange(p + 1), np.concatenate([[0.0], weights, [0.0]])
        weights = (padded[:-1] * (p - j) + padded[1:] * (1 + j)) / p
    return weights[:degree] if degree > 1 else weights[:1]
