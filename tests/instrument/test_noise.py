"""Counting statistics, backgrounds and masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from differences import assert_gradient

from diffscatter.instrument import background, mask, noise

KEY = jax.random.key(11)
COUNT = 40_000


@pytest.mark.parametrize("mean", [0.3, 6.0, 500.0, 5e7, 3e9])
def test_poisson_has_its_mean_and_variance(mean):
    drawn = np.asarray(noise.poisson(np.full(COUNT, mean), key=KEY), float)
    # Standard errors: of the mean sqrt(m/n), of the variance sqrt((m + 2 m^2)/n).
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(mean / COUNT) + 1e-7 * mean
    rounding = (6e-8 * mean) ** 2  # float32 beyond 2^24
    assert abs(drawn.var() - mean) < 5 * np.sqrt((mean + 2 * mean**2) / COUNT) + 20 * rounding
    assert (drawn == np.round(drawn)).all() and drawn.min() >= 0


def test_the_same_key_draws_the_same_also_mapped_and_compiled():
    expected = jnp.linspace(0.0, 50.0, 60).reshape(5, 12)
    keys = jax.random.split(KEY, 3)
    draw = lambda key: noise.poisson(expected, key=key)
    many = jax.jit(jax.vmap(draw))(keys)
    np.testing.assert_array_equal(many[1], draw(keys[1]))
    np.testing.assert_array_equal(draw(keys[1]), draw(keys[1]))
    assert (many[0] != many[1]).any() and many.dtype == expected.dtype


def test_read_noise_uniform_and_shot_noise():
    flat = np.full(COUNT, 10.0, np.float32)
    read = np.asarray(noise.read_noise(flat, 2.0, key=KEY))
    assert abs(read.mean() - 10) < 5 * 2 / np.sqrt(COUNT)
    assert abs(read.std() - 2) < 5 * 2 / np.sqrt(2 * COUNT)
    even = np.asarray(noise.uniform(flat, 3.0, key=KEY)) - 10
    assert even.min() >= 0 and even.max() <= 3
    assert abs(even.mean() - 1.5) < 5 * 3 / np.sqrt(12 * COUNT)
    shot = np.asarray(noise.shot_noise(flat, 25.0, key=KEY)) / 10
    assert abs(shot.mean() - 1) < 5 * 0.2 / np.sqrt(COUNT)
    assert abs(shot.var() - 0.04) < 5 * 0.04 * np.sqrt((2 + 1 / 25) / COUNT)
    np.testing.assert_allclose(25 * shot, np.round(25 * shot), atol=1e-3)


def test_salt_and_pepper():
    struck = np.asarray(noise.salt_and_pepper(np.full(COUNT, 0.5), 0.2, key=KEY, high=9.0))
    for value, share in ((0.0, 0.1), (9.0, 0.1), (0.5, 0.8)):
        error = np.sqrt(share * (1 - share) / COUNT)
        assert abs((struck == value).mean() - share) < 5 * error


def test_saturation_and_its_mask():
    image = np.array([[1.0, 5.0, 9.0]])
    np.testing.assert_array_equal(noise.saturate(image, 5.0), [[1, 5, 5]])
    np.testing.assert_array_equal(mask.unsaturated(image, 5.0), [[True, False, False]])


def test_backgrounds():
    q = np.array([0.0, 0.1, 20.0])
    np.testing.assert_allclose(background.constant(q, 2.5), 2.5)
    np.testing.assert_allclose(background.gaussian(q, 3.0, 0.1), [3, 3 * np.exp(-0.5), 0])
    law = np.asarray(background.power_law(q, 4.0, 3.0, 0.1))
    np.testing.assert_allclose(law[:2], [4.0, 4.0 / 2**1.5], rtol=1e-6)
    assert law[2] == pytest.approx(4.0 * 200.0**-3, rel=1e-4)
    total = lambda q, level, exponent, core, width: jnp.sum(
        background.power_law(q, level, exponent, core) ** 2
        + background.gaussian(q, level, width) ** 2
    )
    with jax.enable_x64(True):
        values = np.array([0.02, 0.1, 0.3]), 4.0, 3.0, 0.1, 0.2
        assert_gradient(total, tuple(jnp.asarray(v, float) for v in values))


def test_masks_by_hand():
    shape = (5, 6)
    hole = np.asarray(mask.central_hole(shape, 1.0))
    row, column = np.indices(shape)
    distance = np.hypot(row - 2, column - 3)
    np.testing.assert_array_equal(hole, distance > 1)
    np.testing.assert_array_equal(mask.circle(shape, 1.5), distance <= 1.5)
    spot = np.asarray(mask.blind_spot(shape, 0.5, (1, 4)))
    assert not spot[4, 1] and spot.sum() == 29
    window = np.asarray(mask.rectangle(shape, (4, 3)))
    np.testing.assert_array_equal(np.flatnonzero(window.any(axis=0)), [1, 2, 3, 4])
    np.testing.assert_array_equal(np.flatnonzero(window.any(axis=1)), [1, 2, 3])
    np.testing.assert_array_equal(mask.combine(hole, window), hole & window)
    np.testing.assert_array_equal(mask.checked_mask(None, shape), True)
    traced = jax.jit(lambda radius, at: mask.blind_spot(shape, radius, at))
    np.testing.assert_array_equal(traced(0.5, jnp.array([1, 4])), spot)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: noise.poisson(-np.ones(3), key=KEY), "expected counts must be at least 0"),
        (lambda: noise.poisson(np.full(3, np.nan), key=KEY), "expected must be finite"),
        (lambda: noise.read_noise(np.ones(3), -1.0, key=KEY), "sigma must be at least 0"),
        (lambda: noise.salt_and_pepper(np.ones(3), 1.2, key=KEY), "share must be in 0 to 1"),
        (lambda: noise.saturate(np.ones(3), 0.0), "level must be above 0"),
        (lambda: mask.central_hole((4, 4), -1.0), "radius must be at least 0 pixels"),
        (lambda: mask.combine(np.ones((2, 2)), np.ones((2, 3))), "of one shape"),
        (lambda: mask.checked_mask(np.ones((2, 2)), (2, 3)), r"image's shape \(2, 3\)"),
        (lambda: background.constant(np.ones(2), -1.0), "level must be at least 0"),
        (lambda: background.power_law(np.ones(2), 1.0, 2.0, 0.0), "core must be above 0"),
    ],
)
def test_refuses_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
