"""Figures for reports and papers: small functions that return a matplotlib ``Figure``.

Everything goes through matplotlib's object interface, so nothing here touches ``pyplot``, opens
a window or keeps a figure alive. Save with ``figure.savefig(path)``; matplotlib loads on the
first call. Colours are those of Okabe and Ito, told apart by colour-blind readers too; images
use perceptually even maps.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffscatter.core.data import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLORS", "body", "curve_fit", "curve_fits", "curves", "history", "pattern"]

# Okabe and Ito, "Color Universal Design" (2008), yellow left out: too pale for a line.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")

_Q = r"$q$ (nm$^{-1}$)"


def curve_fit(
    curve: Curve,
    fitted: Any,
    residuals: Any = None,
    *,
    unit: str = "cm$^{-1}$",
    label: str = "fit",
) -> "Figure":
    """Draw data with error bars, the fit through them, and the normalised residuals below.

    Args:
        curve: what was measured.
        fitted: the model's intensity on ``curve.q``. Shape ``(nq,)``.
        residuals: (data - fit) / sigma. Shape ``(nq,)``. By default computed here; without
            ``curve.sigma`` the lower panel shows (data - fit) / fit.
        unit: of the intensity.
        label: the model's name in the legend.
    """
    given = None if residuals is None else [residuals]
    return curve_fits([curve], [fitted], given, unit=unit, label=label)


def curve_fits(
    measured: Sequence[Curve],
    fitted: Sequence[Any],
    residuals: Sequence[Any] | None = None,
    *,
    unit: str = "cm$^{-1}$",
    label: str = "fit",
) -> "Figure":
    """Draw several curves fitted together on one axis, and a strip of residuals for each.

    Arguments as in :func:`curve_fit`, one entry a curve.
    """
    if not len(measured) == len(fitted) == len(residuals or measured):
        raise ValueError(
            f"{len(measured)} curves need as many fits and residuals, got {len(fitted)} and "
            f"{len(residuals or measured)}"
        )
    count, one = len(measured), len(measured) == 1
    figure = _figure(6.0, 4.4 + 1.1 * count)
    above, *below = figure.subplots(count + 1, 1, sharex=True, height_ratios=(3, *[1] * count))
    shown = []
    for i, (curve, fit, panel) in enumerate(zip(measured, fitted, below, strict=True)):
        q, data, fit = (np.asarray(v, float) for v in (curve.q, curve.intensity, fit))
        sigma = None if curve.sigma is None else np.asarray(curve.sigma, float)
        if fit.shape != q.shape:
            raise ValueError(f"fitted has shape {fit.shape}, the curve {q.shape}")
        if residuals is None:
            misfit = (data - fit) / (fit if sigma is None else sigma)
        else:
            misfit = np.asarray(residuals[i], float)
        # Colours of single curves tell data and fit apart, of several one from another.
        color, line = (COLORS[0], COLORS[1]) if one else (COLORS[i % 6], COLORS[6])
        above.errorbar(
            q,
            data,
            yerr=sigma,
            fmt="o",
            markersize=2.5,
            linewidth=0.8,
            color=color,
            ecolor=(color, 0.35),
            label=curve.name,
            zorder=1,
        )
        named = label if i == count - 1 else None
        above.plot(q, fit, color=line, linewidth=1.4 if one else 1.0, label=named, zorder=2)
        panel.axhline(0, color="0.5", linewidth=0.8)
        panel.plot(q, misfit, "o", markersize=2.5, color=color)
        panel.set_ylabel("(data − fit)/fit" if sigma is None else "(data − fit)/σ")
        shown += [data, fit]
    above.set(xscale="log", ylabel=f"intensity ({unit})" if unit else "intensity")
    _log_range(above, *shown)
    above.legend(frameon=False)
    below[-1].set_xlabel(_Q)
    return figure


def curves(
    q: Any,
    intensities: Mapping[str, Any],
    errors: Mapping[str, Any] | None = None,
    *,
    ylabel: str = "intensity",
    error_label: str = "relative error",
) -> "Figure":
    """Draw several curves on one axis and, if given, their errors in a panel below.

    Args:
        q: common axis, 1/nm. Shape ``(nq,)``.
        intensities: name to values of shape ``(nq,)``; the first is drawn widest.
        errors: name to errors of shape ``(nq,)``, of any sign; a name keeps its colour.
        ylabel, error_label: what the panels show.
    """
    if not intensities:
        raise ValueError("intensities must name at least one curve, got none")
    q = np.asarray(q, float)
    color = dict(zip(dict.fromkeys([*intensities, *(errors or {})]), _cycle(), strict=False))
    figure = _figure(6.0, 5.5 if errors else 4.2)
    rows = (3, 2) if errors else (1,)
    above, *below = figure.subplots(
        len(rows), 1, sharex=True, height_ratios=rows, squeeze=False
    ).ravel()
    for i, (name, values) in enumerate(intensities.items()):
        # Wide below narrow: curves that agree stay visible.
        width = max(4.0 - 1.6 * i, 1.2) if len(intensities) > 1 else 1.5
        values = np.asarray(values, float)
        above.plot(q, values, color=color[name], linewidth=width, alpha=0.85, label=name)
    above.set(xscale="log", ylabel=ylabel)
    _log_range(above, *(np.asarray(v, float) for v in intensities.values()))
    above.legend(frameon=False)
    for panel in below:
        for name, values in errors.items():
            size = np.abs(np.asarray(values, float))
            panel.plot(q, np.where(size > 0, size, np.nan), color=color[name], label=name)
        panel.set(yscale="log", ylabel=error_label)
        panel.grid(alpha=0.3)
    (below[0] if below else above).set_xlabel(_Q)
    return figure


def pattern(
    images: Any,
    kx: Any = None,
    ky: Any = None,
    *,
    mask: Any = None,
    decades: float = 6.0,
    unit: str = "",
    centre: Sequence[float] | None = None,
) -> "Figure":
    """Draw detector images on one logarithmic scale, with the beam centre marked.

    Args:
        images: one image ``(ny, nx)``, or a mapping of titles to images of one shape.
        kx, ky: transverse wave vectors of columns and rows, 1/nm. Without them the axes count
            pixels from the beam, which is pixel ``n // 2`` unless ``centre`` says otherwise.
        mask: True where a pixel counts, ``(ny, nx)``; the rest is left grey.
        decades: of intensity shown below the brightest pixel.
        unit: of the intensity.
        centre: column and row of the beam, where axes count pixels from it.
    """
    from matplotlib.colors import LogNorm

    named = images if isinstance(images, Mapping) else {"": images}
    named = {title: np.array(image, float) for title, image in named.items()}
    for title, image in named.items():
        if image.ndim != 2:
            raise ValueError(f"image {title!r} must be (ny, nx), got shape {image.shape}")
        if mask is not None:
            image[~np.asarray(mask, bool)] = np.nan
        image[~(image > 0)] = np.nan
        if np.isnan(image).all():
            raise ValueError(f"image {title!r} has no pixel above 0, nothing to show")
    top = max(np.nanmax(image) for image in named.values())
    low = max(min(np.nanmin(image) for image in named.values()), top * 10.0**-decades)
    norm = LogNorm(min(low, 0.5 * top), top)
    label = "pixel from the beam" if kx is None or ky is None else None

    figure = _figure(0.8 + 3.6 * len(named), 3.4)
    panels = np.atleast_1d(figure.subplots(1, len(named), sharex=True, sharey=True))
    for panel, (title, image) in zip(panels, named.items(), strict=True):
        beam = centre or tuple(n // 2 for n in image.shape[::-1])
        x, y = (
            np.arange(n) - c if label else np.asarray(k, float)
            for n, c, k in zip(image.shape[::-1], beam, (kx, ky), strict=True)
        )
        drawn = panel.pcolormesh(x, y, image, norm=norm, cmap="inferno", shading="nearest")
        panel.plot(0, 0, "+", color="#56B4E9", markersize=9, markeredgewidth=1.2)
        panel.set(title=title, aspect="equal", facecolor="0.6")
        panel.set_xlabel(label or r"$k_x$ (nm$^{-1}$)")
    panels[0].set_ylabel(label or r"$k_y$ (nm$^{-1}$)")
    figure.colorbar(drawn, ax=panels, label=f"intensity ({unit})" if unit else "intensity")
    return figure


def body(densities: Any, pitch: float, *, slices: bool = False) -> "Figure":
    """Draw a body along its three axes: projections, or slices through the middle.

    Args:
        densities: one density ``(nz, ny, nx)``, or a mapping of names to densities, one a row.
        pitch: voxel side, nm.
        slices: show the central slices (occupancy) instead of projections (thickness, nm).
    """
    named = densities if isinstance(densities, Mapping) else {"": densities}
    named = {name: np.asarray(density, float) for name, density in named.items()}
    for name, density in named.items():
        if density.ndim != 3:
            raise ValueError(
                f"density {name!r} must be (nz, ny, nx), got shape {density.shape}"
            )
    views = (("z", "x", "y", 0), ("y", "x", "z", 1), ("x", "y", "z", 2))
    images = {
        name: [
            density.take(density.shape[i] // 2, axis=i) if slices else density.sum(i) * pitch
            for *_, i in views
        ]
        for name, density in named.items()
    }
    limits = {
        "vmin": min(0.0, *(float(image.min()) for row in images.values() for image in row)),
        "vmax": max(float(image.max()) for row in images.values() for image in row),
    }
    figure = _figure(9.0, 0.4 + 2.7 * len(named))
    grid = figure.subplots(len(named), 3, squeeze=False)
    for panels, (name, row) in zip(grid, images.items(), strict=True):
        for panel, image, (along, across, up, _) in zip(panels, row, views, strict=True):
            half = [pitch * (n // 2 + 0.5) for n in image.shape]
            extent = (
                -half[1],
                pitch * image.shape[1] - half[1],
                -half[0],
                pitch * image.shape[0] - half[0],
            )
            drawn = panel.imshow(image, origin="lower", extent=extent, cmap="viridis", **limits)
            panel.set(xlabel=f"{across} (nm)", ylabel=f"{up} (nm)")
            what = f"slice, {along} = 0" if slices else f"along {along}"
            panel.set_title(f"{name}, {what}" if name else what)
    figure.colorbar(drawn, ax=grid, label="occupancy" if slices else "thickness (nm)")
    return figure


def history(losses: Any, *, ylabel: str = "loss") -> "Figure":
    """Draw a loss against the step.

    Args:
        losses: one sequence, or a mapping of names to sequences.
        ylabel: what was minimised.
    """
    named = losses if isinstance(losses, Mapping) else {"": losses}
    figure = _figure(6.0, 3.6)
    axes = figure.subplots()
    for color, (name, values) in zip(_cycle(), named.items(), strict=False):
        values = np.asarray(values, float)
        axes.plot(np.arange(1, values.size + 1), values, color=color, label=name or None)
    if all((np.asarray(values, float) > 0).all() for values in named.values()):
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel=ylabel)
    axes.grid(alpha=0.3)
    if any(named):
        axes.legend(frameon=False)
    return figure


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure of ``width`` by ``height`` inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=150)


def _cycle():
    """Yield the colours, over and over."""
    while True:
        yield from COLORS


def _log_range(axes: Any, *arrays: np.ndarray) -> None:
    """Set a logarithmic ordinate over the positive values, whatever the error bars reach."""
    values = np.concatenate([a.ravel() for a in arrays])
    positive = values[np.isfinite(values) & (values > 0)]
    axes.set_yscale("log", nonpositive="clip")
    if positive.size:
        axes.set_ylim(positive.min() / 2, positive.max() * 2)
