r"""Scattering length densities of materials, for X-rays and neutrons, in 1/nm^2.

.. math:: \rho_x = r_e \sum_k n_k (f_{1,k} + i f_{2,k}) / V,\qquad
   \rho_n = \sum_k n_k (b'_k + i b''_k) / V,\qquad n = 1 - \delta + i\beta,\quad
   \delta + i\beta = \lambda^2 \rho / 2\pi

with V the volume of a formula unit at the mass density given. Every imaginary part is that of
an absorption, at least 0.

X-ray factors: B. L. Henke, E. M. Gullikson, J. C. Davis, *At. Data Nucl. Data Tables* 54 (1993)
181, 0.03 to 30 keV. Neutron scattering lengths and cross-sections: V. F. Sears, *Neutron News*
3 (1992) 26, with later values. Both are carried by the package ``periodictable``, which the
extra ``materials`` installs and which is imported when the first value is asked for. Without it
X-ray factors of a dozen elements between 10 and 41 nm are at hand (:mod:`.henke`). Below 0.03
keV electrons are those of the solid: every table of atoms is refused there. Values of the
user's own are taken everywhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from diffscatter.core.henke import LOWEST, SOURCE, packaged_sld
from diffscatter.core.units import ANGSTROM, energy_to_wavelength, wavelength_to_energy

__all__ = [
    "DENSITIES",
    "Material",
    "Mixture",
    "Neutron",
    "chi_of_index",
    "contrast_match",
    "heavy_water",
]

_AVOGADRO = 6.02214076e23  # 1/mol
_TABLE = 1e-6 / ANGSTROM**2  # 1/nm^2 in one 1e-6/A^2, the tables' unit
_THERMAL = 0.1798  # nm: of neutrons of 2200 m/s, for which absorption is tabulated

# g/cm^3 at 25 C: CRC Handbook of Chemistry and Physics; polystyrene: Polymer Handbook; helium:
# liquid below 2 K, as in droplets, Donnelly and Barenghi, J. Phys. Chem. Ref. Data 27 (1998)
# 1217. What is not here and no element needs a density of the user's.
DENSITIES = {"H2O": 0.99705, "D2O": 1.1044, "SiO2": 2.20, "C8H8": 1.05, "He": 0.145}


@dataclass(frozen=True)
class Neutron:
    """What neutrons see of a material.

    Attributes:
        sld: coherent scattering length density, 1/nm^2, with absorption as imaginary part.
        absorption: macroscopic cross-section at the wavelength asked for, 1/cm.
        incoherent: macroscopic cross-section of bound nuclei, 1/cm. Over 4 pi it is the flat
            background of a measurement; that of hydrogen in liquids is 20 % higher and more.
    """

    sld: complex
    absorption: float
    incoherent: float


@dataclass(frozen=True)
class Material:
    """A homogeneous material: a formula and a mass density, or values of the user's.

    Attributes:
        formula: as ``"SiO2"``, ``"D2O"``, ``"C8H8"``; a single isotope as ``"H[2]"``.
        density: mass density, g/cm^3. Without it, that of :data:`DENSITIES` or the element.
        xray, neutron: scattering length densities, 1/nm^2, that overrule the tables.

    Example:
        >>> Material("D2O").sld_of_neutrons().real  # 6.36e-6/A^2
        0.0006355...
        >>> Material("SiO2", 2.2).sld_of_xrays(energy=8.048).real
        0.001877...
    """

    formula: str = ""
    density: float | None = None
    xray: complex | None = field(default=None, kw_only=True)
    neutron: complex | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.formula and self.xray is None and self.neutron is None:
            raise ValueError("a material needs a formula, or xray= or neutron= in 1/nm^2")
        if self.density is not None and not (math.isfinite(self.density) and self.density > 0):
            raise ValueError(f"density must be above 0 g/cm^3, got {self.density}")
        if self.xray is not None and complex(self.xray).imag < 0:
            raise ValueError(
                f"xray must absorb, not amplify: imaginary part {self.xray.imag} is below 0"
            )

    @property
    def electron_density(self) -> float:
        """Electrons per nm^3."""
        compound = self._compound()
        electrons = sum(count * atom.number for atom, count in compound.atoms.items())
        return electrons * compound.density * _AVOGADRO / compound.mass * 1e-21

    def sld_of_xrays(
        self, *, energy: float | None = None, wavelength: float | None = None
    ) -> complex:
        """Return the scattering length density for photons of keV or nm, 1/nm^2."""
        if self.xray is not None:
            return complex(self.xray)
        wavelength = _wavelength(energy, wavelength)
        found = (math.nan, math.nan)
        # The tables go on a little below their reach, with values that are no longer meant.
        if wavelength_to_energy(wavelength) >= LOWEST * (1 - 1e-9):
            if self.formula and not _has_periodictable():
                density = self.density or DENSITIES.get(self.formula)
                return packaged_sld(self.formula, density, wavelength)
            compound = self._compound()
            from periodictable import xray_sld

            found = xray_sld(
                compound, density=compound.density, wavelength=wavelength / ANGSTROM
            )
        if not all(math.isfinite(part) for part in found):
            raise ValueError(
                f"{self.formula} has no tabulated X-ray factors at {wavelength:.6g} nm; the "
                "tables cover 0.03 to 30 keV (0.0413 to 41.3 nm): give xray= instead"
            )
        return complex(*found) * _TABLE

    @property
    def xray_source(self) -> str:
        """Where :meth:`sld_of_xrays` has its values from, in words."""
        if self.xray is not None:
            return "given by the user"
        return f"{SOURCE}, {'from periodictable' if _has_periodictable() else 'packaged rows'}"

    def sld_of_neutrons(self, *, wavelength: float = _THERMAL) -> complex:
        """Return the coherent scattering length density for neutrons, 1/nm^2."""
        if self.neutron is not None:
            return complex(self.neutron)
        return self.neutrons(wavelength=wavelength).sld

    def neutrons(self, *, wavelength: float = _THERMAL) -> Neutron:
        """Return what neutrons of ``wavelength`` (nm) see: absorption grows with it."""
        if not (math.isfinite(wavelength) and wavelength > 0):
            raise ValueError(f"wavelength must be positive and finite, got {wavelength} nm")
        compound = self._compound()
        from periodictable import neutron_scattering

        density, angstrom = compound.density, wavelength / ANGSTROM
        sld, cross_sections, _ = neutron_scattering(
            compound, density=density, wavelength=angstrom
        )
        if sld is None:
            raise ValueError(
                f"{self.formula} has a nucleus whose neutron scattering length is not known; "
                "give neutron= instead"
            )
        return Neutron(
            sld=complex(float(sld[0]), float(sld[1])) * _TABLE,
            absorption=float(cross_sections[1]),
            incoherent=float(cross_sections[2]),
        )

    def optical_constants(
        self, *, energy: float | None = None, wavelength: float | None = None
    ) -> tuple[float, float]:
        """Return delta and beta of ``n = 1 - delta + i beta`` for photons of keV or nm.

        The tables are those of single atoms: near an absorption edge, and below about 0.05 keV,
        where electrons are those of the solid, measured constants are the better ones.
        """
        wavelength = _wavelength(energy, wavelength)
        index = wavelength**2 / (2 * math.pi) * self.sld_of_xrays(wavelength=wavelength)
        return index.real, index.imag

    def chi(self, *, energy: float | None = None, wavelength: float | None = None) -> complex:
        """Return n - 1 = -delta + i beta, what the wide-angle operators take as ``chi``."""
        delta, beta = self.optical_constants(energy=energy, wavelength=wavelength)
        return complex(-delta, beta)

    def _compound(self) -> Any:
        if not self.formula:
            raise ValueError("this material has no formula, only the values given for it")
        try:
            import periodictable
        except ImportError:
            raise ImportError(
                "scattering length densities of formulas need periodictable: "
                "pip install 'diffscatter[materials]', or give the values yourself"
            ) from None
        try:
            compound = periodictable.formula(self.formula)
        except Exception as error:  # the parser's own types
            cause = " ".join(str(error).split())[:80]
            raise ValueError(
                f"formula {self.formula!r} is not understood ({cause}); write it as SiO2"
            ) from None
        density = self.density or DENSITIES.get(self.formula) or compound.density
        if not compound.atoms or density is None:
            raise ValueError(
                f"the mass density of {self.formula!r} is not known; give it in g/cm^3"
            )
        compound.density = density
        return compound


@dataclass(frozen=True)
class Mixture:
    """Materials by volume fraction, mixed without a change of volume.

    Attributes:
        parts: (material, volume fraction) of each; the fractions sum to 1.
    """

    parts: tuple[tuple[Material, float], ...]

    def __post_init__(self) -> None:
        if isinstance(self.parts, Mapping):
            object.__setattr__(self, "parts", tuple(self.parts.items()))
        fractions = [fraction for _, fraction in self.parts]
        if not all(0 <= f <= 1 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
            raise ValueError(f"volume fractions must be in 0..1 and sum to 1, got {fractions}")

    @property
    def electron_density(self) -> float:
        """Electrons per nm^3."""
        return sum(f * part.electron_density for part, f in self.parts)

    def sld_of_xrays(self, **photon: float) -> complex:
        """As :meth:`Material.sld_of_xrays`."""
        return sum(f * part.sld_of_xrays(**photon) for part, f in self.parts)

    def sld_of_neutrons(self, **neutron: float) -> complex:
        """As :meth:`Material.sld_of_neutrons`."""
        return sum(f * part.sld_of_neutrons(**neutron) for part, f in self.parts)

    def optical_constants(self, **photon: float) -> tuple[float, float]:
        """As :meth:`Material.optical_constants`."""
        found = [(f, part.optical_constants(**photon)) for part, f in self.parts]
        return sum(f * d for f, (d, _) in found), sum(f * b for f, (_, b) in found)

    def chi(self, **photon: float) -> complex:
        """As :meth:`Material.chi`."""
        return sum(f * part.chi(**photon) for part, f in self.parts)


def chi_of_index(n: complex) -> complex:
    """Return ``n - 1`` of a refractive index ``n = 1 - delta + i beta``.

    Raises:
        ValueError: if ``n`` is not finite, or amplifies (beta below 0).
    """
    chi = complex(n) - 1
    if not (math.isfinite(chi.real) and math.isfinite(chi.imag)):
        raise ValueError(f"n must be finite, got {n}")
    if chi.imag < 0:
        raise ValueError(
            f"n must absorb, not amplify: imaginary part {chi.imag:.6g} is below 0; here "
            "n = 1 - delta + i beta, so give the complex conjugate"
        )
    return chi


def heavy_water(fraction: float) -> Mixture:
    """Return water with a volume fraction of D2O, at 25 C."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"the fraction of D2O must be in 0..1, got {fraction}")
    return Mixture(((Material("D2O"), fraction), (Material("H2O"), 1 - fraction)))


