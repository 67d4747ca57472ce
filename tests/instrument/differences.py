"""Gradients against central differences: one compiled program each."""

import jax
import jax.numpy as jnp
import numpy as np


def assert_gradient(function, arguments, *, rtol=1e-5, step=1e-6, seed=0):
    """Compare the gradient of every argument with differences along random directions.

    Call in double precision. Each argument's own scale sets the step, so that a distance and
    a tilt are differenced alike. Returns the compiled gradient, for other arguments.
    """
    leaves, tree = jax.tree.flatten(arguments)
    compiled = jax.jit(lambda *leaves: function(*jax.tree.unflatten(tree, leaves)))
    gradient = jax.jit(jax.grad(compiled, argnums=tuple(range(len(leaves)))))
    slopes = gradient(*leaves)
    rng = np.random.default_rng(seed)
    for i, (leaf, slope) in enumerate(zip(leaves, slopes, strict=True)):
        scale = float(jnp.abs(leaf).max()) or 1.0
        along = rng.uniform(0.5, 1.0, leaf.shape) * rng.choice([-1, 1], leaf.shape) * scale
        ends = []
        for sign in (1, -1):
            moved = list(leaves)
            moved[i] = leaf + sign * step * along
            ends.append(float(compiled(*moved)))
        difference, size = (
            (ends[0] - ends[1]) / (2 * step),
            float(jnp.sum(jnp.abs(slope * along))),
        )
        # What cancels in a difference: rounding of the value over the step.
        rounding = 1e-14 * abs(ends[0]) / step
        error = abs(float(jnp.sum(slope * along)) - difference)
        assert error <= rtol * size + rounding, (i, difference, error, size)
        assert size > 0, i
    return lambda arguments: gradient(*jax.tree.leaves(arguments))
