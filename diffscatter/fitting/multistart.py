"""A search from many starts: scattering curves have many local minima.

Each random start is the best of a handful of draws between the bounds, with the linear
parameters already at their optimum; from there a solver goes on. Evaluating a draw costs a
fraction of a solver's step, and the better it starts the more often it ends at the same,
lowest, minimum: the starts stay independent, so their agreement is evidence.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.pytree import struct
from diffscatter.fitting.lbfgs import lbfgs
from diffscatter.fitting.levenberg import levenberg_marquardt
from diffscatter.fitting.linear import best_linear, linear_basis
from diffscatter.fitting.problem import Problem

__all__ = [
    "METHODS",
    "Ends",
    "Runs",
    "best_of_groups",
    "chosen_starts",
    "descend",
    "improved",
    "over",
    "search",
]

# Name to the number of steps that a start may take, where the caller gives none.
METHODS = {"lm": 100, "lbfgs": 1000}
# Starts of one compiled call: between two calls a search can be interrupted.
_TOGETHER = 16


@struct
class Ends:
    """Where starts ended; the leading axis is the starts'.

    Attributes:
        values: free parameters at the end. Shape ``(starts, n)``.
        losses: sum of squared residuals there; infinite where it is not a number.
        steps: evaluations of the Jacobian.
        converged: whether the last step changed next to nothing.
        fitted: the prediction. Shape ``(starts, m)``.
        residuals: its residuals. Shape ``(starts, m)``.
        jacobian: derivative of the prediction times the root of the information, so that the
            inverse of its square is the covariance. Shape ``(starts, m, n)``.
    """

    values: Array
    losses: Array
    steps: Array
    converged: Array
    fitted: Array
    residuals: Array
    jacobian: Array


@struct
class Runs:
    """What every start came to, and the best of them in full, as numpy arrays.

    Attributes:
        values, losses, steps, converged: as in :class:`Ends`.
        fitted, residuals, jacobian: of the best start. Shapes ``(m,)`` and ``(m, n)``.
        asked: how many starts there were to be; fewer came to an end where it was interrupted.
    """

    values: np.ndarray
    losses: np.ndarray
    steps: np.ndarray
    converged: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    asked: int


def search(
    problem: Problem,
    start: Array,
    draws: Array,
    *,
    linear: tuple[int, ...] = (),
    method: str = "lm",
    max_steps: int = 100,
) -> Runs:
    """Minimise the loss from a given start and from the best of each group of draws.

    Ctrl-C ends the search; the starts that came to an end until then count.

    Args:
        problem: what to fit.
        start: values of the free parameters, ``(n,)``: start 0.
        draws: positions between the bounds, 0 to 1, ``(starts, draws, n)``.
        linear: indices of the parameters in which the prediction is linear.
        method: one of ``METHODS``.
        max_steps: evaluations of the Jacobian that a start may use.
    """
    starts = chosen_starts(problem, start, draws, linear=linear)
    asked = len(starts)
    blocks = 1 if jax.default_backend() != "cpu" else -(-asked // _TOGETHER)
    size = -(-asked // blocks)
    done: list[Any] = []
    best: tuple | None = None
    try:
        for first in range(0, asked, size):
            # The last block is filled up with its last start, so that one program serves all.
            rows = np.minimum(np.arange(first, first + size), asked - 1)
            ends = _descend(problem, starts[rows], method=method, max_steps=max_steps)
            count = min(size, asked - first)
            losses = np.asarray(ends.losses)[:count]
            done.append(
                (ends.values[:count], losses, ends.steps[:count], ends.converged[:count])
            )
            at = int(np.argmin(losses))
            if best is None or losses[at] < best[0]:
                full = (ends.fitted[at], ends.residuals[at], ends.jacobian[at])
                best = (losses[at], *(np.asarray(a) for a in full))
    except KeyboardInterrupt:
        if best is None:
            raise
    values, losses, steps, converged = (
        np.concatenate(parts) for parts in zip(*done, strict=True)
    )
    _, fitted, residuals, jacobian = best
    return Runs(
        values=values,
        losses=losses,
        steps=steps,
        converged=converged,
        fitted=fitted,
        residuals=residuals,
        jacobian=jacobian,
        asked=asked,
    )


def improved(
    problem: Problem, linear: tuple[int, ...], values: Array, basis: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Return ``values`` with the linear parameters at their optimum, and the loss there.

    Args:
        problem, values: the curve and the trial ``(n,)``.
        linear: indices of the parameters in which the prediction is linear.
        basis: what :func:`~diffscatter.fitting.linear.linear_basis` gives at ``values``.
    """
    data, weights = problem.data, problem.weights()
    better, curve = best_linear(basis, problem.parameters, linear, values, data, weights)
    return better, _finite_or_infinite(jnp.sum(problem.residuals(curve) ** 2))


