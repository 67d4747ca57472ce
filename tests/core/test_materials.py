"""Scattering length densities against published values and against physics."""

import subprocess
import sys

import numpy as np
import pytest

from diffscatter.core import henke
from diffscatter.core.materials import (
    Material,
    Mixture,
    chi_of_index,
    contrast_match,
    heavy_water,
)
from diffscatter.core.units import energy_to_wavelength

pytest.importorskip("periodictable")

COPPER = 8.048  # keV
ELECTRON_RADIUS = 2.8179403e-6  # nm
UNIT = 1e-4  # 1/nm^2 in 1e-6/A^2


@pytest.mark.parametrize(
    "formula, density, published",
    [
        # Values of tables for SAS and reflectometry at the densities beside them, 1e-6/A^2.
        ("H2O", 0.997, -0.560), ("D2O", 1.1044, 6.36), ("SiO2", 2.20, 3.47), ("Si", 2.33, 2.07),
        ("C8H8", 1.05, 1.41), ("C8D8", 1.13, 6.47), ("Al", 2.70, 2.08),
    ],
)  # fmt: skip
def test_neutrons(formula, density, published):
    found = Material(formula, density).sld_of_neutrons()
    assert found.real / UNIT == pytest.approx(published, abs=0.012)
    assert 0 <= found.imag < 1e-3 * abs(found.real)


@pytest.mark.parametrize(
    "formula, density, published",
    [("H2O", 0.997, 9.44), ("SiO2", 2.20, 18.87), ("Au", 19.32, 124.7), ("Si", 2.33, 20.07)],
)
def test_x_rays(formula, density, published):
    found = Material(formula, density).sld_of_xrays(energy=COPPER)
    assert found.real / UNIT == pytest.approx(published, rel=2e-3)
    same = Material(formula, density).sld_of_xrays(wavelength=energy_to_wavelength(COPPER))
    assert found == pytest.approx(same, rel=1e-9)


def test_far_from_edges_every_electron_scatters_as_a_free_one():
    water = Material("H2O", 0.997)
    # 10 electrons in 18.015 g/mol.
    assert water.electron_density == pytest.approx(333.3, rel=1e-4)
    free = ELECTRON_RADIUS * water.electron_density
    assert water.sld_of_xrays(energy=25.0).real == pytest.approx(free, rel=1e-3)
    # Below its K edge at 7.11 keV iron has fewer.
    iron = Material("Fe")
    below = iron.sld_of_xrays(energy=7.05).real
    assert below < 0.85 * ELECTRON_RADIUS * iron.electron_density


def test_optical_constants_where_they_are_published():
    """SiO2: 7.13e-6 and 9.2e-8 at 8.048 keV; 0.02197 and 0.01077 at 13.5 nm (Henke)."""
    silica = Material("SiO2", 2.2)
    delta, beta = silica.optical_constants(energy=COPPER)
    assert (delta, beta) == pytest.approx((7.13e-6, 9.2e-8), rel=2e-3)
    assert silica.optical_constants(wavelength=13.5) == pytest.approx(
        (0.02197, 0.01077), rel=5e-4
    )
    # beta is the attenuation: 4 pi beta / wavelength = 77 1/cm for silica at 8.048 keV.
    attenuation = 4 * np.pi * beta / energy_to_wavelength(COPPER) * 1e7
    assert attenuation == pytest.approx(2.2 * 34.2, rel=0.03)  # cm^2/g of NIST's XCOM


@pytest.mark.parametrize(
    "formula, delta, beta",
    # At 13.5 nm, of the literature on free silver clusters and helium droplets.
    [("Ag", 0.1096, 0.0793), ("He", 0.00393, 0.00123)],
)
def test_clusters_in_the_extreme_ultraviolet(formula, delta, beta):
    material = Material(formula)
    assert material.optical_constants(wavelength=13.5) == pytest.approx((delta, beta), rel=2e-3)
    assert material.chi(wavelength=13.5) == pytest.approx(complex(-delta, beta), rel=2e-3)
    assert "Henke" in material.xray_source and "periodictable" in material.xray_source


def test_packaged_rows_are_those_of_the_tables():
    for formula in (*henke.ELEMENTS, "SiO2", "H2O"):
        density = {"SiO2": 2.2, "H2O": 0.99705}.get(formula)
        for wavelength in (10.0, 12.41, 13.5, 17.05, 21.0, 41.3):  # edges of Si, Al between
            full = Material(formula, density or Material(formula)._compound().density)
            found = henke.packaged_sld(formula, full.density, wavelength)
            expected = full.sld_of_xrays(wavelength=wavelength)
            # Six digits of each factor; f1 of Al and Xe passes through 0.
            assert abs(found - expected) < 2e-5 * abs(expected)
    assert henke.packaged_sld("Ag", None, 13.5) == pytest.approx(
        Material("Ag").sld_of_xrays(wavelength=13.5), rel=2e-5
    )


def test_index_of_refraction():
    assert chi_of_index(0.8904 + 0.0793j) == pytest.approx(-0.1096 + 0.0793j)
    assert chi_of_index(1.0) == 0


def test_absorption_and_incoherence_of_neutrons():
    """By hand: 2 x .3326 barn at .1798 nm and 2 x 80.26 barn in 33.33 molecules per nm^3."""
    water = Material("H2O", 0.997).neutrons()
    number = 33.33e21  # 1/cm^3
    assert water.absorption == pytest.approx(2 * 0.3326e-24 * number, rel=3e-3)
    assert water.incoherent == pytest.approx(2 * 80.26e-24 * number, rel=0.06)
    # 1/v: ten times the wavelength, ten times the absorption, the same scattering.
    slow = Material("H2O", 0.997).neutrons(wavelength=1.798)
    assert slow.absorption == pytest.approx(10 * water.absorption, rel=1e-6)
    assert slow.sld.real == pytest.approx(water.sld.real)
    # The imaginary part is that absorption: 2 wavelength Im(sld), in 1/nm.
    assert 2 * 0.1798 * water.sld.imag * 1e7 == pytest.approx(water.absorption, rel=1e-6)


