r"""Sums whose length is chosen while the program runs: the quadratures of this package.

A form factor oscillates with a phase of about q times a length, so the number of nodes an
average needs depends on values that are tracers inside ``jit``, ``grad`` and ``vmap``, where
array shapes must already be fixed. Here a sum is cut into blocks of fixed shape; how many of
them are *used* is a run-time number, up to a static limit, and the rest cost nothing. A fit
may therefore let a radius grow without its curve losing accuracy, and a plan made for a small
body never has to be made again for a large one.

Everything is differentiable forwards and backwards. The counts themselves carry no gradient.
A curve has many points and few parameters, each point depends on its own q alone, and the
derivatives of a node share its sines: so :func:`along_q` takes them forwards, all at once,
whichever way the program around it is differentiated.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

__all__ = [
    "LIMIT",
    "along_q",
    "counted_sum",
    "in_blocks",
    "largest_of_batch",
    "run_time_count",
    "streamed_sum",
]

LIMIT = 1024  # blocks of a sum, at most


@custom_vmap
def largest_of_batch(x: Array) -> Array:
    """Return ``x``, and under ``vmap`` its maximum over the batch, no longer batched.

    A condition on the result stays a condition instead of becoming a selection that evaluates
    both branches: one plan serves the whole batch.
    """
    return x


@largest_of_batch.def_vmap
def _(axis_size, in_batched, x):
    return largest_of_batch(jnp.max(x, axis=0)), False


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


def counted_sum(term: Callable, count: ArrayLike):
    """Return the sum of :func:`streamed_sum` without a limit, and only differentiable forwards.

    It is the faster one within :func:`along_q`, which needs no more.
    """
    shapes = jax.eval_shape(term, jnp.int32(0))
    start = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    count = jnp.asarray(count, jnp.int32)
    return lax.fori_loop(jnp.int32(0), count, lambda j, total: _add(total, term(j)), start)


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
    return largest_of_batch(jnp.ceil(jnp.clip(blocks, 1, 1e9))).astype(jnp.int32)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def along_q(function: Callable[[Any, Array], Any], parameters: Any, q: Array) -> Any:
    """Return ``function(parameters, q)``, with derivatives as cheap backwards as forwards.

    They are taken forwards, for all parameters that vary at once, and multiply what arrives
    from either side; so ``function`` may hold loops of a length known only at run time.

    Args:
        function: takes the parameters and q; must not close over traced values. Its results
            have q as last axis, and each point depends on its own q alone.
        parameters: a tree of a few numbers.
        q: one axis.
    """
    return function(parameters, q)


@partial(along_q.defjvp, symbolic_zeros=True)
def _(function, primals, tangents):
    (parameters, q), (moves, q_move) = primals, tangents
    leaves, tree = jax.tree.flatten(parameters)
    moves = tree.flatten_up_to(moves)
    moved = tuple(i for i, move in enumerate(moves) if not isinstance(move, SymbolicZero))
    q_moves = not isinstance(q_move, SymbolicZero)
    values, by_parameter, by_q = along_q(
        partial(_with_slopes, function, tree, moved, q_moves), leaves, q
    )
    steps = jnp.concatenate([jnp.zeros(0), *(jnp.ravel(moves[i]) for i in moved)])

    def tangent(by_parameter, by_q):
        total = jnp.tensordot(steps.astype(by_q.dtype), by_parameter, 1, precision="highest")
        return total + by_q * q_move if q_moves else total

    return values, jax.tree.map(tangent, by_parameter, by_q)


def _with_slopes(function, tree, moved, q_moves, leaves, q):
    """Return values, and derivatives by each of the numbers in ``moved`` leaves, and by q."""
    numbers, unravel = ravel_pytree([leaves[i] for i in moved])

    def at(numbers, q):
        changed = dict(zip(moved, unravel(numbers), strict=True))
        return function(tree.unflatten([changed.get(i, x) for i, x in enumerate(leaves)]), q)

    size = numbers.size
    directions = jnp.eye(size + q_moves, size, dtype=numbers.dtype)
    q_directions = jnp.eye(size + 1, dtype=q.dtype)[: size + q_moves, size:]
    push = lambda n, d: jax.jvp(at, (numbers, q), (n, jnp.broadcast_to(d, q.shape)))
    if not q_moves:
        push = lambda n, d: jax.jvp(lambda numbers: at(numbers, q), (numbers,), (n,))
    values, slopes = jax.vmap(push, out_axes=(None, 0))(directions, q_directions)
    split = lambda s: (s[:size], s[-1])
    by_parameter, by_q = (jax.tree.map(lambda s, k=k: split(s)[k], slopes) for k in (0, 1))
    return values, by_parameter, by_q
