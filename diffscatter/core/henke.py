r"""X-ray factors of a dozen elements from 10 to 41.3 nm, without an extra.

.. math:: \rho = r_e\,\frac{N_A\,d}{M}\sum_k n_k\,(f_{1,k} + i f_{2,k})

The file beside this one holds rows of the Henke tables as ``periodictable`` carries them, and
says what they are. Between rows f1 is linear in the energy and log f2 in its logarithm, as
there.
"""

import math
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffscatter.core.units import wavelength_to_energy

__all__ = ["ELEMENTS", "LOWEST", "SOURCE", "packaged_sld"]

ELEMENTS = ("H", "He", "C", "O", "Ne", "Al", "Si", "Ar", "Kr", "Xe", "Ag", "Au")
SOURCE = "Henke, Gullikson, Davis, At. Data Nucl. Data Tables 54 (1993) 181"
LOWEST = 0.03  # keV; below it electrons are those of the solid and no table of atoms holds
_HIGHEST = 0.1245
_ELECTRON_RADIUS = 2.8179403262e-6  # nm
_AVOGADRO = 6.02214076e23  # 1/mol


class _Element(NamedTuple):
    mass: float
    density: float
    rows: np.ndarray  # (k, 3): keV, f1, f2


def packaged_sld(formula: str, density: float | None, wavelength: float) -> complex:
    """Return the scattering length density of a formula for photons, 1/nm^2.

    Args:
        formula: of :data:`ELEMENTS`, as ``"SiO2"``.
        density: g/cm^3; that of the element if None.
        wavelength: nm.

    Raises:
        ValueError: if an element or the wavelength is not in the table, or the density of a
            compound is missing; each names ``periodictable``, which has more.
    """
    atoms = _atoms(formula)
    energy = wavelength_to_energy(wavelength)
    if not LOWEST <= energy <= _HIGHEST:
        raise ValueError(
            f"the packaged table covers 9.96 to 41.3 nm, got {wavelength:.6g} nm; {_MORE}"
        )
    if density is None:
        if len(atoms) > 1:
            raise ValueError(f"the mass density of {formula!r} is not known; give it in g/cm^3")
        density = _table()[next(iter(atoms))].density
    mass = sum(count * _table()[symbol].mass for symbol, count in atoms.items())
    factor = sum(count * _factor(symbol, energy) for symbol, count in atoms.items())
    number = _AVOGADRO * density / mass * 1e-21  # formula units per nm^3
    return _ELECTRON_RADIUS * number * factor


_MORE = "pip install 'diffscatter[materials]' for more, or give the values yourself"


def _atoms(formula: str) -> dict[str, float]:
    """Return the count of each element in a formula without brackets."""
    parts = re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", formula)
    if not parts or "".join(symbol + count for symbol, count in parts) != formula:
        raise ValueError(f"formula {formula!r} is not understood; write it as SiO2, or {_MORE}")
    found: dict[str, float] = {}
    for symbol, count in parts:
        if symbol not in ELEMENTS:
            raise ValueError(
                f"{symbol} is not in the packaged table of {', '.join(ELEMENTS)}; {_MORE}"
            )
        found[symbol] = found.get(symbol, 0.0) + float(count or 1)
    return found


def _factor(symbol: str, energy: float) -> complex:
    energies, f1, f2 = _table()[symbol].rows.T
    absorbing = np.interp(math.log(energy), np.log(energies), np.log(f2))
    return complex(np.interp(energy, energies, f1), math.exp(absorbing))


@cache
def _table() -> dict[str, _Element]:
    """Read the rows: a line that begins with a letter opens the block of an element."""
    text = Path(__file__).with_name("henke_xuv.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    heads = [i for i, line in enumerate(lines) if line[0].isalpha()]
    found = {}
    for first, last in zip(heads, [*heads[1:], len(lines)], strict=True):
        symbol, mass, density = lines[first]
        rows = np.array(lines[first + 1 : last], dtype=float)
        found[symbol] = _Element(float(mass), float(density), rows)
    return found
