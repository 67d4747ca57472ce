"""What ``diffscatter train`` writes: losses, weights, scores and figures of the test curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffscatter import plotting_learning
from diffscatter.networks import Estimate
from diffscatter.pipelines.train import Tested, Trained
from diffscatter.report import Run
from diffscatter.training import save_weights

__all__ = ["collect"]


def collect(run: Run, trained: Trained, asked: Mapping[str, Any]) -> list[str]:
    """Put a training into its folder; return what to say of it, line by line."""
    training, tested = trained.training, trained.tested
    whole = training.reason in ("steps", "early")
    run.status = "complete" if whole else training.reason
    lines = [training.status, *(_line(name, s) for name, s in tested.scores.items())]
    run.lead(f"{trained.task.words}: {'; '.join(lines)}", good=whole)
    facts = {
        "steps": training.steps,
        "ended": training.reason,
        "best_step": training.best_step,
        "best_loss": training.best_loss,
        "seconds": training.seconds,
    }
    run.record(training=facts, scores=tested.scores)
    made = {"command": "train", **asked, "training": facts, "scores": tested.scores}
    run.file("losses.csv", training.history.write_csv)
    run.file("weights.h5", lambda path: save_weights(path, training.model, made))
    if losses := training.history.losses():
        run.heading("Training")
        run.figure("losses", plotting_learning.losses(losses), "Losses by step.")
    run.heading(f"Test on {len(tested.fractions)} curves")
    _classes(run, trained)
    _numbers(run, tested)
    run.array("fractions", tested.fractions)
    return lines


def _line(name: str, scores: Mapping[str, Any]) -> str:
    """Return the scores of one answer in words."""
    shown = {key: value for key, value in scores.items() if key != "confusion"}
    number = lambda v: f"{v:.4g}" if isinstance(v, float) else str(v)
    several = lambda v: " / ".join(map(number, v)) if isinstance(v, list) else number(v)
    words = (f"{key.replace('_', ' ')} {several(value)}" for key, value in shown.items())
    return f"{name.replace('_', ' ')}: {', '.join(words)}"


def _classes(run: Run, trained: Trained) -> None:
    tested, answers = trained.tested, trained.task.answers
    if not answers:
        return
    told, truth = tested.predictions["kind"], tested.truth["kind"]
    confusion = np.asarray(tested.scores["kind"]["confusion"])[: len(answers), : len(answers)]
    rows = [(name, *map(int, row)) for name, row in zip(answers, confusion, strict=True)]
    run.table(("truth", *(f"called {name}" for name in answers)), rows)
    if len(answers) > 2:
        mixed = truth == 2
        figure = plotting_learning.recall(
            tested.fractions[mixed, 0], {"network": told[mixed].argmax(axis=1) == 2}
        )
        words = "Share of the mixtures that are called so, by the fraction of the first type."
        run.figure("recall", figure, words)
    run.array("kind/told", told)
    run.array("kind/truth", truth)


def _numbers(run: Run, tested: Tested) -> None:
    panels = {}
    for name, told in tested.predictions.items():
        truth = tested.truth[name]
        if truth.dtype.kind in "iu":
            continue
        sure = isinstance(told, Estimate)
        found, spread = (told.mean, told.spread) if sure else (told, None)
        run.array(f"{name}/told", found)
        run.array(f"{name}/truth", truth)
        if sure:
            run.array(f"{name}/spread", spread)
        if truth.ndim == 1:
            panels[name] = truth, found, spread
        else:
            for k in range(truth.shape[1]):
                each = None if spread is None else spread[:, k]
                panels[f"{name} {k + 1}"] = truth[:, k], found[:, k], each
    if panels:
        figure = plotting_learning.predictions(panels)
        run.figure("predictions", figure, "Prediction against truth; bars: standard deviation.")
