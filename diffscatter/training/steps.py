"""The compiled part of a training: draws, steps and validation. Nothing in it is physics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from diffscatter.core.pytree import struct

__all__ = ["Draw", "Loss", "Recipe", "Walk", "advance", "begin", "held_out", "judged"]

Draw = Callable[[Array, int], tuple[Any, Any]]
Loss = Callable[[nnx.Module, Any, Any], Array]


@dataclass(frozen=True)
class Recipe:
    """What the compiled program is built from."""

    training: nnx.GraphDef
    evaluation: nnx.GraphDef
    loss: Loss
    optimiser: Any
    batch: int


@struct
class Walk:
    """Where the descent is.

    Attributes:
        parameters, rest: the network's, trained and not.
        optimiser: its state.
        step: number of steps taken.
    """

    parameters: Any
    rest: Any
    optimiser: Any
    step: Array


def begin(model: nnx.Module, loss: Loss, optimiser: Any, batch: int) -> tuple[Recipe, Walk]:
    """Return what a network's program is built from, and where its descent begins."""
    model = nnx.clone(model)
    model.train()
    training = nnx.graphdef(model)
    model.eval()
    evaluation, parameters, rest = nnx.split(model, nnx.Param, ...)
    recipe = Recipe(training, evaluation, loss, optimiser, batch)
    walk = Walk(
        parameters=parameters,
        rest=rest,
        optimiser=optimiser.init(parameters),
        step=jnp.int32(0),
    )
    return recipe, walk


@partial(jax.jit, static_argnums=(2, 3))
def held_out(draw: Draw, key: Array, batch: int, count: int) -> tuple[Any, Any]:
    """Return validation batches, stacked."""
    one = lambda i: draw(jax.random.fold_in(key, i), batch)
    return jax.lax.map(one, jnp.arange(count))


@partial(jax.jit, static_argnums=0)
def judged(recipe: Recipe, parameters: Any, rest: Any, held: tuple[Any, Any]) -> Array:
    """Return the mean loss over validation batches."""
    model = nnx.merge(recipe.evaluation, parameters, rest)
    return jax.lax.map(lambda data: recipe.loss(model, *data), held).mean()


# The walk's buffers are not donated: Ctrl-C in the middle would leave none.
@partial(jax.jit, static_argnums=(0, 6))
def advance(
    recipe: Recipe, draw: Draw, key: Array, scale: Array, walk: Walk, count: Array, size: int
) -> tuple[Walk, Array, Array]:
    """Take ``count`` steps, or fewer if one would lead to what is not finite.

    Returns:
        The walk, losses before each step in an array of ``size``, and whether all was finite.
    """
    import optax

    def step(carry):
        walk, losses, taken, _ = carry
        inputs, targets = draw(jax.random.fold_in(key, walk.step), recipe.batch)

        def objective(parameters):
            # A copy, because averages can only be moved where their variables were made.
            model = nnx.merge(recipe.training, parameters, walk.rest, copy=True)
            value = recipe.loss(model, inputs, targets)
            return value, nnx.split(model, nnx.Param, ...)[2]

        (loss, rest), slopes = jax.value_and_grad(objective, has_aux=True)(walk.parameters)
        updates, state = recipe.optimiser.update(slopes, walk.optimiser, walk.parameters)
        updates = jax.tree.map(lambda u: u * scale.astype(u.dtype), updates)
        new = Walk(
            parameters=optax.apply_updates(walk.parameters, updates),
            rest=rest,
            optimiser=state,
            step=walk.step + 1,
        )
        finite = (jnp.isfinite(leaf).all() for leaf in _numbers((loss, new)))
        sound = jnp.stack(list(finite)).all()
        new = jax.tree.map(lambda new, old: jnp.where(sound, new, old), new, walk)
        return new, losses.at[taken].set(loss), taken + 1, sound

    start = walk, jnp.zeros(size), jnp.int32(0), jnp.array(True)
    going = lambda carry: carry[3] & (carry[2] < count)
    walk, losses, _, sound = jax.lax.while_loop(going, step, start)
    return walk, losses, sound


def _numbers(tree: Any) -> list[Array]:
    """Return the leaves that can be other than finite."""
    return [a for a in jax.tree.leaves(tree) if jnp.issubdtype(a.dtype, jnp.inexact)]
