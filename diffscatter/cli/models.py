"""``diffscatter models``: what can be fitted, and what each model's parameters mean."""

import argparse
import math
from typing import Any

from diffscatter.cli.options import console

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "list the models, or say what one of them is"
    parser = commands.add_parser("models", help=words, description=words)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a model of the list")
    return parser


def run(options: argparse.Namespace) -> None:
    from diffscatter import analytic

    out = console()
    if options.name is None:
        _list(out, analytic.MODELS)
    else:
        _describe(out, analytic.get(options.name))


def _list(out: Any, models: dict[str, Any]) -> None:
    from rich.table import Table

    width = max(map(len, models))
    for category, members in _by_category(models).items():
        out.print(category)
        table = Table(show_header=False, box=None)
        table.add_column(min_width=width, no_wrap=True, style="bold")
        table.add_column()
        for model in members:
            table.add_row(model.name, model.title)
        out.print(table)
        out.print()
    out.print("diffscatter models NAME shows a model's equation and parameters.")


def _by_category(models: dict[str, Any]) -> dict[str, list]:
    from diffscatter.analytic.particle import Particle

    found: dict[str, list] = {}
    for model in models.values():
        kind = type(model.constructor(**{p.name: p.default for p in model.parameters}))
        if not issubclass(kind, Particle):
            category = "Laws without a shape"
        elif "amplitude" in vars(kind):
            category = "Particles of one radius"
        else:
            category = "Particles in all orientations"
        found.setdefault(category, []).append(model)
    return found


def _describe(out: Any, model: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    out.print(f"[bold]{escape(model.name)}[/bold]: {escape(model.title)}")
    out.print(model.equation, markup=False, highlight=False, soft_wrap=True)
    table = Table("parameter", "unit", "default", "limits", "meaning", box=None, pad_edge=False)
    for p in model.scalars():
        table.add_row(
            escape(p.name), p.unit, f"{p.default:g}", _limits(*p.limits), escape(p.description)
        )
    out.print(table)
    for line in _notes(model):
        out.print(line, markup=False, highlight=False)


def _limits(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return "any"
    if high == math.inf:
        return f">= {low:g}"
    return f"{low:g} to {high:g}"


def _notes(model: Any) -> list[str]:
    lines = []
    if lengths := [p.name for p in model.scalars() if p.unit == "nm"]:
        lines.append(f"polydisperse in: {', '.join(lengths)}, each with NAME_width")
    if radii := getattr(model.constructor, "EFFECTIVE_RADII", {}):
        lines.append(f"effective radii: {', '.join(radii)}")
    if (theirs := model.theirs) is not None:
        shown = (
            f"{name}={value:g} {unit}".strip()
            for name, (value, unit) in theirs.parameters.items()
        )
        lines.append(f"in sasmodels: {theirs.name}, with {', '.join(shown)}")
        lines.append("  (those names are understood too; values stay in nm and 1/nm^2)")
    lines.append(f"reference: {model.reference}")
    return lines
