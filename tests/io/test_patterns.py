"""Patterns from every format, written by other programs, and our own file back."""

import fabio
import h5py
import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from diffscatter import io
from diffscatter.core.data import checked_pattern
from diffscatter.core.pytree import replace
from diffscatter.io import is_pattern, load_pattern, save_pattern

RNG = np.random.default_rng(2)
COUNTS = RNG.poisson(300.0, (10, 14)).astype(np.int32)
COMMENTS = """# Detector: PILATUS 100K
# Pixel_size 172e-6 m x 175e-6 m
# Wavelength 135.0 A
# Detector_distance 0.06500 m
# Beam_xy (7.50, 5.00) pixels
# Count_cutoff 400 counts
"""


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def check_geometry(pattern):
    assert pattern.wavelength == 13.5 and pattern.distance == 6.5e7
    assert pattern.pixel == (172e3, 175e3)
    assert pattern.centre == (7.0, 4.5)  # headers count from the corner of the first pixel


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "RGBA", "1", "LA", "P"])
def test_png(tmp_path, mode):
    path = tmp_path / "shot.png"
    values = (COUNTS % 256).astype(np.uint8)
    if mode in ("I;16", "1"):
        values = 100 * values.astype(np.uint16) if mode == "I;16" else values > 40
        Image.fromarray(values).save(path)
    else:
        Image.fromarray(values).convert(mode).save(path)
    pattern = load_pattern(path)
    np.testing.assert_array_equal(pattern.image, values)
    assert pattern.mask is None and pattern.name == "shot" and pattern.source == "shot.png"


def test_transparent_pixels_are_masked(tmp_path):
    path = tmp_path / "a.png"
    grey = (COUNTS % 200).astype(np.uint8)
    alpha = np.where(COUNTS > 290, 255, 0).astype(np.uint8)
    Image.fromarray(np.dstack([grey, grey, grey, alpha]), "RGBA").save(path)
    pattern = load_pattern(path)
    np.testing.assert_array_equal(pattern.counts, alpha > 0)
    np.testing.assert_array_equal(pattern.image, np.where(alpha > 0, grey, 0))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u4", "f4", "f8"])
def test_tiff(tmp_path, dtype):
    path = tmp_path / "a.tif"
    values = (COUNTS % 256).astype(dtype)
    tifffile.imwrite(path, values, description=COMMENTS, compression="zlib")
    pattern = load_pattern(path, saturation=1e9)
    np.testing.assert_array_equal(pattern.image, values)
    check_geometry(pattern)


def test_tiff_pages(tmp_path):
    path = tmp_path / "a.tif"
    stack = RNG.random((3, 10, 14)).astype(np.float32)
    tifffile.imwrite(path, stack, photometric="minisblack")
    np.testing.assert_array_equal(load_pattern(path, frame=2).image, stack[2])
    with pytest.raises(ValueError, match=r"a.tif: holds 3 images; choose one \(frame=0\)"):
        load_pattern(path)
    with pytest.raises(ValueError, match="has no frame 3; it holds 3, counted from 0"):
        load_pattern(path, frame=3)


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "f8", "u4", "i8"])
def test_edf(tmp_path, dtype):
    path = tmp_path / "a.edf"
    header = {"SampleDistance": "0.065", "WaveLength": "1.35e-08", "PSize_1": "172e-6"}
    header |= {"PSize_2": "175e-6", "Center_1": "7.5", "Center_2": "5.0", "Title": "drop 7"}
    values = COUNTS.astype(dtype)
    image = fabio.edfimage.EdfImage(data=values, header=header)
    image.append_frame(data=values + 1, header=header)
    image.write(str(path))
    pattern = load_pattern(path, frame=0)
    np.testing.assert_array_equal(pattern.image, values)
    check_geometry(pattern)
    assert pattern.name == "drop 7"
    np.testing.assert_array_equal(load_pattern(path, frame=1).image, values + 1)


def test_edf_dummies_and_byte_order(tmp_path):
    path = tmp_path / "a.edf"
    text = "{\nDim_1 = 14 ;\nDim_2 = 10 ;\nDataType = SignedInteger ;\n"
    text += "ByteOrder = HighByteFirst ;\nDummy = 300 ;\nDDummy = 5.5 ;\n"
    path.write_bytes(text.ljust(510).encode() + b"}\n" + COUNTS.astype(">i4").tobytes())
    pattern = load_pattern(path)
    np.testing.assert_array_equal(pattern.counts, abs(COUNTS - 300) > 5.5)
    np.testing.assert_array_equal(pattern.image, np.where(pattern.counts, COUNTS, 0))