def best_of_groups(values: Array, losses: Array, draws: tuple[int, int]) -> Array:
    """Return the best of each group, ``(starts, n)``, of ``starts * draws`` trials."""
    chosen = losses.reshape(draws).argmin(axis=1)
    return values.reshape(*draws, values.shape[1])[jnp.arange(draws[0]), chosen]


@partial(jax.jit, static_argnames=("linear",))
def chosen_starts(
    problem: Problem, start: Array, draws: Array, *, linear: tuple[int, ...]
) -> Array:
    """Return the start and the best of each group, linear parameters at their optimum."""
    trials = problem.parameters.at_fractions(draws.reshape(-1, draws.shape[-1]))
    basis = lambda values: linear_basis(problem.predict, linear, values)
    better = lambda values: improved(problem, linear, values, basis(values))
    values, losses = over(better, jnp.concatenate([start[None], trials]))
    chosen = best_of_groups(values[1:], losses[1:], draws.shape[:2])
    return jnp.concatenate([values[:1], chosen])


def descend(problem: Problem, starts: Array, *, method: str, max_steps: int) -> Ends:
    """Minimise the loss from each of ``starts``, values ``(starts, n)``."""
    parameters = problem.parameters

    def by_lm(values: Array) -> Ends:
        end = levenberg_marquardt(
            problem.linearise,
            problem.residuals,
            parameters.unpack,
            parameters.pack(values),
            problem.data.size,
            max_steps=max_steps,
        )
        return ended(end.z, end.steps, end.converged, end.loss, (end.predicted, end.jacobian))

    def by_lbfgs(values: Array) -> Ends:
        loss_at = lambda z: loss(problem.predict(parameters.unpack(z)))
        z = parameters.pack(values)
        z, steps, converged = lbfgs(loss_at, z, problem.data.size, max_steps=max_steps)
        curve = problem.linearise(parameters.unpack(z))
        return ended(z, steps, converged, _finite_or_infinite(loss(curve[0])), curve)

    def loss(predicted: Array) -> Array:
        return jnp.sum(problem.residuals(predicted) ** 2)

    def ended(z, steps, converged, loss, curve) -> Ends:
        predicted, jacobian = curve
        return Ends(
            values=parameters.unpack(z),
            losses=loss,
            steps=steps,
            converged=converged,
            fitted=predicted,
            residuals=problem.residuals(predicted),
            jacobian=jacobian * problem.information(predicted)[:, None],
        )

    return over({"lm": by_lm, "lbfgs": by_lbfgs}[method], starts)


_descend = jax.jit(descend, static_argnames=("method", "max_steps"))


def over(function: Callable, rows: Any, together: int | None = None) -> Any:
    """Map over the leading axis: side by side, but one by one on a CPU.

    There each row ends when it has converged, instead of all when the slowest has.

    Args:
        function: of one row.
        rows: an array or a tree of arrays.
        together: how many an accelerator takes at once; all by default.
    """
    if jax.default_backend() == "cpu":
        return jax.lax.map(function, rows)
    count = len(jax.tree.leaves(rows)[0])
    return jax.lax.map(function, rows, batch_size=min(together or count, count))


def _finite_or_infinite(loss: Array) -> Array:
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)
