"""What a simulation is told: tables of keys, each with its kind, its limits and its meaning.

The same tables check a configuration and write the commented example, so that neither can say
what the other does not.
"""

import math
import textwrap
from collections.abc import Mapping
from typing import Any

from diffscatter.analytic.registry import near
from diffscatter.core.units import parse_quantity, split_quantity
from diffscatter.pipelines.simulation.keys import ABOUT, TABLES, Key

__all__ = ["checked_settings", "example"]

_UNITS = {"length": "nm", "wavevector": "1/nm", "sld": "1/nm^2"}
_EV = {"ev": 1e-3, "kev": 1.0}


def checked_settings(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every table with numbers in nm, 1/nm and keV, defaults filled in.

    Tables that are not given are left out, and so are keys without a default.

    Raises:
        ValueError: naming table, key, value and mend.
    """
    known = [name for name in TABLES if name]
    tops = {key: value for key, value in given.items() if key in TABLES[""]}
    tables = {key: value for key, value in given.items() if key not in tops}
    for name, table in tables.items():
        if name not in known:
            top = ", ".join(TABLES[""])
            raise ValueError(
                f"there is no table or key {name!r}{near(name, [*known, *TABLES['']])}; there "
                f"are {', '.join(f'[{n}]' for n in known)} and {top}"
            )
        if not isinstance(table, Mapping):
            raise ValueError(f"[{name}] must be a table, got {table!r}")
    if not {"pattern", "curve"} & set(tables):
        raise ValueError("nothing to simulate: give [pattern], [curve] or both")
    return {name: _checked_table(name, table) for name, table in {"": tops, **tables}.items()}


def _checked_table(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    keys, where = TABLES[name], f"[{name}] " if name else ""
    found = {key: known.default for key, known in keys.items() if known.default is not None}
    for key, value in table.items():
        if key not in keys:
            raise ValueError(
                f"{where}has no key {key!r}{near(key, keys)}; it has {', '.join(keys)}"
            )
        found[key] = _value(f"{where}{key}", keys[key], value)
    return found


def _value(name: str, key: Key, value: Any) -> Any:
    """Return a value in our units after checking its kind and its limits."""
    kind, _, count = key.kind.partition(" ")
    if kind == "lists":
        if not isinstance(value, list) or not all(isinstance(v, list) for v in value):
            raise ValueError(f"{name} must be lists of {count} numbers, got {value!r}")
        return [_numbers(name, key, v, int(count)) for v in value]
    if kind == "list":
        return _numbers(name, key, value, int(count))
    if kind in ("text", "flag", "table"):
        what, of = {"text": ("a text", str), "flag": ("true or false", bool)}.get(
            kind, ("a table, as { radius = 4 }", Mapping)
        )
        if not isinstance(value, of):
            raise ValueError(f"{name} must be {what}, got {value!r}")
        if key.choices and value not in key.choices:
            raise ValueError(
                f"{name} must be one of {', '.join(key.choices)}, got {value!r}"
                f"{near(value, key.choices)}"
            )
        return value
    if isinstance(value, str) and kind in _UNITS:
        value = parse_quantity(value, _UNITS[kind], name)
    elif isinstance(value, str) and kind == "energy":
        value = _kev(name, value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        unit = f" in {_UNITS[kind]}, or a text with its unit" if kind in _UNITS else ""
        raise ValueError(f"{name} must be a number{unit}, got {value!r}")
    if kind == "whole" and int(value) != value:
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return _limited(name, key, int(value) if kind == "whole" else float(value))


def _numbers(name: str, key: Key, value: Any, count: int) -> list[float]:
    plain = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    )
    if not plain or len(value) != count:
        raise ValueError(f"{name} must be a list of {count} numbers, got {value!r}")
    return [_limited(name, key, float(v)) for v in value]


def _limited(name: str, key: Key, value: float) -> float:
    unit = f" {_UNITS[key.kind]}" if key.kind in _UNITS else ""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if key.above is not None and not value > key.above:
        raise ValueError(f"{name} must be above {key.above:g}{unit}, got {value:g}")
    if key.least is not None and not value >= key.least:
        raise ValueError(f"{name} must be at least {key.least:g}{unit}, got {value:g}")
    return value


def _kev(name: str, text: str) -> float:
    value, unit = split_quantity(text, name)
    if unit.lower() not in {"", *_EV}:
        raise ValueError(f"{name} is in keV, or as '91.8 eV', got {text!r}")
    return value * _EV.get(unit.lower(), 1.0)


def example() -> str:
    """Return a configuration that works as it stands, every key explained."""
    blocks = []
    for name, keys in TABLES.items():
        lines = textwrap.wrap(ABOUT[name], 92) if name else ABOUT[name].splitlines()
        block = [f"# {line}" for line in lines]
        block += [f"[{name}]"] if name else []
        for key, known in keys.items():
            line = f"{'' if known.active else '# '}{key} = {_toml(known.shown)}"
            block.append(f"{line:38s}  # {known.words}" if known.words else line)
        blocks.append("\n".join(block))
    return "\n\n".join(blocks) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{k} = {_toml(v)}' for k, v in value.items())} }}"
    return f"{value:.0e}".replace("e+0", "e") if abs(value) >= 1e4 else repr(value)