def test_mixtures_and_the_match_point():
    """Water without coherent scattering has 8.1 % of D2O; silica is matched at 58 %."""
    assert contrast_match(0.0) == pytest.approx(0.081, abs=0.001)
    silica = Material("SiO2", 2.2).sld_of_neutrons()
    fraction = contrast_match(silica)
    assert fraction == pytest.approx(0.583, abs=0.002)
    assert heavy_water(fraction).sld_of_neutrons().real == pytest.approx(silica.real, rel=1e-9)
    half = Mixture({Material("H2O"): 0.5, Material("D2O"): 0.5})
    densities = [Material(m).electron_density for m in ("H2O", "D2O")]
    assert half.electron_density == pytest.approx(np.mean(densities))
    photon = {"energy": COPPER}
    ends = [Material(m).sld_of_xrays(**photon) for m in ("H2O", "D2O")]
    assert half.sld_of_xrays(**photon) == pytest.approx(np.mean(ends))
    constants = [Material(m).optical_constants(**photon) for m in ("H2O", "D2O")]
    assert half.optical_constants(**photon) == pytest.approx(np.mean(constants, axis=0))
    chi = [Material(m).chi(wavelength=13.5) for m in ("H2O", "D2O")]
    assert half.chi(wavelength=13.5) == pytest.approx(np.mean(chi))
    assert contrast_match(3e-4, first=1e-4, second=5e-4) == pytest.approx(0.5)


def test_values_of_the_users_are_kept():
    latex = Material("C8H8", 1.05, neutron=1.4e-4, xray=9.5e-4 + 1e-6j)
    assert latex.sld_of_neutrons() == 1.4e-4
    assert latex.sld_of_xrays(energy=COPPER) == 9.5e-4 + 1e-6j
    unnamed = Material(xray=1e-3)
    expected = energy_to_wavelength(COPPER) ** 2 / (2 * np.pi) * 1e-3
    assert unnamed.optical_constants(energy=COPPER) == pytest.approx((expected, 0.0))


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: Material(), "needs a formula, or xray= or neutron="),
        (lambda: Material("SiO2", -1.0), r"density must be above 0 g/cm\^3, got -1"),
        (lambda: Material("Xx2", 1.0).electron_density, "formula 'Xx2' is not understood"),
        (lambda: Material("C2H6").electron_density, "density of 'C2H6' is not known; give it"),
        (lambda: Material(xray=1e-3).electron_density, "has no formula"),
        (lambda: Material("Au").sld_of_xrays(energy=40.0), "tables cover 0.03 to 30 keV"),
        (lambda: Material("Ag").chi(energy=0.0298), "tables cover 0.03 to 30 keV"),
        (
            lambda: Material(xray=1e-3 - 1e-5j),
            "xray must absorb, not amplify: .* -1e-05 is",
        ),
        (lambda: chi_of_index(0.89 - 0.08j), "n must absorb, not amplify: .* -0.08 is below 0"),
        (lambda: chi_of_index(complex("nan")), "n must be finite"),
        (lambda: henke.packaged_sld("Ag", None, 1.0), "covers 9.96 to 41.3 nm, got 1 nm; pip"),
        (lambda: henke.packaged_sld("Pt", None, 13.5), "Pt is not in the packaged table of H,"),
        (lambda: henke.packaged_sld("SiO2", None, 13.5), "density of 'SiO2' is not known"),
        (lambda: henke.packaged_sld("Si(OH)4", 1.0, 13.5), "'Si.OH.4' is not understood"),
        (lambda: Material("Au").sld_of_xrays(), r"either energy \(keV\) or wavelength \(nm\)"),
        (lambda: Material("Au").sld_of_xrays(wavelength=-1.0), "wavelength must be positive"),
        (lambda: Material("Au").sld_of_xrays(energy=0.0), "energy must be positive"),
        (lambda: Material("Au").neutrons(wavelength=0.0), "wavelength must be positive"),
        (
            lambda: Material("Po", 9.2).neutrons(),
            "scattering length is not known; give neutron=",
        ),
        (lambda: Mixture(((Material("Au"), 0.7),)), r"sum to 1, got \[0.7\]"),
        (lambda: heavy_water(1.2), "fraction of D2O must be in 0..1, got 1.2"),
        (lambda: contrast_match(7e-4), "no mixture has an sld of 0.0007"),
        (lambda: contrast_match(1e-4, 2e-4, 2e-4), "nothing to mix"),
    ],
)
def test_bad_input_is_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_the_extra_is_named_and_loaded_only_where_needed():
    code = (
        "import sys; sys.modules['periodictable'] = None\n"
        "from diffscatter.core.materials import Material\n"
        "print(Material(neutron=1e-4).sld_of_neutrons())\n"
        "print(Material('Ag').chi(wavelength=13.5), Material('Ag').xray_source)\n"
        "try: Material('H2O').sld_of_neutrons()\nexcept ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    given, packaged, refused = done.stdout.splitlines()
    assert given == "(0.0001+0j)" and "pip install 'diffscatter[materials]'" in refused
    assert packaged.startswith("(-0.1096") and packaged.endswith("packaged rows")
