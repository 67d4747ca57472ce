r"""Levenberg-Marquardt for one start, in one loop with one evaluation of the model a step.

.. math:: \min_s \|J s + r\|^2 + \lambda \|D s\|^2

D are the lengths of the columns of J, so that damping means the same for each variable
(Marquardt, J. SIAM 11 (1963) 431), and :math:`\lambda` follows the ratio of achieved to
foretold gain (Nielsen, report IMM-REP-1999-05).

General solvers evaluate the residuals of a trial first and the Jacobian once it is accepted.
With few parameters a curve *with* its Jacobian costs about two curves and most trials are
accepted, so a loop that always takes both is faster. It also holds the model once only, and
compiling the model is what a single fit waits for.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from diffscatter.core.pytree import replace, struct

__all__ = ["Descent", "levenberg_marquardt"]

# Ends where a step foretells a gain below this part of the loss per datum: the square of the
# distance still to go in standard deviations, which the last step covers.
_GAIN = 1e-6
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-2, 1e-12, 1e12
# Above this damping a small foretold gain says little: weak directions are held back.
_LIGHT_DAMPING = 1e-4
# Columns that hardly matter are not scaled up without limit.
_LEAST_COLUMN = 1e-3


@struct
class Descent:
    """Where a start is.

    Attributes:
        z: unbounded variables. Shape ``(n,)``.
        predicted, jacobian: the prediction there, and its derivative with respect to the
            *values* of the parameters. Shapes ``(m,)`` and ``(m, n)``.
        loss: sum of squared residuals; infinite before the first evaluation.
        steps: evaluations of the Jacobian.
        converged: whether the last step changed next to nothing.
        damping, growth: the solver's own.
    """

    z: Array
    predicted: Array
    jacobian: Array
    loss: Array
    steps: Array
    converged: Array
    damping: Array
    growth: Array


def levenberg_marquardt(
    linearise: Callable[[Array], tuple[Array, Array]],
    residuals: Callable[[Array], Array],
    unpack: Callable[[Array], Array],
    z: Array,
    length: int,
    *,
    max_steps: int,
) -> Descent:
    """Minimise the sum of squared residuals from one start.

    Args:
        linearise: values ``(n,)`` to the prediction ``(m,)`` and its Jacobian ``(m, n)``.
        residuals: of the prediction, elementwise.
        unpack: unbounded variables to values, elementwise.
        z: the start, ``(n,)``.
        length: m.
        max_steps: evaluations of the Jacobian.
    """
    n, dtype = z.size, z.dtype
    eps = float(jnp.finfo(dtype).eps)
    slope_of = lambda function, x: jax.jvp(function, (x,), (jnp.ones_like(x),))

    def body(at: Descent) -> Descent:
        values, stretch = slope_of(unpack, at.z)
        r, bend = slope_of(residuals, at.predicted)
        first = jnp.isinf(at.loss)
        r = jnp.where(first, 0.0, r)
        matrix = jnp.nan_to_num(bend[:, None] * at.jacobian * stretch, posinf=0.0, neginf=0.0)
        size = jnp.linalg.norm(matrix, axis=0)
        size = jnp.maximum(size, _LEAST_COLUMN * jnp.max(size))
        unit = jnp.where(size > 0, size, 1.0)
        step, foretold = _damped_step(matrix / unit, r, at.damping)

        z = at.z + step / unit
        predicted, jacobian = linearise(unpack(z))
        new = residuals(predicted)
        loss = jnp.sum(new**2)
        loss = jnp.where(jnp.isfinite(loss), loss, jnp.inf)
        # What rounding of the prediction leaves in the loss and in what a step foretells.
        blur = 4 * eps * jnp.abs(bend * at.predicted)
        rounding = jnp.where(first, 0.0, 8 * eps * at.loss + 2 * jnp.sum(blur * jnp.abs(r)))
        gain = at.loss - loss
        better = jnp.isfinite(loss) & (gain >= -rounding)
        enough = _GAIN * at.loss / length + jnp.sum(blur**2)
        settled = ~first & (foretold <= enough) & (at.damping <= _LIGHT_DAMPING)
        # No step that could still matter goes down: rounding, or a kink.
        stuck = at.damping >= _MOST_DAMPING

        told = foretold > rounding
        ratio = jnp.clip(jnp.where(told, gain / jnp.where(told, foretold, 1.0), 1.0), 0.0, 1.0)
        damping = jnp.where(
            better,
            at.damping * jnp.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3),
            at.damping * at.growth,
        )
        keep = lambda moved, old: jnp.where(better, moved, old)
        return Descent(
            z=keep(z, at.z),
            predicted=keep(predicted, at.predicted),
            jacobian=keep(jacobian, at.jacobian),
            loss=keep(loss, at.loss),
            steps=at.steps + 1,
            converged=settled | first & ~better | stuck,
            damping=jnp.where(first, at.damping, jnp.clip(damping, _LEAST_DAMPING)),
            growth=jnp.where(better, 2.0, 2 * at.growth),
        )

    start = Descent(
        z=z,
        predicted=jnp.zeros(length, dtype),
        jacobian=jnp.zeros((length, n), dtype),
        loss=jnp.full((), jnp.inf, dtype),
        steps=jnp.int32(0),
        converged=jnp.array(False),
        damping=jnp.full((), _FIRST_DAMPING, dtype),
        growth=jnp.full((), 2.0, dtype),
    )
    go_on = lambda at: ~at.converged & (at.steps <= max_steps)
    end = jax.lax.while_loop(go_on, body, start)
    return replace(end, converged=end.converged & jnp.isfinite(end.loss), steps=end.steps - 1)


def _damped_step(matrix: Array, r: Array, damping: Array) -> tuple[Array, Array]:
    """Return the step, and by how much it should lower the sum of squares."""
    n = matrix.shape[1]
    # One orthogonal reduction of [J | r] leaves all that the step needs.
    triangle = jnp.linalg.qr(jnp.concatenate([matrix, r[:, None]], axis=1), mode="r")
    upper, right = triangle[:n, :n], triangle[:n, n]
    root = jnp.sqrt(damping)
    below = jnp.concatenate([root * jnp.eye(n, dtype=r.dtype), jnp.zeros((n, 1), r.dtype)], 1)
    stacked = jnp.concatenate([triangle[:n], below])
    damped = jnp.linalg.qr(stacked, mode="r")
    step = -jax.scipy.linalg.solve_triangular(damped[:n, :n], damped[:n, n])
    along = jnp.matmul(upper, step, precision="highest")
    return step, -(2 * jnp.dot(right, along) + jnp.dot(along, along))
