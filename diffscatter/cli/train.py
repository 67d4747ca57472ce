"""``diffscatter train``: a network for a task of lipid nanoparticles, from draws to figures."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diffscatter.cli.options import add_output, cache_folder, console, start_jax

__all__ = ["add", "run"]

_TASKS = ("lnp-classify", "lnp-measured", "lnp-fraction", "lnp-mixed", "lnp-weights")


def add(commands: Any) -> argparse.ArgumentParser:
    words = "train a network on simulated curves of lipid nanoparticles, and test it"
    parser = commands.add_parser("train", help=words, description=words)
    parser.add_argument("task", choices=_TASKS, metavar="TASK", help=", ".join(_TASKS))
    parser.add_argument(
        "--network",
        default="ours",
        metavar="NAME",
        help="ours, published; resnet (lnp-classify), simple (lnp-fraction)",
    )
    parser.add_argument(
        "--protocol",
        choices=("honest", "published"),
        default="honest",
        help="honest: tested on sizes that no training curve had; published: as reported",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="of the network's plan unless set"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="end after so much time")
    parser.add_argument(
        "--plateau",
        type=int,
        metavar="N",
        help="halve the learning rate after N validations without a new best",
    )
    parser.add_argument("--tests", type=int, default=4096, help="test curves (4096)")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoints in the folder"
    )
    add_output(parser, "diffscatter-train")
    return parser


def run(options: argparse.Namespace) -> int:
    start_jax()
    from diffscatter.pipelines.train import train
    from diffscatter.report import Run

    names = ("task", "network", "protocol", "seed", "steps", "minutes", "plateau", "tests")
    asked = {name: getattr(options, name) for name in names}
    out = console()
    title = f"{options.task}: network {options.network}, seed {options.seed}"
    with Run(
        options.output, "train", title=title, seed=options.seed, configuration=asked
    ) as run:
        with _bars(out) as (on_base, on_chunk):
            trained = train(
                **asked,
                folder=run.folder / "checkpoints",
                resume=options.resume,
                cache=cache_folder("lnp"),
                on_base=on_base,
                on_chunk=on_chunk,
            )
        from diffscatter.cli.train_report import collect

        lines = collect(run, trained, asked)
    for line in lines:
        out.print(line, markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)
    return 130 if trained.training.reason == "interrupted" else 0


@contextmanager
def _bars(out: Any) -> Iterator[tuple[Callable, Callable]]:
    """Show a bar of base curves and then one of steps; yield what moves each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with Progress(*columns, console=out) as progress:
        bars: dict[str, Any] = {}

        def move(name: str, words: str, done: int, total: int | None) -> None:
            if name not in bars:
                bars[name] = progress.add_task(words, total=total)
            progress.update(bars[name], description=words, completed=done, total=total)

        def on_chunk(step: int, total: int, loss: float, validation: float | None) -> None:
            if validation is not None:
                bars["validation"] = validation
            last = bars.get("validation")
            known = "" if last is None else f", validation {last:.4g}"
            move("steps", f"loss {loss:.4g}{known}", step, total)

        yield lambda done, total: move("base", "base curves", done, total), on_chunk
