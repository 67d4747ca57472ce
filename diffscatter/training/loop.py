"""Training in compiled chunks of steps, with a host loop between that can report and stop."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx
from jax import Array

from diffscatter.fitting.problem import as_pytree
from diffscatter.training.checkpoint import Checkpoints
from diffscatter.training.history import History
from diffscatter.training.steps import (
    Draw,
    Loss,
    Recipe,
    Walk,
    advance,
    begin,
    held_out,
    judged,
)

if TYPE_CHECKING:
    import optax

__all__ = ["Plateau", "Training", "default_optimiser", "train"]


@dataclass(frozen=True)
class Plateau:
    """Smaller steps where the validation loss no longer falls.

    Not ``optax.contrib.reduce_on_plateau``: its relative threshold takes a loss below 0, as
    likelihoods have, for better when it is worse.

    Attributes:
        factor: on the learning rate, each time.
        patience: evaluations without a new best before that.
        least: the learning rate is not multiplied by less than this in all.
    """

    factor: float = 0.5
    patience: int = 5
    least: float = 1e-3

    def __post_init__(self):
        if not (0 < self.factor < 1 and self.patience >= 1 and 0 <= self.least < 1):
            raise ValueError(
                "a plateau takes 0 < factor < 1, patience of at least 1 and 0 <= least < 1, "
                f"got {self.factor}, {self.patience} and {self.least}"
            )


@dataclass(frozen=True, eq=False)
class Training:
    """The outcome of a training.

    Attributes:
        model: the network at its least validation loss, set to evaluate.
        history: losses by chunk.
        best_loss: the least validation loss; None if none was taken.
        best_step: where it was.
        steps: number of steps taken.
        reason: why it ended: ``"steps"``, ``"early"``, ``"time"``, ``"interrupted"`` or
            ``"not finite"``.
        status: the same as one readable line.
        seconds: time taken, sessions before this one included.
    """

    model: nnx.Module
    history: History
    best_loss: float | None
    best_step: int | None
    steps: int
    reason: str
    status: str
    seconds: float


@dataclass(frozen=True)
class _Record:
    """What the host knows of a run: plain numbers, which a checkpoint keeps as JSON."""

    made: Mapping[str, Any]
    history: History = History()
    best_loss: float | None = None
    best_step: int | None = None
    # Evaluations since the best; and since the best or the last cut of the learning rate.
    stale: int = 0
    waited: int = 0
    scale: float = 1.0
    seconds: float = 0.0
    sound: bool = True


@dataclass(frozen=True)
class _Run:
    """Walk, best state so far (parameters, rest) and record: replaced as one, never in part."""

    walk: Walk
    best: tuple[Any, Any]
    record: _Record

    @property
    def step(self) -> int:
        return int(self.walk.step)


def train(
    model: nnx.Module,
    loss: Loss,
    draw: Draw,
    *,
    key: Array,
    steps: int,
    batch: int = 256,
    optimiser: "optax.GradientTransformation | None" = None,
    validation_draw: Draw | None = None,
    validation: int = 16,
    chunk: int = 50,
    every: int = 500,
    patience: int | None = None,
    plateau: Plateau | None = None,
    seconds: float | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    on_chunk: Callable[[int, float, float | None], None] | None = None,
) -> Training:
    """Train a network on data that are drawn as they are needed.

    Step i sees ``draw(fold_in(training key, i), batch)``: there are no epochs, nothing is seen
    twice, and the validation batches come from another key. The same key gives the same
    numbers, also after a process was killed and resumed from its checkpoints.

    Args:
        model: a network; it is not changed. Its layers may keep averages and random keys.
        loss: ``loss(model, inputs, targets)``, a mean over the batch. It is one function
            object for all calls, or the program is compiled again.
        draw: ``draw(key, batch) -> (inputs, targets)``, which can be compiled. Its arrays are
            data to the program if it is a pytree, and part of it if it is a closure.
        key: of all draws.
        steps: number of steps, those of resumed sessions included.
        batch: size of a batch.
        optimiser: any of optax; by default :func:`default_optimiser` of ``steps``.
        validation_draw: the same of other data, as held-out bodies; None: ``draw``.
        validation: number of batches that the validation loss is a mean of.
        chunk: steps in one compiled call.
        every: steps between two validations, each followed by a checkpoint; a multiple of
            ``chunk``.
        patience: end after so many validations without a new best; None: never.
        plateau: cut the learning rate where the validation loss stays.
        seconds: end after the chunk in which this time runs out; None: never.
        checkpoints: where to keep the run.
        resume: go on from the newest checkpoint.
        on_chunk: called with the number of steps taken, the mean loss over the chunk, and the
            validation loss if there is one.

    Returns:
        The network at its least validation loss, and the way there. Ctrl-C ends a training as
        ``"interrupted"``, a loss or slope that is not finite as ``"not finite"``, both with
        what there is before it.

    Raises:
        ValueError: for counts that do not fit; for checkpoints where none were to be, or of
            another run.
    """
    _check(steps, batch, validation, chunk, every, patience, seconds)
    if checkpoints is not None:
        checkpoints.check_start(resume)
    elif resume:
        raise ValueError("resume needs checkpoints to go on from, got None")
    start = time.monotonic()
    optimiser = default_optimiser(steps) if optimiser is None else optimiser
    recipe, walk = begin(model, loss, optimiser, batch)
    made = {"batch": batch, "chunk": chunk, "every": every, "validation": validation}
    made["key"] = jax.random.key_data(key).tolist()
    run = _Run(walk, (walk.parameters, walk.rest), _Record(made))
    if resume:
        run = _restored(checkpoints, run)
    before = run.record.seconds
    draw = as_pytree(draw)
    training_key, validation_key = jax.random.split(key)
    held = held_out(
        draw if validation_draw is None else as_pytree(validation_draw),
        validation_key,
        batch,
        validation,
    )
    reason = None
    try:
        while (reason := _ended(run, steps, patience, seconds)) is None:
            count = min(chunk - run.step % chunk, steps - run.step)
            walk, losses, sound = advance(
                recipe, draw, training_key, run.record.scale, run.walk, count, chunk
            )
            losses = np.asarray(losses, float)
            if not sound:
                run = replace(run, walk=walk, record=replace(run.record, sound=False))
                continue
            step, value = int(walk.step), None
            if step % every == 0 or step == steps:
                value = float(judged(recipe, walk.parameters, walk.rest, held))
            elapsed = before + time.monotonic() - start
            mean = float(losses[:count].mean())
            run = _moved(run, walk, mean, value, plateau, elapsed)
            if value is not None and checkpoints is not None:
                _save(checkpoints, run)
            if on_chunk is not None:
                on_chunk(step, mean, value)
    except KeyboardInterrupt:
        reason = "interrupted"
    if checkpoints is not None and reason in ("interrupted", "time"):
        _save(checkpoints, run)
    return _outcome(recipe, run, reason, steps)


@lru_cache(maxsize=16)
def default_optimiser(steps: int, rate: float = 2e-3) -> "optax.GradientTransformation":
    """Return AdamW that warms up over a twentieth of the steps and falls to 0 on a cosine.

    Slopes are cut at a norm of 1: a batch may hold a curve that is nearly impossible. Cached,
    because a compiled chunk is found again by the optimiser's identity.
    """
    import optax

    warm = max(1, steps // 20)
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, warm, max(steps, warm + 1))
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-4))


def _check(steps, batch, validation, chunk, every, patience, seconds) -> None:
    counts = {"steps": steps, "batch": batch, "validation": validation, "chunk": chunk}
    counts |= {} if patience is None else {"patience": patience}
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if every < 1 or every % chunk:
        raise ValueError(f"every must be a multiple of chunk ({chunk}), got {every}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be above 0, got {seconds}")


def _restored(checkpoints: Checkpoints, run: _Run) -> _Run:
    (walk, best), kept = checkpoints.restore((run.walk, run.best))
    checkpoints.check("made with", kept["made"], run.record.made)
    rows = tuple(tuple(row) for row in kept.pop("history")["rows"])
    return _Run(walk, best, _Record(history=History(rows), **kept))


def _save(checkpoints: Checkpoints, run: _Run) -> None:
    checkpoints.save(run.step, (run.walk, run.best), asdict(run.record))


def _moved(
    run: _Run,
    walk: Walk,
    loss: float,
    value: float | None,
    plateau: Plateau | None,
    seconds: float,
) -> _Run:
    """Return the run after a chunk, and after a validation if ``value`` is one."""
    record, best = run.record, run.best
    history = record.history.with_row(int(walk.step), loss, value, record.scale)
    record = replace(record, history=history, seconds=seconds)
    if value is None:
        return _Run(walk, best, record)
    if np.isfinite(value) and (record.best_loss is None or value < record.best_loss):
        best = walk.parameters, walk.rest
        record = replace(record, best_loss=value, best_step=int(walk.step), stale=0, waited=0)
        return _Run(walk, best, record)
    record = replace(record, stale=record.stale + 1, waited=record.waited + 1)
    if plateau is not None and record.waited >= plateau.patience:
        scale = max(record.scale * plateau.factor, plateau.least)
        record = replace(record, scale=scale, waited=0)
    return _Run(walk, best, record)


def _ended(run: _Run, steps: int, patience: int | None, seconds: float | None) -> str | None:
    if not run.record.sound:
        return "not finite"
    if run.step >= steps:
        return "steps"
    if patience is not None and run.record.stale >= patience:
        return "early"
    if seconds is not None and run.record.seconds >= seconds:
        return "time"
    return None


def _outcome(recipe: Recipe, run: _Run, reason: str, steps: int) -> Training:
    record = run.record
    known = record.best_step is not None
    parameters, rest = run.best if known else (run.walk.parameters, run.walk.rest)
    status = {
        "steps": f"completed {run.step} steps",
        "early": f"ended after step {run.step}: no better validation loss since step "
        f"{record.best_step}",
        "time": f"ended after step {run.step} of {steps}: the time is used up",
        "interrupted": f"interrupted after {run.step} of {steps} steps",
        "not finite": f"stopped at step {run.step}: the loss or its slope is not finite there",
    }[reason]
    return Training(
        model=nnx.merge(recipe.evaluation, parameters, rest),
        history=record.history,
        best_loss=record.best_loss,
        best_step=record.best_step,
        steps=run.step,
        reason=reason,
        status=status,
        seconds=record.seconds,
    )
