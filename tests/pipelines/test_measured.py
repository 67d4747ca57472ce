"""Fits of measured curves, against what other programs and the authors found in them."""

import importlib
import sys
from pathlib import Path

import jax
import pytest

from diffscatter.cli.fit_report import verdict

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def curves():
    """The benchmark's fits, or a skip where the measured files are absent."""
    sys.path.insert(0, str(FOLDER))
    try:
        found = importlib.import_module("measured_curves")
    finally:
        sys.path.remove(str(FOLDER))
    if not found.CURVES.exists():
        pytest.skip("the measured curves are not there")
    with jax.enable_x64(True):
        yield found


def within(result, name, value, sigmas=4):
    return abs(result.parameters[name] - value) < sigmas * result.uncertainties[name]


@pytest.mark.slow
def test_spheres(curves):
    # The authors' own fit: 655.31 A, .1113; sasmodels and bumps: 655.17(82), chi2r 1.69.
    result = curves.ps3()
    assert within(result, "radius", 65.531, 2) and within(result, "radius_width", 0.1113, 2)
    assert result.reduced_chi2 <= 1.70 and result.starts_agreed >= 3


@pytest.mark.slow
def test_two_instruments_see_one_latex(curves):
    # Each alone: SANS 232.8 +- 4.6 nm, slit-smeared USANS 230.67 +- .48 nm.
    result = curves.latex()
    assert result.parameters["radius"] == pytest.approx(230.7, abs=1.5)
    scales = [v for k, v in result.parameters.items() if k.startswith("scale")]
    assert scales[0] == pytest.approx(scales[1], rel=0.02)
    assert max(curve.reduced_chi2 for curve in result.curves) < 1.5


def test_polymer_blend(curves):
    result = curves.blend()
    assert result.parameters["rg"] == pytest.approx(5.64, abs=0.02)
    assert result.reduced_chi2 <= 0.80


@pytest.mark.slow
def test_silica_less_its_solvent(curves):
    result = curves.silica()
    assert within(result, "radius", 42.38) and within(result, "radius_width", 0.092)
    assert result.reduced_chi2 <= 2.0


@pytest.mark.slow
def test_three_contrasts_of_one_droplet(curves):
    # Single fits of others end at 4.4, 7.9 and 34.7; interactions are what they leave out.
    result = curves.aot()
    found = [curve.reduced_chi2 for curve in result.curves]
    assert all(ours < theirs for ours, theirs in zip(found, (4.4, 7.9, 34.7), strict=True))
    assert max(found) < 3 and len({c.model.values["radius"].item() for c in result.curves}) == 1


@pytest.mark.slow
def test_one_size_of_silica_at_three_concentrations(curves):
    result = curves.ludox()
    fractions = [v for k, v in result.parameters.items() if k.startswith("volume_fraction")]
    assert fractions == sorted(fractions) and len(fractions) == 3
    # Single fits of others: 139 to 150 A, volume fractions .019, .173, .366.
    assert 13.9 < result.parameters["radius"] < 15.0
    assert fractions == pytest.approx([0.019, 0.173, 0.366], rel=0.15)
    assert max(curve.reduced_chi2 for curve in result.curves) < 720


@pytest.mark.slow
def test_charged_micelles_have_no_certain_shape(curves):
    # Others: chi2r .92, oblate and prolate ellipsoids alike.
    result = curves.sds()
    assert result.reduced_chi2 <= 0.95
    (other,) = result.alternatives
    sides = [p["radius_polar"] > p["radius_equatorial"] for p in (result.parameters, other)]
    assert sorted(sides) == [False, True]
    assert any("do not tell which" in warning for warning in result.warnings)


@pytest.mark.slow
def test_what_does_not_fit_is_said(curves):
    text, good = verdict(curves.ludox_silica())
    assert text.startswith("The model does not describe the data: reduced chi2") and not good
