r"""From amplitudes on axes of k_perp to cross-sections and photons.

The operators return f with :math:`d\sigma/d\Omega = |f|^2` for a scalar wave; here is the rest:

- :func:`extinction`, by the optical theorem, from the forward direction;
- :func:`scattering`, what goes into the forward hemisphere;
- :func:`polarisation`, by which a transverse wave differs from a scalar one;
- :func:`solid_angle`, which a pixel spans. :math:`I_0 |f|^2 P\,\Delta\Omega` is its number of
  photons for an incident fluence of :math:`I_0` photons per nm^2.

Everything is differentiable, and 0 beyond the Ewald circle.
"""

from functools import partial
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, dtype_of
from diffscatter.operators._ewald import as_dtype, check_axis

__all__ = ["extinction", "polarisation", "scattering", "solid_angle"]

# Weight of (kx/k)^2 and of (ky/k)^2 that is missing from 1.
_STATES = {"x": (1.0, 0.0), "y": (0.0, 1.0), "unpolarised": (0.5, 0.5), "scalar": (0.0, 0.0)}


def extinction(forward: ArrayLike, wavelength: ArrayLike) -> Array:
    r"""Return the extinction cross-section, nm^2: what the body takes from the beam.

    .. math:: \sigma_{ext} = \frac{4\pi}{k}\,\mathrm{Im} f(0) = 2\lambda\,\mathrm{Im} f(0)

    Against Mie, silver spheres of 50 to 150 nm at 13.5 nm: within .8 % by
    :func:`.propagation.split_step`. :func:`.propagation.wave_propagation` has that of a scalar
    wave to .4 %, which itself lies 2.0 % (50 nm) to .7 % (150 nm) below Mie, whose wave is
    transverse; for helium both agree to .1 %.

    Args:
        forward: amplitude f at ``kx = ky = 0``, nm. Any shape.
        wavelength: nm.

    Raises:
        ValueError: if f is not complex or not finite, or the wavelength not positive.
    """
    check_positive("wavelength", wavelength, "nm")
    check_finite("forward", forward)
    if not jnp.iscomplexobj(forward):
        raise ValueError("forward must be the complex amplitude f, got real numbers")
    imaginary = jnp.imag(forward)
    return 2 * jnp.asarray(wavelength, imaginary.dtype) * imaginary


def scattering(
    f: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    state: str = "unpolarised",
) -> Array:
    r"""Return the cross-section of scattering into the forward hemisphere, nm^2.

    .. math:: \sigma_{sca} = \sum |f|^2 P\,\Delta\Omega

    The axes must cover what scatters; to its rim, for the whole hemisphere. What is absorbed
    is :func:`extinction` less this (and less what is scattered back).

    Args:
        f: amplitude, nm. Shape ``(..., nky, nkx)``.
        wavelength: nm.
        kx, ky: the axes of f, 1/nm, rising or falling. Shapes ``(nkx,)`` and ``(nky,)``.
        state: polarisation of the light, see :func:`polarisation`.

    Raises:
        ValueError: as :func:`solid_angle` and :func:`polarisation`; if the shapes differ.
    """
    if np.shape(f)[-2:] != (np.size(ky), np.size(kx)):
        raise ValueError(
            f"f must be (..., nky, nkx) = (..., {np.size(ky)}, {np.size(kx)}), "
            f"got shape {np.shape(f)}"
        )
    check_finite("f", f)
    factor = polarisation(wavelength, kx, ky, state=state) * solid_angle(wavelength, kx, ky)
    intensity = jnp.real(f) ** 2 + jnp.imag(f) ** 2
    return jnp.sum(intensity * factor.astype(intensity.dtype), axis=(-2, -1))


