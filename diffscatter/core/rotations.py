"""Rotation matrices, differentiable in their parameters; they act on columns (x, y, z)."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.special import sinc

__all__ = ["from_quaternion", "from_rotation_vector", "random_rotation"]


def from_quaternion(quaternion: ArrayLike) -> Array:
    """Return the rotation of a quaternion (w, x, y, z) of any length but zero.

    Args:
        quaternion: shape ``(4,)``.

    Returns:
        Orthogonal matrix, shape ``(3, 3)``.
    """
    quaternion = jnp.asarray(quaternion)
    w, x, y, z = quaternion / jnp.sqrt(jnp.sum(quaternion**2))
    return jnp.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def from_rotation_vector(vector: ArrayLike) -> Array:
    r"""Return the rotation by ``|v|`` rad about the axis ``v`` (Rodrigues' formula).

    .. math:: R = 1 + \frac{\sin t}{t} K + \frac12\left(\frac{\sin t/2}{t/2}\right)^2 K^2

    Smooth at ``v = 0``, so orientations can be fitted from there. Shape ``(3,)`` to ``(3, 3)``.
    """
    vector = jnp.asarray(vector)
    x, y, z = vector
    zero = jnp.zeros_like(x)
    cross = jnp.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]])
    squared = jnp.sum(vector**2)
    # sqrt has no derivative at 0; sinc is even, so its slope there is 0 whatever the root's.
    safe = jnp.where(squared > 0, squared, 1.0)
    angle = jnp.where(squared > 0, jnp.sqrt(safe), 0.0)
    a = jnp.where(squared > 1e-8, sinc(angle), 1 - squared / 6)
    b = jnp.where(squared > 1e-8, sinc(angle / 2) ** 2 / 2, 0.5 - squared / 24)
    return jnp.eye(3, dtype=vector.dtype) + a * cross + b * (cross @ cross)


def random_rotation(*, key: Array, dtype=None) -> Array:
    """Draw a rotation uniformly from SO(3); shape ``(3, 3)``."""
    return from_quaternion(jax.random.normal(key, (4,), dtype=dtype or float))
