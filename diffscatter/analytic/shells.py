r"""Balls and spherical shells of unit contrast: what spheres in layers are made of.

With the middle radius :math:`m = r + t/2` and :math:`h = t/2`, a shell from r to r + t has

.. math::
    V = 4\pi t\,(m^2 + h^2/3),\qquad
    F = 4\pi t\,\bigl[m^2 \operatorname{sinc}(qm) \operatorname{sinc}(qh)
        + \tfrac13 h^2 \cos(qm)\,\phi(qh)\bigr],\qquad \phi(x) = 3(\sin x - x\cos x)/x^3

which is the difference of two balls without the digits that their difference would lose.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.core.special import sinc, sphere_kernel

__all__ = ["ball_volume", "shell_form", "shell_volume"]


def ball_volume(radius: Array) -> Array:
    """Return the volume of a ball, nm^3."""
    return 4 / 3 * jnp.pi * radius * radius * radius


def shell_volume(inner: Array, thickness: Array) -> Array:
    """Return the volume between ``inner`` and ``inner + thickness``, nm^3."""
    return 4 * jnp.pi * thickness * _mean_square(inner, thickness)


def shell_form(q: Array, inner: Array, thickness: Array) -> Array:
    """Return F/V of a shell, 1 at q = 0; a thickness of 0 is a surface."""
    half, middle = thickness / 2, inner + thickness / 2
    square = _mean_square(inner, thickness)
    empty = square == 0
    surface = middle * middle * sinc(q * middle) * sinc(q * half)
    rest = half * half * jnp.cos(q * middle) * sphere_kernel(q * half) / 3
    return (surface + rest) / jnp.where(empty, 1.0, square)


def _mean_square(inner: Array, thickness: Array) -> Array:
    """Return (r1^2 + r1 r2 + r2^2)/3 of the two radii."""
    return inner * inner + inner * thickness + thickness * thickness / 3
