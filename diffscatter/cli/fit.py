"""``diffscatter fit``: a model through a curve, from the shell."""

import argparse
import warnings
from pathlib import Path
from typing import Any

from diffscatter.cli.options import (
    add_curve,
    add_output,
    bounds,
    console,
    number,
    pairs,
    read_curves,
    start_jax,
)

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "fit a model to a curve; resolution and background included"
    parser = commands.add_parser("fit", help=words, description=words)
    add_curve(parser)
    parser.add_argument(
        "--model", metavar="NAME", help="sphere, cylinder, ...; a wrong one lists all"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a parameter (nm, 1/nm^2, 1/cm, or with its unit, as 40A, 4e-6/A^2), "
        "fixed unless --vary names it",
    )
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME[=LOW:HIGH]",
        help="what is free; by default every size, width, the scale and the background",
    )
    parser.add_argument(
        "--polydispersity",
        action="append",
        default=[],
        metavar="NAME=KIND:WIDTH",
        help="as radius=lognormal:0.1; the width is where the search begins",
    )
    parser.add_argument("--loss", choices=("chi2", "poisson", "log"), default="chi2")
    parser.add_argument("--starts", type=int, default=32, help="random starts (32)")
    parser.add_argument("--seed", type=int, default=1, help="of the starts (1)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="options from a file, as every run writes one",
    )
    add_output(parser, "diffscatter-fit")
    return parser


def run(options: argparse.Namespace) -> None:
    start_jax()
    import jax

    from diffscatter import analytic, pipelines, plotting
    from diffscatter.report import Run

    if options.model is None:
        raise ValueError(f"name a model: --model, one of {', '.join(analytic.MODELS)}")
    units = {p.name: p.unit for p in analytic.get(options.model).parameters}
    units |= {"background": "1/cm"}
    values = {
        name: number(name, text, units.get(name, ""))
        for name, text in pairs("set", options.set)
    }
    vary = {
        name: bounds(name, text, units.get(name, ""))
        for name, text in pairs("vary", options.vary)
    }
    spread = dict(pairs("polydispersity", options.polydispersity))
    curve, *others = read_curves(options)
    if others:
        names = ", ".join(repr(c.name) for c in (curve, *others))
        raise ValueError(f"{options.data} holds {names}; choose one with --entry (from 0)")

    used = vars(options) | {"set": values, "polydispersity": spread}
    for name in ("run", "parser", "command", "config"):
        used.pop(name)
    used = {name: value for name, value in used.items() if value not in ([], {})}
    title = f"{options.model} fitted to {curve.name}"
    out = console()
    with Run(options.output, "fit", title=title, seed=options.seed, configuration=used) as run:
        with warnings.catch_warnings(record=True) as caught, out.status("fitting"):
            warnings.simplefilter("always", UserWarning)
            result = pipelines.fit(
                curve,
                options.model,
                set=values,
                vary=vary or None,
                polydispersity=spread,
                resolution=None if options.no_resolution else "auto",
                starts=options.starts,
                key=jax.random.key(options.seed),
                loss=options.loss,
            )
        for message in [*curve.notes, *(str(w.message) for w in caught), *result.warnings]:
            run.warn(message)
        _collect(run, curve, result, units)
        # The solver's residuals are fit - data; readers expect data - fit.
        residuals = -result.residuals
        figure = plotting.curve_fit(curve, result.fitted, residuals, label=options.model)
        run.figure("fit", figure, f"Data: {curve.source}." if curve.source else "")
    out.print(str(result), markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)


def _collect(run: Any, curve: Any, result: Any, units: dict[str, str]) -> None:
    """Put a fit's numbers into the run: parameters, correlations, arrays."""
    run.status = "complete" if result.converged else "not converged"
    for name, value in result.parameters.items():
        sigma, unit = result.uncertainties[name], units.get(name, "")
        run.parameter(name, value, sigma=sigma, unit=unit)
    run.record(
        fit_status=result.status,
        reduced_chi2=result.reduced_chi2,
        points=result.q.size,
        starts=result.starts,
        starts_agreed=result.starts_agreed,
        fixed=result.fixed,
    )
    if len(result.parameters) > 1:
        run.heading("Correlations")
        rows = zip(result.parameters, result.correlations, strict=True)
        shown = [(name, *(f"{value:+.2f}" for value in row)) for name, row in rows]
        run.table(("", *result.parameters), shown)
    run.heading("Data and fit")
    for name in ("q", "intensity", "sigma"):
        if (values := getattr(curve, name)) is not None:
            run.array(name, values, unit="1/nm" if name == "q" else "1/cm")
    run.array("fitted", result.fitted, unit="1/cm")
    run.array("residuals", -result.residuals, unit="standard deviations")
    run.array("covariance", result.covariance, parameters=list(result.parameters))
