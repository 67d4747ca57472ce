"""``diffscatter analyse``: what a curve tells without a form assumed for it."""

import argparse
from pathlib import Path
from typing import Any

from diffscatter.cli.options import (
    add_curve,
    add_output,
    console,
    pairs,
    quantities,
    read_curve,
    span,
    start_jax,
)

__all__ = ["add", "run"]

_METHODS = ("guinier", "pr", "sizes")
# Options that not all of them take, and those that each takes.
_OPTIONS = ("background", "largest", "model", "parameter", "seed", "set", "sizes")
_TAKES = {
    "guinier": set(),
    "pr": {"largest", "background"},
    "sizes": {"model", "set", "parameter", "sizes", "background"},
}


def add(commands: Any) -> argparse.ArgumentParser:
    words = (
        "radius of gyration, pair distances or a free-form size distribution of a curve; with "
        "--model lnp, the types, shares and sizes of lipid nanoparticles in one or in a folder"
    )
    parser = commands.add_parser("analyse", help=words, description=words)
    add_curve(parser)
    parser.add_argument(
        "--method",
        choices=_METHODS,
        help="guinier: Rg and I(0); pr: pair distances; sizes: a size distribution, which is "
        "also what --model alone means",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="the body whose sizes differ (sphere); lnp: lipid nanoparticles, DATA being a "
        "curve or a folder of curves on any scale of intensity",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another parameter of the body, as contrast=2e-4 or contrast=2e-6/A^2",
    )
    parser.add_argument(
        "--parameter", metavar="NAME", help="the length that is distributed (the first)"
    )
    parser.add_argument("--sizes", metavar="LOW:HIGH", help="its range, nm, or as 10:500A")
    parser.add_argument(
        "--largest", metavar="LOW:HIGH", help="range of the largest distance of p(r), nm"
    )
    parser.add_argument(
        "--background",
        choices=("auto", "none", "flat"),
        default="auto",
        help="flat: solved for; auto: flat for sizes, none for pr",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the random numbers of --model lnp (0)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="options from a file, as every run writes one",
    )
    add_output(parser, "diffscatter-analyse")
    return parser


def run(options: argparse.Namespace) -> int | None:
    if options.model == "lnp":
        from diffscatter.cli import analyse_particles

        _refuse(options, {"model", "seed"}, "--model lnp")
        if options.method is not None:
            raise ValueError("--method is not for --model lnp")
        return analyse_particles.run(options)
    start_jax()
    from diffscatter import pipelines
    from diffscatter.report import Run

    method, arguments = _chosen(options)
    curve = read_curve(options)
    used = {
        name: value
        for name, value in (vars(options) | {"method": method}).items()
        if name not in ("run", "parser", "command", "config") and value not in ([], {})
    }
    out = console()
    title = {"guinier": "Guinier fit", "pr": "Pair distances", "sizes": "Size distribution"}
    heading = f"{title[method]} of {curve.name}"
    with Run(options.output, "analyse", title=heading, configuration=used) as run:
        with out.status("analysing"):
            result = pipelines.analyse(curve, method, **arguments)
        for message in (*curve.notes, *result.warnings):
            run.warn(message)
        run.record(method=method)
        from diffscatter.cli.analyse_report import COLLECT

        COLLECT[method](run, curve, result)
    out.print(str(result), markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)


def _refuse(options: argparse.Namespace, takes: set[str], what: str) -> None:
    """Refuse an option that is given and that ``what`` does not take."""
    for name in _OPTIONS:
        if name not in takes and getattr(options, name) not in (None, [], "auto"):
            raise ValueError(f"--{name} is not for {what}")


def _chosen(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return the method and its keywords; refuse options that it does not take."""
    method = options.method
    if method is None:
        if options.model is None:
            raise ValueError(f"name a method: --method {', '.join(_METHODS)}")
        method = "sizes"
    _refuse(options, _TAKES[method], f"--method {method}")
    arguments: dict[str, Any] = {"resolution": None if options.no_resolution else "auto"}
    if options.background != "auto":
        arguments["background"] = options.background == "flat"
    if options.largest:
        arguments["largest"] = span("--largest", options.largest, "nm", None)
    if method == "sizes":
        from diffscatter.analytic import get

        arguments["model"] = options.model or "sphere"
        units = {p.name: p.unit for p in get(arguments["model"]).parameters}
        values = pairs("set", options.set)
        arguments["set"] = quantities(values, lambda name: units.get(name, ""))
        arguments["parameter"] = options.parameter
        if options.sizes:
            arguments["sizes"] = span("--sizes", options.sizes, "nm", None)
    return method, arguments
