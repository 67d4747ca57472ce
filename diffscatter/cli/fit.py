"""``diffscatter fit``: a model through a curve, or through several, from the shell."""

import argparse
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from diffscatter.cli.options import (
    add_curve,
    add_output,
    bounds,
    console,
    pairs,
    quantities,
    read_curve,
    start_jax,
)

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "fit a model to a curve, or to several at once; resolution and background included"
    parser = commands.add_parser("fit", help=words, description=words)
    add_curve(parser, several=True)
    parser.add_argument(
        "--model", metavar="NAME", help="as diffscatter models lists them, or sphere@hardsphere"
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
        help="what is free besides scale, background and widths; by default all but contrasts "
        "and slds",
    )
    parser.add_argument(
        "--polydispersity",
        action="append",
        default=[],
        metavar="NAME=KIND:WIDTH",
        help="as radius=lognormal:0.1; the width is where the search begins",
    )
    parser.add_argument(
        "--share",
        metavar="NAMES",
        help="of several curves, what has one value in all, as radius,thickness; by default "
        "all that is free but the scale and the background",
    )
    parser.add_argument(
        "--uncertainty",
        choices=("covariance", "profile", "nuts"),
        default="covariance",
        help="profile: intervals of 95 %% along the misfit; nuts: draws from the posterior",
    )
    parser.add_argument("--loss", choices=("chi2", "poisson", "log"), default="chi2")
    parser.add_argument("--starts", type=int, default=32, help="random starts (32)")
    parser.add_argument("--seed", type=int, default=1, help="of the starts (1)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="options from a file, as every run writes one; a [[curve]] table holds data, set "
        "and reading options of one curve",
    )
    parser.set_defaults(curve=[])
    add_output(parser, "diffscatter-fit")
    return parser


def run(options: argparse.Namespace) -> None:
    start_jax()
    import jax

    from diffscatter import analytic, pipelines
    from diffscatter.report import Run

    if options.model is None:
        raise ValueError(f"name a model: --model, one of {', '.join(analytic.MODELS)}")
    spread = dict(pairs("polydispersity", options.polydispersity))
    values, vary = pairs("set", options.set), pairs("vary", options.vary)
    curves, own = _curves(options)
    units = _units(options.model)
    values = quantities(values, units)
    vary = {name: bounds(name, text, units(name)) for name, text in vary}
    each = [quantities(one, units) for one in own]
    shared = None if options.share is None else options.share.replace(" ", "").split(",")

    title = f"{options.model} fitted to {', '.join(dict.fromkeys(c.name for c in curves))}"
    out = console()
    with Run(
        options.output,
        "fit",
        title=title,
        seed=options.seed,
        configuration=_configuration(options, values, spread),
    ) as run:
        # While the fit compiles and runs, which it does without the interpreter. Not a daemon:
        # one that still imports when a refusal ends the process aborts it.
        threading.Thread(target=_load_figures).start()
        with warnings.catch_warnings(record=True) as caught, out.status("fitting"):
            warnings.simplefilter("always", UserWarning)
            result = pipelines.fit(
                curves[0] if len(curves) == 1 else curves,
                options.model,
                set=values | each[0] if len(curves) == 1 else values,
                vary=vary or None,
                polydispersity=spread,
                **({} if len(curves) == 1 else {"shared": shared, "each": each}),
                resolution=None if options.no_resolution else "auto",
                starts=options.starts,
                key=jax.random.key(options.seed),
                loss=options.loss,
            )
            posterior = _posterior(options, result)
            intervals = (
                _intervals(options, result) if posterior is None else posterior.interval()
            )
        from diffscatter.cli.fit_report import collect, verdict

        said = [str(w.message) for w in caught]
        for message in dict.fromkeys([*said, *result.warnings]):
            run.warn(message)
        collect(run, curves, result, units, options.model, intervals, posterior)
    text, good = verdict(result)
    out.print(text, style="bold" if good else "bold red", markup=False, highlight=False)
    out.print(str(result), markup=False, highlight=False)
    for name, (low, high) in intervals.items():
        out.print(f"  {name}: {low:.6g} to {high:.6g} (95 %)", markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)


