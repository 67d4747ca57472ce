"""The models by name, for the command line, the reports and everything that reads names."""

import math
from typing import Any

from diffscatter.analytic import (
    core_shell_cylinder,
    core_shell_ellipsoid,
    core_shell_sphere,
    cylinder,
    ellipsoid,
    hollow_cylinder,
    sphere,
)
from diffscatter.analytic.description import Model

__all__ = ["MODELS", "build", "get"]

MODELS: dict[str, Model] = {
    module.MODEL.name: module.MODEL
    for module in (
        sphere,
        core_shell_sphere,
        ellipsoid,
        core_shell_ellipsoid,
        cylinder,
        hollow_cylinder,
        core_shell_cylinder,
    )
}


def get(name: str) -> Model:
    """Return a model's constructor, parameter table, equation and reference.

    Raises:
        ValueError: for a name that is not in the list, with the list.
    """
    if name not in MODELS:
        raise ValueError(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def build(name: str, **parameters: float) -> Any:
    """Return a particle of a model, parameters that are not given at their defaults.

    Example:
        >>> registry.build("sphere", radius=6.0, contrast=2e-4)

    Raises:
        ValueError: for an unknown model or parameter, or a value outside its limits.
    """
    model = get(name)
    table = {parameter.name: parameter for parameter in model.parameters}
    for key, value in parameters.items():
        if key not in table:
            raise ValueError(f"{name} has no parameter {key!r}; it has {', '.join(table)}")
        (low, high), unit = table[key].limits, table[key].unit
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(
                f"{name}: {key} must be finite and in [{low:g}, {high:g}] {unit}, got {value}"
            )
    defaults = {key: parameter.default for key, parameter in table.items()}
    return model.constructor(**(defaults | parameters))
