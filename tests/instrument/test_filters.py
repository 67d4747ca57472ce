"""The nine filters of the wide-angle paper and the composed one: image and mask together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.instrument import augment

N = 32
ROW, COLUMN = np.indices((N, N)) - N // 2
IMAGE = np.exp(-(ROW**2 + COLUMN**2) / 300.0) * (0.7 + 0.3 * np.cos(0.9 * COLUMN + 0.4 * ROW))
IMAGE = (IMAGE / IMAGE.max() * (COLUMN > -12)).astype(np.float32)
DARK = COLUMN <= -12  # where noise is seen alone
KEYS = jax.random.split(jax.random.key(7), 24)
NAMES = sorted(augment.FILTERS)


@pytest.fixture(scope="module")
def filtered():
    """Return images and masks of all filters under many keys, one compiled program each.

    Mapped over the keys, those that draw Poisson numbers take twice as long to compile.
    """
    found = {}
    for name, apply in augment.FILTERS.items():
        images, masks = zip(*(apply(IMAGE, key=key) for key in KEYS), strict=True)
        found[name] = np.asarray(images), np.asarray(masks)
    return found


def test_there_are_nine_and_the_composed_one():
    assert len(NAMES) == 10 and "simulated_experiment" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_images_and_masks_agree(filtered, name):
    images, masks = filtered[name]
    assert images.dtype == np.float32 and masks.dtype == bool
    assert images.shape == masks.shape == (KEYS.size, N, N)
    # A cubic spline through values up to 1 overshoots by at most 1.55 an axis.
    top = {"uniform_noise": 1.2, "shift": 1.55**2, "simulated_experiment": 1.55**4}.get(name, 1)
    assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= top + 1e-6
    # Every key draws another one; there are but a few small discs of pixels.
    different = len({image.tobytes() for image in images})
    assert different > (3 if name == "central_hole" else KEYS.size // 2)
    if name not in ("saturation", "simulated_experiment", "blind_spot"):
        assert not images[~masks].any()


@pytest.mark.parametrize("name", ["uniform_noise", "salt_and_pepper", "poisson_noise"])
def test_noise_leaves_the_mask(filtered, name):
    mask = ROW > -5
    _, found = augment.FILTERS[name](IMAGE, mask, key=KEYS[0])
    np.testing.assert_array_equal(found, mask)
    assert filtered[name][1].all()


def test_mapped_calls_are_single_calls(filtered):
    for name in ("cropping", "poisson_noise"):
        apply = augment.FILTERS[name]
        images, masks = jax.vmap(lambda key, apply=apply: apply(IMAGE, key=key))(KEYS)
        np.testing.assert_allclose(images, filtered[name][0], atol=1e-6)
        np.testing.assert_array_equal(masks, filtered[name][1])


def test_uniform_noise_is_at_most_a_fifth(filtered):
    added = filtered["uniform_noise"][0] - IMAGE
    assert added.min() >= -1e-6 and added.max() <= 0.2 + 1e-6
    heights = added.max(axis=(1, 2))  # of 1024 pixels: within 1 % of r / 5
    assert heights.min() < 0.07 and heights.max() > 0.13


def test_salt_and_pepper_strikes_at_most_one_in_twenty(filtered):
    images = filtered["salt_and_pepper"][0]
    struck = images != IMAGE
    # 5 % of 1024 pixels and five standard deviations.
    assert struck.sum(axis=(1, 2)).max() <= 51 + 5 * 7
    assert set(np.unique(images[struck])) == {0.0, 1.0}
    salt = (images[struck] == 1).mean()
    assert abs(salt - 0.5) < 5 * 0.5 / np.sqrt(struck.sum())


def test_poisson_noise_is_whole_steps_of_one_height(filtered):
    steps, heights = [], []
    for image in filtered["poisson_noise"][0]:
        dark = image[DARK]
        heights.append(dark[dark > 0].min())
        steps.append(dark / heights[-1])
    steps = np.array(steps)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert abs(steps.mean() - 1) < 5 / np.sqrt(steps.size)
    assert abs(steps.var() - 1) < 5 * np.sqrt(3 / steps.size)
    assert max(heights) <= 0.1 and max(heights) > 3 * min(heights)


def test_shot_noise_has_the_noise_of_its_brightness(filtered):
    # Scaled by its maximum, the ratio to the image is proportional to Poisson numbers.
    bright = IMAGE > 0.05
    relative = []
    for image in filtered["shot_noise"][0]:
        ratio = image[bright] / IMAGE[bright]
        relative.append(ratio.std() / ratio.mean())
    photons = 1 / np.square(relative)
    # Means from 10 to 100, and five standard deviations of a variance of 500 numbers or more.
    slack = 1 + 5 * np.sqrt(2 / bright.sum())
    assert photons.min() > 10 / slack and photons.max() < 100 * slack
    assert photons.max() > 2 * photons.min()


def test_shift_moves_image_and_mask(filtered):
    images, masks = filtered["shift"]
    limit = 5 / 128 * N
    for image, mask in zip(images, masks, strict=True):
        rows, columns = (~mask).all(axis=1).sum(), (~mask).all(axis=0).sum()
        assert rows <= np.ceil(limit) and columns <= np.ceil(limit)
        # Centroids of what is seen of a broad pattern move by less than the limit.
        assert np.abs(image[mask].max() - 1) < 0.1
    assert (~masks).any()


def test_shift_follows_a_smooth_pattern():
    width = 5.0
    spot = lambda u, v: np.exp(-(u**2 + v**2) / (2 * width**2))
    image, mask = augment.shift(spot(COLUMN, ROW), key=KEYS[1])
    image = np.asarray(image, float)
    at = [np.sum(image * axis) / image.sum() for axis in (COLUMN, ROW)]
    assert 0.05 < np.abs(at).max() <= 5 / 128 * N
    np.testing.assert_allclose(
        image[np.asarray(mask)], spot(COLUMN - at[0], ROW - at[1])[np.asarray(mask)], atol=1e-2
    )


def test_central_hole_is_a_disc(filtered):
    _, masks = filtered["central_hole"]
    radius = np.hypot(ROW, COLUMN)
    for mask in masks:
        hidden = radius[~mask]
        assert hidden.min() == 0 and hidden.max() <= 10 / 128 * N
        assert radius[mask].min() > hidden.max()


def test_blind_spot_darkens_its_place(filtered):
    images, masks = filtered["blind_spot"]
    for image, mask in zip(images, masks, strict=True):
        seen = np.where(DARK, np.nan, image / np.maximum(IMAGE, 1e-6))
        seen /= np.nanmax(seen)
        if (~mask & ~DARK).any():
            assert np.nanmax(seen[~mask]) <= 0.5 + 1e-3 <= np.nanmin(seen[mask]) + 2e-3
    assert (~masks).any(axis=(1, 2)).mean() > 0.5


def test_cropping_is_a_window_and_a_disc(filtered):
    radius = np.hypot(ROW, COLUMN)
    for mask in filtered["cropping"][1]:
        assert mask[radius < N / 4].sum() >= 0.5 * (radius < N / 4).sum()
        assert radius[mask].max() <= N / 2
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert rows[0] >= 0 and columns[-1] - columns[0] >= N // 2 - 2


def test_saturation_cuts_off_and_masks(filtered):
    images, masks = filtered["saturation"]
    np.testing.assert_array_equal(images[~masks], 1)
    assert images[masks].max() < 1 and (~masks).any(axis=(1, 2)).all()
    gain = images[:, N // 2, 6] / IMAGE[N // 2, 6]
    assert gain.min() >= 1 and gain.max() <= 1.5 and np.ptp(gain) > 0.2


def test_random_filter_draws_several(filtered):
    image, mask = augment.random_filter(IMAGE, key=KEYS[0])
    again, _ = augment.random_filter(IMAGE, key=KEYS[0])
    np.testing.assert_array_equal(image, again)
    assert image.shape == mask.shape == IMAGE.shape
    drawn = {np.asarray(augment.random_filter(IMAGE, key=key)[0]).tobytes() for key in KEYS[:6]}
    assert len(drawn) > 3


def test_refuses_by_name():
    key = KEYS[0]
    with pytest.raises(ValueError, match="a pattern of zeros"):
        augment.shift(np.zeros((8, 8)), key=key)
    with pytest.raises(ValueError, match=r"mask must have the image's shape \(32, 32\), got"):
        augment.cropping(IMAGE, np.ones((32, 31), bool), key=key)
    with pytest.raises(ValueError, match="mask leaves no pixel"):
        augment.cropping(IMAGE, np.zeros((32, 32)), key=key)
    with pytest.raises(ValueError, match="maximum of 1, got 7; give image / image.max()"):
        augment.saturation(7 * IMAGE, key=key)
    with pytest.raises(ValueError, match=r"\(ny, nx\), got shape \(2, 32, 32\)"):
        augment.saturation(np.stack([IMAGE] * 2), key=key)
    with pytest.raises(ValueError, match="image must be finite"):
        augment.saturation(np.where(IMAGE > 0.5, np.nan, IMAGE), key=key)
    assert jnp.isfinite(augment.shift(IMAGE, key=key)[0]).all()
