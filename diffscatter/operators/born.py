r"""Wide-angle diffraction of weak bodies: the Born approximation on the Ewald sphere.

.. math:: f(k_x, k_y) = \frac{k^2}{2\pi} a^3 \sum_{x, y, z} \chi\,e^{-i(k_x x + k_y y + q_z z)}

Linear in chi: every voxel sees the incident wave, not what the others make of it. It is what
:func:`.multislice.amplitude` and :func:`.propagation.split_step` become for chi -> 0, with the
same call, conventions and absolute scale.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import dtype_of
from diffscatter.operators._emission import given
from diffscatter.operators._ewald import (
    as_dtype,
    check_geometry,
    check_passive,
    far_field,
    plan_for,
)

__all__ = ["amplitude"]


def amplitude(
    chi: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    voxel: str = "average",
    rank: int | None = None,
) -> Array:
    """Return the complex scattering amplitude f in the Born approximation.

    Args:
        chi: (n^2 - 1)/2 for the Born approximation proper, or n - 1, which is the same for weak
            bodies; times occupancy. Shape ``(nz, ny, nx)``.
        pitch, wavelength, kx, ky, voxel, rank: as in :func:`.multislice.amplitude`.

    Returns:
        f in nm, 0 beyond the Ewald circle, in the precision of ``chi``. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`.multislice.amplitude`.

    References:
        M. Born and E. Wolf, *Principles of Optics*, ch. 13.
    """
    check_passive("chi", chi)
    geometry = pitch, wavelength, kx, ky
    shape, known = check_geometry("chi", chi, *geometry)
    dtype = dtype_of(chi)
    plan, slab = plan_for(shape, known, geometry, voxel, rank, dtype)
    pitch, wavelength = as_dtype(dtype, pitch, wavelength)
    kind = jnp.result_type(dtype, chi) if jnp.iscomplexobj(chi) else dtype
    field = far_field(jnp.asarray(chi, kind), jnp.ones((), dtype), plan, given, slab)
    return 2 * jnp.pi * pitch**3 / wavelength**2 * field
