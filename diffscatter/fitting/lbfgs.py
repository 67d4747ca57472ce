"""L-BFGS for one start, through optax: for many parameters, where a Jacobian costs too much.

Only gradients are taken, backwards, whose cost does not grow with the number of parameters.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["lbfgs"]

# Ends where a step lowers the loss by less than this part of the loss per datum.
_GAIN = 1e-8


def lbfgs(
    loss: Callable[[Array], Array], z: Array, length: int, *, max_steps: int
) -> tuple[Array, Array, Array]:
    """Minimise ``loss``, a sum of squares, from one start.

    Args:
        loss: of the unbounded variables ``(n,)``.
        z: the start.
        length: number of squares in the sum.
        max_steps: line searches.

    Returns:
        The end ``(n,)``, the number of steps, and whether it converged.
    """
    import optax  # few fits need it

    optimiser = optax.lbfgs(memory_size=20)
    value_and_grad = optax.value_and_grad_from_state(loss)

    def body(at):
        x, state, old, steps, calm = at
        value, slope = value_and_grad(x, state=state)
        updates, state = optimiser.update(
            slope, state, x, value=value, grad=slope, value_fn=loss
        )
        moved = optax.apply_updates(x, updates)
        # A step that leads to no number is not taken.
        x = jnp.where(jnp.isfinite(moved).all(), moved, x)
        # Twice in a row: one short step may be the line search's.
        calm = jnp.where(old - value <= _GAIN * value / length, calm + 1, 0)
        return x, state, value, steps + 1, calm

    start = jnp.full((), jnp.inf, z.dtype)
    begin = z, optimiser.init(z), start, jnp.int32(0), jnp.int32(0)
    go_on = lambda at: (at[4] < 2) & (at[3] < max_steps) & ~jnp.isnan(at[2])
    x, _, value, steps, calm = jax.lax.while_loop(go_on, body, begin)
    return x, steps, (calm >= 2) & jnp.isfinite(value)
