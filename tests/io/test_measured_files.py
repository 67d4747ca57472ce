"""Measured curves of many instruments and writers, against other readers of the same files."""

import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from refusals import refused

from diffscatter.core.data import Curve
from diffscatter.io import load_curve, load_curves, load_sample, save_curve

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "curves"
SASDATA = FOLDER / "sasdata"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/data/curves is absent")

UNIT_STATED = {
    "33837rear_1D_1.75_16.5_CanSAS1D.xml": 66,
    "33837rear_1D_1.75_16.5_NXcanSAS_v3.h5": 66,
    "AOT_Microemulsion-Core_Contrast.xml": 137,
    "AOT_Microemulsion-Shell_Contrast.xml": 137,
    "ISIS_Polymer_Blend_RT2.xml": 124,
    "hSDS_D2O_0p5_percent.xml": 137,
    "hSDS_D2O_2p0_percent.xml": 137,
    "hSDS_D2O_2p0_percent_0p2M_NaCl.xml": 137,
    "Ludox_silica.xml": 92,
    "P123_D2O_10_percent.xml": 124,
    "Lew_Sa3_DSM_QinA.h5": 490,
    "FK403_0006_Nika.hdf": 118,
    "10wtAOT_Reline_120_reduced.pdh": 748,
    "Anton-Paar.pdh": 673,
    "1umSlitSmearSphere.ABS": 150,
}
UNIT_GIVEN = {
    "sasdata/apoferritin.txt": 395,
    "sasdata/ISIS_98929.TXT": 140,
    "ffsas/04_sphere_SANS/observation.txt": 986,
    "ffsas/04_sphere_SANS/peer_sasview/output_I(q).txt": 285,
    "ffsas/06_structure_factor/S40_Ludox2_30pct.dat": 259,
    "ffsas/06_structure_factor/S42_Ludox4_10pct.dat": 259,
    "ffsas/06_structure_factor/S49_Ludox6_1pct.dat": 258,
    "lysozyme/lys_8mgml_subtracted.dat": 430,
}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def same_numbers(curve: Curve, columns: dict, rtol: float = 4e-16) -> None:
    for key, values in columns.items():
        found = getattr(curve, key)
        assert (found is None) == (values is None), key
        if values is not None:
            np.testing.assert_allclose(found, values, rtol=rtol, err_msg=key)


@pytest.mark.parametrize("name", UNIT_STATED)
def test_files_that_state_their_unit(name):
    curve = load_curve(SASDATA / name)
    assert curve.q.size == UNIT_STATED[name] and curve.sigma is not None
    assert 0.0005 < curve.q[0] < 0.5 and 0.09 < curve.q[-1] < 17


@pytest.mark.parametrize("name", UNIT_GIVEN)
def test_files_that_leave_the_unit_to_us(name):
    refused(FOLDER / name, 'q_unit="1/A"')
    curve = load_curve(FOLDER / name, q_unit="1/A")
    assert curve.q.size == UNIT_GIVEN[name]
    header = {"apoferritin.txt": 5, "ISIS_98929.TXT": 5, "lys_8mgml_subtracted.dat": 0}
    skip = header.get(Path(name).name, 0 if "observation" in name else 1)
    table = np.loadtxt(FOLDER / name, skiprows=skip).T
    names = ("intensity", "sigma", "resolution")
    columns = dict(zip(names, table[1:], strict=False)) | {"q": 10 * table[0]}
    if "resolution" in columns:
        columns["resolution"] = 10 * columns["resolution"]
    same_numbers(curve, columns)


@pytest.mark.parametrize("run", ["03734", "03737"])
def test_beamline_header_states_the_unit(run):
    (path,) = (FOLDER / "silica").glob(f"*{run}*.dat")
    table = np.loadtxt(path, skiprows=149).T
    same_numbers(
        load_curve(path), {"q": 10 * table[0], "intensity": table[1], "sigma": table[2]}
    )


