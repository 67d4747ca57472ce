"""Images that lie, point elsewhere, or are damaged: each one is refused in a line."""

import hashlib
import struct
import tempfile
import zlib
from base64 import b64encode
from pathlib import Path

import fabio
import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffscatter.core.data import checked_pattern
from diffscatter.io import load_pattern, save_pattern

COUNTS = np.random.default_rng(3).poisson(300.0, (10, 14)).astype(np.int32)


def refused(path, match: str, **options) -> str:
    """Assert that loading ``path`` is refused in one line; return the line."""
    with pytest.raises(ValueError, match=match) as caught:
        load_pattern(path, **options)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and len(line) < 600
    assert line.startswith(path.name) and "; " in line
    return line


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """One sound file of every format, by its suffix."""
    folder = tmp_path_factory.mktemp("sound")
    small = (COUNTS % 256).astype(np.uint8)
    Image.fromarray(small).save(folder / "a.png")
    tifffile.imwrite(folder / "a.tif", COUNTS, compression="zlib")
    fabio.edfimage.EdfImage(data=COUNTS).write(str(folder / "a.edf"))
    fabio.cbfimage.CbfImage(data=COUNTS).write(str(folder / "a.cbf"))
    save_pattern(folder / "a.cxi", checked_pattern(COUNTS, COUNTS > 250, name="é"))
    np.save(folder / "a.npy", COUNTS)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


