"""A killed training goes on as if nothing had happened; weights survive in a plain file."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from flax import nnx

from diffscatter.training import Checkpoints, load_beside, load_weights, save_weights


@pytest.fixture(scope="module")
def whole():
    """A run without a break."""
    return toy.run(120)


def opened(folder):
    return Checkpoints(folder, identity={"task": "toy"})


def test_killed_and_resumed_bit_for_bit(whole, tmp_path):
    words = [sys.executable, Path(toy.__file__), tmp_path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            # Two checkpoints behind it: the newer may still be on its way to the disk.
            if int(line) >= 50:
                process.kill()  # SIGKILL
        assert process.wait() == -9
    with opened(tmp_path) as checkpoints:
        assert 20 <= checkpoints.latest <= 60
        resumed = toy.run(120, checkpoints=checkpoints, resume=True)
    assert resumed.history == whole.history
    assert (resumed.best_loss, resumed.best_step) == (whole.best_loss, whole.best_step)
    every = [nnx.state(t.model, nnx.Not(nnx.RngState)) for t in (resumed, whole)]
    assert jax.tree.all(jax.tree.map(np.array_equal, *every))


def test_interrupted_and_resumed(whole, tmp_path):
    def stop(step, *_):
        if step == 50:
            raise KeyboardInterrupt

    with opened(tmp_path) as checkpoints:
        broken = toy.run(120, checkpoints=checkpoints, on_chunk=stop)
        assert broken.reason == "interrupted" and "after 50 of 120 steps" in broken.status
        assert broken.history.rows == whole.history.rows[:5]
        with pytest.raises(ValueError, match="holds a run up to step 50; resume it"):
            toy.run(120, checkpoints=checkpoints)
        with pytest.raises(ValueError, match="made with batch 32, not 16"):
            toy.run(120, checkpoints=checkpoints, resume=True, batch=16)
        resumed = toy.run(120, checkpoints=checkpoints, resume=True)
    assert resumed.history == whole.history and resumed.seconds >= broken.seconds
    with Checkpoints(tmp_path, identity={"task": "other"}) as checkpoints:
        with pytest.raises(ValueError, match="made with task toy, not other"):
            toy.run(120, checkpoints=checkpoints, resume=True)


def test_restores_keys_and_refuses_another_tree(tmp_path):
    tree = {"key": jax.random.key(5), "numbers": [jnp.arange(3), jnp.float32(0.1)]}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, tree, {"words": "as they are", "none": None})
        empty = jax.tree.map(jnp.zeros_like, tree | {"key": jax.random.key(0)})
        found, record = checkpoints.restore(empty)
        with pytest.raises(ValueError, match=r"network with .*int32\[3\], not float32\[3\]"):
            checkpoints.restore(empty | {"numbers": [jnp.zeros(3), jnp.zeros(())]})
    assert record == {"words": "as they are", "none": None}
    assert jax.random.key_data(found["key"]).tolist() == [0, 5]
    assert jax.tree.all(jax.tree.map(np.array_equal, found["numbers"], tree["numbers"]))


def test_weights_survive(whole, tmp_path):
    path, made = tmp_path / "weights.h5", {"seed": 3, "command": "train toy"}
    beside = {"numbers": np.arange(3.0), "deep/er": np.float32(2.5)}
    save_weights(path, whole.model, made, beside=beside)
    assert jax.tree.all(jax.tree.map(np.array_equal, load_beside(path), beside))
    graph, rest, state = nnx.split(whole.model, nnx.RngState, ...)
    network = nnx.merge(graph, rest, jax.tree.map(jnp.zeros_like, state))
    assert load_weights(path, network) == made
    found = nnx.state(network, nnx.Not(nnx.RngState))
    assert jax.tree.all(jax.tree.map(np.array_equal, found, state))
    other = nnx.Linear(8, 16, rngs=nnx.Rngs(0))
    before = np.asarray(other.kernel[...])
    with pytest.raises(ValueError, match=r"bias is absent, not float32\[16\]"):
        load_weights(path, other)
    np.testing.assert_array_equal(other.kernel[...], before)
