"""Whatever bytes a file holds, loading ends soon, in a curve or in one line."""

import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscatter.core.data import Curve, checked_curve
from diffscatter.io import load_curve, save_curve

# Milliseconds for one file. Loading takes about one; the rest is for a loaded machine.
BOUNDED = settings(max_examples=80, deadline=10_000, derandomize=True)

SIGNATURES = st.sampled_from(
    [b"", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY\x01\x00", b"\x1f\x8b\x08", b"PK\x03\x04", b"<?xml "]
)
SUFFIXES = st.sampled_from([".h5", ".xml", ".dat", ".npy", ".csv.gz", ".pdh", ""])
XML = (
    '<?xml version="1.0"?><SASroot xmlns="urn:cansas1d:1.1"><SASentry><Title>t</Title><SASdata>'
    + "".join(
        f'<Idata><Q unit="1/A">0.0{k}</Q><I unit="1/cm">{k}</I></Idata>' for k in range(1, 6)
    )
    + "</SASdata></SASentry></SASroot>"
).encode()
TEXT = b"title\nq(1/A) I dI\n" + b"".join(b"0.0%d %d.5 0.1\n" % (k, k) for k in range(1, 9))


def ends_well(content: bytes, suffix: str) -> Curve | None:
    """Load the content; anything but a curve or one line is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        try:
            curve = load_curve(path, q_unit="1/nm")
        except ValueError as error:
            assert len(str(error).splitlines()) == 1
            assert str(error).startswith(path.name)
            return None
    assert np.isfinite(curve.q).all() and np.isfinite(curve.intensity).all()
    return curve


@BOUNDED
@given(SIGNATURES, st.binary(max_size=2000), SUFFIXES)
def test_random_bytes(signature, content, suffix):
    ends_well(signature + content, suffix)


@BOUNDED
@given(st.text(alphabet='0123456789.,;+-eEnaNif# \t\r\n"q(1/A)I|<>', max_size=500), SUFFIXES)
def test_random_text(text, suffix):
    ends_well(text.encode(), suffix)


@BOUNDED
@given(st.data(), st.sampled_from([XML, TEXT]))
def test_changed_xml_and_text(data, whole):
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    ends_well(bytes(content), data.draw(SUFFIXES))


@BOUNDED
@given(st.integers(1, 10_000), st.sampled_from([XML, TEXT]), SUFFIXES)
def test_truncated_xml_and_text(length, whole, suffix):
    curve = ends_well(whole[: length % len(whole)], suffix)
    if whole is XML:
        assert curve is None


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("ours") / "a.h5"
    q = np.linspace(0.1, 2, 40)
    save_curve(path, checked_curve(q, 1 / q, 0.1 / q, 0.1 * q))
    return path.read_bytes()


def test_truncated_or_changed_files_of_ours(ours):
    @BOUNDED
    @given(st.data())
    def check(data):
        content = bytearray(ours[: data.draw(st.integers(1, len(ours)))])
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(
                st.integers(1, 255)
            )
        ends_well(bytes(content), ".h5")

    check()
    assert ends_well(ours, ".h5").q.size == 40


@pytest.mark.parametrize(
    "content",
    [
        b"q" + b" " * 3_000_000 + b"1/A\n", b"1" * 3_000_000, b"1," * 1_500_000,
        b"1.5 " * 700_000, b"\n" * 3_000_000, b"q [1/A" * 500_000, b"-" * 3_000_000,
        (b"q" + b"\n" * 50) * 50_000, b"1,1 " * 700_000, b'key="X">' + b" " * 3_000_000,
        (b"1 2\n" + b"x\n") * 100_000,
    ],
    ids=range(11),
)  # fmt: skip
def test_patterns_do_not_blow_up(content):
    @settings(max_examples=1, deadline=20_000)
    @given(st.just(content))
    def check(content):
        assert ends_well(content, ".dat") is None

    check()


def test_float32_underflow_is_no_surprise(tmp_path):
    # Values that float64 holds and float32 does not become 0 or inf only on the device.
    path = tmp_path / "a.dat"
    path.write_text("q(1/nm) I\n0.1 1e-30\n0.2 2e30\n0.3 1\n")
    with jax.enable_x64(True):
        assert load_curve(path).intensity[0] == 1e-30
