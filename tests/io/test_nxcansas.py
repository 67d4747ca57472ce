"""NXcanSAS: units, resolutions, masks and entries; what we write, others read too."""

import warnings

import h5py
import jax
import numpy as np
import pytest
from refusals import refused

from diffscatter.core.data import Curve, checked_curve
from diffscatter.io import load_curve, load_curves, save_curve

Q = np.array([0.01, 0.02, 0.03, 0.04])
INTENSITY = np.array([9.0, 4.0, 1.0, -0.5])
IDEV = np.array([0.9, 0.4, 0.1, 0.5])


def add(file, name="entry", *, columns=None, units=None, **attributes):
    """Add a SASentry with one SASdata as other programs write it; return the SASdata."""
    group = file.require_group(name)
    group.attrs.update(canSAS_class="SASentry", NX_class="NXentry")
    data = group.create_group(f"data{len(group)}")
    data.attrs.update(canSAS_class="SASdata", signal="I", I_axes="Q", Q_indices=[0])
    data.attrs.update(attributes)
    columns = {"Q": Q, "I": INTENSITY, "Idev": IDEV} | (columns or {})
    units = {"Q": "1/A", "I": "1/cm", "Idev": "1/cm"} | (units or {})
    for key, values in columns.items():
        if values is not None:
            data[key] = values
            if units.get(key):
                data[key].attrs["units"] = units[key]
    if "Idev" in data:
        data["I"].attrs["uncertainties"] = "Idev"
    return data


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    "unit, factor",
    [
        ("1/A", 10), ("1/angstrom", 10), ("1/Angstroms", 10), ("A^-1", 10), ("Å⁻¹", 10),
        ("1/nm", 1), ("nm^-1", 1), ("1/m", 1e-9), ("m^{-1}", 1e-9), ("1/meter", 1e-9),
    ],
)  # fmt: skip
def test_units_of_q(path, unit, factor):
    scale = 10 / factor  # the same curve in every unit
    with h5py.File(path, "w") as file:
        add(file, columns={"Q": Q * scale}, units={"Q": unit})
    np.testing.assert_allclose(load_curve(path).q, 10 * Q, rtol=1e-6)


@pytest.mark.parametrize(
    "unit, factor",
    [
        ("1/cm", 1),
        ("1/m", 0.01),
        ("cm^-1", 1),
        ("1/cm/sr", 1),
        ("cm-1 sr-1", 1),
        ("1/m/sr", 0.01),
    ],
)
def test_units_of_intensity(path, unit, factor):
    with h5py.File(path, "w") as file:
        add(file, units={"I": unit, "Idev": None})
    curve = load_curve(path)
    np.testing.assert_allclose(curve.intensity, INTENSITY * factor, rtol=1e-6)
    np.testing.assert_allclose(curve.sigma, IDEV * factor, rtol=1e-6)
    assert curve.notes == ()


def test_a_missing_unit_of_q_must_be_given(path):
    with h5py.File(path, "w") as file:
        add(file, units={"Q": None})
    refused(path, 'q_unit="1/A"')
    np.testing.assert_allclose(load_curve(path, q_unit="1/A").q, 10 * Q, rtol=1e-6)


@pytest.mark.parametrize("spelling", ["uncertainties", "uncertainty", "group", "canonical"])
def test_sigma_is_found_by_every_spelling(path, spelling):
    name = "Idev" if spelling == "canonical" else "s"
    with h5py.File(path, "w") as file:
        data = add(file, columns={"Idev": None, name: IDEV})
        if spelling == "group":
            data.attrs["I_uncertainty"] = name
        elif spelling != "canonical":
            data["I"].attrs[spelling] = np.bytes_(name)
    np.testing.assert_allclose(load_curve(path).sigma, IDEV)


def test_attributes_as_bytes_arrays_and_variable_strings(path):
    with h5py.File(path, "w") as file:
        data = add(file)
        text = h5py.string_dtype()
        data.attrs["canSAS_class"] = np.array([b"SASdata"])
        data.attrs["I_axes"] = np.array(["Q"], dtype=text)
        data["Q"].attrs["units"] = np.array([b"1/nm"])
        file["entry/title"] = np.array(["latex in D2O"], dtype=text)
    curve = load_curve(path)
    np.testing.assert_allclose(curve.q, Q)
    assert curve.name == "latex in D2O"


@pytest.mark.parametrize("named", [True, False])
def test_resolution(path, named):
    with h5py.File(path, "w") as file:
        data = add(file, columns={"dq" if named else "Qdev": Q / 10})
        if named:
            data["Q"].attrs.update(resolutions="dq", resolutions_description="Gaussian")
    np.testing.assert_allclose(load_curve(path).resolution, Q, rtol=1e-6)


