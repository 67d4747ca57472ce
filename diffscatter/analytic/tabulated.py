"""A function of one wave number, evaluated once on a fine grid and looked up from there.

What an average over orientations needs of a population is often a function of one component
of q alone. It has no wave shorter than the largest body gives it, so a grid of two points to
a radian of the squared amplitude's phase says all there is to know.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from diffscatter.analytic.quadrature import run_time_count

__all__ = ["tabulated"]

_DEGREE = 7
_TURN = 0.8  # rad of the squared amplitude in a panel: a wave of that is then exact to 1e-10
_CHUNK = 16  # panels evaluated at once
LIMIT = 512  # chunks: half a megabyte
# From values at Chebyshev's points of [-1, 1] to coefficients of powers.
_POINTS = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
_POWERS = np.linalg.inv(np.vander(_POINTS, increasing=True)).T


def tabulated(
    function: Callable[[Array], Array], top: Array, reach: Array, limit: int = LIMIT
) -> Callable[[Array], Array]:
    """Return a quick version of a function of k in ``[0, top]``; any shape of k.

    Differentiable forwards. Where the grid would be too large, it is the function itself.

    Args:
        function: of k, one axis, 1/nm; the square of what turns by ``reach`` for each 1/nm.
        top: largest k, 1/nm.
        reach: half width of the largest body, nm.
        limit: chunks of the largest grid, 1 kB each and for each body that is averaged over.
    """
    top, reach = lax.stop_gradient((top, reach))
    chunks = run_time_count(top * 2 * reach / (_TURN * _CHUNK))
    fits = chunks <= limit
    step = top / jnp.minimum(chunks * _CHUNK, limit * _CHUNK)
    step = jnp.where(step > 0, step, 1e-12)  # where k is 0 alone
    offsets = jnp.asarray((_POINTS + 1) / 2, step.dtype)
    powers = jnp.asarray(_POWERS, step.dtype)

    def fill(c: Array, table: Array) -> Array:
        panels = c * _CHUNK + jnp.arange(_CHUNK)
        values = function((step * (panels[:, None] + offsets)).ravel())
        rows = jnp.matmul(values.reshape(_CHUNK, -1), powers, precision="highest")
        rows = rows.astype(table.dtype).ravel()
        return lax.dynamic_update_slice(table, rows, (c * rows.size,))

    kind = jax.eval_shape(function, jnp.zeros(_CHUNK * (_DEGREE + 1), step.dtype)).dtype
    empty = jnp.zeros(limit * _CHUNK * (_DEGREE + 1), kind)
    used = jnp.where(fits, chunks, 0)
    table = lax.fori_loop(jnp.int32(0), used, fill, empty)

    def look_up(k: Array) -> Array:
        t = k / step
        panel = jnp.clip(t.astype(jnp.int32), 0, used * _CHUNK - 1)
        x = 2 * (t - panel) - 1
        first = panel * (_DEGREE + 1)
        total = table.at[first + _DEGREE].get(mode="promise_in_bounds")
        for n in reversed(range(_DEGREE)):
            total = total * x + table.at[first + n].get(mode="promise_in_bounds")
        return total

    directly = lambda k: function(k.ravel()).reshape(k.shape).astype(kind)
    return lambda k: lax.cond(fits, look_up, directly, k)
