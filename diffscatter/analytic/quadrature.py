r"""Sums whose length is chosen while the program runs: the quadratures of this package.

A form factor oscillates with a phase of about q times a length, so the number of nodes an
average needs depends on values that are tracers inside ``jit``, ``grad`` and ``vmap``, where
array shapes must already be fixed. Here a sum is cut into blocks of fixed shape; how many of
them are *used* is a run-time number, up to a static limit, and the rest cost nothing. A fit
may therefore let a radius grow without its curve losing accuracy, and a plan made for a small
body never has to be made again for a large one.

Everything is differentiable forwards and backwards. The counts themselves carry no gradient.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.typing import ArrayLike

__all__ = ["LIMIT", "in_blocks", "run_time_count", "streamed_sum"]

LIMIT = 1024  # blocks of a sum, at most


@custom_vmap
def _largest(x: Array) -> Array:
    """Return ``x``, and under ``vmap`` its maximum over the batch, no longer batched.

    A condition on the result stays a condition instead of becoming a selection that evaluates
    both branches: one plan serves the whole batch.
    """
    return x


@_largest.def_vmap
def _(axis_size, in_batched, x):
    return _largest(jnp.max(x, axis=0)), False


def streamed_sum(term: Callable, count: ArrayLike, limit: int = LIMIT):
    """Return ``sum(term(j) for j in range(count))``, ``count`` known only at run time.

    Args:
        term: takes an index, returns an array or a tree of arrays of fixed shapes. It is
            recomputed in the backward pass, so memory does not grow with the count.
        count: how many terms; a Python integer unrolls nothing and skips nothing. Not above
            ``limit``; terms beyond it are left out.
        limit: static bound of ``count``.
    """
    body = jax.checkpoint(term)
    if isinstance(count, int):
        return _scan(lambda total, j: _add(total, body(j)), term, count)
    # Two levels, so that skipping the unused terms takes 64 steps and not 1024.
    group = round(limit**0.5)

    def add_group(total, g):
        step = lambda total, i: _conditional(i < count - g * group, body, total, g * group + i)
        return _scan(step, term, group, total)

    skip = lambda total, g: total
    step = lambda total, g: lax.cond(g * group < count, add_group, skip, total, g)
    return _scan(step, term, -(-limit // group))


def _add(total, values):
    return jax.tree.map(jnp.add, total, values)


def _conditional(used: Array, body: Callable, total, j: Array):
    skip = lambda total, j: total
    return lax.cond(used, lambda total, j: _add(total, body(j)), skip, total, j)


def _scan(step: Callable, term: Callable, length: int, start=None):
    if start is None:
        shapes = jax.eval_shape(term, jnp.int32(0))
        start = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    over = lambda total, j: (step(total, j), None)
    return lax.scan(over, start, jnp.arange(length, dtype=jnp.int32))[0]


def in_blocks(function: Callable[[Array], Array], q: Array, size: int = 128) -> Array:
    """Return ``function(q)`` computed block by block of q, in the shape of ``q``.

    Each block plans its own quadrature from its own largest q, so low q is cheap when the axis
    is sorted; and a block's intermediates stay in the caches. Blocks hold ``size`` points, more
    where there are very many.
    """
    flat = q.ravel()
    size = max(size, flat.size * size // 1024)
    if flat.size <= size:
        return function(flat).reshape(q.shape)
    blocks = -(-flat.size // size)
    size = -(-flat.size // blocks)
    padded = jnp.pad(flat, (0, blocks * size - flat.size), mode="edge")
    values = lax.map(function, padded.reshape(blocks, size))
    return values.ravel()[: flat.size].reshape(q.shape)


def run_time_count(blocks: Array) -> Array:
    """Round a number of blocks up to an integer, the same for a whole batch, at least 1."""
    blocks = jnp.nan_to_num(lax.stop_gradient(blocks), nan=1.0)
    return _largest(jnp.ceil(jnp.clip(blocks, 1, 1e9))).astype(jnp.int32)
