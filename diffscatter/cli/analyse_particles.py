"""``diffscatter analyse --model lnp``: types, shares and sizes of lipid nanoparticles."""

import argparse
import sys
from pathlib import Path
from typing import Any

from diffscatter.cli.options import console, problem, read_curve, start_jax

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Analyse a file, or all files of a folder; 2 where one of them could not be used."""
    if options.data is None:
        raise ValueError(f"name a file or a folder: diffscatter {options.command} DATA")
    paths = _files(options.data, options.output)
    start_jax()
    import jax

    from diffscatter.cli.analyse_particles_report import collect
    from diffscatter.pipelines import analyse_particles as pipeline
    from diffscatter.report import Run

    curves, lost = _read(paths, options)
    out = console()
    seed = 0 if options.seed is None else options.seed
    with Run(
        options.output,
        "analyse",
        title=f"Lipid nanoparticles in {options.data.name or options.data}",
        seed=seed,
        configuration=_configuration(options, seed),
    ) as run:
        with out.status("analysing") as status:
            told = lambda done, count: status.update(f"analysed {done} of {count} curves")
            found = pipeline.analyse_particles(
                list(curves.values()), key=jax.random.key(seed), progress=told
            )
        lines = collect(run, dict(zip(curves, found, strict=True)), lost)
    for line, good in lines:
        style = "bold" if good else "bold red"
        out.print(line, style=style, markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)
    return 2 if lost else 0


def _files(data: Path, output: Path) -> list[Path]:
    """Return the file, or the files of the folder, hidden ones and folders in it left out."""
    if not data.is_dir():
        return [data]
    if output.resolve() == data.resolve():
        raise ValueError(
            f"--output {output} is the folder of the data, where the next run would take the "
            "results for curves; name another"
        )
    paths = sorted(p for p in data.iterdir() if not p.name.startswith(".") and not p.is_dir())
    if not paths:
        raise ValueError(f"{data}: no file in this folder; name one with curves")
    return paths


def _read(
    paths: list[Path], options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the curves by the names of their files, and what was wrong with the others.

    Of a folder each of the others costs a line, and the rest goes on; a file that was named,
    and a folder without any curve, are refused.
    """
    from diffscatter.pipelines.analyse_particles import usable

    curves, lost = {}, {}
    for path in paths:
        try:
            one = argparse.Namespace(**vars(options) | {"data": path})
            curves[path.name] = usable(read_curve(one))
        except (OSError, ValueError) as error:
            if len(paths) == 1:
                raise
            line = problem(error).removeprefix(f"{path.stem}: ")  # a curve's name
            lost[path.name] = line if path.name in line else f"{path.name}: {line}"
            print(f"diffscatter: {lost[path.name]}", file=sys.stderr)
    if not curves:
        raise ValueError(f"{options.data}: none of its {len(paths)} files holds a usable curve")
    return curves, lost


def _configuration(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    used = vars(options) | {"seed": seed}
    for name in ("run", "parser", "command", "config"):
        used.pop(name)
    return {name: value for name, value in used.items() if value not in ([], {})}