def _intervals(options: argparse.Namespace, result: Any) -> dict[str, tuple[float, float]]:
    if options.uncertainty == "covariance":
        return {}
    from diffscatter.fitting import profile_intervals

    return {name: (i.low, i.high) for name, i in profile_intervals(result).items()}


def _posterior(options: argparse.Namespace, result: Any) -> Any:
    if options.uncertainty != "nuts":
        return None
    import jax

    from diffscatter.fitting import sample_posterior

    try:
        return sample_posterior(result, key=jax.random.key(options.seed))
    except ImportError as error:
        raise ValueError(str(error)) from None


def _load_figures() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def _curves(options: argparse.Namespace) -> tuple[list, list[list[tuple[str, str]]]]:
    """Return the curves that the options and their ``[[curve]]`` tables name, and what each
    table sets."""
    if not options.curve:
        files = options.data or [None]
        tables: Sequence[dict] = [{"data": file} for file in files]
    elif options.data:
        raise ValueError("name the files in the [[curve]] tables or before them, not in both")
    else:
        tables = options.curve
    curves, own = [], []
    for table in tables:
        if options.curve:
            _check_table(table)
        one = argparse.Namespace(**vars(options))
        own.append([(k, str(v)) for k, v in dict(table.get("set", {})).items()])
        for key, value in table.items():
            name = key.replace("-", "_")
            if name != "set":
                path = name in ("data", "subtract") and value is not None
                setattr(one, name, Path(value) if path else value)
        one.entry = None if one.entry is None else str(one.entry)
        curve = read_curve(one)
        curves.append(changed(curve, name=table["name"]) if "name" in table else curve)
    return curves, own


_TEXT, _YES, _NUMBER = ("a text", str), ("true or false", bool), ("a number", int, float)
_TABLE = dict.fromkeys(("data", "name", "unit", "columns", "q_range", "subtract"), _TEXT)
_TABLE |= dict.fromkeys(("drop_bad", "average_repeats", "merge"), _YES)
_TABLE |= dict.fromkeys(("subtract_factor", "error_floor"), _NUMBER)
_TABLE |= {"entry": ("a number or a title", int, str), "exclude": ("a list of texts", list)}
_TABLE |= {"set": ("a table, as { radius = 4 }", dict)}


def _check_table(table: dict[str, Any]) -> None:
    """Refuse a ``[[curve]]`` table by the name of what is wrong in it."""
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in _TABLE:
            raise ValueError(
                f"[[curve]] has no option {key!r}; there are {', '.join(sorted(_TABLE))}"
            )
        what, *kinds = _TABLE[name]
        if type(value) not in kinds:
            raise ValueError(f"[[curve]] {key} must be {what}, got {value!r}")
    if "data" not in table:
        raise ValueError('a [[curve]] table names no file; give data = "FILE"')


def _units(model: str) -> Any:
    """Return a function from a parameter's name to its unit, in whichever vocabulary."""
    from diffscatter import analytic

    known: dict[str, str] = {}
    for vocabulary in ("sasmodels", "ours"):
        try:
            table = analytic.named(model, vocabulary=vocabulary).parameters
        except ValueError:
            if vocabulary == "ours":
                raise
            continue  # a model that sasmodels does not have
        known |= {name: p.unit for name, p in table.items()}
    return lambda name: known.get(name.partition("[")[0], "")


def _configuration(options: argparse.Namespace, values: dict, spread: dict) -> dict:
    used = vars(options) | {"set": values, "polydispersity": spread}
    for name in ("run", "parser", "command", "config"):
        used.pop(name)
    used["data"] = used["data"][0] if len(used["data"]) == 1 else used["data"]
    return {name: value for name, value in used.items() if value not in ([], {})}
