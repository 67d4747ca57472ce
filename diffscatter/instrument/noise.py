r"""What a detector makes of the photons it should have got: counting, reading, saturation.

Every function takes an image ``(ny, nx)``, or any other array, and a typed ``key``; the same
key gives the same image. Under ``jax.vmap`` map the keys as well.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, dtype_of

__all__ = ["poisson", "read_noise", "salt_and_pepper", "saturate", "shot_noise", "uniform"]

# Counts of a mean beyond this are drawn from the normal law: a skewness of 1e-4 (float64) or
# 1e-2 is left out, and 32-bit counts do not overflow. Rejection subtracts log m! from m log m,
# which float32 cannot: at 1e6 the variance would be wrong by 3 %, at 5e7 by a third.
_MANY, _MANY_SINGLE = 1e8, 1e4


def poisson(expected: ArrayLike, *, key: Array) -> Array:
    """Draw the photons of each pixel from their mean; no gradient passes.

    Args:
        expected: mean counts, at least 0.
        key: typed key.

    Returns:
        Whole numbers in the floating dtype of ``expected``.

    Raises:
        ValueError: if a mean is negative or not finite.
    """
    array = check_finite("expected", expected)
    if array is not None and (array < 0).any():
        raise ValueError(f"expected counts must be at least 0, got {array.min():.6g}")
    return _poisson(jnp.asarray(expected, dtype_of(expected)), key)


@jax.jit
def _poisson(expected: Array, key: Array) -> Array:
    few, many = jax.random.split(key)
    expected = jax.lax.stop_gradient(expected)
    limit = _MANY if expected.dtype == jnp.float64 else _MANY_SINGLE
    drawn = jax.random.poisson(few, jnp.minimum(expected, limit)).astype(expected.dtype)
    normal = jax.random.normal(many, expected.shape, expected.dtype)
    return jnp.where(expected > limit, jnp.round(expected + jnp.sqrt(expected) * normal), drawn)


def read_noise(image: ArrayLike, sigma: ArrayLike, *, key: Array) -> Array:
    """Add Gaussian noise of standard deviation ``sigma``, in the image's unit."""
    _check_at_least_zero("sigma", sigma)
    image = jnp.asarray(image, dtype_of(image))
    return image + sigma * jax.random.normal(key, image.shape, image.dtype)


def shot_noise(image: ArrayLike, photons: ArrayLike, *, key: Array) -> Array:
    r"""Multiply every pixel with a Poisson number of mean ``photons``, over that mean.

    The published stand-in for counting: the relative noise :math:`1/\sqrt\lambda` is that of
    one brightness, at all of them. :func:`poisson` is the physics.
    """
    image = jnp.asarray(image, dtype_of(image))
    drawn = jax.random.poisson(key, photons, image.shape)
    return image * drawn.astype(image.dtype) / photons


def uniform(image: ArrayLike, height: ArrayLike, *, key: Array) -> Array:
    """Add noise that is uniform from 0 to ``height``."""
    _check_at_least_zero("height", height)
    image = jnp.asarray(image, dtype_of(image))
    return image + height * jax.random.uniform(key, image.shape, image.dtype)


def salt_and_pepper(
    image: ArrayLike,
    share: ArrayLike,
    *,
    key: Array,
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
) -> Array:
    """Set a random ``share`` of the pixels, half of them to ``low`` and half to ``high``."""
    array = check_finite("share", share)
    if array is not None and not 0 <= array <= 1:
        raise ValueError(f"share must be in 0 to 1, got {array}")
    image = jnp.asarray(image, dtype_of(image))
    drawn = jax.random.uniform(key, image.shape, image.dtype)
    pepper, salt = drawn < share / 2, drawn >= 1 - share / 2
    return jnp.where(pepper, low, jnp.where(salt, high, image)).astype(image.dtype)


def saturate(image: ArrayLike, level: ArrayLike) -> Array:
    """Return the image of pixels that are full at ``level``; mask them with
    :func:`~diffscatter.instrument.mask.unsaturated`."""
    array = check_finite("level", level)
    if array is not None and not array > 0:
        raise ValueError(f"level must be above 0, got {array}")
    return jnp.minimum(image, level)


def _check_at_least_zero(name: str, value: ArrayLike) -> None:
    array = check_finite(name, value)
    if array is not None and (array < 0).any():
        raise ValueError(f"{name} must be at least 0, got {array}")
