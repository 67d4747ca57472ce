"""Train a network of :mod:`diffscatter.pipelines.tasks` and test it on bodies it never met."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter.analysis import classification_scores, coverage, regression_scores
from diffscatter.datasets import lnp
from diffscatter.networks import Estimate, fit_input
from diffscatter.pipelines.tasks import TASKS, Plan, Task
from diffscatter.training import Checkpoints, Plateau, Training
from diffscatter.training import train as train_network

__all__ = ["PROTOCOLS", "Tested", "Trained", "train"]

# Route and widths of the distributions, and whether test curves come from sizes of their own.
PROTOCOLS = {
    "honest": {"route": "exact", "spread": "text", "held_out": True},
    "published": {"route": "published", "spread": "listings", "held_out": False},
}
_SCALED = 4096  # curves that the constants of the input are taken from
_TEST_BATCH = 256


@dataclass(frozen=True, eq=False)
class Tested:
    """Predictions for test curves and what was true.

    Attributes:
        predictions: by name, probabilities ``(n, classes)``, numbers, or an estimate.
        truth: likewise; NaN where nothing is asked.
        fractions: of the types in each curve. Shape ``(n, k)``.
        scores: by name, of :mod:`diffscatter.analysis.predictions`; with ``coverage``, the
            share within intervals of 90 %, for estimates.
    """

    predictions: Mapping[str, Any]
    truth: Mapping[str, np.ndarray]
    fractions: np.ndarray
    scores: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, how it went, and how good it is on test curves."""

    task: Task
    training: Training
    tested: Tested