def contrast_match(
    sld: complex | float,
    first: complex | float | None = None,
    second: complex | float | None = None,
) -> float:
    """Return the volume fraction of the second solvent at which a mixture has ``sld``.

    Args:
        sld: what is to be matched, 1/nm^2.
        first, second: scattering length densities of the solvents; H2O and D2O for neutrons by
            default.

    Raises:
        ValueError: if no mixture of the two has it.
    """
    ends = [
        Material(name).sld_of_neutrons() if given is None else given
        for name, given in (("H2O", first), ("D2O", second))
    ]
    low, high = (complex(end).real for end in ends)
    if low == high:
        raise ValueError(f"both solvents have an sld of {low:.6g} 1/nm^2: nothing to mix")
    fraction = (complex(sld).real - low) / (high - low)
    if not 0 <= fraction <= 1:
        raise ValueError(
            f"no mixture has an sld of {complex(sld).real:.6g} 1/nm^2: they reach from "
            f"{min(low, high):.6g} to {max(low, high):.6g}"
        )
    return fraction


@cache
def _has_periodictable() -> bool:
    try:
        import periodictable  # noqa: F401
    except ImportError:
        return False
    return True


def _wavelength(energy: float | None, wavelength: float | None) -> float:
    """Return a photon's wavelength in nm from one of its two names."""
    if (energy is None) == (wavelength is None):
        raise ValueError("give either energy (keV) or wavelength (nm)")
    if wavelength is None:
        return energy_to_wavelength(energy)
    if not (math.isfinite(wavelength) and wavelength > 0):
        raise ValueError(f"wavelength must be positive and finite, got {wavelength} nm")
    return wavelength
