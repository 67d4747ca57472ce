"""A task that a tiny network learns in seconds, and a process that trains it.

python toy.py FOLDER: trains with checkpoints in FOLDER and prints the steps taken, until it
is killed.
"""

import sys

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from diffscatter.training import Checkpoints, train

OPTIMISER = optax.adam(3e-2)
OPTIONS = {"key": jax.random.key(3), "batch": 32, "chunk": 10, "every": 20, "validation": 4}


class Net(nnx.Module):
    """Averages and dropout: all that a resume must bring back besides the weights."""

    def __init__(self, key):
        rngs = nnx.Rngs(key)
        self.first = nnx.Linear(8, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.05, rngs=rngs)
        self.last = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))[:, 0]


def draw(key, batch):
    """Sines and their frequencies."""
    one, other = jax.random.split(key)
    frequency = jax.random.uniform(one, (batch,))
    curves = jnp.sin(3 * frequency[:, None] * jnp.arange(8) / 8)
    return curves + 0.02 * jax.random.normal(other, curves.shape), frequency


def loss(model, curves, frequency):
    return jnp.mean((model(curves) - frequency) ** 2)


def run(steps, **options):
    network = Net(jax.random.key(0))
    return train(
        network, loss, draw, steps=steps, **{"optimiser": OPTIMISER} | OPTIONS | options
    )


if __name__ == "__main__":
    with Checkpoints(sys.argv[1], identity={"task": "toy"}) as checkpoints:
        said = lambda step, *_: print(step, flush=True)
        run(10**6, checkpoints=checkpoints, on_chunk=said)