def train(
    task: str,
    *,
    network: str = "ours",
    protocol: str = "honest",
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    plateau: int | None = None,
    tests: int = 4096,
    folder: Path | str | None = None,
    resume: bool = False,
    cache: Path | str | None = None,
    bases: tuple[lnp.Base, lnp.Base] | None = None,
    on_base: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[int, int, float, float | None], None] | None = None,
) -> Trained:
    """Train a network for a task.

    Four keys come from the seed: of the first weights, of the draws, of the curves that set
    the input's scale, and of the test curves.

    Args:
        task: a name in :data:`~diffscatter.pipelines.tasks.TASKS`.
        network: one of the task's plans.
        protocol: ``"honest"``: exact curves, distributions as in the report's text, test curves
            from sizes between those of training. ``"published"``: its pipeline, the widths of
            its listings, and one set of base curves for training and test.
        seed: of everything.
        steps: number of steps; None: the plan's.
        minutes: end after so much time; None: never.
        plateau: halve the learning rate after so many validations without a new best.
        tests: number of test curves.
        folder: of the checkpoints; None keeps none.
        resume: go on from the newest checkpoint in ``folder``.
        cache: where base curves are kept; None computes them anew.
        bases: base curves of training and of test, instead of the protocol's.
        on_base: called with the base curves done and their number.
        on_chunk: called with the number of steps taken, their number in all, the mean loss of
            the last chunk, and the validation loss if there is one.

    Raises:
        ValueError: for unknown names and counts that do not fit, before base curves are made.
    """
    for name, given, known in (("task", task, TASKS), ("protocol", protocol, PROTOCOLS)):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")
    asked = TASKS[task]
    if network not in asked.plans:
        raise ValueError(
            f"network must be one of {', '.join(asked.plans)} for {task}, got {network!r}"
        )
    plan = asked.plans[network]
    steps = plan.steps if steps is None else steps
    for name, value in (("steps", steps), ("tests", tests)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes must be above 0, got {minutes}")
    if resume and folder is None:
        raise ValueError("resume needs the folder of the checkpoints, got None")
    identity = {"task": task, "network": network, "protocol": protocol, "steps": steps}
    identity |= {"seed": seed, "plateau": plateau}
    with nullcontext() if folder is None else Checkpoints(folder, identity=identity) as kept:
        if kept is not None:
            kept.check_start(resume)
        if bases is None:
            bases = _bases(asked, protocol, cache, on_base)
        spread = PROTOCOLS[protocol]["spread"]
        sample, test_sample = (asked.sampler(b, asked.mixtures, spread=spread) for b in bases)
        first, draws, scale, test = jax.random.split(jax.random.key(seed), 4)
        model = plan.build(bases[0].q.size, first)
        seen = jax.jit(lambda key: sample(key, _SCALED))(scale)
        fit_input(model, seen.curves, jnp.log10(seen.intensity))

        def draw(key, batch):
            mixture = sample(key, batch)
            return mixture.curves, asked.targets(mixture)

        def report(step, loss, validation):
            if on_chunk is not None:
                on_chunk(step, steps, loss, validation)

        training = train_network(
            model,
            plan.loss,
            draw,
            key=draws,
            steps=steps,
            batch=plan.batch,
            every=plan.every,
            patience=plan.patience,
            optimiser=plan.optimiser(steps),
            plateau=None if plateau is None else Plateau(patience=plateau),
            seconds=None if minutes is None else 60 * minutes,
            checkpoints=kept,
            resume=resume,
            on_chunk=report,
        )
    tested = _tested(asked, plan, training.model, test_sample, test, tests)
    return Trained(asked, training, tested)


def _bases(
    task: Task,
    protocol: str,
    cache: Path | str | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[lnp.Base, lnp.Base]:
    """Return the base curves of training and of test."""
    chosen = PROTOCOLS[protocol]
    sizes = (lnp.TRAINED, lnp.HELD_OUT) if chosen["held_out"] else (lnp.TRAINED,)
    total = len(task.kinds) * sum(s.size for s in sizes)
    found, before = [], 0
    for some in sizes:
        report = None
        if progress is not None:
            report = partial(lambda before, done, _: progress(before + done, total), before)
        found.append(
            lnp.base_curves(
                task.kinds, some, route=chosen["route"], folder=cache, progress=report
            )
        )
        before += len(task.kinds) * some.size
    return found[0], found[-1]


def _tested(
    task: Task, plan: Plan, model: Any, sample: Callable, key: jax.Array, count: int
) -> Tested:
    """Return predictions for ``count`` test curves and their scores."""

    # The network is an argument: as a constant it would be compiled in, weights and all.
    @jax.jit
    def one(model, index):
        mixture = sample(jax.random.fold_in(key, index), _TEST_BATCH)
        told = plan.predict(model, mixture.curves)
        return told, task.targets(mixture), mixture.fractions

    parts = [jax.device_get(one(model, index)) for index in range(-(-count // _TEST_BATCH))]
    whole = lambda *leaves: (
        np.concatenate(leaves)[:count] if np.ndim(leaves[0]) else np.asarray(leaves[0])
    )
    told, truth, fractions = jax.tree.map(whole, *parts)
    scores = {name: _scores(told[name], truth[name]) for name in told}
    if task.answers and task.kinds == (3, 4):
        scores["kind"] |= _mixture_recall(told["kind"], truth["kind"], fractions[:, 0])
    return Tested(told, truth, fractions, scores)


def _scores(told: Any, truth: np.ndarray) -> dict[str, Any]:
    if isinstance(told, Estimate):
        found = regression_scores(told.mean, truth)
        found["coverage"] = coverage(*told.interval(0.9), truth)
        numbers = told.mean
    elif truth.dtype.kind in "iu":
        return classification_scores(told, truth)
    else:
        found, numbers = regression_scores(told, truth), told
    if truth.ndim == 2:
        each = [regression_scores(n, t)["r2"] for n, t in zip(numbers.T, truth.T, strict=True)]
        found["r2_each"] = each
    return found


def _mixture_recall(told: np.ndarray, kind: np.ndarray, fraction: np.ndarray) -> dict:
    """Return the share of mixtures that are called so, of all and of those well mixed."""
    mixed = kind == 2
    well = mixed & (fraction > 0.2) & (fraction < 0.8)
    called = told.argmax(axis=1) == 2
    share = lambda where: float(called[where].mean()) if where.any() else float("nan")
    return {"mixture_recall": share(mixed), "mixture_recall_well_mixed": share(well)}
