"""``diffscatter benchmark``: the scripts of a checkout, one after another."""

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "run the benchmarks of a checkout"
    parser = commands.add_parser("benchmark", help=words, description=words)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all by default")
    return parser


def run(options: argparse.Namespace) -> None:
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