def test_cbf(tmp_path):
    path = tmp_path / "a.cbf"
    values = COUNTS.copy()
    values[2, 3:5], values[7, 7], values[0, 0] = -1, -2, 10**6
    header = {"_array_data.header_contents": COMMENTS}
    fabio.cbfimage.CbfImage(data=values, header=header).write(str(path))
    pattern = load_pattern(path)
    check_geometry(pattern)
    expected = (values >= 0) & (values < 400)
    np.testing.assert_array_equal(pattern.counts, expected)
    np.testing.assert_array_equal(pattern.image, np.where(expected, values, 0))
    assert "3 pixels masked: below 0, as detectors mark gaps and dead pixels" in pattern.notes
    assert "1 pixels masked: saturated, at 400 or more" in pattern.notes
    assert load_pattern(path, saturation=1e9).counts[0, 0]  # asked for: overrules the file


def test_full_pixels_of_detectors_are_masked_and_those_of_pictures_are_not(tmp_path):
    values = (COUNTS % 200).astype(np.uint16)
    values[4, 4] = 65535
    np.save(tmp_path / "a.npy", values)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert not load_pattern(tmp_path / "a.npy").counts[4, 4]
    assert load_pattern(tmp_path / "a.png").mask is None


def test_npy_stack_and_bad_pixels(tmp_path):
    path = tmp_path / "a.npy"
    stack = RNG.random((2, 10, 14))
    stack[1, 3, 4] = np.nan
    np.save(path, stack)
    with pytest.raises(ValueError, match="a.npy: the image is NaN.*mask_bad=True"):
        load_pattern(path, frame=1)
    pattern = load_pattern(path, frame=1, mask_bad=True)
    assert pattern.counts.sum() == 139 and not pattern.counts[3, 4]
    assert pattern.notes == ("1 pixels masked: NaN or infinite, as asked",)


def cxi(file, *, nexus=False):
    """A file as other programs write it."""
    entry = "entry" if nexus else "entry_1"
    detector = f"{entry}/instrument/detector" if nexus else f"{entry}/instrument_1/detector_1"
    file[f"{detector}/data"] = COUNTS
    file[f"{detector}/x_pixel_size"], file[f"{detector}/y_pixel_size"] = 172e-6, 175e-6
    if nexus:
        file[f"{detector}/detector_distance"] = 65.0
        file[f"{detector}/detector_distance"].attrs["units"] = "mm"
        file[f"{detector}/beam_center_x"], file[f"{detector}/beam_center_y"] = 7.5, 5.0
        file[f"{entry}/instrument/beam/incident_wavelength"] = 135.0
        file[f"{entry}/instrument/beam/incident_wavelength"].attrs["units"] = "angstrom"
        file[f"{detector}/pixel_mask"] = np.where(COUNTS > 320, 2, 0).astype(np.uint32)
        file[entry].attrs["default"] = "data"
        file.attrs["default"] = entry
        file[f"{entry}/data/counts"] = h5py.SoftLink(f"/{detector}/data")
        file[f"{entry}/data"].attrs["signal"] = "counts"
    else:
        file[f"{detector}/distance"] = 0.065
        file[f"{entry}/instrument_1/source_1/energy"] = 1.602176634e-19 * 91.8401469876
        file[f"{entry}/data_1/data"] = h5py.SoftLink(f"/{detector}/data")
        # 0x10000 says that there is signal, 0x8 that the pixel is dead.
        mask = np.where(COUNTS > 320, 0x8, 0x10000).astype(np.uint32)
        file[f"{detector}/mask"] = mask


@pytest.mark.parametrize("nexus", [False, True])
def test_cxi_and_nexus(tmp_path, nexus):
    path = tmp_path / "a.cxi"
    with h5py.File(path, "w") as file:
        cxi(file, nexus=nexus)
    pattern = load_pattern(path)
    np.testing.assert_array_equal(pattern.counts, COUNTS <= 320)
    np.testing.assert_array_equal(pattern.image, np.where(COUNTS <= 320, COUNTS, 0))
    assert pattern.distance == 6.5e7 and pattern.pixel == (172e3, 175e3)
    assert pattern.wavelength == pytest.approx(13.5, rel=1e-9)
    assert pattern.centre == ((7.0, 4.5) if nexus else None)


