"""The models by name, for the command line, the reports and everything that reads names."""

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from diffscatter.analytic import (
    broad_peak,
    core_multi_shell,
    core_shell_cylinder,
    core_shell_ellipsoid,
    core_shell_sphere,
    cylinder,
    dab,
    ellipsoid,
    fuzzy_sphere,
    guinier,
    guinier_porod,
    hard_sphere,
    hollow_cylinder,
    lamellar,
    mono_gauss_coil,
    parallelepiped,
    poly_gauss_coil,
    porod,
    power_law,
    screened_coulomb,
    sphere,
    sticky_hard_sphere,
    teubner_strey,
    triaxial_ellipsoid,
    unified,
    vesicle,
)
from diffscatter.analytic.description import Model, Parameter

__all__ = ["MODELS", "STRUCTURE_FACTORS", "build", "check_value", "get", "near"]

MODELS: dict[str, Model] = {
    module.MODEL.name: module.MODEL
    for module in (
        sphere,
        core_shell_sphere,
        core_multi_shell,
        fuzzy_sphere,
        vesicle,
        ellipsoid,
        core_shell_ellipsoid,
        triaxial_ellipsoid,
        cylinder,
        hollow_cylinder,
        core_shell_cylinder,
        parallelepiped,
        lamellar,
        mono_gauss_coil,
        poly_gauss_coil,
        guinier,
        porod,
        power_law,
        guinier_porod,
        unified,
        dab,
        teubner_strey,
        broad_peak,
    )
}
STRUCTURE_FACTORS: dict[str, Model] = {
    module.MODEL.name: module.MODEL
    for module in (hard_sphere, sticky_hard_sphere, screened_coulomb)
}


def get(name: str) -> Model:
    """Return a model's constructor, parameter table, equation and reference.

    Args:
        name: ours, or sasmodels', of a model or a structure factor.

    Raises:
        ValueError: for a name that is not in the list, with the list.
    """
    known = MODELS | STRUCTURE_FACTORS
    theirs = {m.theirs.name: m for m in known.values() if m.theirs is not None}
    if name not in known and name not in theirs:
        raise ValueError(
            f"no model is called {name!r}{near(name, [*known, *theirs])}; there are "
            f"{', '.join(MODELS)}, and the structure factors {', '.join(STRUCTURE_FACTORS)}"
        )
    return known[name] if name in known else theirs[name]


def build(name: str, **parameters: Any) -> Any:
    """Return a particle of a model, parameters that are not given at their defaults.

    An array is given whole, or element by element as ``**{"thickness[0]": 2.0}``: there are
    then as many shells as the largest index says.

    Example:
        >>> registry.build("sphere", radius=6.0, contrast=2e-4)

    Raises:
        ValueError: for an unknown model or parameter, or a value outside its limits.
    """
    model = get(name)
    count, given = model.spelled(parameters)
    table = {parameter.name: parameter for parameter in model.scalars(count)}
    for key, value in given.items():
        if key not in table:
            raise ValueError(
                f"{name} has no parameter {key!r}{near(key, table)}; it has {', '.join(table)}"
            )
        if np.ndim(value):
            raise ValueError(
                f"{name}: {key} must be one number, got shape {np.shape(value)}; vmap for many"
            )
        check_value(name, table[key], value)
    defaults = {key: parameter.default for key, parameter in table.items()}
    return model.constructor(**model.gathered(defaults | given))


def check_value(name: str, parameter: Parameter, value: float) -> None:
    """Refuse a value of a model's parameter that is not finite or outside its limits."""
    low, high = parameter.limits
    if not (math.isfinite(value) and low <= value <= high):
        unit = f" {parameter.unit}" if parameter.unit else ""
        raise ValueError(
            f"{name}: {parameter.name} must be finite and in [{low:g}, {high:g}]{unit}, "
            f"got {value}{unit}"
        )


def near(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the names that look alike, or nothing."""
    alike = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3)
    return f" (did you mean {' or '.join(alike)}?)" if alike else ""
