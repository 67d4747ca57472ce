"""Units at the border."""

import math

import pytest

from diffscatter.core import units


@pytest.mark.parametrize(
    "unit, factor",
    [
        ("1/nm", 1), ("nm^-1", 1), ("1/A", 10), ("A^-1", 10), ("Å⁻¹", 10), ("1/angstrom", 10),
        ("1/ANG", 10), ("1/m", 1e-9), ("m^{-1}", 1e-9), ("1/cm", 1e-7), ("1/Angstroms", 10),
        ("1/meter", 1e-9), ("nanometres^-1", 1), ("1/centimetre", 1e-7),
    ],
)  # fmt: skip
def test_q(unit, factor):
    assert math.isclose(units.q_factor(unit), factor)


@pytest.mark.parametrize("unit", ["nm", "", "1/nn", "1/nm^2", "rad"])
def test_q_refuses_what_is_no_inverse_length(unit):
    with pytest.raises(ValueError, match="give one of 1/nm, 1/A, 1/m"):
        units.q_factor(unit)


@pytest.mark.parametrize("unit, factor", [("A", 0.1), ("nm", 1), ("um", 1e3), ("m", 1e9)])
def test_length(unit, factor):
    assert math.isclose(units.length_factor(unit), factor)


@pytest.mark.parametrize(
    "unit, factor", [("1/cm", 1), ("cm^-1", 1), ("1/m", 1e-2), ("1/nm", 1e7), ("a.u.", None)]
)
def test_intensity(unit, factor):
    found = units.intensity_factor(unit)
    assert found == factor if factor is None else math.isclose(found, factor)


@pytest.mark.parametrize(
    "unit, factor", [("1/nm^2", 1), ("1/A^2", 100), ("1e-6/A^2", 1e-4), ("A^-2", 100)]
)
def test_sld(unit, factor):
    assert math.isclose(units.sld_factor(unit), factor)


def test_sld_refuses():
    with pytest.raises(ValueError, match="1/nm"):
        units.sld_factor("1/nm^3")


def test_wavelength_of_a_photon():
    # 8.047778 keV is Cu K-alpha1, 0.15406 nm (NIST: 1.540593 A).
    assert math.isclose(units.energy_to_wavelength(8.0478227), 0.1540593, rel_tol=1e-5)
    for energy in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="energy must be positive"):
            units.energy_to_wavelength(energy)


@pytest.mark.parametrize(
    "text, unit, value",
    [
        ("40", "nm", 40), ("40A", "nm", 4), ("40 Å", "nm", 4), ("0.1um", "nm", 100),
        ("2 µm", "nm", 2000), ("4e-6/A^2", "1/nm^2", 4e-4), ("4 1e-6/A^2", "1/nm^2", 4e-4),
        ("4e-6 A^-2", "1/nm^2", 4e-4), (".03/A", "1/nm", 0.3), ("5 nm^-1", "1/nm", 5),
        ("10/m", "1/cm", 0.1), ("-1.5E-4", "1/nm^2", -1.5e-4), ("0.2", "", 0.2),
    ],
)  # fmt: skip
def test_quantities_with_a_unit_of_their_own(text, unit, value):
    assert units.parse_quantity(text, unit, "x") == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "text, unit, message",
    [
        ("big", "nm", "x must be a number, or one with its unit as 40A, got 'big'"),
        ("", "nm", "x must be a number"),
        ("4/A", "nm", "x is in nm, got '4/A': '/A' is no such unit"),
        ("4A", "1/nm^2", "x is in 1/nm.2, got '4A'"),
        ("4A", "", "x is a pure number, got '4A'; leave out the unit"),
        ("4A", "width", "x is in 'width', got '4A'; leave out the unit"),
        ("4 furlong", "nm", "x: unit 'furlong' is not known; give one as nm, A"),
    ],
)
def test_quantities_of_another_kind_are_refused_by_name(text, unit, message):
    with pytest.raises(ValueError, match=message):
        units.parse_quantity(text, unit, "x")


def test_energy_and_wavelength_are_each_others_inverse():
    assert units.wavelength_to_energy(units.energy_to_wavelength(8.048)) == pytest.approx(
        8.048, rel=1e-14
    )
    with pytest.raises(ValueError, match="wavelength must be positive and finite, got -1"):
        units.wavelength_to_energy(-1.0)
