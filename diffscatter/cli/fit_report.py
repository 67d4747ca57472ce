"""What a fit leaves in its folder: a verdict first, then numbers, pictures and files."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from diffscatter.core.data import Curve
from diffscatter.fitting import FitResult, Posterior
from diffscatter.io import save_curve
from diffscatter.pipelines import size_means
from diffscatter.report import Run

__all__ = ["collect", "errors", "runs", "verdict"]

# Reduced chi-squares scatter by sqrt(2/dof); five times that is no accident.
_ACCIDENT, _FAR_OFF = 5.0, 10.0
_OTHER_MINIMA = 3


def verdict(result: FitResult) -> tuple[str, bool]:
    """Return in plain words whether the model describes the data, and whether it does."""
    several = len(result.curves) > 1
    does = "The models describe" if several else "The model describes"
    does_not = "The models do not describe" if several else "The model does not describe"
    points, free = result.residuals.size, len(result.parameters)
    size = f"{points} points, {free} free parameters"
    if result.reduced_chi2 is None:
        off = math.sqrt(result.chi2 / points)
        text = (
            f"The data carry no errors, so no chi2 can judge the fit: it is off by {off:.2g} "
        )
        return text + f"of the intensity (root mean square; {size}).", True
    chi2 = f"reduced chi2 {result.reduced_chi2:.4g}, {size}"
    scatter = _ACCIDENT * math.sqrt(2 / result.dof)
    if result.reduced_chi2 > _FAR_OFF:
        text, good = f"{does_not} the data: {chi2}.", False
    elif result.reduced_chi2 > 1 + scatter:
        text, good = f"{does} the data only roughly: {chi2}, where 1 is expected.", False
    elif result.reduced_chi2 < 1 - scatter:
        text, good = f"{does} the data: {chi2}; the data's errors look too large.", True
    else:
        text, good = f"{does} the data: {chi2}.", True
    if several:
        each = ", ".join(f"{c.name} {c.reduced_chi2:.3g}" for c in result.curves)
        text += f" By curve: {each}."
    if not result.converged:
        text, good = text + f" The fit is {result.status}.", False
    return text, good


def collect(
    run: Run,
    curves: Sequence[Curve],
    result: FitResult,
    unit: Callable[[str], str],
    label: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    posterior: Posterior | None = None,
) -> None:
    """Put a fit into a run: report, summary, arrays, fitted curves.

    Args:
        run: the run to fill.
        curves: what was fitted, in the order of ``result.curves``.
        result: of the fit.
        unit: of a parameter, by name.
        label: the model's name in the figure.
        intervals: of 95 %, by name, where they are more than value and sigma.
        posterior: draws, where there are some.
    """
    run.status = "complete" if result.converged else "not converged"
    text, good = verdict(result)
    run.lead(text, good=good)
    run.record(
        fit_status=result.status,
        reduced_chi2=result.reduced_chi2,
        chi2=result.chi2,
        degrees_of_freedom=result.dof,
        points=result.residuals.size,
        loss=result.loss,
        starts=result.starts,
        starts_agreed=result.starts_agreed,
        errors_scaled=result.errors_scaled,
        fixed=result.fixed,
    )
    _parameters(run, result, unit, intervals or {})
    _picture(run, curves, result, label)
    errors(run, curves, result)
    _sizes(run, result)
    _correlations(run, result)
    _minima(run, result)
    _arrays(run, curves, result)
    if posterior is not None:
        for text in posterior.warnings:
            run.warn(text)
        run.array("posterior", posterior.draws, parameters=list(posterior.names))
        run.record(rhat=dict(zip(posterior.names, posterior.rhat, strict=True)))


def _parameters(
    run: Run,
    result: FitResult,
    unit: Callable[[str], str],
    intervals: Mapping[str, tuple[float, float]],
) -> None:
    for name, value in result.parameters.items():
        sigma = result.uncertainties[name]
        side = result.at_bound.get(name)
        run.parameter(
            name,
            value,
            sigma if math.isfinite(sigma) else None,
            unit(name),
            interval=intervals.get(name),
            bounds=result.bounds[name] if unit(name) or "scale" not in name else None,
            note=f"at its {side} bound" if side else "",
        )
    for name, value in result.fixed.items():
        run.parameter(name, value, 0.0, unit(name), note="fixed")
    if intervals:
        run.text("Intervals are of 95 %.")


def _picture(run: Run, curves: Sequence[Curve], result: FitResult, label: str) -> None:
    from diffscatter import plotting

    run.heading("Data and fit")
    arbitrary = any("arbitrary" in note for curve in curves for note in curve.notes)
    fits = [curve.fitted for curve in result.curves]
    # The solver's residuals are fit - data; readers expect data - fit.
    residuals = [-curve.residuals for curve in result.curves]
    unit = "arbitrary unit" if arbitrary else "cm$^{-1}$"
    figure = plotting.curve_fits(curves, fits, residuals, unit=unit, label=label)
    sources = dict.fromkeys(curve.source for curve in curves if curve.source)
    run.figure("fit", figure, f"Data: {'; '.join(sources)}." if sources else "")
    if len(curves) > 1:
        rows = [
            (c.name, c.q.size, f"{c.q[0]:.4g} to {c.q[-1]:.4g}", _number(c.reduced_chi2))
            for c in result.curves
        ]
        run.table(("curve", "points", "q (1/nm)", "reduced chi2"), rows)


def errors(run: Run, curves: Sequence[Curve], result: FitResult) -> None:
    """Say how the data were weighted, and what their residuals look like."""
    run.heading("Errors and residuals")
    for curve, fit in zip(curves, result.curves, strict=True):
        own = f"{curve.name}: " if len(curves) > 1 else ""
        if curve.sigma is None:
            words = "no errors in the data; equal relative errors were assumed"
        else:
            intensity = np.asarray(curve.intensity)
            seen = intensity > 0  # counts can be 0, and below it less a background
            share = np.median(np.asarray(curve.sigma)[seen] / intensity[seen])
            words = f"weighted by the data's errors, median {share:.2g} of the intensity"
        run.text(f"{own}{words}. {runs(fit.residuals)}")
        for note in curve.notes:
            run.text(f"{own}{note}.")


def runs(residuals: np.ndarray) -> str:
    """Say whether the residuals' signs look random (Wald and Wolfowitz, 1940)."""
    above = residuals > 0
    n, m = int(above.sum()), int((~above).sum())
    if min(n, m) < 10:
        return f"{n} residuals lie above 0 and {m} below." if n != m else ""
    found = 1 + int((above[1:] != above[:-1]).sum())
    expected = 1 + 2 * n * m / (n + m)
    spread = math.sqrt((expected - 1) * (expected - 2) / (n + m - 1))
    words = f"their signs form {found} runs, {expected:.0f} +- {spread:.0f} if random"
    if found < expected - 4 * spread:
        return f"The residuals are systematic: {words}; the model misses something."
    return f"The residuals look random: {words}." if found < expected + 4 * spread else ""


