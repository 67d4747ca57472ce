"""``diffscatter check``: what a file holds, what is odd about it, and what mends it."""

import argparse
from typing import Any

from diffscatter.cli.options import (
    add_curve,
    as_options,
    console,
    prepared,
    read_curves,
    reading,
    start_jax,
)
from diffscatter.cli.patterns import add_geometry, add_reading

__all__ = ["add", "run"]

# What may make a refused entry loadable, by the option's name.
_MENDS = (
    {"drop_bad": True},
    {"average_repeats": True},
    {"drop_bad": True, "average_repeats": True},
    {"merge": True},
    {"q_unit": "1/A"},
    {"q_unit": "1/nm"},
)


def add(commands: Any) -> argparse.ArgumentParser:
    words = "say what a file of curves or a pattern holds, or why it is no use"
    parser = commands.add_parser("check", help=words, description=words)
    add_curve(parser)
    patterns = parser.add_argument_group("of patterns")
    add_reading(patterns)
    add_geometry(patterns)
    return parser


def run(options: argparse.Namespace) -> None:
    """Describe every entry; end with the first one's error if any cannot be used."""
    from diffscatter.io import is_pattern

    if options.data is not None and is_pattern(options.data):
        return _pattern(options)
    from diffscatter.core.data import Curve

    found, out = _found(options), console()
    several = len(found) > 1
    for number, entry in enumerate(found):
        if isinstance(entry, Curve):
            (curve,) = prepared([entry], options)
            title, rows = curve.name, _described(curve, options.no_resolution)
        else:
            title, rows = f"entry {number}", _refused(entry, number, options)
        _print(out, f"{number}: {title}" if several else title, rows)
    for entry in found:
        if not isinstance(entry, Curve):
            raise entry


def _pattern(options: argparse.Namespace) -> None:
    """Describe an image, or end with why it cannot be used."""
    start_jax()  # in 64 bits, so that the numbers shown are those of the file
    from diffscatter.cli.check_pattern import described

    title, rows = described(options)
    _print(console(), title, rows)


def _found(options: argparse.Namespace) -> list:
    """Return the curves of a file, and errors in place of those that cannot be used."""
    from diffscatter.io import inspect_curves

    if options.data is None or options.entry is not None or options.merge:
        plain = {"subtract": None, "q_range": None, "exclude": [], "error_floor": None}
        return list(read_curves(argparse.Namespace(**vars(options) | plain)))
    return list(inspect_curves(options.data, **reading(options)))


