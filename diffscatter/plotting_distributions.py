"""Figures of distributions: densities with their bands, Guinier lines."""

from typing import TYPE_CHECKING, Any

import numpy as np

from diffscatter.core.data import Curve
from diffscatter.plotting import COLORS, _figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["density", "guinier"]


def density(
    x: Any,
    bands: dict[str, tuple[Any, Any, Any]],
    *,
    xlabel: str,
    ylabel: str,
    marks: Any = (),
    log: bool = False,
) -> "Figure":
    """Draw densities over one axis, each with its band.

    Args:
        x: axis. Shape ``(n,)``.
        bands: name to the density and the ends of its band, each ``(n,)``.
        xlabel, ylabel: what the axes show.
        marks: values of x to mark, as means or modes.
        log: a logarithmic x axis.
    """
    figure = _figure(6.0, 4.0)
    axes = figure.subplots()
    for color, (name, (values, low, high)) in zip(COLORS, bands.items(), strict=False):
        axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
        axes.plot(x, values, color=color, linewidth=1.5, label=name)
    for mark in marks:
        axes.axvline(mark, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    top = max(np.max(values) for values, _, _ in bands.values())
    low = min(np.min(values) for values, _, _ in bands.values())
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(min(1.3 * low, -0.03 * top), 1.25 * top))
    axes.set_xscale("log" if log else "linear")
    axes.legend(frameon=False)
    return figure


def guinier(curve: Curve, result: Any) -> "Figure":
    """Draw ln I against q^2 with the line, and the normalised residuals below.

    Args:
        curve: what was measured.
        result: a :class:`~diffscatter.fitting.Guinier`.
    """
    q, data = np.asarray(curve.q, float), np.asarray(curve.intensity, float)
    shown = (q <= 1.6 * result.q[-1]) & (data > 0)
    figure = _figure(6.0, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.semilogy(q[shown] ** 2, data[shown], "o", markersize=3, color="0.7", label=curve.name)
    part = slice(result.first, result.last + 1)
    used = data[part] > 0
    above.plot(result.q[used] ** 2, data[part][used], "o", markersize=3, color=COLORS[0])
    line = np.append(0.0, result.q)
    values = result.forward_intensity * np.exp(-((line * result.radius_of_gyration) ** 2) / 3)
    above.plot(line**2, values, color=COLORS[1], label="Guinier")
    above.set_ylabel("intensity")
    above.legend(frameon=False)
    below.axhline(0, color="0.5", linewidth=0.8)
    below.plot(result.q**2, result.residuals, "o", markersize=3, color=COLORS[0])
    below.set(xlabel=r"$q^2$ (nm$^{-2}$)", ylabel="residual/σ")
    return figure