def polarisation(
    wavelength: ArrayLike, kx: ArrayLike, ky: ArrayLike, *, state: str = "unpolarised"
) -> Array:
    r"""Return the factor P of a transverse wave, that of a dipole along the field.

    .. math:: P_x = 1 - k_x^2/k^2,\qquad P_y = 1 - k_y^2/k^2,\qquad
        P = \tfrac12 (P_x + P_y) = \tfrac12 (1 + \cos^2\theta)

    Exact for weak bodies. For spheres of 50 to 150 nm it leaves .013 (helium) and .05 (silver)
    in rms of log10 in the plane of the field, and nothing across it.

    Args:
        wavelength: nm.
        kx, ky: axes, 1/nm. Shapes ``(nkx,)`` and ``(nky,)``.
        state: ``"x"`` or ``"y"`` for linear polarisation along that axis, ``"unpolarised"``
            (circular is the same), ``"scalar"`` for 1.

    Returns:
        P, 0 beyond the Ewald circle. Shape ``(nky, nkx)``.

    Raises:
        ValueError: if the state is unknown, or an axis or the wavelength is wrong.
    """
    if state not in _STATES:
        raise ValueError(f"state must be one of {', '.join(_STATES)}, got {state!r}")
    check_positive("wavelength", wavelength, "nm")
    check_axis("kx", kx)
    check_axis("ky", ky)
    given = as_dtype(dtype_of(wavelength, kx, ky), wavelength, kx, ky)
    return _polarisation(*given, weights=_STATES[state])


def solid_angle(wavelength: ArrayLike, kx: ArrayLike, ky: ArrayLike) -> Array:
    r"""Return the solid angle of each pixel, sr; together those of a hemisphere are 2 pi.

    .. math:: \Delta\Omega = \iint \frac{dk_x\,dk_y}{k\,k_z}

    in closed form over the pixel, cut off at the Ewald circle, so that the pixels at the rim,
    where :math:`1/k_z` is infinite, have the right one. Pixels end half-way to their
    neighbours, the outermost as far beyond.

    Args:
        wavelength: nm.
        kx, ky: axes, 1/nm, rising or falling, at least two points. Shapes ``(nkx,)``,
            ``(nky,)``.

    Returns:
        Solid angles, 0 beyond the Ewald circle. Shape ``(nky, nkx)``. Where the axes or the
        wavelength are traced in float32, differences of numbers near 1 leave 1e-7 sr.

    Raises:
        ValueError: if an axis is not rising or falling throughout, or has a single point.
    """
    known = [check_positive("wavelength", wavelength, "nm")]
    for name, axis in (("kx", kx), ("ky", ky)):
        known.append(check_axis(name, axis))
        if np.size(axis) < 2:
            raise ValueError(f"{name} must have two points or more to have pixels, got {axis}")
        steps = np.ones(1) if known[-1] is None else np.diff(known[-1])
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(f"{name} must rise or fall throughout to have pixels; sort it")
    dtype = dtype_of(wavelength, kx, ky)
    if any(value is None for value in known):
        return _traced_solid_angle(*as_dtype(dtype, wavelength, kx, ky))
    return jnp.asarray(_solid_angle(np, *known), dtype)


@partial(jax.jit, static_argnames="weights")
def _polarisation(wavelength, kx, ky, *, weights):
    x, y = (kx * wavelength / (2 * jnp.pi)) ** 2, (ky * wavelength / (2 * jnp.pi)) ** 2
    y = y[:, None]
    return jnp.where(x + y < 1, 1 - weights[0] * x - weights[1] * y, 0)


def _solid_angle(xp: ModuleType, wavelength, kx, ky):
    x, y = (_edges(xp, axis * wavelength / (2 * np.pi)) for axis in (kx, ky))
    corners = _from_the_axes(xp, x, y[:, None])
    return abs(xp.diff(xp.diff(corners, axis=0), axis=1))


_traced_solid_angle = jax.jit(partial(_solid_angle, jnp))


def _edges(xp: ModuleType, axis):
    """Return the borders of the pixels, within the circle of radius 1."""
    middle = (axis[1:] + axis[:-1]) / 2
    first, last = 2 * axis[:1] - middle[:1], 2 * axis[-1:] - middle[-1:]
    return xp.clip(xp.concatenate([first, middle, last]), -1, 1)


def _from_the_axes(xp: ModuleType, x, y):
    r"""Return the integral of 1/cos from 0 to x and 0 to y (signed), lengths in k.

    .. math:: x \arctan\frac yw + y \arctan\frac xw - \arctan\frac{xy}w,\qquad
        w = \sqrt{1 - x^2 - y^2}

    Beyond the circle w counts as 0, which ends the integral there.
    """
    square = 1 - x**2 - y**2
    inside = square > 0
    w = xp.where(inside, xp.sqrt(xp.where(inside, square, 1)), 0)

    def angle(far):  # arctan(far/w), with a finite derivative where both are 0
        nowhere = (w == 0) & (far == 0)
        return xp.where(nowhere, 0, xp.arctan2(far, xp.where(nowhere, 1, w)))

    return x * angle(y) + y * angle(x) - angle(x * y)
