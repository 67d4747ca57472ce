"""``diffscatter dataset``: computed curves, as shards that any number of processes make."""

import argparse
import json
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffscatter.cli.options import cache_folder, console, start_jax

__all__ = ["add", "run"]

_SIZES = 20.0, 100.0  # nm, datasets.lnp.LIMITS, which would cost the import of JAX
# What a file of a data set may say, and what stands for what it leaves out.
_DEFAULTS = {
    "dataset": "lnp",
    "task": "classify",
    "seed": 0,
    "count": 6000,
    "per_shard": 1000,
    "route": "exact",
    "first_size": _SIZES[0],
    "last_size": _SIZES[1],
    "size_step": 1.0,
    "spread": "text",
    "noise": "lognormal",
    "strength": [1e4, 10**7.5],
}


def add(commands: Any) -> argparse.ArgumentParser:
    words = "make a data set of computed curves, alone or as one of several processes"
    parser = commands.add_parser(
        "dataset",
        help=words,
        description=f"{words}. CONFIG is a TOML file; "
        + "; ".join(f"{key} = {json.dumps(value)}" for key, value in _DEFAULTS.items())
        + " unless it says otherwise. Start it again after a crash: whole shards are kept.",
    )
    parser.add_argument("configuration", type=Path, metavar="CONFIG", help="as lnp.toml")
    parser.add_argument("--rank", type=int, default=0, metavar="R", help="0 to W - 1 (0)")
    parser.add_argument("--world", type=int, default=1, metavar="W", help="processes (1)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dataset"),
        metavar="DIR",
        help="folder of shard-*.h5 and summary.json, the same for all ranks (dataset)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    configuration = _configuration(options.configuration)
    start_jax()
    from diffscatter.core.files import write_atomic
    from diffscatter.datasets import lnp
    from diffscatter.io import shards
    from diffscatter.report import versions

    split = (configuration[k] for k in ("count", "per_shard"))
    shards.check_split(*split, options.rank, options.world)
    sample = _lnp(configuration, options.rank)
    sizes = {name: configuration.pop(name) for name in ("count", "per_shard")}
    with _bar("shards") as progress:
        done = shards.generate(
            options.output,
            sample,
            **sizes,
            configuration=configuration | {"version": lnp.VERSION},
            rank=options.rank,
            world=options.world,
            progress=progress,
        )
    summary = {
        "command": "dataset",
        "status": "complete",
        "seconds": time.perf_counter() - start,
        "versions": versions(),
        "seed": configuration["seed"],
        "configuration": configuration | sizes,
        "rank": options.rank,
        "world": options.world,
        "written": done.written,
        "kept": done.kept,
        "warnings": [],
    }
    name = "summary.json" if options.world == 1 else f"summary-{options.rank:05d}.json"
    write_atomic(options.output / name, json.dumps(summary, indent=2) + "\n")
    console().print(
        f"{options.output}: {done.written} shards written, {done.kept} kept "
        f"(rank {options.rank} of {options.world})",
        highlight=False,
        soft_wrap=True,
    )


def _configuration(path: Path) -> dict[str, Any]:
    """Return a data set's configuration, complete and of the right types."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not TOML, not UTF-8
        raise ValueError(f"{path}: {error}") from None
    for key, value in found.items():
        if key not in _DEFAULTS:
            raise ValueError(
                f"{path}: no entry is called {key!r}; there are {', '.join(_DEFAULTS)}"
            )
        kind = type(_DEFAULTS[key])
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            found[key] = float(value)
        elif not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{path}: {key} must be as {_DEFAULTS[key]!r}, got {value!r}")
    complete = _DEFAULTS | found
    if complete["dataset"] != "lnp":
        raise ValueError(f"{path}: dataset must be lnp, got {complete['dataset']!r}")
    low, high, step = (complete[k] for k in ("first_size", "last_size", "size_step"))
    if not _SIZES[0] <= low < high <= _SIZES[1] or not 0 < step <= high - low:
        raise ValueError(
            f"{path}: sizes must run upwards in steps within {_SIZES[0]:g} to {_SIZES[1]:g} "
            f"nm, got {low:g} to {high:g} nm in steps of {step:g}"
        )
    strength = complete["strength"]
    if len(strength) != 2 or not all(isinstance(v, int | float) for v in strength):
        raise ValueError(f"{path}: strength must be two numbers, got {strength}")
    complete["strength"] = [float(v) for v in strength]
    return complete


def _lnp(configuration: dict[str, Any], rank: int) -> Callable[[int, int], dict]:
    """Return the samples of a configuration: curve i depends on the seed and on i alone."""
    import dataclasses

    import jax
    import jax.numpy as jnp
    import numpy as np

    from diffscatter.datasets import lnp

    wanted = configuration
    task = wanted["task"]
    options = {name: wanted[name] for name in ("spread", "noise")}
    options["strength"] = tuple(wanted["strength"])
    lnp.check_options(task, **options)
    # Ranks that start together begin with different types, and find the others' in the cache.
    kinds = lnp.TASKS[task]
    first = rank % len(kinds)
    low, high, step = (wanted[k] for k in ("first_size", "last_size", "size_step"))
    with _bar("base curves") as progress:
        base = lnp.base_curves(
            (*kinds[first:], *kinds[:first]),
            np.arange(low, high + step / 2, step),
            route=wanted["route"],
            folder=cache_folder("lnp"),
            progress=progress,
        )
    sample = lnp.sampler(base, task, **options)
    key = jax.random.key(wanted["seed"])
    one = lambda index: jax.tree.map(
        lambda leaf: leaf[0], sample(jax.random.fold_in(key, index), 1)
    )
    many = jax.jit(jax.vmap(one))
    per_shard = wanted["per_shard"]

    def samples(start: int, stop: int) -> dict:
        # Always a whole shard, so that the last one is not another compilation.
        drawn = many(start + jnp.arange(per_shard))
        fields = dataclasses.fields(drawn)
        return {f.name: np.asarray(getattr(drawn, f.name))[: stop - start] for f in fields}

    return samples


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; yield what moves it, given how much is done and how much there is."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console()) as progress:
        task = progress.add_task(words, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
