r"""Wide-angle diffraction by straight rays: the multi-slice Fourier transform (MSFT).

A body of refractive index n = 1 + chi meets a plane wave :math:`e^{ikz}`,
:math:`k = 2\pi/\lambda`, time factor :math:`e^{-i\omega t}`. The wave runs straight on through
each column of voxels; every slice emits what it changed (:mod:`._emission`), and the far field
adds the slices up with their phase on the Ewald sphere:

.. math::
    f(k_x, k_y) = \frac{-ik}{2\pi} a^2 \sum_{x, y, z} g\,e^{-i(k_x x + k_y y + q_z z)},\qquad
    q_z = \sqrt{k^2 - k_x^2 - k_y^2} - k \le 0

Coordinates count from index ``n // 2``. The spreading of the wave inside the body is left out:
right for weak bodies, for thin ones and in the forward direction, off by tens of percent for
strongly absorbing ones at wide angles, for which there is :mod:`.propagation` with the same
call. chi -> 0 is the Born approximation (:mod:`.born`), :math:`k_x = k_y = 0` anomalous
diffraction.

**Detectors.** The scattered direction is :math:`(k_x, k_y, k_z)/k`, so
:math:`\sin\theta = |k_\perp|/k` and :math:`|q| = 2k\sin(\theta/2)`. A grid of ``kx`` and ``ky``
is any regular or irregular pair of axes. A flat detector at distance D sees
:math:`k_\perp = k\,(X, Y)/\sqrt{X^2 + Y^2 + D^2}` in its pixel (X, Y): to small angles
``kx = k X / D``; at wide angles these do not separate into axes, so compute on axes and
interpolate, or regrid the image (its pixels of side p span
:math:`d\Omega = p^2\cos^3\theta/D^2`). On axes one cell spans
:math:`d\Omega = dk_x\,dk_y/(k^2\cos\theta)`, and holds :math:`I_0 |f|^2 d\Omega` photons for an
incident fluence :math:`I_0` per nm^2. Polarisation along x multiplies by
:math:`1 - k_x^2/k^2`; unpolarised light by :math:`(1 + \cos^2\theta)/2`.

**Cost.** The sum over z comes before any transform (:mod:`._ewald`), and no field is padded.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_positive, dtype_of
from diffscatter.operators._emission import attenuated, refracted
from diffscatter.operators._ewald import (
    as_dtype,
    check_geometry,
    check_passive,
    far_field,
    plan_for,
)

__all__ = ["amplitude", "attenuated_field"]


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
    r"""Return the complex scattering amplitude f of a body, straight rays inside it.

    .. math::
        f = \frac{-ik}{2\pi} a^2 \sum_{j} e^{-iq_z z_j} \sum_{x,y}
            \left(e^{ika\chi_j} - 1\right) e^{ika\sum_{l<j}\chi_l}\,e^{-i(k_x x + k_y y)}

    The differential cross-section is :math:`|f|^2` in nm^2/sr, the extinction cross-section
    :math:`(4\pi/k)\,\mathrm{Im} f(0, 0)`. The module's text gives the conventions and the way
    to detectors. Exact in chi: nothing is expanded, and real, imaginary and weak ones keep
    their full precision (about 1e-6 of the maximum in float32, 1e-13 in float64).

    ``voxel`` says what a value means. ``"average"``: the mean of chi over the cell, so
    fractional occupancy at the surface. Such a volume has been smoothed by a box once already,
    and f is divided by :math:`\mathrm{sinc}(k_x a/2)\,\mathrm{sinc}(k_y a/2)\,
    \mathrm{sinc}(q_z a/2)`. ``"box"``: the body really consists of cubes; multiplied.
    ``"point"``: neither. The factors are those of a weak body: along z they leave out how the
    wave changes within one voxel, a relative :math:`ka|\chi|\,|q_z|a/12`.

    Gradients reach every argument but ``voxel`` and ``rank``. Where geometry (``pitch``,
    ``wavelength``, ``kx``, ``ky``) is traced, the sum over z takes up to twice as many terms,
    and in float32 the phases of deep volumes round to 1e-5, and worse at the rim of the Ewald
    circle, where q_z is a difference of large numbers. On a CPU, map many bodies with
    ``jax.lax.map``; ``jax.vmap`` gives the same, slower.

    Args:
        chi: n - 1 = -delta + i beta, complex or real. Shape ``(nz, ny, nx)``, beam along +z.
        pitch: voxel side a, nm.
        wavelength: nm.
        kx, ky: transverse wave vector of the columns and rows, 1/nm, in any order. Shapes
            ``(nkx,)`` and ``(nky,)``.
        voxel: ``"average"``, ``"box"`` or ``"point"``.
        rank: terms of the sum over z where geometry is traced; by default enough for any
            geometry that agrees with what is concrete. Concrete geometry needs no hint.

    Returns:
        f in nm, 0 beyond the Ewald circle :math:`|k_\perp| \ge k`, in the precision of
        ``chi``. Shape ``(nky, nkx)``.

    Raises:
        ValueError: if a shape is wrong, a number is not finite or not positive, no pixel lies
            inside the Ewald circle, or the pitch is too coarse for the angles.

    References:
        Barke et al., *Nat. Commun.* 6, 6187 (2015); van de Hulst, *Light Scattering by Small
        Particles*, Wiley (1957), ch. 11 (anomalous diffraction).
    """
    given = pitch, wavelength, kx, ky
    shape, geometry = check_geometry("chi", chi, *given)
    check_passive("chi", chi)
    dtype = dtype_of(chi)
    plan, slab = plan_for(shape, geometry, given, voxel, rank, dtype)
    chi, pitch, wavelength = jnp.asarray(chi), *as_dtype(dtype, pitch, wavelength)
    kind = dtype if not jnp.iscomplexobj(chi) else jnp.result_type(dtype, jnp.complex64)
    strength = 2 * jnp.pi * pitch / wavelength
    field = far_field(chi.astype(kind), strength, plan, refracted, slab)
    return -1j * pitch**2 / wavelength * field


def attenuated_field(
    density: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    attenuation_length: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    rank: int | None = None,
) -> Array:
    r"""Return the absorption-only field with which published networks were trained.

    .. math::
        E = \sum_{j} e^{-iq_z z_j} \sum_{x,y} \rho_j\,
            e^{-(a/L)\sum_{l \le j}\rho_l}\,e^{-i(k_x x + k_y y)}

    Kept for comparison with the published patterns, which it rebuilds; :func:`amplitude` has
    the physics. Nothing is refracted, the sum over depth includes the voxel itself, and E is a
    plain sum: no prefactor, no voxel volume, no form factor. The published silver patterns at
    13.5 nm follow with L = 12.5 nm, where the amplitude really falls over 27.1 nm: a length
    that belongs to the intensity (13.55 nm) is used for the amplitude there.

    Args:
        density: occupancy, 0 to 1. Shape ``(nz, ny, nx)``, beam along +z.
        pitch, wavelength, kx, ky, rank: as in :func:`amplitude`.
        attenuation_length: depth L over which the *amplitude* falls to 1/e, nm.

    Returns:
        E, dimensionless, 0 beyond the Ewald circle. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`amplitude`; if ``density`` is complex, or ``attenuation_length``
            is not above 0.

    References:
        Stielow and Scheel, *Phys. Rev. E* 103, 053312 (2021).
    """
    if jnp.iscomplexobj(density):
        raise ValueError("density must be real, got complex; use amplitude for chi = n - 1")
    check_positive("attenuation_length", attenuation_length, "nm")
    given = pitch, wavelength, kx, ky
    shape, geometry = check_geometry("density", density, *given)
    dtype = dtype_of(density)
    plan, slab = plan_for(shape, geometry, given, "point", rank, dtype)
    density, pitch, length = as_dtype(dtype, density, pitch, attenuation_length)
    return far_field(density, pitch / length, plan, attenuated, slab)
