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
    from diffscatter.analytic import registry

    out = console()
    if options.name is None:
        _list(out, registry)
    elif set(options.name) & set("@+*"):
        _compose(out, options.name, analytic)
    else:
        _describe(out, analytic.get(options.name), registry)


def _list(out: Any, registry: Any) -> None:
    from rich.table import Table

    categories = _by_category(registry.MODELS)
    categories["Structure factors, as sphere@hard_sphere"] = registry.STRUCTURE_FACTORS.values()
    width = max(map(len, registry.MODELS | registry.STRUCTURE_FACTORS))
    for category, members in categories.items():
        out.print(category)
        table = Table(show_header=False, box=None)
        table.add_column(min_width=width, no_wrap=True, style="bold")
        table.add_column()
        for model in members:
            table.add_row(model.name, model.title)
        out.print(table)
        out.print()
    out.print("diffscatter models NAME shows a model's equation and parameters, and those of")
    out.print("sphere@hard_sphere (with a structure factor), a+b (a sum), a*b (a product).")


def _by_category(models: dict[str, Any]) -> dict[str, list]:
    from diffscatter.analytic.particle import Particle

    found: dict[str, list] = {}
    for model in models.values():
        kind = type(model.constructor(**{p.name: p.default for p in model.parameters}))
        if not issubclass(kind, Particle):
            category = "Laws without a shape"
        elif any("amplitude" in vars(c) for c in kind.__mro__ if c is not Particle):
            category = "Particles of spherical symmetry"
        else:
            category = "Particles in all orientations"
        found.setdefault(category, []).append(model)
    return found


def _describe(out: Any, model: Any, registry: Any) -> None:
    from rich.markup import escape

    out.print(f"[bold]{escape(model.name)}[/bold]: {escape(model.title)}")
    out.print(model.equation, markup=False, highlight=False, soft_wrap=True)
    _table(out, model.scalars())
    for line in _notes(model, registry):
        out.print(line, markup=False, highlight=False)


def _compose(out: Any, name: str, analytic: Any) -> None:
    """Show the parameters of a compound in our names, then in those of sasmodels."""
    _table(out, analytic.named(name, vocabulary="ours").parameters.values())
    try:
        theirs = analytic.named(name, vocabulary="sasmodels").parameters
    except ValueError as error:
        out.print(str(error), markup=False, highlight=False)
    else:
        out.print("or, in the names of sasmodels:")
        _table(out, theirs.values())


def _table(out: Any, parameters: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("parameter", "unit", "default", "limits", "meaning", box=None, pad_edge=False)
    for p in parameters:
        limits = _limits(*p.limits)
        table.add_row(escape(p.name), p.unit, f"{p.default:g}", limits, escape(p.description))
    out.print(table)


def _limits(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return "any"
    if high == math.inf:
        return f">= {low:g}"
    return f"{low:g} to {high:g}"


def _notes(model: Any, registry: Any) -> list[str]:
    lines = []
    factor = model.name in registry.STRUCTURE_FACTORS
    if (lengths := [p.name for p in model.scalars() if p.unit == "nm"]) and not factor:
        lines.append(f"polydisperse in: {', '.join(lengths)}, each with NAME_width")
    if radii := getattr(model.constructor, "EFFECTIVE_RADII", {}):
        with_ = ", ".join(f"{model.name}@{name}" for name in registry.STRUCTURE_FACTORS)
        lines.append(f"effective radii: {', '.join(radii)}")
        lines.append(f"with a structure factor: {with_}")
    if (theirs := model.theirs) is not None:
        shown = (f"{k}={v:g} {unit}".strip() for k, (v, unit) in theirs.parameters.items())
        lines.append(f"in sasmodels: {theirs.name}, with {', '.join(shown)}")
        lines.append("  (those names are understood too; values stay in nm and 1/nm^2)")
    lines.append(f"reference: {model.reference}")
    return lines
