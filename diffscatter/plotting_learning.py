"""Figures of trainings: losses, predictions against the truth, recall against the fraction."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from diffscatter.plotting import COLORS, _figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["losses", "predictions", "recall"]


def losses(named: Mapping[str, tuple[Any, Any]]) -> "Figure":
    """Draw losses against the steps taken.

    Args:
        named: name to steps and losses; logarithmic where all are above 0.
    """
    figure = _figure(6.0, 3.6)
    axes = figure.subplots()
    for color, (name, (steps, values)) in zip(COLORS, named.items(), strict=False):
        axes.plot(steps, values, color=color, label=name, linewidth=1.2)
    if all((np.asarray(values) > 0).all() for _, values in named.values()):
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def predictions(named: Mapping[str, tuple[Any, Any, Any]]) -> "Figure":
    """Draw predictions against the truth, one panel each.

    Args:
        named: name to truth, prediction and spread (None: there is none), each ``(n,)``; NaN
            truths are left out.
    """
    figure = _figure(3.4 * len(named), 3.4)
    panels = figure.subplots(1, len(named), squeeze=False)[0]
    for axes, (name, (truth, found, spread)) in zip(panels, named.items(), strict=True):
        truth = np.asarray(truth, float)
        there = np.isfinite(truth)
        truth, found = truth[there], np.asarray(found, float)[there]
        if spread is not None:
            bars = np.asarray(spread, float)[there]
            axes.errorbar(truth, found, bars, fmt="none", color="0.8", linewidth=0.5)
        axes.plot(truth, found, ".", color=COLORS[0], markersize=2)
        if truth.size:
            ends = [truth.min(), truth.max()]
            axes.plot(ends, ends, color="0.2", linewidth=0.8)
        axes.set(xlabel="truth", ylabel="prediction", title=name.replace("_", " "))
    return figure


def recall(fractions: Any, called: Mapping[str, Any], *, bins: int = 20) -> "Figure":
    """Draw which share of mixtures is recognised, by the fraction of their first part.

    Args:
        fractions: of the first part in each mixture, 0 to 1. Shape ``(n,)``.
        called: by whom, and whether each was called a mixture. Shape ``(n,)`` each.
        bins: number of bins of the fraction.
    """
    fractions = np.asarray(fractions, float)
    place = np.minimum((fractions * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    some = counts > 0
    middles = (np.arange(bins) + 0.5) / bins
    figure = _figure(6.0, 3.2)
    axes = figure.subplots()
    for color, (name, found) in zip(COLORS, called.items(), strict=False):
        share = np.bincount(place, np.asarray(found, float), bins) / np.maximum(counts, 1)
        # Of a binomial law, and never 0: one more hit and one more miss than there were.
        safe = (share * counts + 1) / (counts + 2)
        error = np.sqrt(safe * (1 - safe) / (counts + 2))
        at = middles[some], share[some], error[some]
        axes.errorbar(*at, fmt="o-", color=color, markersize=4, label=name)
    axes.set(
        xlabel="fraction of the first type", ylabel="recall of mixtures", ylim=(-0.02, 1.05)
    )
    axes.grid(alpha=0.3)
    if len(called) > 1:
        axes.legend(frameon=False)
    return figure
