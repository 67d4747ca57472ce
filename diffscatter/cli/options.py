"""What several commands share: options, files of options, and how JAX starts."""

import argparse
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "add_curve",
    "add_output",
    "bounds",
    "console",
    "number",
    "pairs",
    "read_curves",
    "start_jax",
    "take_defaults",
]


def add_curve(parser: argparse.ArgumentParser) -> None:
    """Add the file and how to read it: the options of ``io.load_curve``."""
    parser.add_argument(
        "data", type=Path, nargs="?", metavar="DATA", help="text, canSAS XML or NXcanSAS"
    )
    parser.add_argument(
        "--q-unit", metavar="UNIT", help="1/A or 1/nm, where the file does not say"
    )
    parser.add_argument("--entry", metavar="N", help="number or title, where there are several")
    parser.add_argument(
        "--columns", metavar="NAMES", help='of a text: "q,I,sigma,dq", - to skip'
    )
    parser.add_argument("--drop-bad", action="store_true", help="drop rows that cannot be used")
    parser.add_argument("--average-repeats", action="store_true", help="average equal q")


def read_curves(options: argparse.Namespace) -> tuple:
    """Return every curve of the file, or the one that ``--entry`` names."""
    from diffscatter.io import load_curve, load_curves

    if options.data is None:
        raise ValueError(f"name a file: diffscatter {options.command} DATA")
    how = {k: getattr(options, k) for k in ("q_unit", "columns", "drop_bad", "average_repeats")}
    if options.entry is None:
        return load_curves(options.data, **how)
    entry = int(options.entry) if options.entry.isdecimal() else options.entry
    return (load_curve(options.data, entry=entry, **how),)


def add_output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="DIR",
        help=f"folder for report.html, summary.json, result.h5 and figures ({default})",
    )


def take_defaults(parser: argparse.ArgumentParser, path: Path) -> None:
    """Make the options of a TOML file the defaults of a command, by their long names."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not TOML, not UTF-8
        raise ValueError(f"{path}: {error}") from None
    valid = set(vars(parser.parse_args([]))) - {"config", "run", "parser"}
    words: list[str] = []
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in valid:
            listed = ", ".join(sorted(valid))
            raise ValueError(f"{path}: no option is called {key!r}; there are {listed}")
        if isinstance(value, dict):
            value = [f"{k}={v}" for k, v in value.items()]
        flag = [] if name == "data" else [f"--{name.replace('_', '-')}"]
        if isinstance(value, bool):
            words += flag if value else []
        else:
            for item in value if isinstance(value, list) else [value]:
                words += [*flag, str(item)]
    typed = vars(parser.parse_args(words))
    parser.set_defaults(**{k.replace("-", "_"): typed[k.replace("-", "_")] for k in found})


def pairs(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Split ``NAME=TEXT``; several may stand in one argument, separated by commas."""
    pairs = []
    for text in (part for argument in given for part in argument.split(",")):
        name, separator, value = text.partition("=")
        if not name.strip() or (option != "vary" and not separator):
            raise ValueError(f"--{option} takes NAME=VALUE, got {text!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {text!r}") from None


def bounds(name: str, text: str) -> tuple[float, float] | None:
    """Return the bounds in ``LOW:HIGH``, or None where nothing is given."""
    if not text:
        return None
    low, separator, high = text.partition(":")
    if not separator:
        raise ValueError(f"--vary takes {name}=LOW:HIGH, got {name}={text}")
    return number(name, low), number(name, high)


def start_jax() -> None:
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
        # Small programs too: reading one takes a tenth of compiling it.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def console() -> Any:
    from rich.console import Console

    return Console()