@pytest.mark.parametrize(
    "name, match",
    [
        ("sasdata/AOT_Microemulsion-Drop_Contrast.xml", "sigma is not above 0.*first row 136"),
        ("sasdata/APS_DND-CAT.TXT", "fourth column cannot be a resolution.*columns="),
        ("sasdata/latex_smeared.xml", "2 entries: 0 'latex .*301 points.*1 'latex .*82 points"),
        ("lysozyme/gnom_lys_8.out", "5 columns without titles.*columns="),
        ("ffsas/04_sphere_SANS/peer_irena/output_I(q).txt", "one column"),
        ("ffsas/04_sphere_SANS/peer_irena/output_wv(r).txt", "one column"),
        ("ffsas/04_sphere_SANS/peer_sasview/monodisperse710_xi_b.txt", "no table of numbers"),
        ("ffsas/LICENSE", "no table of numbers"),
        ("silica/LICENSE.txt", "no table of numbers"),
        ("lysozyme/LICENSE.md", "no table of numbers"),
    ],
)  # fmt: skip
def test_files_that_are_refused_and_why(name, match):
    refused(FOLDER / name, match)


def test_every_file_is_one_of_these():
    listed = {f"sasdata/{name}" for name in UNIT_STATED} | set(UNIT_GIVEN)
    refusals = test_files_that_are_refused_and_why.pytestmark[0].args[1]
    listed |= {name for name, _ in refusals}
    files = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    assert {f for f in files - listed if not f.startswith("silica/2024_12_10")} == set()


def test_refused_files_load_with_the_mend_that_the_message_names():
    drop = load_curve(SASDATA / "AOT_Microemulsion-Drop_Contrast.xml", drop_bad=True)
    assert drop.q.size == 136 and any("first row 136" in note for note in drop.notes)
    dnd = load_curve(SASDATA / "APS_DND-CAT.TXT", q_unit="1/A", columns="q,I,-,sigma")
    assert dnd.q.size == 733 and dnd.resolution is None
    path = FOLDER / "lysozyme" / "gnom_lys_8.out"
    gnom = load_curve(path, q_unit="1/A", columns="q,I,sigma,-,-")
    assert gnom.q.size == 429
    lys = load_curve(FOLDER / "lysozyme" / "lys_8mgml_subtracted.dat", q_unit="1/A")
    # GNOM repeats the same measurement with six digits.
    np.testing.assert_allclose(gnom.intensity, lys.intensity[:429], rtol=5e-6)


def test_both_entries_of_the_latex():
    path = SASDATA / "latex_smeared.xml"
    refused(path, "entry 0: q repeats .2 rows, first row 43.*average_repeats", entry=0)
    sans = load_curve(path, entry=0, average_repeats=True)
    assert sans.q.size == 299 and sans.resolution is not None
    usans = load_curve(path, entry=1)
    assert usans.q.size == 82 and usans.resolution is None and usans.slit_width is None
    np.testing.assert_allclose(usans.slit_length, 1.17, rtol=1e-15)
    assert usans.notes == ()
    assert [c.q.size for c in load_curves(path, average_repeats=True)] == [299, 82]
    refused(
        path, "smeared by different slits.*fit them together", merge=True, average_repeats=True
    )


def test_the_same_measurement_in_two_formats():
    xml = load_curve(SASDATA / "33837rear_1D_1.75_16.5_CanSAS1D.xml")
    nexus = load_curve(SASDATA / "33837rear_1D_1.75_16.5_NXcanSAS_v3.h5")
    assert any("arbitrary units (stated: Counts)" in note for note in nexus.notes)
    # The XML has six digits.
    same_numbers(xml, {k: getattr(nexus, k) for k in ("q", "intensity", "sigma")}, rtol=5e-6)


@pytest.mark.parametrize(
    "name, inside",
    [
        ("Lew_Sa3_DSM_QinA.h5", "Lew_Sa3_0004_mrg/Lew_Sa3_0004_mrg"),
        ("FK403_0006_Nika.hdf", "FK403_0006_270_30/_1D_270_30"),
    ],
)
def test_against_the_raw_datasets(name, inside):
    with h5py.File(SASDATA / name) as file:
        raw = {key: file[inside][key][()].astype(float) for key in ("Q", "I", "Idev", "Qdev")}
    columns = {"q": 10 * raw["Q"], "intensity": raw["I"], "sigma": raw["Idev"]}
    same_numbers(load_curve(SASDATA / name), columns | {"resolution": 10 * raw["Qdev"]})