def _sizes(run: Run, result: FitResult) -> None:
    """Show number and volume means, which a distribution's centre and width do not say."""
    means = size_means(result.curves[0].model)
    if not means:
        return
    run.heading("Sizes")
    run.text(
        "Distributions are by number: so many particles of each size. The volume mean weighs "
        "each with its volume."
    )
    rows = [
        (name, f"{m.number_mean:.5g}", f"{m.deviation:.3g}", f"{m.volume_mean:.5g}")
        for name, m in means.items()
    ]
    run.table(("parameter (nm)", "number mean", "standard deviation", "volume mean"), rows)
    run.record(sizes={name: vars(m) for name, m in means.items()})


def _correlations(run: Run, result: FitResult) -> None:
    if len(result.parameters) < 2:
        return
    run.heading("Correlations")
    rows = zip(result.parameters, result.correlations, strict=True)
    shown = [(name, *(f"{value:+.2f}" for value in row)) for name, row in rows]
    run.table(("", *result.parameters), shown)
    run.text("What the data determine, one combination by one, the weakest last:")
    rows = [(str(c), f"{c.sigma:.2g}") for c in result.combinations]
    run.table(("combination", "standard deviation"), rows)


def _minima(run: Run, result: FitResult) -> None:
    """Say how many starts came to the best minimum, and show the next ones."""
    if result.starts < 2:
        return
    run.heading("Starts")
    run.text(f"{result.starts_agreed} of {result.starts} starts came to the same minimum.")
    if others := _other_minima(result):
        run.text("Other minima, in order of their misfit:")
        columns = ("starts", "chi2 over the best", *result.parameters)
        rows = [
            (count, f"{ratio:.4g}", *(f"{value:.5g}" for value in values))
            for count, ratio, values in others
        ]
        run.table(columns, rows)


def _other_minima(result: FitResult) -> list[tuple[int, float, np.ndarray]]:
    """Return how many starts ended in each further minimum, its chi2 over the best, where."""
    order = np.argsort(result.start_losses)[result.starts_agreed :]
    groups: list[list[int]] = []
    for i in order:
        loss = result.start_losses[i]
        if not math.isfinite(loss):
            continue
        if groups and loss <= 1.01 * result.start_losses[groups[-1][0]]:
            groups[-1].append(int(i))
        else:
            groups.append([int(i)])
    best = max(result.chi2, np.finfo(float).tiny)
    return [
        (len(g), float(result.start_losses[g[0]]) / best, result.start_parameters[g[0]])
        for g in groups[:_OTHER_MINIMA]
    ]


def _arrays(run: Run, curves: Sequence[Curve], result: FitResult) -> None:
    several = len(curves) > 1
    for i, (curve, fit) in enumerate(zip(curves, result.curves, strict=True)):
        at = f"curve{i}/" if several else ""
        for name in ("q", "intensity", "sigma", "resolution"):
            if (values := getattr(curve, name)) is not None:
                unit = "1/nm" if name in ("q", "resolution") else "1/cm"
                run.array(at + name, values, unit=unit, curve=curve.name)
        run.array(f"{at}fitted", fit.fitted, unit="1/cm")
        run.array(f"{at}residuals", -fit.residuals, unit="standard deviations")
        _curve_files(run, str(i) if several else "", curve, fit.fitted)
    run.array("covariance", result.covariance, parameters=list(result.parameters))
    run.array("starts/parameters", result.start_parameters, parameters=list(result.parameters))
    run.array("starts/chi2", result.start_losses)


def _curve_files(run: Run, number: str, curve: Curve, fitted: np.ndarray) -> None:
    """Write NXcanSAS: the data as they were fitted, and the fit as a curve of its own."""
    alone = Curve(q=curve.q, intensity=fitted, name=f"{curve.name}, fit", notes=curve.notes)
    run.file(f"data{number}.h5", lambda path: save_curve(path, curve, fit=fitted))
    run.file(f"fit{number}.h5", lambda path: save_curve(path, alone))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