def test_resolution_that_is_no_gaussian_is_said_not_applied(path):
    with h5py.File(path, "w") as file:
        data = add(file, columns={"Qdev": Q / 10})
        data["Q"].attrs.update(resolutions="Qdev", resolutions_description="Bin")
    curve = load_curve(path)
    assert curve.resolution is None and "'Bin'" in curve.notes[0]


@pytest.mark.parametrize(
    "names", ["dQw,dQl", ["dQw", "dQl"], ["dQl", "dQw"], None, "dQl", ["w", "l"]]
)
def test_slits(path, names):
    wide, long = ("w", "l") if names == ["w", "l"] else ("dQw", "dQl")
    with h5py.File(path, "w") as file:
        data = add(file, columns={wide: 0.01 * Q, long: np.full(4, 0.117)})
        if names:
            data["Q"].attrs["resolutions"] = names
    curve = load_curve(path)
    assert curve.resolution is None and curve.notes == ()
    np.testing.assert_allclose(curve.slit_length, 1.17, rtol=1e-6)
    if names == "dQl":
        assert curve.slit_width is None
    else:
        np.testing.assert_allclose(curve.slit_width, 0.1 * Q, rtol=1e-6)


def test_a_pinhole_and_a_slit(path):
    columns = {"dQw": 0.01 * Q, "dQl": np.full(4, 0.117), "Qdev": 0.1 * Q}
    with h5py.File(path, "w") as file:
        add(file, columns=columns)
    curve = load_curve(path)
    np.testing.assert_allclose(curve.resolution, Q, rtol=1e-6)
    np.testing.assert_allclose(curve.slit_length, 1.17, rtol=1e-6)


def test_masked_rows_are_reported(path):
    with h5py.File(path, "w") as file:
        values = np.where([False, True, False, False], np.nan, INTENSITY)
        add(file, columns={"I": values, "mask": [False, True, False, False]}, mask="mask")
    curve = load_curve(path)
    np.testing.assert_allclose(curve.intensity, INTENSITY[[0, 2, 3]])
    assert curve.notes == ("1 of 4 rows masked in the file, first row 1",)


def test_nan_rows_are_refused_not_dropped(path):
    with h5py.File(path, "w") as file:
        add(file, columns={"I": np.where(Q == 0.02, np.nan, INTENSITY)})
    refused(path, "intensity is NaN or infinite .1 rows, first row 1.*drop_bad=True")
    curve = load_curve(path, drop_bad=True)
    assert curve.q.size == 3 and "1 of 4 rows" in curve.notes[0]


def test_several_entries_and_an_image_among_them(path):
    with h5py.File(path, "w") as file:
        add(file, "a")
        add(file, "b", columns={"I": np.ones((4, 4)), "Idev": None})
        add(file, "c")
        add(file, "c")
    line = refused(path, "4 entries.*entry=0")
    assert "1 'unreadable' (not a curve)" in line and "'c (data0)'" in line
    assert load_curve(path, entry="a").name == "a"
    refused(path, r"I has shape \(4, 4\)", entry=1)
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        load_curves(path)


def test_nested_subentries_and_plain_nxdata(path):
    with h5py.File(path, "w") as file:
        outer = file.create_group("scan")
        outer.attrs["NX_class"] = "NXentry"
        data = add(outer, "sas")
        data.attrs["NX_class"] = "NXdata"
        del data.attrs["canSAS_class"]
    np.testing.assert_allclose(load_curve(path).q, 10 * Q, rtol=1e-6)


def test_soft_and_hard_links_inside_the_file(path):
    with h5py.File(path, "w") as file:
        data = add(file)
        file.create_group("raw")
        file.move(f"{data.name}/I", "/raw/I")
        data["I"] = h5py.SoftLink("/raw/I")
        data["Idev"].parent["again"] = data["Idev"]
    np.testing.assert_allclose(load_curve(path).intensity, INTENSITY)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda data: data.pop("I"), "no dataset 'I'"),
        (lambda data: data.pop("Idev"), "'Idev' is named by an attribute but absent"),
        (lambda data: data["I"].attrs.update(scaling_factor="f"), "scaling_factor"),
        (lambda data: data["Idev"].attrs.update(units="counts"), "sigma in 'counts'"),
        (lambda data: data["Q"].attrs.update(units="pixel"), "'pixel' is not known"),
        (lambda data: data.parent.pop("data0"), "no SASdata"),
    ],
)
def test_incomplete_files(path, change, match):
    with h5py.File(path, "w") as file:
        change(add(file))
    refused(path, match)


