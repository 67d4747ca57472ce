"""Levenberg-Marquardt from many starts: scattering curves have many local minima.

Each random start is the best of a handful of draws between the bounds, with the linear
parameters already at their optimum; from there optimistix's solver goes on. Evaluating a draw
costs a fraction of a solver's step, and the better it starts the more often it ends at the
same, lowest, minimum: the starts stay independent, so their agreement is evidence.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optimistix
from jax import Array

from diffscatter.core.pytree import struct
from diffscatter.fitting.linear import best_linear
from diffscatter.fitting.problem import Problem

__all__ = ["Runs", "minimise", "search"]


@struct
class Runs:
    """What every start came to; the leading axis is the starts'.

    Attributes:
        values: free parameters at the end. Shape ``(starts, n)``.
        losses: sum of squared residuals there; infinite where it is not a number.
        steps: evaluations of the Jacobian.
        converged: whether the last step changed next to nothing.
        fitted: the prediction of the best start. Shape ``(m,)``.
        residuals: its residuals. Shape ``(m,)``.
        jacobian: derivative of its prediction times the root of the information, so that the
            inverse of its square is the covariance. Shape ``(m, n)``.
    """

    values: Array
    losses: Array
    steps: Array
    converged: Array
    fitted: Array
    residuals: Array
    jacobian: Array


@partial(jax.jit, static_argnames=("linear", "max_steps"))
def search(
    problem: Problem,
    start: Array,
    draws: Array,
    *,
    linear: tuple[int, ...] = (),
    max_steps: int = 60,
) -> Runs:
    """Minimise the loss from a given start and from the best of each group of draws.

    Args:
        problem: what to fit.
        start: values of the free parameters, ``(n,)``: start 0.
        draws: positions between the bounds, 0 to 1, ``(starts, draws, n)``.
        linear: indices of the parameters in which the prediction is linear.
        max_steps: evaluations of the Jacobian that a start may use.
    """
    parameters, data, weights = problem.parameters, problem.data, problem.weights()

    def residuals(values: Array) -> Array:
        return problem.residuals(problem.predict(values))

    def improved(values: Array) -> tuple[Array, Array]:
        better = best_linear(problem.predict, parameters, linear, values, data, weights)
        return better, _finite_or_infinite(jnp.sum(residuals(better) ** 2))

    trials = parameters.at_fractions(draws.reshape(-1, draws.shape[-1]))
    trials, quality = _over(improved, jnp.concatenate([start[None], trials]))
    groups = quality[1:].reshape(draws.shape[:2])
    chosen = trials[1:].reshape(draws.shape)[jnp.arange(len(groups)), groups.argmin(axis=1)]

    def run(values: Array):
        z, steps, converged = minimise(
            lambda z: residuals(parameters.unpack(z)),
            parameters.pack(values),
            max_steps=max_steps,
        )
        values = parameters.unpack(z)
        return values, _finite_or_infinite(jnp.sum(residuals(values) ** 2)), steps, converged

    values, losses, steps, converged = _over(run, jnp.concatenate([trials[:1], chosen]))
    best = values[jnp.argmin(losses)]
    fitted, jacobian = _value_and_jacobian(problem.predict, best)
    return Runs(
        values=values,
        losses=losses,
        steps=steps,
        converged=converged,
        fitted=fitted,
        residuals=problem.residuals(fitted),
        jacobian=jacobian * problem.information(fitted)[:, None],
    )


class _LevenbergMarquardt(optimistix.LevenbergMarquardt):
    """Damping falls after every step that went as well as foretold, not only after perfect
    ones: on curves with fringes that takes a third fewer steps."""

    def __init__(self, tolerance: float, eps: float):
        super().__init__(rtol=eps, atol=tolerance)
        self.search = optimistix.ClassicalTrustRegion(high_cutoff=0.7)


def minimise(
    residuals: Callable[[Array], Array], z: Array, *, max_steps: int
) -> tuple[Array, Array, Array]:
    """Minimise the sum of squared ``residuals``, ``(n,)`` to ``(m,)``, from one start.

    The variables are scaled by the columns of the first Jacobian, so that one unit is about a
    third of a standard deviation: damping and tolerances then mean the same for each of them.

    Returns:
        The end ``(n,)``, the number of steps, and whether it converged.
    """
    size = jnp.linalg.norm(_value_and_jacobian(residuals, z)[1], axis=0)
    # Columns that hardly matter at the start are not scaled up without limit.
    size = jnp.maximum(size, 1e-3 * jnp.max(size))
    size = 3 * jnp.where(jnp.isfinite(size) & (size > 0), size, 1.0)

    # The Jacobian is made once a step. Left to itself the solver would differentiate through
    # the model again for each product with it.
    @jax.custom_jvp
    def scaled(x: Array, args: None) -> Array:
        return residuals(x / size)

    @scaled.defjvp
    def _(primals, tangents):
        value, jacobian = _value_and_jacobian(lambda x: residuals(x / size), primals[0])
        return value, jacobian @ tangents[0]

    # The last step changed no variable and no residual by more than this: where steps shrink
    # as they should, the end is far closer to the optimum than that.
    tolerance = 1e-3
    solution = optimistix.least_squares(
        scaled,
        _LevenbergMarquardt(tolerance, float(jnp.finfo(z.dtype).eps)),
        z * size,
        max_steps=max_steps,
        throw=False,
    )
    converged = solution.result == optimistix.RESULTS.successful
    return solution.value / size, solution.stats["num_steps"], converged


def _value_and_jacobian(function: Callable, x: Array) -> tuple[Array, Array]:
    """Return ``function(x)`` and its Jacobian, forwards: parameters are few, points many."""
    along = lambda tangent: jax.jvp(function, (x,), (tangent,))
    return jax.vmap(along, out_axes=(None, -1))(jnp.eye(x.size, dtype=x.dtype))


def _finite_or_infinite(loss: Array) -> Array:
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)


def _over(function: Callable, starts: Array):
    """Map over the leading axis: side by side, but one by one on a CPU.

    There each start ends when it has converged, instead of all when the slowest has.
    """
    batch = None if jax.default_backend() == "cpu" else len(starts)
    return jax.lax.map(function, starts, batch_size=batch)
