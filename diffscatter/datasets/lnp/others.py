r"""Curves of bodies that are no lipid nanoparticles: what a network has to tell from them.

Ellipsoids of revolution, cylinders, spheres and ellipsoids in a shell, straight chains of
spheres that touch, whose intensity is that of one sphere times

.. math:: \left\langle \Bigl|\sum_j e^{-i j d q_z}\Bigr|^2 \right\rangle
    = \sum_{i, j = 1}^{n} \frac{\sin |i - j| q d}{|i - j| q d}

Hollow spheres, and cylinders 0.4, 1, 1.6, 2.5 and 4 times as long as wide, are left out on
purpose: on them is tested what has learnt from these.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic import CoreShellEllipsoid, Cylinder, Ellipsoid, Sphere
from diffscatter.core.special import sinc

__all__ = ["other_curves"]

# Polar over equatorial axis; length over width of cylinders; core radius over outer radius and
# contrast of the core over that of the shell, of spheres and of ellipsoids with their ratio;
# spheres in a chain. None is nearly a sphere of one density.
_RATIOS = (0.25, 0.4, 0.55, 0.7, 1.45, 1.8, 2.3, 3.0, 4.0)
_LENGTHS = (0.3, 0.55, 0.75, 1.3, 2.0, 3.2, 5.0)
_CORES = (0.5, 0.65, 0.8, 0.9)
_CONTRASTS = (-1.5, -0.7, -0.3, 0.3, 2.0, 4.0)
_SHELLED = tuple((r, 0.75, contrast) for r in (0.5, 2.0) for contrast in (-0.5, 0.4, 2.5))
_CHAINS = (2, 3, 5)
# How often each family is drawn: the more alike its bodies are to particles, the more there is
# to learn from them.
_OFTEN = {"ellipsoids": 0.3, "cylinders": 0.4, "shelled": 0.2, "chains": 0.1}


def other_curves(q: ArrayLike, sizes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the curves of each body at each size, which is its longest extension.

    Args:
        q: 1/nm. Shape ``(nq,)``.
        sizes: nm. Shape ``(ns,)``.

    Returns:
        Curves in an arbitrary unit, float64, shape ``(bodies, ns, nq)``, and how often each
        body is to be drawn, shape ``(bodies,)``, sum 1.
    """
    with jax.enable_x64(True):
        q, sizes = (jnp.asarray(np.asarray(x, float)) for x in (q, sizes))
        families = {name: np.asarray(curves) for name, curves in _families(q, sizes)}
    often = [np.full(len(c), _OFTEN[name] / len(c)) for name, c in families.items()]
    return np.concatenate(list(families.values())), np.concatenate(often)


def _families(q: Array, sizes: Array) -> Iterator[tuple[str, Array]]:
    """Yield curves ``(bodies, ns, nq)``, family by family, each one compilation."""

    def each(curve, *bodies):
        one = lambda body: jax.lax.map(lambda size: curve(size, *body), sizes)
        return jax.jit(lambda bodies: jax.lax.map(one, bodies))(
            tuple(jnp.asarray(np.asarray(b, float)) for b in bodies)
        )

    def ellipsoid(size, ratio):
        polar, equatorial = _semi_axes(size, ratio)
        body = Ellipsoid(radius_polar=polar, radius_equatorial=equatorial, contrast=1.0)
        return body.average_square(q)

    def cylinder(size, ratio):
        length = size * jnp.minimum(ratio, 1.0)
        body = Cylinder(radius=length / ratio / 2, length=length, contrast=1.0)
        return body.average_square(q)

    def shelled(size, ratio, core, contrast):
        polar, equatorial = _semi_axes(size, ratio)
        body = CoreShellEllipsoid(
            radius_equat_core=core * equatorial,
            x_core=ratio,
            thick_shell=(1 - core) * equatorial,
            x_polar_shell=ratio,
            core_contrast=contrast,
            shell_contrast=1.0,
        )
        return body.average_square(q)

    def chain(size, count):
        far = jnp.arange(1.0, max(_CHAINS))[:, None]
        pairs = jnp.where(far < count, 2 * (count - far), 0.0) * sinc(far * q * size / count)
        ball = Sphere(radius=size / count / 2, contrast=1.0)
        return ball.average_square(q) * (count + pairs.sum(axis=0))

    yield "ellipsoids", each(ellipsoid, _RATIOS)
    yield "cylinders", each(cylinder, _LENGTHS)
    balls = [(1.0, core, contrast) for core in _CORES for contrast in _CONTRASTS]
    yield "shelled", each(shelled, *zip(*balls, *_SHELLED, strict=True))
    yield "chains", each(chain, _CHAINS)


def _semi_axes(size: Array, ratio: Array) -> tuple[Array, Array]:
    """Return the polar and the equatorial one, the longer of which is half the size."""
    half = size / 2
    return half * jnp.minimum(ratio, 1.0), half / jnp.maximum(ratio, 1.0)