def test_what_is_no_image(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.png: no such file"):
        load_pattern(tmp_path / "none.png")
    for name, content, match in (
        ("a.png", b"", r"is empty \(0 bytes\)"),
        ("a.png", b"words", "is no image that is known .it starts with 'words'"),
        ("a.dat", b"0.1 2 3\n0.2 3 4\n", "is no image that is known"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + b"0" * 40, "is JPEG, which keeps no numbers"),
        ("a.h5", b"0.1 2 3", "is named as HDF5"),
        ("a.zip", b"PK\x03\x04" + b"0" * 40, "is a zip archive"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        refused(path, match)
    refused(tmp_path, "is a folder")


def test_truncated_files(tmp_path, sound):
    for suffix, whole in sound.items():
        path = tmp_path / f"a{suffix}"
        for length in (9, len(whole) // 2, len(whole) - 60):
            path.write_bytes(whole[:length])
            refused(path, "truncated|damaged|no sound|cannot be read|no image|declares|no EDF")


def png(width, height, colours=0, depth=8, rows=b""):
    def chunk(kind, content):
        code = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + code

    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(100_000, 100_000))
    refused(path, "declares 100000 x 100000 pixels; at most 33554432")
    path.write_bytes(png(2000, 2000, rows=b"0"))  # declares more than it holds
    refused(path, "is a damaged PNG")
    path.write_bytes(png(10, 10, colours=2, depth=16, rows=bytes(610)))
    refused(path, "16-bit PNG with colours.*save it as 16-bit grey")
    path.write_bytes(png(10, 10, rows=bytes(110)))
    refused(path, "every pixel that counts is 0")
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = np.arange(10)
    Image.fromarray(red).save(path)
    refused(path, r"is a coloured picture \(90 pixels are not grey\).*no intensity")
    refused(path, "is no HDF5", dataset="a")


def test_tiff(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COUNTS)
    content = path.read_bytes()
    for tag in (256, 257):  # width and length: 12 bytes an entry, tag and type first
        place = max(content.find(struct.pack("<HHI", tag, kind, 1)) for kind in (3, 4))
        entry = struct.pack("<HHII", tag, 4, 1, 100_000)
        content = content[:place] + entry + content[place + 12 :]
    path.write_bytes(content)
    refused(path, r"declares an image of shape \(100000, 100000\)")
    tifffile.imwrite(path, np.ones((10, 10), np.complex64))
    refused(path, "holds complex64; real numbers are wanted")
    colours = np.random.default_rng(0).integers(0, 9, (10, 10, 3)).astype(np.uint8)
    tifffile.imwrite(path, colours, photometric="rgb")
    refused(path, "is a coloured picture")


def edf(**keys):
    keys = {"Dim_1": 14, "Dim_2": 10, "DataType": "SignedInteger"} | keys
    text = "{\n" + "".join(f"{k} = {v} ;\n" for k, v in keys.items())
    return text.ljust(510).encode() + b"}\n" + COUNTS.tobytes()


@pytest.mark.parametrize(
    "content, match",
    [
        (edf()[:-1], "is truncated: image 0 ends at byte 1072 of 1071"),
        (edf(Dim_2=10**6), "is truncated"),
        (edf(Dim_1=10**8), "declares 100000000 x 10 pixels; at most 33554432"),
        (edf(Dim_1=0), "declares 0 x 10"),
        (edf(Dim_1="-4"), "Dim_1 '-4'"),
        (edf(Dim_3=4), "one image of plain numbers"),
        (edf(DataType="Cheese"), "DataType 'Cheese'"),
        (edf(Compression="GzipCompression"), "is packed, or keeps its numbers in another"),
        (edf(EDF_BinaryFileName="/etc/passwd"), "in another file"),
        (edf(EDF_BinarySize="1e9"), "EDF_BinarySize that is no number"),
        (edf() + b"\x01\x02", "has no EDF header at byte 1072"),
        (b"{ a = 1 ;" + b" " * 2_000_000, "has no EDF header at byte 0"),
        (b"{ a =" + b" " * 1_000_000 + b"}\n", "has DataType ''"),
    ],
)
def test_edf(tmp_path, content, match):
    path = tmp_path / "a.edf"
    path.write_bytes(content)
    refused(path, match)


def cbf(packed, **keys):
    keys = {
        "X-Binary-Size": len(packed),
        "X-Binary-Number-of-Elements": 140,
        "X-Binary-Size-Fastest-Dimension": 14,
        "X-Binary-Size-Second-Dimension": 10,
        "Content-MD5": b64encode(hashlib.md5(packed).digest()).decode(),
    } | keys
    lines = ['###CBF: VERSION 1.5', 'conversions="x-CBF_BYTE_OFFSET"']  # fmt: skip
    lines += [f"{name}: {value}" for name, value in keys.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n\x0c\x1a\x04\xd5" + packed


STEPS = bytes([1, 3] * 70)
HUGE = b"\x80\x00\x80\x00\x00\x00\x80" + struct.pack("<q", 2**40)  # one step of eight bytes


@pytest.mark.parametrize(
    "content, match",
    [
        (cbf(STEPS, **{"Content-MD5": "AAAA"}), "numbers fail their MD5"),
        (cbf(STEPS)[:-9], "is truncated: 131 of 140 bytes"),
        (cbf(STEPS[:-9]), "140 numbers in 131 bytes"),
        (cbf(STEPS, **{"X-Binary-Size": "x"}), "no sound CBF header"),
        (cbf(STEPS, **{"X-Binary-Size-Fastest-Dimension": 15}), "declares 15 x 10 pixels"),
        (
            cbf(STEPS, **{"X-Binary-Size-Fastest-Dimension": 10**9,
                          "X-Binary-Number-of-Elements": 10**10}),
            "declares 1000000000 x 10",
        ),
        (cbf(STEPS[:-4] + b"\x80\x01\x02\x01"), "holds 138 of 140 numbers"),
        (cbf(STEPS[:-1] + HUGE), "leave their 32 bits"),
        (cbf(STEPS).replace(b"BYTE_OFFSET", b"PACKED"), "not packed by byte offsets"),
        (b"###CBF: words", "no sound CBF header"),
    ],
)  # fmt: skip
def test_cbf(tmp_path, content, match):
    path = tmp_path / "a.cbf"
    path.write_bytes(content)
    refused(path, match)


def test_hdf5(tmp_path):
    path, other = tmp_path / "a.h5", tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["data"] = COUNTS
    name = "entry_1/data_1/data"

    def write(make):
        with h5py.File(path, "w") as file:
            make(file)

    def link(file):
        file[name] = h5py.ExternalLink(str(other), "/data")

    def virtual(file):
        layout = h5py.VirtualLayout(shape=COUNTS.shape, dtype="i4")
        layout[:] = h5py.VirtualSource(str(other), "data", shape=COUNTS.shape)
        file.create_virtual_dataset(name, layout)

    def sparse(file):
        file.create_dataset(name, (10**5, 10**5), "f8", chunks=(100, 100))

    def never(file):
        file.create_dataset(name, (10, 14), "f8", chunks=(10, 14))

    def loop(file):
        file[name], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink(f"/{name}")

    def default(file):
        file["a/b"] = COUNTS
        file["a"].attrs["default"] = "../a"
        file.attrs["default"] = "a"

    def lines(file):
        file[name] = np.ones(7)

    def mask(file):
        file[name], file["entry_1/mask"] = COUNTS, np.zeros((3, 3), np.uint8)

    for make, match in (
        (link, "links to another file .*secret.h5"),
        (virtual, "is a virtual dataset"),
        (sparse, r"declares 10000000000 values \(80 GB\)"),
        (never, "declares 140 values but stores none"),
        (loop, "soft links .* loop"),
        (lines, r"has shape \(7,\)"),
        (mask, r"mask has shape \(3, 3\), the image \(10, 14\)"),
        (lambda file: None, "holds no image"),
    ):
        write(make)
        refused(path, match)
    write(default)  # a default that leads nowhere is passed over
    assert load_pattern(path).image.shape == COUNTS.shape


def test_flipped_bits_of_our_own_file_are_noticed(tmp_path, sound):
    path = tmp_path / "a.cxi"
    whole = sound[".cxi"]
    path.write_bytes(whole)
    good = load_pattern(path)
    for place in range(0, len(whole), 67):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        try:
            pattern = load_pattern(path)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1 and str(error).startswith("a.cxi")
            continue
        np.testing.assert_array_equal(pattern.image, good.image)
        np.testing.assert_array_equal(pattern.mask, good.mask)


def test_any_bytes_end_soon(sound):
    @settings(max_examples=100, deadline=10_000, derandomize=True)
    @given(st.data())
    def check(data):
        suffix = data.draw(st.sampled_from(sorted(sound)))
        content = bytearray(sound[suffix][: data.draw(st.integers(1, len(sound[suffix])))])
        for _ in range(data.draw(st.integers(0, 4))):
            place = data.draw(st.integers(0, min(len(content), 600) - 1))
            content[place] = data.draw(st.integers(0, 255))
        content += data.draw(st.binary(max_size=20))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            path.write_bytes(content)
            try:
                assert np.isfinite(np.asarray(load_pattern(path).image)).all()
            except ValueError as error:
                assert len(str(error).splitlines()) == 1
                assert str(error).startswith(path.name)

    check()
