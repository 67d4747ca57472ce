"""Training: it learns, repeats itself, keeps its best, stops in time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy
from flax import nnx

from diffscatter.training import Checkpoints, History, Plateau, train


@pytest.fixture(scope="module")
def learnt():
    return toy.run(200)


def test_learns(learnt):
    steps, losses = learnt.history.losses()["validation"]
    assert learnt.reason == "steps" and learnt.steps == 200
    np.testing.assert_array_equal(steps, np.arange(20, 201, 20))
    # Guessing the mean of uniform frequencies gives 1/12.
    assert losses[-1] < 0.1 / 12
    assert learnt.best_loss == losses.min()
    assert learnt.best_step == steps[losses.argmin()]


def test_returns_the_best_network_for_evaluation(learnt):
    curves, frequency = toy.draw(jax.random.key(9), 512)
    told = jax.jit(lambda curves: learnt.model(curves))
    first, second = told(curves), told(curves)
    np.testing.assert_array_equal(first, second)  # no dropout
    error = float(jnp.mean((first - frequency) ** 2))
    # The mean of 512 squared errors against that of 128: within a third of each other.
    assert error == pytest.approx(learnt.best_loss, rel=0.4)


def test_repeats_itself(learnt):
    again, other = toy.run(60), toy.run(60, key=jax.random.key(4))
    assert again.history.rows == learnt.history.rows[:6]
    assert other.history.rows != again.history.rows


class Still(nnx.Module):
    """One weight, with nothing that moves by itself."""

    def __init__(self):
        self.weight = nnx.Param(jnp.ones(()))


def still(steps, draw, loss=None, **options):
    usual = {"batch": 2, "chunk": 5, "every": 5, "validation": 2, "optimiser": optax.sgd(0.5)}
    key = jax.random.key(0)
    return train(Still(), loss or product, draw, key=key, steps=steps, **usual | options)


def product(model, inputs, targets):
    return jnp.mean(model.weight[...] * inputs) + targets


def test_keeps_the_best_whatever_comes_after():
    # Towards 0 at first; from step 10 on each step goes beyond it, ever farther.
    rates = optax.sgd(optax.piecewise_constant_schedule(0.1, {10: 15.0}))
    square = lambda model, inputs, targets: model.weight[...] ** 2
    nothing = lambda key, batch: (jnp.zeros(batch), 0.0)
    ruined, short = (still(n, nothing, square, optimiser=rates) for n in (30, 10))
    losses = ruined.history.losses()["validation"][1]
    assert ruined.best_step == 10 and losses[-1] > losses[1] == ruined.best_loss
    assert ruined.model.weight[...] == short.model.weight[...] == pytest.approx(0.8**10)


def test_plateau_and_early_stop():
    nothing = lambda key, batch: (jnp.zeros(batch), -1.0)
    plateau = Plateau(factor=0.25, patience=2, least=0.1)
    done = still(1000, nothing, patience=5, plateau=plateau)
    # The first validation is the best; five are not better.
    assert done.reason == "early" and done.steps == 30 and done.best_step == 5
    assert "no better validation loss since step 5" in done.status
    assert [row[3] for row in done.history.rows] == [1, 1, 1, 0.25, 0.25, 0.1]


def test_the_scale_acts_on_the_steps():
    # The slope is 1: each step moves the weight by 0.5 times the scale.
    slope = lambda key, batch: (jnp.ones(batch), 0.0)
    rising = lambda key, batch: (-jnp.ones(batch), 0.0)  # the validation gets ever worse
    done = still(15, slope, validation_draw=rising, plateau=Plateau(factor=0.5, patience=1))
    values = done.history.losses()["validation"][1]
    np.testing.assert_allclose(-values, 1 - np.cumsum([2.5, 2.5, 1.25]), atol=1e-6)


def test_stops_before_what_is_not_finite():
    def draw(key, batch):
        inputs = jnp.where(jax.random.uniform(key) < 0.1, jnp.nan, 1.0)
        return jnp.full(batch, inputs), 0.0

    clean = lambda key, batch: (jnp.ones(batch), 0.0)
    done = still(1000, draw, validation_draw=clean)
    assert done.reason == "not finite" and f"step {done.steps}" in done.status
    key = jax.random.split(jax.random.key(0))[0]
    first = next(i for i in range(1000) if jax.random.uniform(jax.random.fold_in(key, i)) < 0.1)
    assert done.steps == first
    assert np.isfinite(done.model.weight[...])
    assert all(np.isfinite(row[1]) for row in done.history.rows)


def test_validation_never_meets_training():
    seen = {"training": set(), "validation": set()}

    def drawing(kind):
        def draw(key, batch):
            note = lambda data: seen[kind].add(tuple(np.asarray(data).ravel().tolist()))
            jax.debug.callback(note, jax.random.key_data(key))
            return jnp.ones(batch), 0.0

        return draw

    still(20, drawing("training"), validation_draw=drawing("validation"), validation=7)
    jax.effects_barrier()
    assert len(seen["training"]) == 20 and len(seen["validation"]) == 7
    assert not seen["training"] & seen["validation"]


def test_ends_when_its_time_is_used_up():
    nothing = lambda key, batch: (jnp.zeros(batch), 0.0)
    done = still(10**6, nothing, seconds=1e-9)
    assert done.reason == "time" and done.steps == 5 and "time" in done.status


def test_table_of_losses(tmp_path):
    history = History().with_row(10, 0.1 + 0.2, None, 1.0).with_row(20, 0.2, 0.25, 0.5)
    history.write_csv(tmp_path / "losses.csv")
    assert (tmp_path / "losses.csv").read_text().splitlines() == [
        "step,training,validation,rate_scale",
        "10,0.30000000000000004,,1.0",
        "20,0.2,0.25,0.5",
    ]
    steps, losses = history.losses()["validation"]
    assert steps.tolist() == [20] and losses.tolist() == [0.25]


def test_refusals(tmp_path):
    for options, words in (
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"every": 15}, r"every must be a multiple of chunk \(10\), got 15"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"seconds": 0.0}, "seconds must be above 0"),
        ({"resume": True}, "resume needs checkpoints"),
    ):
        with pytest.raises(ValueError, match=words):
            toy.run(**{"steps": 10} | options)
    with pytest.raises(ValueError, match="0 < factor < 1.* got 2, 5 and 0.001"):
        Plateau(factor=2)
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(ValueError, match="holds no checkpoint to go on from"):
            toy.run(10, checkpoints=checkpoints, resume=True)
