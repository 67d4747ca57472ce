"""``diffscatter simulate``: from a described body to patterns and curves, with noise."""

import argparse
import warnings
from pathlib import Path
from typing import Any

from diffscatter.cli.options import add_output, console, start_jax

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "simulate the pattern and the curve of a body, with noise"
    parser = commands.add_parser(
        "simulate",
        help=words,
        description=f"{words}, from a file such as the one printed below",
    )
    parser.add_argument(
        "settings", type=Path, nargs="?", metavar="CONFIG.toml", help="what to simulate"
    )
    parser.add_argument(
        "--example", type=Path, metavar="FILE", help="write the example below, and end"
    )
    add_output(parser, "diffscatter-simulate")
    # The example is written from the keys themselves, which load much: when it is asked for.
    options_alone = parser.format_help
    parser.format_help = lambda: f"{options_alone()}\n{_example()}"
    return parser


def run(options: argparse.Namespace) -> None:
    out = console()
    if options.example is not None:
        _write_example(options.example)
        out.print(f"wrote {options.example}", markup=False, highlight=False)
        return
    if options.settings is None:
        raise ValueError("name a file: diffscatter simulate CONFIG.toml; --help prints one")
    start_jax()
    from diffscatter.cli.simulate_report import collect
    from diffscatter.pipelines.simulate import read_settings, simulate
    from diffscatter.report import Run

    settings, folder = read_settings(options.settings), options.settings.parent
    seed = settings.get("seed", 1)
    with Run(
        options.output, "simulate", seed=seed, configuration=_whole(settings, folder)
    ) as r:
        with warnings.catch_warnings(record=True) as caught, out.status("simulating"):
            warnings.simplefilter("always", UserWarning)
            try:
                found = simulate(settings, folder=folder)
            except ValueError as error:
                raise ValueError(f"{options.settings}: {error}") from None
        for message in dict.fromkeys([*(str(w.message) for w in caught), *found.warnings]):
            r.warn(message)
        lines = collect(r, found)
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    out.print(f"report: {r.folder / 'report.html'}", markup=False, highlight=False)


def _example() -> str:
    from diffscatter.pipelines.simulation.settings import example

    return example()


def _write_example(path: Path) -> None:
    from diffscatter.core.files import write_atomic

    if path.exists():
        raise ValueError(f"{path} is there already; name another file")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: no such folder: {path.parent}")
    write_atomic(path, _example())


def _whole(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings with whole paths, so that they hold in any folder."""
    found = dict(settings)
    for name, table in settings.items():
        if isinstance(table, dict) and isinstance(table.get("file"), str):
            found[name] = table | {"file": str((folder / table["file"]).resolve())}
    return found
