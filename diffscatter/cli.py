"""The ``diffscatter`` command: whole tasks from files to a folder of results.

Ends with 0, or with 2 and one line that says what to mend, or with 130 after Ctrl-C. Importing
this module is cheap: a command loads what it needs.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from diffscatter import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process by default) and return its exit status."""
    try:
        options = _parser().parse_args(arguments)
        return options.run(options) or 0
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone, as in `diffscatter ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # as rich does
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _say(f"{name}{error.strerror or error}", 2)
    except ValueError as error:
        return _say(str(error), 2)
    except MemoryError:
        return _say("not enough memory; use a smaller grid or fewer points", 2)


def _say(message: str, status: int) -> int:
    print(f"diffscatter: {' '.join(message.split())}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="diffscatter",
        description="A differentiable engine for X-ray and neutron scattering.",
    )
    parser.add_argument("--version", action="version", version=f"diffscatter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Any, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run)
        return command

    demo = add("demo", _demo, "fit a measured curve and recover a body; takes about a minute")
    _add_output(demo, "diffscatter-demo")
    demo.add_argument("--seed", type=int, default=1, help="of all random numbers (1)")

    check = add("check", _check, "say what a file of curves holds, or why it cannot be used")
    _add_curve(check)

    benchmark = add("benchmark", _benchmark, "run the benchmarks of a checkout")
    benchmark.add_argument("names", nargs="*", metavar="NAME", help="which; all by default")
    return parser


def _add_curve(parser: argparse.ArgumentParser) -> None:
    """Add the file and how to read it: the options of ``io.load_curve``."""
    parser.add_argument("data", type=Path, metavar="DATA", help="text, canSAS XML or NXcanSAS")
    parser.add_argument(
        "--q-unit", metavar="UNIT", help="1/A or 1/nm, where the file does not say"
    )
    parser.add_argument("--entry", metavar="N", help="number or title, where there are several")
    parser.add_argument(
        "--columns", metavar="NAMES", help='of a text: "q,I,sigma,dq", - to skip'
    )
    parser.add_argument("--drop-bad", action="store_true", help="drop rows that cannot be used")
    parser.add_argument("--average-repeats", action="store_true", help="average equal q")


def _curves(options: argparse.Namespace) -> tuple:
    """Return every curve of the file, or the one that ``--entry`` names."""
    from diffscatter.io import load_curve, load_curves

    how = {k: getattr(options, k) for k in ("q_unit", "columns", "drop_bad", "average_repeats")}
    if options.entry is None:
        return load_curves(options.data, **how)
    entry = int(options.entry) if options.entry.isdecimal() else options.entry
    return (load_curve(options.data, entry=entry, **how),)


def _add_output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="DIR",
        help=f"folder for report.html, summary.json, result.h5 and figures ({default})",
    )


def _start_jax() -> None:
    """Switch on 64-bit numbers, and the cache that keeps compiled code between runs."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir:  # the user's own choice
        return
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "diffscatter" / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    if usable:  # a cache that cannot be written only costs its time
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _console() -> Any:
    from rich.console import Console

    return Console()


def _demo(options: argparse.Namespace) -> None:
    _start_jax()
    from diffscatter import demo

    demo.main(options.output, options.seed, _console())


def _check(options: argparse.Namespace) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = _console()
    for curve in _curves(options):
        table = Table(title=escape(curve.name), show_header=False)
        for name, value in _described(curve).items():
            table.add_row(name, escape(value))
        console.print(table)


def _described(curve: Any) -> dict[str, str]:
    """Return what a curve holds, in words."""
    import numpy as np

    q, intensity = np.asarray(curve.q), np.asarray(curve.intensity)
    share = lambda values, base: f"{np.median(np.asarray(values) / np.abs(base)):.2g}"
    positive = intensity[intensity > 0]
    found = {
        "points": f"{q.size}",
        "q": f"{q[0]:.4g} to {q[-1]:.4g} 1/nm",
        "sizes seen": f"to about {np.pi / q[0]:.3g} nm (pi / smallest q)",
        "intensity": f"{positive.min():.4g} to {positive.max():.4g}",
        "sigma": "absent: a fit has no reduced chi-square",
        "resolution": "absent: a fit is not smeared",
        "source": curve.source or "not stated",
    }
    if negative := int((intensity <= 0).sum()):
        found["intensity"] += f", {negative} points at or below 0"
    if curve.sigma is not None:
        found["sigma"] = f"median {share(curve.sigma, intensity)} of the intensity"
    if curve.resolution is not None:
        found["resolution"] = f"median sigma of q {share(curve.resolution, q)} of q"
    found |= {f"note {i}": note for i, note in enumerate(curve.notes, 1)}
    return found


def _benchmark(options: argparse.Namespace) -> None:
    folder = _benchmarks()
    known = {
        path.stem: path
        for path in sorted(folder.glob("*.py"))
        if re.search(r"^if __name__ ==", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    if unknown := [name for name in options.names if name not in known]:
        raise ValueError(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names or known:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, known[name]], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ValueError(f"benchmark {name} failed: {last}")


def _benchmarks() -> Path:
    """Return the benchmarks of the checkout we run from, or of the one we stand in."""
    ours = importlib.util.find_spec("diffscatter").origin
    for root in (Path(ours).parents[1], Path.cwd()):
        if (root / "benchmarks" / "harness.py").is_file():
            return root / "benchmarks"
    raise ValueError(
        "the benchmarks come with a checkout, not with the installed package: clone the "
        "repository, pip install -e '.[benchmark]' there, and run this command in it"
    )