def test_text_or_wrong_length_in_place_of_numbers(path):
    with h5py.File(path, "w") as file:
        add(file, columns={"Q": np.array([b"a", b"b", b"c", b"d"])})
    refused(path, "real numbers are wanted")
    with h5py.File(path, "w") as file:
        add(file, columns={"Idev": IDEV[:3]})
    refused(path, "sigma has shape")
    with h5py.File(path, "w") as file:
        add(file, columns={"mask": [False, True]})
    refused(path, "mask has shape")
    with h5py.File(path, "w") as file:
        add(file, columns={name: np.ones(0) for name in ("Q", "I", "Idev")})
    refused(path, "only 0 points")


def curve(dtype=np.float64, **changes):
    rng = np.random.default_rng(1)
    q = np.sort(rng.uniform(0.01, 3, 50)).astype(dtype)
    names = ("intensity", "sigma", "resolution", "slit_length", "slit_width")
    fields = {name: rng.uniform(0.1, 9, 50).astype(dtype) for name in names} | changes
    return Curve(q=q, **fields, name="latex in D₂O", source="bench 7", notes=("one", "two, 3"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "changes",
    [{}, {"sigma": None}, {"resolution": None}, {"slit_length": None, "slit_width": None}],
)
def test_round_trip_to_the_last_bit(path, dtype, changes):
    with jax.enable_x64(dtype == np.float64):
        saved = curve(dtype, **changes)
        save_curve(path, saved)
        loaded = load_curve(path)
        assert saved.columns.keys() == loaded.columns.keys()
        for key, values in saved.columns.items():
            assert values.dtype == loaded.columns[key].dtype == dtype
            np.testing.assert_array_equal(values, loaded.columns[key])
    assert (loaded.name, loaded.source) == (saved.name, saved.source)
    assert loaded.notes[:2] == saved.notes
    assert len(loaded.notes) == 2 + (saved.sigma is None)


def test_arbitrary_units_stay_arbitrary(path, tmp_path):
    text = tmp_path / "a.dat"
    text.write_text("q(1/nm) I\n0.1 3\n0.2 2\n0.3 1\n")
    save_curve(path, load_curve(text))
    with h5py.File(path) as file:
        assert file["sasentry01/sasdata01/I"].attrs["units"] == b"a.u."
    assert load_curve(path).notes == load_curve(text).notes


@pytest.mark.parametrize(
    "absent", [("slit_length", "slit_width"), ("resolution", "slit_width"), ("resolution",), ()]
)
def test_other_programs_read_what_we_write(path, absent):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader's own deprecations
        loader = pytest.importorskip("sasdata.dataloader.loader").Loader()
        with jax.enable_x64(True):
            saved = curve(**dict.fromkeys(absent))
            save_curve(path, saved, fit=saved.intensity)
        (found,) = loader.load(str(path))
    assert found.title == saved.name and not found.errors
    # The loader converts to 1/A: one multiplication, so a few units in the last place.
    np.testing.assert_allclose(10 * found.x, saved.q, rtol=1e-15)
    np.testing.assert_allclose(found.y, saved.intensity, rtol=1e-15)
    np.testing.assert_allclose(found.dy, saved.sigma, rtol=1e-15)
    for theirs, name in (("dx", "resolution"), ("dxl", "slit_length"), ("dxw", "slit_width")):
        values = getattr(found, theirs)
        if name not in absent:
            np.testing.assert_allclose(10 * values, saved.columns[name], rtol=1e-15)
        else:
            assert values is None or not np.any(values)


def test_a_fit_is_stored_beside_its_curve(path):
    saved = curve(np.float32)
    save_curve(path, saved, fit=2 * saved.intensity)
    with h5py.File(path) as file:
        data = file["sasentry01/sasdata01"]
        np.testing.assert_array_equal(data["Imodel"], 2 * saved.intensity)
        assert data.attrs["auxiliary_signals"] == b"Imodel"
        names = []
        file.visititems(lambda _, node: names.append(node))
        stored = [node for node in names if isinstance(node, h5py.Dataset)]
        assert len(stored) == 12 and all(node.fletcher32 for node in stored)
    np.testing.assert_array_equal(load_curve(path).intensity, saved.intensity)


def test_save_refuses_before_it_writes(path, tmp_path):
    path.write_text("old")
    good = curve(np.float32)
    for bad, fit, match in (
        (Curve(q=good.q, intensity=-good.intensity), None, "no intensity"),
        (good, np.ones(3), r"fit must have the shape of q \(50,\)"),
        (good, np.full(50, np.nan), "fit must be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            save_curve(path, bad, fit=fit)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no such folder"):
        save_curve(tmp_path / "none" / "a.h5", good)


def test_a_failed_write_leaves_the_old_file(path, tmp_path, monkeypatch):
    save_curve(path, curve(np.float32))
    before = path.read_bytes()
    full = OSError(28, "No space left on device")

    def fail(*_, **__):
        raise full

    monkeypatch.setattr("diffscatter.io.nxcansas.write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        save_curve(path, checked_curve(Q, INTENSITY))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
