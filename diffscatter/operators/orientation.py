r"""Orientation average by quadrature over directions of the amplitude.

.. math:: I(q) = \frac{1}{4\pi}\oint |F(q\,\hat u)|^2\,d\hat u

:math:`|F|^2` on the sphere of radius q is band-limited to degree about q D for a body of
diameter D, so a Gauss-Legendre times trapezoid rule of that degree is exact to rounding. The
amplitudes come from a non-uniform FFT (nufftax). Slower than the lattice sum of
:mod:`diffscatter.operators.saxs`, but nothing cancels: use it in float32, for intensities far
below I(0), and beyond the Nyquist limit of a body that really is made of boxes.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import dtype_of
from diffscatter.core.special import sinc
from diffscatter.operators._voxel import check_lattice

__all__ = ["intensity"]

# Points a non-uniform FFT takes at once: bounds the memory of its gradient to some 300 MB.
_CHUNK = 16384
# Spherical harmonics beyond q D decay faster than exponentially; eight more leave 1e-6.
_MARGIN = 8
_TOLERANCE = {8: 1e-9, 4: 1e-6}


def intensity(
    density: ArrayLike,
    pitch: ArrayLike,
    q: ArrayLike,
    *,
    voxel: str = "average",
    blur: ArrayLike = 0.0,
    diameter: float | None = None,
    degree: int | None = None,
) -> Array:
    r"""Return the orientation average of :math:`|F|^2`, summed over directions.

    The same quantity as :func:`diffscatter.operators.saxs.intensity`, by an independent route.
    Errors are relative to I(q), not to I(0): about 1e-6 in float64 and 1e-4 in float32.

    Args:
        density: occupancy or contrast of any sign. Shape ``(nz, ny, nx)``.
        pitch: voxel side, nm.
        q: scattering vector, 1/nm; at most pi/pitch unless ``voxel="box"``. Shape ``(nq,)``.
        voxel: ``"average"``, ``"box"`` or ``"point"``, as for the lattice sum.
        blur: standard deviation in nm of a Gaussian that the density carries; undone.
        diameter: largest distance in the body, nm; the diagonal of the volume by default. A
            smaller body in a large volume needs fewer directions.
        degree: degree of the rule for every q; chosen for each q from q x diameter by default,
            for which q and pitch must be concrete.

    Returns:
        Intensity, nm^6 for occupancies, nm^2 for contrasts in 1/nm^2. Shape ``(nq,)``.

    Raises:
        ValueError: if an argument is out of range, or if q or pitch are traced and ``degree``
            is not given.
    """
    shape, side, axis = check_lattice(
        density, pitch, q, voxel, blur, beyond_nyquist=voxel == "box"
    )
    if degree is not None:
        degrees = (int(degree),) * np.size(q)
    elif axis is None or side is None:
        raise ValueError("q or pitch is traced: give the rule's degree, q x diameter + 8")
    else:
        span = side * float(np.linalg.norm(shape)) if diameter is None else float(diameter)
        degrees = tuple(int(d) for d in np.ceil(axis * span) + _MARGIN)
    dtype = dtype_of(density, q)
    directions, weights, index = _rule(degrees)
    cast = lambda value: jnp.asarray(value, dtype)
    return _intensity(
        cast(density), cast(pitch), cast(q), cast(blur),
        cast(directions), cast(weights), index, voxel,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _rule(degrees: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return directions ``(m, c, 3)``, weights and q indices ``(m, c)``, in padded chunks."""
    sphere = {}
    for degree in set(degrees):
        # |F|^2 is even: half the polar nodes carry the whole sphere.
        nodes, weight = np.polynomial.legendre.leggauss(2 * (degree // 4 + 1))
        nodes, weight = nodes[nodes > 0], weight[nodes > 0]
        azimuth = 2 * np.pi / (degree + 1) * np.arange(degree + 1)
        rho = np.sqrt(1 - nodes**2)[:, None]
        ring = [rho * np.cos(azimuth), rho * np.sin(azimuth), nodes[:, None] + 0 * azimuth]
        sphere[degree] = (
            np.stack(ring, -1).reshape(-1, 3),
            np.repeat(weight / (degree + 1), degree + 1),
        )
    directions = np.concatenate([sphere[d][0] for d in degrees])
    weights = np.concatenate([sphere[d][1] for d in degrees])
    index = np.repeat(np.arange(len(degrees)), [sphere[d][1].size for d in degrees])
    chunk = min(_CHUNK, weights.size)
    pad = -weights.size % chunk
    widths = lambda a: ((0, pad),) + ((0, 0),) * (a.ndim - 1)
    parts = [np.pad(a, widths(a)) for a in (directions, weights, index)]
    return tuple(a.reshape(-1, chunk, *a.shape[1:]) for a in parts)


@jax.jit(static_argnames="voxel")
def _intensity(density, pitch, q, blur, directions, weights, index, voxel):
    from nufftax import nufft3d2

    field = density.astype(jnp.result_type(density.dtype, jnp.complex64))
    tolerance = _TOLERANCE[density.dtype.itemsize]

    @jax.checkpoint
    def chunk(total, part):
        direction, weight, where = part
        theta = (q * pitch)[where, None] * direction
        # The lattice sum is periodic, but the transform wants its points in one period.
        wrapped = theta - 2 * jnp.pi * jax.lax.stop_gradient(jnp.round(theta / (2 * jnp.pi)))
        amplitude = nufft3d2(*jnp.moveaxis(wrapped, -1, 0), field, eps=tolerance)
        power = amplitude.real**2 + amplitude.imag**2
        if voxel != "point":
            box = jnp.prod(sinc(theta / 2), axis=-1) ** 2
            power = power * box if voxel == "box" else power / box
        return total + jax.ops.segment_sum(power * weight, where, q.size), None

    total, _ = jax.lax.scan(chunk, jnp.zeros_like(q), (directions, weights, index))
    return pitch**6 * total * jnp.exp((q * blur) ** 2)
