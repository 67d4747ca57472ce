"""``diffscatter check``: what a file holds, in words."""

import argparse
from typing import Any

from diffscatter.cli.options import add_curve, console, read_curves

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "say what a file of curves holds, or why it cannot be used"
    parser = commands.add_parser("check", help=words, description=words)
    add_curve(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console()
    for curve in read_curves(options):
        table = Table(title=escape(curve.name), show_header=False)
        for name, value in _described(curve).items():
            table.add_row(name, escape(value))
        out.print(table)


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
