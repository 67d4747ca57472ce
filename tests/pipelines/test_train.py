"""Tasks and their plans fit together; a short training through the command tells its tale."""

import json

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from diffscatter import cli
from diffscatter.datasets import lnp
from diffscatter.pipelines import train as pipeline
from diffscatter.pipelines.tasks import TASKS
from tests.shapes import closed_forms

Q = np.linspace(0.04, 1.0, 40)
SETTINGS = (
    "jax_enable_x64",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


def base(kinds=(1, 2, 3, 4), sizes=lnp.TRAINED, **_):
    """Balls with a hole that is smaller for each type, and none in the last."""
    ball = lambda radius: closed_forms.sphere_amplitude(Q, radius)
    body = lambda kind, size: 9 * (ball(size / 2) - 0.25 * (4 - kind) * ball(0.4 * size))
    curves = [[body(kind, size) ** 2 for size in sizes] for kind in kinds]
    return lnp.Base(kinds=tuple(kinds), sizes=sizes, q=Q, intensity=np.array(curves))


@pytest.mark.parametrize(
    ("name", "network"), [(name, plan) for name, task in TASKS.items() for plan in task.plans]
)
def test_every_plan_fits_its_task(name, network):
    task, plan = TASKS[name], TASKS[name].plans[network]
    sample = task.sampler(base(), task.mixtures)

    def all_of_it(key):
        mixture = sample(key, 3)
        model, targets = plan.build(Q.size, key), task.targets(mixture)
        return plan.loss(model, mixture.curves, targets), plan.predict(model, mixture.curves)

    loss, told = jax.eval_shape(all_of_it, jax.random.key(0))
    assert loss.shape == () and loss.dtype == jnp.float32
    targets = jax.eval_shape(lambda: task.targets(sample(jax.random.key(0), 3)))
    assert set(told) == set(targets) if network == "ours" else set(told) <= set(targets)
    assert plan.every % 50 == 0 and plan.optimiser(10).init is not None


def test_targets_are_nan_where_nothing_is_asked():
    sample = lnp.sampler(base(), "classify")
    mixture = jax.jit(sample, static_argnums=1)(jax.random.key(1), 60)
    targets = TASKS["lnp-classify"].targets(mixture)
    kind = np.asarray(targets["kind"])
    assert set(kind) == {0, 1, 2}
    np.testing.assert_array_equal(np.isnan(targets["fraction"]), kind != 2)
    np.testing.assert_array_equal(np.isnan(targets["mean_size_type3"]), kind == 1)
    np.testing.assert_array_equal(np.isnan(targets["mean_size_type4"]), kind == 0)


@pytest.fixture
def small(monkeypatch):
    """Base curves of closed forms, and JAX's settings as before."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    monkeypatch.setattr(pipeline.lnp, "base_curves", base)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX goes on with one that it has once opened


def test_command(small, tmp_path, capsys):
    words = ["train", "lnp-classify", "--output", str(tmp_path)]
    assert cli.main([*words, "--steps", "150", "--tests", "300"]) == 0
    said = capsys.readouterr().out
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "complete" and summary["training"]["steps"] == 150
    scores = summary["scores"]
    # Guessing finds a third of three equal classes, with a standard error of 0.03.
    assert scores["kind"]["accuracy"] > 0.5
    assert np.sum(scores["kind"]["confusion"]) == 300
    assert 0 <= scores["fraction"]["coverage"] <= 1
    assert "accuracy" in said and "completed 150 steps" in said
    assert (tmp_path / "losses.csv").read_text().count("\n") == 4
    for name in ("losses", "predictions", "recall"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    with h5py.File(tmp_path / "weights.h5") as file:
        made = json.loads(file.attrs["made"])
        assert file["components/mean"].shape == (40,)
    assert made["seed"] == 0 and made["scores"]["kind"] == scores["kind"]
    with h5py.File(tmp_path / "result.h5") as file:
        assert file["kind/told"].shape == (300, 3)
    assert cli.main(words) == 2
    assert "holds a run up to step 150; resume it" in capsys.readouterr().err


def test_refusals(small):
    for options, words in (
        ({"task": "lnp"}, "task must be one of lnp-classify, .* got 'lnp'"),
        ({"protocol": "none"}, "protocol must be one of honest, published"),
        ({"network": "simple"}, "one of ours, published, resnet for lnp-classify"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"minutes": -1.0}, "minutes must be above 0, got -1"),
        ({"resume": True}, "resume needs the folder"),
    ):
        with pytest.raises(ValueError, match=words):
            pipeline.train(**{"task": "lnp-classify"} | options)
