"""Files that lie, point elsewhere, or are damaged: each one is refused in a line."""

import gzip
import io
import os
import pickle
import resource
import time
import zipfile

import h5py
import numpy as np
import pytest
from refusals import refused

from diffscatter.core.data import checked_curve
from diffscatter.io import load_curve, save_curve

Q = np.array([0.1, 0.2, 0.3, 0.4])
ROWS = "".join(f"{q} {10 - q} 0.5\n" for q in Q)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def sasdata(file, **columns):
    """The smallest NXcanSAS, with some datasets left out (None) to be made by the test."""
    entry = file.create_group("entry")
    entry.attrs["canSAS_class"] = "SASentry"
    data = entry.create_group("data")
    data.attrs.update(canSAS_class="SASdata", signal="I", I_axes="Q")
    for name, values in ({"Q": Q, "I": 10 - Q} | columns).items():
        if values is not None:
            data[name] = values
            data[name].attrs["units"] = {"Q": "1/nm", "I": "1/cm"}[name]
    return data


def test_missing_folder_empty_and_pipe(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.dat: no such file"):
        load_curve(tmp_path / "none.dat")
    with pytest.raises(ValueError, match="is a folder"):
        load_curve(tmp_path)
    empty = tmp_path / "a.dat"
    empty.touch()
    refused(empty, r"is empty \(0 bytes\)")
    pipe = tmp_path / "pipe.dat"
    os.mkfifo(pipe)
    refused(pipe, "not a regular file")
    with pytest.raises(ValueError, match="cannot be reached"):
        load_curve("a\0b")


def test_a_name_with_line_breaks_stays_on_one_line(tmp_path):
    path = tmp_path / "a\nb.dat"
    path.write_text("words")
    with pytest.raises(ValueError, match="a b.dat: no table") as caught:
        load_curve(path)
    assert "\n" not in str(caught.value)


class Payload:
    """Pickles as a call that leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (os.mkdir, (str(self.trace),))


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.pkl", "a.dat"])
def test_pickles_are_never_loaded(tmp_path, name):
    path, trace = tmp_path / name, tmp_path / "trace"
    objects = np.array([Payload(trace)], dtype=object)
    if name == "a.npy":
        np.save(path, objects, allow_pickle=True)
        match = "holds object values.*unpickling"
    elif name == "a.npz":
        np.savez(path, q=objects)
        match = "is a zip archive"
    else:
        path.write_bytes(pickle.dumps(Payload(trace)))
        match = "is a Python pickle"
    refused(path, match, q_unit="1/nm")
    assert not trace.exists()


def test_npy_table(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.column_stack([Q, 10 - Q, np.ones(4)]))
    np.testing.assert_allclose(load_curve(path, q_unit="1/nm").q, Q, rtol=1e-6)
    refused(path, 'q_unit="1/A"')
    np.save(path, np.ones((4, 9)))
    refused(path, r"has shape \(4, 9\)", q_unit="1/nm")


def header(shape, dtype="<f8"):
    stream = io.BytesIO()
    declared = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, declared)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content, match",
    [
        (header((10**12,)) + b"0" * 64, "declares 1000000000000 values.*stores 64 bytes"),
        (header((4, 2)) + b"0" * 63, "declares 8 values.*stores 63 bytes"),
        (header((10**7,), "|i1") + b"0" * 10**7, "at most 4000000 values"),
        (header((2,), "<U9") + b"0" * 72, "plain real numbers"),
        (b"\x93NUMPY\x01\x00\x10\x00{1: 2, __import__", "no sound .npy header"),
        (b"\x93NUMPY\x09\x00", "no sound .npy header"),
    ],
    ids=["8 TB", "truncated", "too many", "text", "code", "version"],
)
def test_npy_headers_are_compared_with_the_file(tmp_path, content, match):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    refused(path, match, q_unit="1/nm")


def test_sparse_hdf5(path):
    with h5py.File(path, "w") as file:
        data = sasdata(file, I=None)
        data.create_dataset("I", shape=(2 * 10**10,), dtype="f8", chunks=(1000,))
        data.move("Q", "/old")
        data.create_dataset("Q", shape=(2 * 10**10,), dtype="f8", chunks=(1000,))
    assert path.stat().st_size < 20_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, r"declares 20000000000 values \(160 GB\), at most 1000000")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50_000  # kB


def test_declared_but_never_stored(path):
    with h5py.File(path, "w") as file:
        sasdata(file, I=None).create_dataset("I", shape=(4,), dtype="f8", chunks=(4,))
    refused(path, "declares 4 values but stores none")


def test_monstrous_chunk(path):
    with h5py.File(path, "w") as file:
        shape = {"shape": (4,), "maxshape": (None,), "chunks": (10**8,), "dtype": "f8"}
        sasdata(file, I=None).create_dataset("I", compression="gzip", **shape)
    refused(path, "has chunks of shape")


def test_gzip_bomb_and_damaged_gzip(tmp_path):
    path = tmp_path / "a.dat.gz"
    path.write_bytes(gzip.compress(b" " * 30_000_000))
    refused(path, "unpack to more than 100 times")
    whole = gzip.compress(ROWS.encode())
    for content in (whole[:-9], whole[:20] + b"\xff" + whole[21:], whole[:-8] + b"12345678"):
        path.write_bytes(content)
        refused(path, "damaged or truncated gzip", q_unit="1/nm")
    path.write_bytes(gzip.compress(whole + b"\0" * 9))
    refused(path, "is not text", q_unit="1/nm")


def test_packed_hdf5(tmp_path):
    path = tmp_path / "a.h5.gz"
    save_curve(tmp_path / "a.h5", checked_curve(Q, 10 - Q))
    path.write_bytes(gzip.compress((tmp_path / "a.h5").read_bytes()))
    refused(path, "is binary data packed with gzip; unpack it")


def test_too_much_text(tmp_path):
    path = tmp_path / "a.dat"
    with path.open("wb") as stream:
        stream.truncate(2**35)  # sparse: 32 GB that nobody may read
    started = time.process_time()
    refused(path, "holds more than 32 MB")
    assert time.process_time() - started < 1


def test_zip(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sheet.xml", "<a/>")
    refused(path, "is a zip archive.*unpack it")


def other_file(tmp_path):
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["I"] = 10 - Q
    return other


def test_external_link(path, tmp_path):
    with h5py.File(path, "w") as file:
        data = sasdata(file, I=None)
        data["I"] = h5py.ExternalLink(str(other_file(tmp_path)), "/I")
    refused(path, "links to another file .*secret.h5.*copy the data")
    with h5py.File(path, "a") as file:  # and behind a soft link
        file["outside"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
        del file["entry/data/I"]
        file["entry/data/I"] = h5py.SoftLink("/outside/I")
    refused(path, "links to another file")
    with h5py.File(path, "w") as file:
        file["entry"] = h5py.ExternalLink("/dev/stdin", "/")
    refused(path, "links to another file .*/dev/stdin")


def test_virtual_dataset(path, tmp_path):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other_file(tmp_path)), "I", shape=(4,))
    with h5py.File(path, "w") as file:
        sasdata(file, I=None).create_virtual_dataset("I", layout)
    refused(path, "is a virtual dataset")


def test_external_storage(path, tmp_path):
    raw = tmp_path / "secret.bin"
    raw.write_bytes((10 - Q).tobytes())
    with h5py.File(path, "w") as file:
        storage = [(str(raw), 0, 32)]
        sasdata(file, I=None).create_dataset("I", (4,), dtype="f8", external=storage)
    refused(path, "is stored in another file .*secret.bin")


def test_soft_link_loop_dangling_link_and_hard_link_cycle(path):
    with h5py.File(path, "w") as file:
        data = sasdata(file, I=None)
        data["I"] = h5py.SoftLink("/entry/data/J")
        data["J"] = h5py.SoftLink("/entry/data/I")
    refused(path, "soft links from 'I' loop")
    with h5py.File(path, "w") as file:
        sasdata(file, I=None)["I"] = h5py.SoftLink("/entry/nothing")
    refused(path, "soft link 'I' leads to 'nothing', which is not there")
    with h5py.File(path, "w") as file:
        data = sasdata(file)
        data.parent["again"] = data.parent  # a group inside itself: found twice, never forever
        file["entry"].attrs["NX_class"] = "NXentry"
    refused(path, "entries")


def test_too_many_members(path, monkeypatch):
    monkeypatch.setattr("diffscatter.io.hdf5._MAX_LINKS", 5)
    with h5py.File(path, "w") as file:
        for k in range(6):
            file.create_group(f"g{k}")
    refused(path, "has 6 members")


@pytest.mark.parametrize(
    "smeared, stride",
    [({}, 17), ({"resolution": 0.1 * Q, "slit_length": 1.0, "slit_width": 0.02 * Q}, 67)],
)
def test_every_changed_byte_of_our_own_files_is_noticed(path, tmp_path, smeared, stride):
    labels = {"name": "sample", "source": "bench", "notes": ("one",)}
    save_curve(path, checked_curve(Q, 10 - Q, **smeared, **labels))
    whole, good = path.read_bytes(), load_curve(path)
    changed = tmp_path / "b.h5"
    rng = np.random.default_rng(3)
    noticed = 0
    places = range(0, len(whole), stride)
    for place in places:
        content = bytearray(whole)
        content[place] ^= rng.integers(1, 256)
        changed.write_bytes(content)
        try:
            curve = load_curve(changed)
        except ValueError as error:
            noticed += 1
            assert len(str(error).splitlines()) == 1 and str(error).startswith("b.h5")
            continue
        # A byte that no reader uses: then everything read is as it was.
        assert curve.columns.keys() == good.columns.keys()
        for name, values in curve.columns.items():
            np.testing.assert_array_equal(values, good.columns[name])
        assert (curve.name, curve.source, curve.notes) == (
            "sample",
            "bench",
            ("one", *good.notes[1:]),
        )
    assert noticed > 0.2 * len(places)


def test_flipped_bit_in_the_numbers(path):
    save_curve(path, checked_curve(Q, 10 - Q))
    with h5py.File(path) as file:
        node = file["sasentry01/sasdata01/I"]
        place = node.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 3] ^= 1
    path.write_bytes(content)
    refused(path, "sasdata01/I cannot be read.*damaged")


def test_truncated_hdf5_at_any_length(path):
    save_curve(path, checked_curve(Q, 10 - Q))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, f"is truncated: {len(whole) // 2} of {len(whole)} bytes")
    for length in [*range(1, 100), *range(100, len(whole), 101)]:
        path.write_bytes(whole[:length])
        refused(path, "truncated|damaged|named as HDF5")


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".nxs", ".HDF"])
def test_text_named_as_hdf5(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text(ROWS)
    refused(path, "is named as HDF5 but starts with '0.1 9.9 0.5", q_unit="1/nm")


def test_hdf5_by_content_and_behind_a_user_block(tmp_path):
    path = tmp_path / "a.dat"
    with h5py.File(path, "w") as file:
        sasdata(file)
    np.testing.assert_allclose(load_curve(path).q, Q, rtol=1e-6)
    refused(path, "is hdf5: its columns have names", columns="q,I")
    block = tmp_path / "a.h5"
    with h5py.File(block, "w", userblock_size=1024) as file:
        sasdata(file)
    np.testing.assert_allclose(load_curve(block).q, Q, rtol=1e-6)


def test_hdf5_that_holds_no_curve(path):
    with h5py.File(path, "w") as file:
        file["density"] = np.ones((3, 3, 3))
    refused(path, "has no SASdata")


def columns(tmp_path, q=Q, intensity=10 - Q, sigma=None):
    path = tmp_path / "a.dat"
    arrays = [q, intensity] + ([] if sigma is None else [sigma])
    np.savetxt(path, np.column_stack(arrays), fmt="%.8g")
    return path


def changed(values, row, value):
    values = np.array(values, float)
    values[row] = value
    return values


@pytest.mark.parametrize(
    "given, match",
    [
        ({"intensity": changed(Q, 2, np.nan)}, "intensity is NaN or infinite.*row 2.*drop_bad"),
        ({"q": changed(Q, 1, np.inf)}, "q is NaN or infinite.*row 1.*mask"),
        ({"sigma": changed(Q, 3, np.nan)}, "sigma is NaN or infinite.*row 3"),
        ({"q": changed(Q, 0, 0.0)}, "q is not above 0.*beam stop.*drop_bad"),
        ({"q": changed(Q, 0, -0.1)}, "q is not above 0"),
        ({"q": Q[[0, 2, 1, 3]]}, "q steps back.*first row 2.*sort"),
        ({"q": Q[[0, 1, 1, 3]]}, "q repeats.*first row 2.*average_repeats=True"),
        ({"intensity": -Q}, "no intensity is above 0"),
        ({"sigma": changed(Q, 1, 0.0)}, "sigma is not above 0.*first row 1.*drop_bad"),
        ({"sigma": changed(Q, 1, -1.0)}, "sigma is not above 0"),
        ({"q": 1000 * Q}, "q reaches 400 1/nm, outside 1e-3..50 1/nm.*check its unit"),
        ({"q": 1e-6 * Q}, "outside 1e-3..50"),
        ({"q": Q[:2], "intensity": Q[:2]}, "at least 3 rows"),
    ],
)
def test_numbers_that_no_fit_can_use(tmp_path, given, match):
    line = refused(columns(tmp_path, **given), match, q_unit="1/nm")
    assert "steps back" not in line or "drop_bad" not in line


def test_the_wrong_unit_of_q_is_noticed(tmp_path):
    path = columns(tmp_path, q=100 * Q)  # 10 to 40 1/nm
    load_curve(path, q_unit="1/nm")
    refused(path, "q reaches 400 1/nm.*check its unit", q_unit="1/A")


def test_what_is_legal_though_odd(tmp_path):
    reversed_curve = load_curve(columns(tmp_path, q=Q[::-1]), q_unit="1/nm")
    np.testing.assert_allclose(reversed_curve.q, Q, rtol=1e-6)
    np.testing.assert_allclose(reversed_curve.intensity, (10 - Q)[::-1], rtol=1e-6)
    negative = load_curve(columns(tmp_path, intensity=changed(Q, 3, -1.0)), q_unit="1/nm")
    assert negative.intensity[3] == -1
    zero = load_curve(columns(tmp_path, sigma=0 * Q), q_unit="1/nm")
    assert zero.sigma is None and any("no reduced chi-square" in n for n in zero.notes)


def test_dropping_and_averaging_on_request(tmp_path):
    q = np.array([0.0, 0.1, 0.2, 0.2, 0.3, 0.4])
    intensity = np.array([1.0, 8.0, 4.0, 7.0, 2.0, np.nan])
    sigma = np.array([1.0, 1.0, 1.0, 2.0, 1.0, 1.0])
    path = tmp_path / "a.dat"
    np.savetxt(
        path, np.column_stack([q, intensity, sigma, [0.01, 0.01, 0.03, 0.04, 0.01, 0.01]])
    )
    options = {"q_unit": "1/nm", "drop_bad": True}
    refused(path, "q repeats.*first row 2", **options)
    curve = load_curve(path, average_repeats=True, **options)
    # Weights 1 and 1/4: mean (4 + 7/4) / 1.25, sigma 1.25^-1/2, variances of q likewise.
    np.testing.assert_allclose(curve.q, [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(curve.intensity, [8, 4.6, 2], rtol=1e-6)
    np.testing.assert_allclose(curve.sigma, [1, 0.8**0.5, 1], rtol=1e-6)
    spread = ((9e-4 + 16e-4 / 4) / 1.25) ** 0.5
    np.testing.assert_allclose(curve.resolution, [0.01, spread, 0.01], rtol=1e-6)
    assert any("2 of 6 rows not usable" in note for note in curve.notes)
    assert any("1 repeated q averaged as asked, first at row 1" in note for note in curve.notes)


def test_averaging_without_sigma(tmp_path):
    path = columns(
        tmp_path, q=np.array([0.1, 0.2, 0.2, 0.3]), intensity=np.array([4.0, 3, 1, 1])
    )
    curve = load_curve(path, q_unit="1/nm", average_repeats=True)
    np.testing.assert_allclose(curve.intensity, [4, 2, 1])