def test_plain_hdf5_by_exclusion_or_by_name(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["some/where/counts"] = np.stack([COUNTS, COUNTS + 1])
        file["mask"] = np.zeros(COUNTS.shape, np.uint8)
        file["title"] = "shot"
    np.testing.assert_array_equal(load_pattern(path, frame=1).image, COUNTS + 1)
    with h5py.File(path, "a") as file:
        file["dark"] = COUNTS
    with pytest.raises(ValueError, match='holds dark, some/where/counts; choose.*dataset="NA'):
        load_pattern(path)
    np.testing.assert_array_equal(load_pattern(path, dataset="/dark").image, COUNTS)
    with pytest.raises(ValueError, match="has no dataset 'bright'; it has"):
        load_pattern(path, dataset="bright")


@pytest.mark.parametrize("suffix", ["npy", "png", "tif", "cxi", "array"])
def test_masks_beside_the_image(tmp_path, suffix):
    np.save(tmp_path / "shot.npy", COUNTS)
    mask, path = COUNTS % 3 > 0, tmp_path / f"mask.{suffix}"
    if suffix == "npy":
        np.save(path, mask)
    elif suffix == "png":
        Image.fromarray(mask).save(path)
    elif suffix == "tif":
        tifffile.imwrite(path, mask.astype(np.uint8))
    elif suffix == "cxi":
        save_pattern(path, checked_pattern(COUNTS, mask))
    else:
        path = mask
    np.testing.assert_array_equal(load_pattern(tmp_path / "shot.npy", mask=path).counts, mask)
    np.save(tmp_path / "small.npy", COUNTS[:, 1:])
    with pytest.raises(ValueError, match=r"mask has shape \(10, 14\), the image \(10, 13\)"):
        load_pattern(tmp_path / "small.npy", mask=path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_our_own_file_comes_back_exactly(tmp_path, dtype):
    path = tmp_path / "a.cxi"
    image = RNG.random((10, 14)).astype(dtype)
    pattern = checked_pattern(
        image,
        image > 0.1,
        np.linspace(-0.4, 0.4, 14),
        np.linspace(-0.3, 0.3, 10),
        wavelength=13.5,
        distance=6.5e7 / 3,
        pixel=(75e3, 100 / 3),
        centre=(6.75, 5.0),
        name="drop é 7",
        source="bench",
        notes=("one", "two"),
    )
    save_pattern(path, pattern)
    back = load_pattern(path)
    for name in ("image", "mask", "kx", "ky"):
        got, expected = np.asarray(getattr(back, name)), np.asarray(getattr(pattern, name))
        assert got.dtype == expected.dtype, name
        np.testing.assert_array_equal(got, expected)
    for name in ("wavelength", "centre", "name", "source", "notes"):
        assert getattr(back, name) == getattr(pattern, name), name
    np.testing.assert_allclose(back.distance, pattern.distance, rtol=1e-14)
    np.testing.assert_allclose(back.pixel, pattern.pixel, rtol=1e-14)
    with pytest.raises(ValueError, match="every pixel that counts is 0"):
        save_pattern(path, replace(pattern, image=0 * pattern.image))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        save_pattern(tmp_path / "none" / "a.cxi", pattern)


def test_curves_and_patterns_are_told_apart(tmp_path):
    q = np.linspace(0.1, 1, 20)
    np.save(tmp_path / "curve.npy", np.column_stack([q, q]))
    np.savetxt(tmp_path / "curve.dat", np.column_stack([q, q]))
    io.save_curve(tmp_path / "curve.h5", io.load_curve(tmp_path / "curve.npy", q_unit="1/nm"))
    np.save(tmp_path / "image.npy", COUNTS)
    save_pattern(tmp_path / "image.h5", checked_pattern(COUNTS))
    Image.fromarray(COUNTS.astype(np.uint8)).save(tmp_path / "image.png")
    for path in tmp_path.iterdir():
        assert is_pattern(path) == path.name.startswith("image"), path


def test_wide_dark_regions_are_masked_on_request(tmp_path):
    values = COUNTS.astype(float)
    values[:5, :7], values[8, 3:6] = 0, 0  # 35 pixels beyond the window; a minimum of 3
    np.save(tmp_path / "a.npy", values)
    assert load_pattern(tmp_path / "a.npy").mask is None
    pattern = load_pattern(tmp_path / "a.npy", mask_dark=True)
    assert (~pattern.counts).sum() == 35 and not pattern.counts[:5, :7].any()
    assert pattern.notes == ("35 pixels masked: at 0 in wide regions, as asked",)
