r"""Radii of the spheres that stand for a body in a structure factor.

The *excluded volume* of a cylinder and the *average curvature* of an ellipsoid of revolution
give the sphere with the same second virial coefficient:

.. math::
    r^3 = \tfrac{3}{32} R\,[2RL + (R + L)(\pi R + L)], \qquad
    r^3 = \tfrac14 \left(\tfrac34 b_1 b_2 + 1\right) R_p R_e^2

.. math::
    b_1 = 1 + \frac{\arcsin e}{e \sqrt{1 - e^2}}, \qquad
    b_2 = 1 + \frac{1 - e^2}{2e} \ln\frac{1 + e}{1 - e}, \qquad
    e^2 = 1 - (\min/\max)^2

Onsager, Ann. N. Y. Acad. Sci. 51 (1949) 627; Isihara, J. Chem. Phys. 18 (1950) 1446.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.oriented import fraction
from diffscatter.core.special import horner

__all__ = [
    "average_curvature",
    "cylinder_radii",
    "equivalent_sphere",
    "excluded_volume",
    "spheroid_radii",
]

Length = Callable[[Any], Array]

# arcsin(e)/e and artanh(e)/e in powers of e^2; below 0.1 what is left out is under 1e-17.
_SMALL = 0.1
_ARCSIN = [math.comb(2 * k, k) / (4**k * (2 * k + 1)) for k in range(16)]
_ARTANH = [1 / (2 * k + 1) for k in range(17)]


def equivalent_sphere(volume: Array) -> Array:
    """Return the radius of the sphere of a volume (nm^3), nm."""
    return jnp.cbrt(3 / (4 * jnp.pi) * volume)


def excluded_volume(radius: Array, length: Array) -> Array:
    """Return the radius, nm, of the sphere that excludes what a cylinder does on average."""
    sides = 2 * radius * length + (radius + length) * (jnp.pi * radius + length)
    return jnp.cbrt(0.75 * radius * sides) / 2


def average_curvature(polar: Array, equatorial: Array) -> Array:
    """Return the same, nm, of an ellipsoid of revolution with these semi-axes."""
    long, short = jnp.maximum(polar, equatorial), jnp.minimum(polar, equatorial)
    ratio = fraction(short, long)
    squared = (1 - ratio) * (1 + ratio)
    round_one = squared < _SMALL
    near = jnp.where(round_one, squared, 0.0)
    e = jnp.sqrt(jnp.where(round_one, 0.75, squared))
    r = jnp.where(round_one, 0.5, ratio)
    arcsin = jnp.where(round_one, horner(_ARCSIN, near), jnp.acos(r) / e)
    # (1 - e^2) artanh(e)/e, with artanh(e) = ln((1 + e)/r).
    far = r * r * jnp.log((1 + e) / jnp.where(r == 0, 1.0, r)) / e
    artanh = jnp.where(round_one, ratio**2 * horner(_ARTANH, near), far)
    # b_1 R_p R_e^2 without its division by the ratio: finite for discs and needles.
    curved = (ratio + arcsin) * (1 + artanh) * equatorial * long * long
    return jnp.cbrt(2 * (0.75 * curved + polar * equatorial * equatorial)) / 2


def cylinder_radii(radius: Length, length: Length, names: tuple[str, ...]) -> dict[str, Length]:
    """Return a cylinder's seven effective radii under their names, in sasmodels' order."""
    kinds = (
        lambda r, h: excluded_volume(r, 2 * h),
        lambda r, h: equivalent_sphere(2 * jnp.pi * r * r * h),
        lambda r, h: r,
        lambda r, h: h,
        jnp.minimum,
        jnp.maximum,
        jnp.hypot,
    )
    return _named(names, kinds, radius, lambda body: length(body) / 2)


def spheroid_radii(polar: Length, equatorial: Length, names: tuple[str, ...]):
    """Return an ellipsoid of revolution's four, in sasmodels' order."""
    kinds = (
        average_curvature,
        lambda p, e: jnp.cbrt(p * e * e),
        jnp.minimum,
        jnp.maximum,
    )
    return _named(names, kinds, polar, equatorial)


def _named(names, kinds, first: Length, second: Length) -> dict[str, Length]:
    applied = lambda kind: lambda body: kind(first(body), second(body))
    return {name: applied(kind) for name, kind in zip(names, kinds, strict=True)}