def _print(out: Any, title: str, rows: list[tuple[str, str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, escape(value))
    out.print(table)


def _refused(error: Exception, number: int, options: argparse.Namespace) -> list:
    """Return why an entry cannot be used, and which options would change that."""
    from diffscatter.io import load_curve

    rows = [("refused", as_options(str(error)))]
    for mend in _MENDS:
        how = reading(options) | mend
        try:
            curve = load_curve(options.data, entry=number, **how)
        except ValueError:
            continue
        words = " ".join(
            f"--{'unit' if key == 'q_unit' else key.replace('_', '-')}"
            + ("" if value is True else f" {value}")
            for key, value in mend.items()
        )
        rows.append((f"with {words}", f"{curve.q.size} points, q {_span(curve)}"))
        if "q_unit" not in mend:
            break
    return rows


def _span(curve: Any) -> str:
    return f"{float(curve.q[0]):.4g} to {float(curve.q[-1]):.4g} 1/nm"


def _described(curve: Any, unsmeared: bool) -> list[tuple[str, str]]:
    """Return what a curve holds and what is odd about it, in words."""
    import numpy as np

    from diffscatter.analysis import curve_quality

    columns, quality = curve.columns, curve_quality(curve)
    q, intensity = columns["q"], columns["intensity"]
    positive = intensity[intensity > 0]
    unit = "arbitrary units" if curve.arbitrary else "1/cm"
    rows = [
        ("points", f"{q.size}"),
        ("q", f"{_span(curve)} ({q[0] / 10:.4g} to {q[-1] / 10:.4g} 1/A)"),
        ("sizes seen", f"{np.pi / q[-1]:.3g} to {np.pi / q[0]:.3g} nm (pi / q)"),
        ("intensity", f"{positive.min():.4g} to {positive.max():.4g} {unit}"),
    ]
    if "sigma" in columns:
        share = np.median(columns["sigma"][intensity > 0] / positive)
        rows.append(("sigma", f"median {share:.2g} of the intensity"))
        rows.append(("scatter", _scatter(quality.scatter)))
    else:
        rows.append(("sigma", "absent: a fit has no reduced chi-square"))
    rows += _smearing(columns, unsmeared)
    rows.append(("source", curve.source or "not stated"))
    for k, note in enumerate(curve.notes, 1):
        rows.append((f"note {k}", note))
    return rows + [(f"look at {k}", words) for k, words in enumerate(_odd(curve, quality), 1)]


def _scatter(scatter: float) -> str:
    words = f"neighbours differ by {scatter:.2g} sigma"
    if scatter < 0.5:
        return f"{words}: errors too large, or points smoothed; chi-square will be below 1"
    if scatter > 2:
        return f"{words}: errors too small, or features finer than the points"
    return f"{words}, as they should by about 1"


def _smearing(columns: dict, unsmeared: bool) -> list[tuple[str, str]]:
    import numpy as np

    rows = []
    if "resolution" in columns:
        share = np.median(columns["resolution"] / columns["q"])
        rows.append(("resolution", f"pinhole, median sigma of q {share:.2g} of q"))
    for name, words in (("slit_length", "half length"), ("slit_width", "half width")):
        if name in columns:
            ends = np.unique(columns[name][[0, -1]])
            values = " to ".join(f"{value:.4g}" for value in ends)
            rows.append(("slit", f"{words} {values} 1/nm"))
    if not rows:
        return [("resolution", "absent: a fit is not smeared")]
    words = "left out, as asked" if unsmeared else "a fit applies it"
    return [*rows[:-1], (rows[-1][0], f"{rows[-1][1]}; {words}")]


def _odd(curve: Any, quality: Any) -> list[str]:
    """Return what deserves a look before a fit."""
    import numpy as np

    columns, odd = curve.columns, []
    q, intensity = columns["q"], columns["intensity"]
    if negative := int((intensity <= 0).sum()):
        first = q[np.argmax(intensity <= 0)]
        odd.append(f"{negative} points at or below 0, the first at {first:.4g} 1/nm")
    if quality.shadowed:
        odd.append(
            f"the first {quality.shadowed} points climb: a beam stop's shadow, or a peak; "
            f"--q-range {q[quality.shadowed]:.4g}: leaves them out"
        )
    if quality.outliers:
        shown = ", ".join(f"{q[k]:.4g}" for k in quality.outliers[:5])
        more = f" and {len(quality.outliers) - 5} more" if len(quality.outliers) > 5 else ""
        odd.append(f"points off their neighbours' line, at {shown}{more} 1/nm; see --exclude")
    if quality.drowned is not None:
        odd.append(
            f"most points beyond {quality.drowned:.4g} 1/nm are below their error; "
            f"--q-range :{quality.drowned:.4g} leaves them out"
        )
    if "sigma" in columns:
        tiny = columns["sigma"] < 1e-4 * np.abs(intensity)
        if tiny.any():
            odd.append(
                f"{int(tiny.sum())} errors are below 1e-4 of the intensity, so that a fit "
                "follows those points alone; --error-floor 0.01"
            )
    if "resolution" in columns:
        wide = columns["resolution"] > 0.5 * q
        if wide.any():
            odd.append(
                f"resolution above half of q at {int(wide.sum())} points, to "
                f"{q[wide].max():.4g} 1/nm"
            )
    return odd
