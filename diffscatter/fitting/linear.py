r"""Parameters in which a curve is linear: their best values follow from the others.

A volume fraction and a background enter as :math:`I = c + \sum_k a_k b_k`. For any trial of the
other parameters the best :math:`a` is one small least-squares problem, so a search has to cover
the others only: of the starts that a fit draws, far more lead to the same end.
"""

from collections.abc import Callable
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.fitting.parameters import Parameters

__all__ = ["best_linear", "linear_basis", "linear_parameters"]


def linear_parameters(
    predict: Callable[[Array], Array], parameters: Parameters
) -> tuple[int, ...]:
    """Return the indices of parameters in which ``predict`` is jointly linear (affine).

    Found by second differences at large steps, between the bounds. Where several choices exist
    (a product of two scales), the parameter nearest to the top of the model is taken.

    Args:
        predict: curve at given values of the free parameters, ``(n,)`` to ``(m,)``; concrete.
        parameters: the plan.
    """
    n = len(parameters.names)
    base = np.asarray(parameters.at_fractions(jnp.full(n, 0.37)))
    step = (np.asarray(parameters.high) - base) / 2.3
    at = lambda *moved: np.asarray(predict(jnp.asarray(base + step * np.sum(moved, axis=0))))
    unit, none = np.eye(n), np.zeros(n)
    first = at(none)
    tolerance = 1e3 * np.finfo(first.dtype).eps

    def vanishes(difference: np.ndarray, *parts: np.ndarray) -> bool:
        largest = np.max(np.abs(parts), axis=0)
        return bool(
            np.isfinite(largest).all() and (abs(difference) <= tolerance * largest).all()
        )

    alone = {}
    for i in range(n):
        once, twice = at(unit[i]), at(2 * unit[i])
        matters = not vanishes(once - first, once, first)
        if matters and vanishes(twice - 2 * once + first, twice, once, first):
            alone[i] = once
    crossed = set()
    for i, j in combinations(alone, 2):
        both = at(unit[i], unit[j])
        if not vanishes(both - alone[i] - alone[j] + first, both, alone[i], alone[j], first):
            crossed.add((i, j))
    depth = lambda i: (parameters.depths[i], i)
    chosen: list[int] = []
    for i in sorted(alone, key=depth):
        if not any((min(i, j), max(i, j)) in crossed for j in chosen):
            chosen.append(i)
    return tuple(sorted(chosen))


def linear_basis(
    predict: Callable[[Array], Array], linear: tuple[int, ...], values: Array
) -> tuple[Array, Array]:
    """Return the curve with the ``linear`` parameters at zero, and its slope in each of them.

    Args:
        predict: curve at given values, a list of ``n`` scalars, to ``(m,)``. What does not
            depend on the linear parameters is computed once.
        linear: the indices from :func:`linear_parameters`.
        values: shape ``(n,)``.

    Returns:
        Shapes ``(m,)`` and ``(m, k)``.
    """
    probes = jnp.concatenate([jnp.zeros((1, len(linear))), jnp.eye(len(linear))])

    def at(a: Array) -> Array:
        # Scalars, not one vector: what does not depend on the probed ones is not repeated.
        moved = dict(zip(linear, a.astype(values.dtype), strict=True))
        return predict([moved.get(i, value) for i, value in enumerate(values)])

    curves = jax.vmap(at)(probes)
    return curves[0], (curves[1:] - curves[0]).T


def best_linear(
    basis: tuple[Array, Array],
    parameters: Parameters,
    linear: tuple[int, ...],
    values: Array,
    data: Array,
    weights: Array,
) -> tuple[Array, Array]:
    """Return ``values`` with the ``linear`` ones at their bounded optimum, and the curve there.

    Args:
        basis: from :func:`linear_basis` at ``values``.
        parameters, linear: the plan and the indices from :func:`linear_parameters`.
        values: shape ``(n,)``.
        data, weights: the curve and the inverse of its errors, shape ``(m,)``.
    """
    fixed, slopes = basis
    if not linear:
        return values, fixed
    index = np.array(linear)
    columns = slopes * weights[:, None]
    norm = jnp.linalg.norm(columns, axis=0)
    norm = jnp.where(norm > 0, norm, 1.0)
    best = _bounded_least_squares(
        columns / norm,
        (data - fixed) * weights,
        parameters.low[index] * norm,
        parameters.high[index] * norm,
    )
    best = jnp.clip(best / norm, parameters.low[index], parameters.high[index])
    best = jnp.where(jnp.isfinite(best), best, values[index])
    return values.at[index].set(best), fixed + jnp.matmul(slopes, best, precision="highest")


def _bounded_least_squares(matrix: Array, target: Array, low: Array, high: Array) -> Array:
    """Solve for a few unknowns; the one that most leaves its bounds stays there, and so on.

    For one unknown this is the optimum, for more a good place to start from.
    """
    n = matrix.shape[1]
    ridge = 10 * jnp.finfo(matrix.dtype).eps
    normal = jnp.einsum("ij,ik->jk", matrix, matrix, precision="highest")
    right = jnp.einsum("ij,i->j", matrix, target, precision="highest")

    def step(_: int, at: tuple[Array, Array]) -> tuple[Array, Array]:
        best, held = at
        moving = ~held
        system = jnp.where(moving[:, None] & moving, normal, 0.0)
        system += jnp.diag(jnp.where(moving, ridge, 1.0))
        fixed = jnp.where(held, best, 0.0)
        rest = right - jnp.matmul(normal, fixed, precision="highest")
        solved = jnp.linalg.solve(system, jnp.where(moving, rest, fixed))
        best = jnp.clip(solved, low, high)
        excess = jnp.where(moving, jnp.abs(solved - best), 0.0)
        return best, held | ((excess > 0) & (jnp.arange(n) == jnp.argmax(excess)))

    start = jnp.zeros(n, matrix.dtype), jnp.zeros(n, bool)
    return jax.lax.fori_loop(0, n + 1, step, start)[0]
