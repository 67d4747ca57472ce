"""Units at the border: nm, 1/nm, 1/cm and rad inside; everything else is converted here.

A momentum transfer ``q = 4 pi sin(theta) / wavelength`` in 1/A is ten times as many 1/nm; a
differential cross-section per volume of 1/nm is 1e7 1/cm.
"""

import math

__all__ = [
    "ANGSTROM",
    "CM_PER_NM",
    "energy_to_wavelength",
    "intensity_factor",
    "length_factor",
    "q_factor",
    "sld_factor",
]

ANGSTROM = 0.1  # nm
CM_PER_NM = 1e7  # 1/cm in one 1/nm of a macroscopic cross-section
_HC = 1.239841984332  # keV nm, CODATA 2018 (exact)

_LENGTH = {
    "nm": 1.0, "nanometer": 1.0, "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1,
    "nanometre": 1.0, "um": 1e3, "micron": 1e3, "mm": 1e6, "cm": 1e7, "centimeter": 1e7,
    "centimetre": 1e7, "m": 1e9, "meter": 1e9, "metre": 1e9,
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


def energy_to_wavelength(energy: float) -> float:
    """Return the wavelength in nm of a photon of ``energy`` in keV: ``hc / E``."""
    if not (math.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite, got {energy} keV")
    return _HC / energy
