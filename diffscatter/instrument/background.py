r"""What lies under a pattern besides the sample's scattering, as mean counts in every pixel.

Functions of the modulus of q (1/nm), so that any detector's pixels do; they add. Smooth at
q = 0, differentiable in every argument.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive

__all__ = ["constant", "gaussian", "power_law"]


def constant(q: ArrayLike, level: ArrayLike) -> Array:
    """Return the same ``level`` everywhere: dark counts, fluorescence."""
    _check_level(level)
    q = jnp.asarray(q)
    return jnp.full(q.shape, level, q.dtype)


def gaussian(q: ArrayLike, level: ArrayLike, width: ArrayLike) -> Array:
    r"""Return :math:`b\,e^{-q^2/2w^2}`: a halo of the beam, ``width`` in 1/nm."""
    _check_level(level)
    check_positive("width", width, "1/nm")
    return level * jnp.exp(-((jnp.asarray(q) / width) ** 2) / 2)


def power_law(q: ArrayLike, level: ArrayLike, exponent: ArrayLike, core: ArrayLike) -> Array:
    r"""Return :math:`b\,(1 + q^2/q_c^2)^{-p/2}`: stray light that falls as :math:`q^{-p}`.

    Args:
        q: 1/nm.
        level: at q = 0, counts.
        exponent: p, at least 0; 4 behind slits and rough surfaces.
        core: q_c, below which it levels off, 1/nm.
    """
    _check_level(level)
    _check_level(exponent, "exponent")
    check_positive("core", core, "1/nm")
    return level * (1 + (jnp.asarray(q) / core) ** 2) ** (-jnp.asarray(exponent) / 2)


def _check_level(value: ArrayLike, name: str = "level") -> None:
    array = check_finite(name, value)
    if array is not None and array.min() < 0:
        raise ValueError(f"{name} must be at least 0, got {array}")
