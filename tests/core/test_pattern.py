"""Patterns: their axes, their turn, and what no reconstruction can use."""

import jax
import numpy as np
import pytest

from diffscatter.core.data import Pattern, checked_pattern
from diffscatter.core.pytree import replace

RNG = np.random.default_rng(1)
IMAGE = RNG.poisson(50.0, (12, 16)).astype(np.float64)
K = 2 * np.pi / 13.5


def changed(row, column, value):
    image = IMAGE.copy()
    image[row, column] = value
    return image


def test_a_sound_pattern_keeps_its_numbers_and_its_precision():
    mask = IMAGE > 40
    with jax.enable_x64(True):
        pattern = checked_pattern(changed(0, 0, -1), mask, name="a", centre=(8, 6))
        assert pattern.image.dtype == np.float64 and pattern.centre == (8.0, 6.0)
        np.testing.assert_array_equal(pattern.image, np.where(mask, changed(0, 0, -1), 0))
        np.testing.assert_array_equal(pattern.counts, mask)
        assert checked_pattern(IMAGE.astype(np.float32)).image.dtype == np.float32
        assert checked_pattern(IMAGE.astype(np.uint16)).image.dtype == np.float64
    assert checked_pattern(IMAGE).mask is None and checked_pattern(IMAGE).counts.all()


@pytest.mark.parametrize(
    "given, match",
    [
        ({"image": IMAGE + 0j}, "the image is complex; give the recorded intensity"),
        ({"image": IMAGE > 40}, "dtype bool; give real numbers"),
        ({"image": IMAGE[None]}, r"shape \(1, 12, 16\); give one pattern"),
        ({"image": IMAGE[:3]}, r"shape \(3, 16\); at least 8 pixels"),
        ({"image": changed(4, 5, np.nan)}, "in 1 pixels that count.* row 4, column 5"),
        ({"image": changed(1, 2, np.inf)}, "NaN or infinite.*mask_bad=True"),
        ({"image": 0 * IMAGE}, "every pixel that counts is 0; nothing was recorded"),
        ({"image": 0 * IMAGE + 7}, "every pixel that counts is 7; a constant"),
        ({"image": -IMAGE - 1}, "no pixel that counts is above 0"),
        ({"mask": IMAGE[:, 1:] > 0}, r"mask has shape \(12, 15\), the image \(12, 16\)"),
        ({"mask": 0 * IMAGE > 0}, "the mask leaves no pixel"),
        ({"mask": IMAGE}, "the mask holds float64"),
        ({"mask": 3 * np.ones(IMAGE.shape, int)}, "the mask holds int64 from 3 to 3"),
        ({"kx": np.arange(16.0)}, "kx comes alone"),
        ({"kx": np.arange(12.0), "ky": np.arange(12.0)}, r"kx has shape \(12,\)"),
        ({"kx": np.arange(16.0), "ky": np.arange(12.0)[::-1]}, "ky is not finite and ascend"),
        ({"wavelength": 0.0}, "wavelength = 0 nm; it must be above 0"),
        ({"distance": -1e8}, r"distance = -1e\+08 nm"),
        ({"pixel": (75e3, np.nan)}, "pixel = nan nm"),
    ],
)  # fmt: skip
def test_refused_by_name(given, match):
    with pytest.raises(ValueError, match=f"^shot: {'.*' + match}") as caught:
        checked_pattern(**{"image": IMAGE, "name": "shot"} | given)
    assert len(str(caught.value).splitlines()) == 1


def test_masked_pixels_may_hold_anything():
    pattern = checked_pattern(changed(4, 5, np.nan), changed(4, 5, 1e9) < 1e8)
    assert pattern.image[4, 5] == 0 and np.isfinite(np.asarray(pattern.image)).all()
    with pytest.raises(ValueError, match="every pixel that counts is 0"):
        checked_pattern(IMAGE * (IMAGE > 50), IMAGE <= 50)


def test_axes_have_the_beam_at_half_and_the_edge_at_q_max():
    pattern = Pattern(image=np.ones((12, 16))).with_axes(0.4, 13.5)
    np.testing.assert_allclose(pattern.kx, (np.arange(16) - 8) * 0.05, atol=1e-7)
    np.testing.assert_allclose(pattern.ky, (np.arange(12) - 6) * 0.05, atol=1e-7)
    assert pattern.wavelength == 13.5
    moved = Pattern(image=np.ones((12, 16)), centre=(7.5, 6.0)).with_axes(0.4, 13.5)
    np.testing.assert_allclose(moved.kx[7:9], [-0.025, 0.025], atol=1e-7)
    Pattern(image=np.ones((8, 8))).with_axes(1.0999 * K, 13.5)


@pytest.mark.parametrize(
    "q_max, wavelength, match",
    [
        (1.11 * K, 13.5, "q_max = 0.516.* is beyond 1.1 k = 0.511"),
        (0.0, 13.5, "q_max must be positive and finite, got 0"),
        (-0.4, 13.5, "q_max must be positive"),
        (np.nan, 13.5, "q_max must be positive and finite, got nan"),
        (0.4, 0.0, "wavelength must be positive"),
    ],
)
def test_impossible_axes(q_max, wavelength, match):
    with pytest.raises(ValueError, match=match):
        Pattern(image=np.ones((8, 8))).with_axes(q_max, wavelength)


def test_a_grid_outside_the_ewald_circle():
    far = Pattern(image=np.ones((8, 8)), centre=(40.0, 4.0))
    with pytest.raises(ValueError, match=r"no pixel .* inside the Ewald circle .*centre .40"):
        far.with_axes(0.4, 13.5)
    corners = np.hypot(*np.mgrid[-4:4, -4:4]) > 5
    with pytest.raises(ValueError, match="no pixel that counts lies inside the Ewald circle"):
        Pattern(image=np.ones((8, 8)), mask=corners).with_axes(0.5, 13.5)


@pytest.mark.parametrize("shape", [(12, 16), (11, 15), (12, 15)])
def test_half_a_turn_is_about_the_beam(shape):
    image = RNG.random(shape)
    turned = Pattern(image=image, centre=(3.0, 4.0)).rotated()
    middle = np.array(shape) // 2
    for row, column in np.ndindex(shape):
        there = 2 * middle - (row, column)
        if (there < shape).all():
            assert turned.image[row, column] == np.float32(image[tuple(there)])
            assert turned.counts[row, column]
        else:
            assert not turned.counts[row, column]
    assert turned.centre == (2 * middle[1] - 3, 2 * middle[0] - 4)
    assert turned.notes[0].startswith("turned by 180 degrees")


def test_the_published_turn_is_a_roll():
    # As the published data are stored: roll(I[::-1, ::-1], 1, both axes).
    shown = np.asarray(Pattern(image=IMAGE).rotated().image)
    np.testing.assert_array_equal(shown, np.roll(IMAGE[::-1, ::-1], 1, axis=(0, 1)))


def test_axes_are_not_turned():
    pattern = Pattern(image=IMAGE).with_axes(0.4, 13.5)
    with pytest.raises(ValueError, match="before it gets its axes"):
        pattern.rotated()
    assert replace(pattern, kx=None, ky=None).rotated().kx is None
