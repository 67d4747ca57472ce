"""What a fit is not told, it takes from the model's table and from the curves.

Which parameters are free, between which bounds, and where each of them starts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffscatter.analytic import Named
from diffscatter.analytic.description import Parameter
from diffscatter.core.data import Curve
from diffscatter.fitting import Bounds

__all__ = ["SCALES", "Choice", "amplitudes", "bounds_of", "choose", "widths"]

# A fringe has a period of 2 pi/size, and the Guinier region ends near pi/size: sizes beyond
# these leave no mark between the first and the last q, not even through their resolution.
_SMALLEST, _LARGEST = 0.3, 5.0
_WIDTHS = (0.005, 0.5)
# Amplitudes are solved for, not searched: their bounds only keep them positive and finite.
SCALES = 1e9
# What is free unless it is set. An sld or a contrast alone cannot be told from the scale, and
# what surrounds the particles (temperature, salt, permittivity) is known.
_FREE_UNITS = ("nm", "1/nm", "", "1/cm", "e")
_SURROUNDINGS = ("temperature", "salt", "permittivity", "dielectconst")


@dataclass(frozen=True)
class Choice:
    """How a parameter is used. Attributes: ``value``, where it starts or stays; ``bounds``
    between which it is free, or None; ``assumed``: nobody chose its value, and it stays."""

    value: Any
    bounds: Bounds | None = None
    assumed: bool = False


def widths(model: Named) -> set[str]:
    """Return the names of the widths of the model's distributions."""
    parts = model.composition.parts
    return {
        part.prefix + part.width_of(spread.key) for part in parts for spread in part.spreads
    }


def amplitudes(model: Named) -> list[str]:
    """Return the names of what multiplies a whole term of the intensity, without ``scale``."""
    return [
        name
        for name, p in model.parameters.items()
        if name != "background" and (p.unit == "1/cm" or name.endswith("_scale"))
    ]


def choose(
    model: Named,
    curve: Curve,
    curves: Sequence[Curve],
    given: Mapping[str, Any],
    asked: Mapping[str, Any] | None,
    *,
    chosen: bool = False,
    positive: bool = False,
) -> dict[str, Choice]:
    """Decide for each parameter whether it is free, between which bounds, where it starts.

    Args:
        model: what is fitted; its values are the starts of what is not ``given``.
        curve: what it describes; the background follows from it.
        curves: all that are fitted at once; sizes follow from them.
        given: values that the user set.
        asked: what the user freed: name to bounds, or to None for those from the curves.
        chosen: whether the user chose the model's own values too.
        positive: the background cannot be negative.
    """
    table, spread = model.parameters, widths(model)
    several = bool(amplitudes(model))
    found = {}
    for name, p in table.items():
        kind = (
            "width" if name in spread else name if name in ("scale", "background") else p.unit
        )
        if name in amplitudes(model):
            kind = "scale"
        if asked is not None and name in asked:
            free = True
        elif name in given or any(word in name for word in _SURROUNDINGS):
            free = False
        elif name == "scale":
            free = not several
        elif kind in ("scale", "background", "width"):
            free = True
        else:
            free = asked is None and p.unit in _FREE_UNITS
        value = np.asarray(model.values[name], float)
        known = chosen or name in given or kind == "width"
        if not free:
            found[name] = Choice(value, assumed=not known)
            continue
        pair = (asked or {}).get(name)
        seen = [curve] if kind == "background" else curves
        size = np.abs(value) if known or kind != "nm" else np.zeros(1)
        if pair is None:
            bounds = _implied(p, kind, size, seen, positive)
        else:
            bounds = bounds_of(name, pair)
            for end in (bounds.low, bounds.high):
                _check_end(p, end)
        inside = (bounds.low <= value) & (value <= bounds.high)
        if name not in given and not (inside.all() and (known or kind != "nm")):
            # A length that nobody chose starts between its bounds, not at the table's default.
            middle = (bounds.low + bounds.high) / 2
            middle = math.sqrt(bounds.low * bounds.high) if bounds.log else middle
            value = np.full_like(value, middle)
        found[name] = Choice(value, bounds)
    return found


def bounds_of(name: str, given: Any) -> Bounds:
    """Return bounds from a pair."""
    if isinstance(given, Bounds):
        return given
    try:
        low, high = given
        return Bounds(low, high)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds of {name} must be (low, high), got {given!r}: {error}"
        ) from None


def _check_end(p: Parameter, end: float) -> None:
    """Refuse a bound beyond which the parameter means nothing."""
    low, high = p.limits
    if not low <= end <= high:
        raise ValueError(f"bounds of {p.name} must be in [{low:g}, {high:g}], got {end:g}")


def _implied(
    p: Parameter, kind: str, size: np.ndarray, curves: Sequence[Curve], positive: bool
) -> Bounds:
    """Return the bounds that curves imply, widened to hold a value that was chosen."""
    q = np.concatenate([np.asarray(curve.q, float) for curve in curves])
    smallest, largest = float(size.min()), float(size.max())
    limits = p.limits
    if kind == "nm":
        low = max(_SMALLEST * np.pi / q.max(), limits[0])
        high = min(_LARGEST * np.pi / q[q > 0].min(), limits[1])
        return Bounds(min(low, smallest / 10) if smallest else low, max(high, 10 * largest))
    if kind == "width":
        low = min(_WIDTHS[0], smallest / 2) if smallest else 0.0
        return Bounds(low, min(max(_WIDTHS[1], 2 * largest), limits[1]))
    if kind == "background":
        intensity = np.concatenate([np.asarray(curve.intensity, float) for curve in curves])
        level = 2 * float(np.quantile(np.abs(intensity), 0.1)) or float(np.abs(intensity).max())
        level = max(level, 2 * largest, -2 * float(intensity.min()))
        return Bounds(0.0 if positive else -level, level)
    if kind == "scale":
        return Bounds(smallest / SCALES, largest * SCALES)
    if kind == "1/nm":
        low, high = 0.3 * float(q[q > 0].min()), 3 * float(q.max())
        return Bounds(min(low, smallest / 10) if smallest else low, max(high, 10 * largest))
    if all(map(math.isfinite, limits)):
        return Bounds(*limits)
    reach = 10 * (largest or (1e-3 if kind == "1/nm^2" else 1.0))
    low, high = p.typical or (reach, reach)
    low = -reach if limits[0] < 0 else min(low, smallest / 10)
    return Bounds(max(low, limits[0]), min(max(high, reach), limits[1]))
