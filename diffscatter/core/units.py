"""Units at the border: nm, 1/nm, 1/cm and rad inside; everything else is converted here.

A momentum transfer ``q = 4 pi sin(theta) / wavelength`` in 1/A is ten times as many 1/nm; a
differential cross-section per volume of 1/nm is 1e7 1/cm.
"""

import math
import re

__all__ = [
    "ANGSTROM",
    "CM_PER_NM",
    "energy_to_wavelength",
    "intensity_factor",
    "length_factor",
    "parse_quantity",
    "q_factor",
    "sld_factor",
    "split_quantity",
    "wavelength_to_energy",
]

ANGSTROM = 0.1  # nm
CM_PER_NM = 1e7  # 1/cm in one 1/nm of a macroscopic cross-section
_HC = 1.239841984332  # keV nm, CODATA 2018 (exact)

_LENGTH = {
    "nm": 1.0, "nanometer": 1.0, "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1,
    "nanometre": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "mm": 1e6, "cm": 1e7,
    "centimeter": 1e7, "centimetre": 1e7, "m": 1e9, "meter": 1e9, "metre": 1e9,
}  # fmt: skip


def _inverse(unit: str) -> str | None:
    """Return the length whose inverse ``unit`` is: ``1/A``, ``A^-1`` and ``A-1`` give ``a``."""
    text = unit.strip().lower().replace(" ", "").replace("**", "^").replace("\u212b", "å")
    text = text.replace("(", "").replace(")", "").replace("{", "").replace("}", "")
    if text.startswith("1/"):
        return text[2:]
    for tail in ("^-1", "-1", "⁻¹"):
        if text.endswith(tail):
            return text[: -len(tail)]
    return None


def _lookup(name: str | None, unit: str, what: str, examples: str) -> float:
    plural = name[:-1] if name and name.endswith("s") and len(name) > 2 else name
    for key in (name, plural):
        if key in _LENGTH:
            return _LENGTH[key]
    raise ValueError(f"{what} unit {unit!r} is not known; give one of {examples}")


def length_factor(unit: str) -> float:
    """Return the nm in one ``unit`` of length."""
    return _lookup(unit.strip().lower(), unit, "length", "nm, A, um, mm, cm, m")


def q_factor(unit: str) -> float:
    """Return the 1/nm in one ``unit`` of momentum transfer, as ``1/A`` or ``nm^-1``."""
    return 1.0 / _lookup(_inverse(unit), unit, "q", "1/nm, 1/A, 1/m")


def intensity_factor(unit: str) -> float | None:
    """Return the 1/cm in one ``unit`` of intensity, or None where the scale is arbitrary."""
    name = _inverse(unit)
    if name is not None and (name in _LENGTH or name.rstrip("s") in _LENGTH):
        return CM_PER_NM / _lookup(name, unit, "intensity", "1/cm, 1/m")
    return None


def sld_factor(unit: str) -> float:
    """Return the 1/nm^2 in one ``unit`` of scattering length density, as ``1/A^2``."""
    text = unit.strip().lower().replace(" ", "").replace("**", "^")
    scale = 1.0
    if text.startswith("1e-6/") or text.startswith("10^-6/"):
        scale, text = 1e-6, "1/" + text.split("/", 1)[1]
    for pattern in ("1/{}^2", "{}^-2", "{}-2"):
        for name, factor in _LENGTH.items():
            if text == pattern.format(name):
                return scale / factor**2
    raise ValueError(f"sld unit {unit!r} is not known; give one of 1/nm^2, 1/A^2, 1e-6/A^2")


_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*?\s*(.*?)\s*")
_POWER = re.compile(r"(?:([\d.]+(?:e[+-]?\d+)?)?(/))?([a-zåµμ]+)(?:\^?([+-]?\d))?")


def _power_of_length(unit: str) -> tuple[int, float] | None:
    """Return the power of length that a unit is, and the nm to that power in it."""
    text = unit.lower().replace(" ", "").replace("**", "^").replace("\u212b", "å")
    match = _POWER.fullmatch(text)
    if match is None or match[3] not in _LENGTH:
        return None
    power = int(match[4] or 1) * (-1 if match[2] else 1)
    return power, float(match[1] or 1) * _LENGTH[match[3]] ** power


def split_quantity(text: str, name: str = "value") -> tuple[float, str]:
    """Return the number that a text begins with, and the unit after it, ``""`` for none."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{name} must be a number, or one with its unit as 40A, got {text!r}")
    return float(match[1]), match[2]


def parse_quantity(text: str, unit: str, name: str = "value") -> float:
    """Return the number that a text states, in ``unit``.

    Without a unit of its own the number is in ``unit`` already; with one, as in ``"40A"`` or
    ``"4e-6/A^2"``, it is converted.

    Args:
        text: a number, and after it perhaps a unit that is a power of a length.
        unit: what is wanted, as ``"nm"``, ``"1/nm^2"``, ``"1/cm"``; ``""`` for pure numbers.
        name: of the quantity, for messages.

    Raises:
        ValueError: where the text is no number, or its unit is not known or of another kind.
    """
    value, own = split_quantity(text, name)
    if not own:
        return value
    wanted, found = _power_of_length(unit), _power_of_length(own)
    if wanted is None:
        raise ValueError(
            f"{name} is {f'in {unit!r}' if unit else 'a pure number'}, got {text!r}; "
            "leave out the unit"
        )
    if found is None:
        raise ValueError(f"{name}: unit {own!r} is not known; give one as nm, A, um, /A^2, /cm")
    if found[0] != wanted[0]:
        raise ValueError(f"{name} is in {unit}, got {text!r}: {own!r} is no such unit")
    return value * (found[1] / wanted[1])


def energy_to_wavelength(energy: float) -> float:
    """Return the wavelength in nm of a photon of ``energy`` in keV: ``hc / E``."""
    if not (math.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite, got {energy} keV")
    return _HC / energy


def wavelength_to_energy(wavelength: float) -> float:
    """Return the energy in keV of a photon of ``wavelength`` in nm: ``hc / wavelength``."""
    if not (math.isfinite(wavelength) and wavelength > 0):
        raise ValueError(f"wavelength must be positive and finite, got {wavelength} nm")
    return _HC / wavelength