def test_against_another_loader():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader's own deprecations
        loader = pytest.importorskip("sasdata.dataloader.loader").Loader()
        for name in UNIT_STATED:
            if not name.endswith((".xml", ".h5")):
                continue
            (peer,) = loader.load(str(SASDATA / name))
            blurred = peer.dx is not None and np.any(peer.dx)
            columns = {"q": 10 * peer.x, "intensity": peer.y, "sigma": peer.dy}
            columns["resolution"] = 10 * peer.dx if blurred else None
            # It scales by powers of ten of its own: a few units in the last place.
            same_numbers(load_curve(SASDATA / name), columns, rtol=2e-15)


def every_curve():
    """The curves of every file, read as its refusals say."""
    options = [{}, {"q_unit": "1/A"}, {"drop_bad": True}, {"average_repeats": True}]
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        for how in options:
            try:
                yield from load_curves(path, **how)
                break
            except ValueError:
                continue


def test_every_curve_survives_being_saved(tmp_path):
    """With the same bits; sasdata reads the same file."""
    path, count = tmp_path / "saved.h5", 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader's own deprecations
        loader = pytest.importorskip("sasdata.dataloader.loader").Loader()
        for curve in every_curve():
            save_curve(path, curve, fit=curve.intensity)
            again = load_curve(path)
            assert again.columns.keys() == curve.columns.keys() and again.name == curve.name
            for name, values in curve.columns.items():
                np.testing.assert_array_equal(values, again.columns[name])
            (found,) = loader.load(str(path))
            np.testing.assert_allclose(10 * found.x, curve.q, rtol=1e-15)
            np.testing.assert_allclose(found.y, curve.intensity, rtol=1e-15)
            if curve.slit_length is not None:
                np.testing.assert_allclose(10 * found.dxl, curve.slit_length, rtol=1e-15)
            count += 1
    assert count == 28


def test_a_measured_background_is_subtracted():
    """Silica in ethanol less ethanol, the same run: one axis, so row by row."""
    sample, ethanol = (next((FOLDER / "silica").glob(f"*{run}*")) for run in ("03737", "03734"))
    tables = [np.loadtxt(path, skiprows=149).T for path in (sample, ethanol)]
    rest = load_curve(sample).subtract(load_curve(ethanol)).with_error_floor(0.02)
    intensity = tables[0][1] - tables[1][1]
    np.testing.assert_allclose(rest.intensity, intensity, rtol=1e-12, atol=1e-12)
    squares = tables[0][2] ** 2 + tables[1][2] ** 2 + (0.02 * intensity) ** 2
    np.testing.assert_allclose(rest.sigma, np.sqrt(squares), rtol=1e-12)
    assert rest.arbitrary and any("subtracted" in note for note in rest.notes)


def test_the_packaged_curve_is_the_published_one():
    sample = load_sample("latex_sans")
    made = load_curve(SASDATA / "latex_smeared.xml", entry=0, average_repeats=True)
    for key in ("q", "intensity", "sigma", "resolution"):
        np.testing.assert_array_equal(getattr(sample, key), getattr(made, key))
    root = ElementTree.parse(SASDATA / "latex_smeared.xml").getroot()
    rows = [row for row in root[0].iter("{cansas1d/1.0}Idata")]
    raw = np.array([[float(row[k].text) for k in range(4)] for row in rows])
    assert [row.tag.rpartition("}")[2] for row in rows[0]][:4] == ["Q", "I", "Idev", "Qdev"]
    # Every row but the two pairs of equal q is the file's to the last bit.
    once = np.array([np.sum(raw[:, 0] == q) == 1 for q in raw[:, 0]])
    kept = np.isin(sample.q, 10 * raw[once, 0])
    assert once.sum() == kept.sum() == 297
    ours = np.column_stack([sample.q, sample.intensity, sample.sigma, sample.resolution])
    np.testing.assert_array_equal(ours[kept], raw[once] * [10, 1, 1, 10])


def test_loading_a_text_needs_no_hdf5():
    code = (
        "import sys; from diffscatter.io import load_curve; "
        f"load_curve({str(SASDATA / 'Anton-Paar.pdh')!r}); "
        "print([m for m in ('h5py', 'defusedxml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
