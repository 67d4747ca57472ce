"""What several commands share: options, files of options, and how JAX starts."""

import argparse
import os
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "add_curve",
    "add_output",
    "as_options",
    "bounds",
    "cache_folder",
    "console",
    "number",
    "pairs",
    "prepared",
    "problem",
    "quantities",
    "read_curve",
    "read_curves",
    "reading",
    "span",
    "start_jax",
    "take_defaults",
]


def add_curve(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the file, how to read it, and what to do with the curve before it is used.

    Args:
        parser: of the command.
        several: whether it takes more than one file.
    """
    parser.add_argument(
        "data",
        type=Path,
        nargs="*" if several else "?",
        metavar="DATA",
        help="text, canSAS XML or NXcanSAS",
    )
    parser.add_argument(
        "--unit", metavar="UNIT", help="of q, 1/A or 1/nm, where the file does not say"
    )
    parser.add_argument("--entry", metavar="N", help="number or title, where there are several")
    parser.add_argument(
        "--columns", metavar="NAMES", help='of a text: "q,I,sigma,dq", - to skip'
    )
    parser.add_argument("--drop-bad", action="store_true", help="drop rows that cannot be used")
    parser.add_argument("--average-repeats", action="store_true", help="average equal q")
    parser.add_argument(
        "--merge", action="store_true", help="merge the ranges of several detectors"
    )
    parser.add_argument(
        "--q-range",
        metavar="LOW:HIGH",
        help="what is used, 1/nm, or as 0.004:0.03/A; either end may be left out",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="LOW:HIGH",
        help="what is left out of it, likewise; may be given several times",
    )
    parser.add_argument(
        "--subtract", type=Path, metavar="FILE", help="background, read with the same options"
    )
    parser.add_argument(
        "--subtract-factor", type=float, default=1.0, metavar="F", help="times so much (1)"
    )
    parser.add_argument(
        "--error-floor",
        type=float,
        metavar="F",
        help="fraction of the intensity added to sigma in quadrature, as 0.02",
    )
    parser.add_argument(
        "--no-resolution", action="store_true", help="leave out the curve's own resolution"
    )


def read_curves(options: argparse.Namespace) -> tuple:
    """Return every curve of the file, or the one that is asked for, ready to be used."""
    if options.data is None:
        raise ValueError(f"name a file: diffscatter {options.command} DATA")
    return prepared(_loaded(options.data, options), options)


def read_curve(options: argparse.Namespace) -> Any:
    """Return the only curve of the file, or the one that is asked for, ready to be used."""
    curve, *others = read_curves(options)
    if others:
        names = ", ".join(repr(c.name) for c in (curve, *others))
        raise ValueError(f"{options.data} holds {names}; choose one with --entry (from 0)")
    return curve


def prepared(curves: Sequence, options: argparse.Namespace) -> tuple:
    """Return curves after what the options ask for: range, background, error floor."""
    backgrounds = () if options.subtract is None else _loaded(options.subtract, options)
    if len(backgrounds) > 1:
        raise ValueError(f"{options.subtract} holds {len(backgrounds)} curves; give one")
    ends = (0.0, float("inf"))
    if options.q_range is not None:
        ends = span("--q-range", options.q_range, "1/nm", ends)
    ready = []
    for curve in curves:
        curve = curve.select(*ends) if options.q_range is not None else curve
        for hole in options.exclude:
            curve = curve.exclude(*span("--exclude", hole, "1/nm", None))
        for background in backgrounds:
            curve = curve.subtract(background, options.subtract_factor)
        if options.error_floor is not None:
            curve = curve.with_error_floor(options.error_floor)
        ready.append(curve)
    return tuple(ready)


def _loaded(path: Path, options: argparse.Namespace) -> tuple:
    from diffscatter.io import load_curve, load_curves

    how, entry = reading(options), options.entry
    if entry is None and not options.merge:
        return load_curves(path, **how)
    entry = int(entry) if entry is not None and entry.isdecimal() else entry
    return (load_curve(path, entry=entry, merge=options.merge, **how),)


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of ``io.load_curves`` that the options mean."""
    names = ("columns", "drop_bad", "average_repeats")
    return {"q_unit": options.unit} | {name: getattr(options, name) for name in names}


def as_options(message: str) -> str:
    """Write the mends that a message of ``io`` names as options of the command line."""
    message = re.sub(r"\b(drop_bad|average_repeats|merge|mask_bad)=True\b", r"--\1", message)
    message = re.sub(r'\bq_unit=("[^"]*")', r"--unit \1", message)
    message = re.sub(r'\b(columns|entry|frame|dataset)=("[^"]*"|\d+)', r"--\1 \2", message)
    message = message.replace(" or use load_curves", "").replace("(select)", "(--q-range)")
    message = message.replace("give xray= instead", "give --chi instead")
    named = r"--(drop_bad|average_repeats|mask_bad)"
    return re.sub(named, lambda m: m[0].replace("_", "-"), message)


def problem(error: OSError | ValueError) -> str:
    """Return in one line what was wrong with what was given, and the option that mends it."""
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return " ".join(f"{name}{error.strerror or error}".split())
    return " ".join(as_options(str(error)).split())


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
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            parser.set_defaults(**{name: value})  # tables, as [[curve]]: the command reads them
            continue
        if name == "curve":
            raise ValueError(f"{path}: head the table of each curve [[curve]], got {value!r}")
        if isinstance(value, dict):
            value = [f"{k}={v}" for k, v in value.items()]
        flag = [] if name == "data" else [f"--{name.replace('_', '-')}"]
        if isinstance(value, bool):
            words += flag if value else []
        else:
            for item in value if isinstance(value, list) else [value]:
                words += [*flag, str(item)]
    typed = vars(parser.parse_args(words))
    plain = [k.replace("-", "_") for k in found]
    parser.set_defaults(**{name: typed[name] for name in plain})


def pairs(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Split ``NAME=TEXT``; several may stand in one argument, separated by commas."""
    pairs = []
    for text in (part for argument in given for part in argument.split(",")):
        name, separator, value = text.partition("=")
        if not name.strip() or (option != "vary" and not separator):
            raise ValueError(f"--{option} takes NAME=VALUE, got {text!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def number(name: str, text: str, unit: str = "") -> float:
    """Return a value of a parameter in ``unit``, from one in any unit of its kind."""
    from diffscatter.core.units import parse_quantity

    return parse_quantity(text, unit, name)


def quantities(
    given: Sequence[tuple[str, str]], units: Callable[[str], str]
) -> dict[str, float]:
    """Return the values of ``NAME=VALUE`` pairs in the unit that each name has."""
    return {name: number(name, text, units(name)) for name, text in given}


def bounds(name: str, text: str, unit: str = "") -> tuple[float, float] | None:
    """Return the bounds in ``LOW:HIGH``, or None where nothing is given."""
    return span(f"--vary {name}", text, unit, None) if text else None


def span(
    name: str, text: str, unit: str, open_ends: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the two ends of ``LOW:HIGH``; a unit after the second holds for both.

    ``open_ends`` stand for ends that are left out; None: both must be there.
    """
    from diffscatter.core.units import split_quantity

    low, separator, high = (part.strip() for part in text.partition(":"))
    if not separator or (open_ends is None and not (low and high)):
        raise ValueError(f"{name} takes LOW:HIGH, got {text!r}")
    if low and high and not split_quantity(low, name)[1]:
        low += split_quantity(high, name)[1]
    ends = [
        number(name, part, unit) if part else open_ends[k] for k, part in enumerate((low, high))
    ]
    if not ends[0] < ends[1]:
        raise ValueError(f"{name} takes LOW:HIGH with LOW below HIGH, got {text!r}")
    return ends[0], ends[1]


def start_jax() -> None:
    """Switch on 64-bit numbers, and the cache that keeps compiled code between runs."""
    import gc

    import jax

    # Tracing makes millions of small objects that stay: the collector went through all of them
    # again and again, for a tenth of a fit's time and more.
    gc.set_threshold(20_000_000)
    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir:  # the user's own choice
        return
    # A cache that cannot be written only costs its time.
    if (folder := cache_folder("jax")) is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # Small programs too: reading one takes a tenth of compiling it.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def cache_folder(name: str) -> Path | None:
    """Return a folder of the user's cache, or None where it cannot be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "diffscatter" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def console() -> Any:
    from rich.console import Console

    return Console()
