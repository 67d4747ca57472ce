r"""Wide-angle diffraction with multiple scattering, one way: split step and wave propagation.

Where :mod:`.multislice` lets straight rays through the body, here the wave spreads between the
slices, so that what one part scatters is refracted, absorbed and scattered again by the parts
behind it. Conventions, absolute scale and the way to detectors are those of
:func:`.multislice.amplitude`, and the call is the same:

- :func:`split_step` (pMSFT): each slice is a thin phase screen. Any chi.
- :func:`wave_propagation` (WPM): each slice lets every plane wave through at its own angle,
  once in vacuum and once in each material. For bodies of one or a few materials, more accurate
  at wide angles.

Waves run forward only: what is scattered back is left out, and so is polarisation
(:mod:`.cross_sections` has its factors). There is neither a :math:`\cos\theta` in front nor a
:math:`k/k_z` in the screen: the exact scalar pair has both, leaving out both keeps the Born
approximation, leaving out one is wrong by :math:`\cos^2\theta`.

**Voxels.** A volume of averages is the body smoothed by a voxel. A wave that has been scattered
already is scattered on by the difference of two wave vectors, so a division of the far field
does not undo the smoothing (5 % at 40 degrees for silver at 2.5 nm). Each slice is sharpened
instead, by five taps along x and y that undo it for every scattering, and the far field is
divided by what they leave, and by the form factor along z, as in the Born approximation.

**Accuracy** against Mie's exact :math:`|S_1|^2`, absolute scale, nothing fitted, 2 to 45
degrees, spheres of 50 to 150 nm at 13.5 nm, voxels of 1.25 to 2.5 nm
(``benchmarks/propagation.py``): rms of log10 of the ratio for silver .019 to .025 (median
deviation 3 to 4 %) by split step and .008 to .012 (1 to 3 %) by wave propagation; for helium
.012 to .020 (below 30 degrees under .009) and .002 to .004. Straight rays: .18 to .33 and .05
to .07. Wave propagation agrees with the exact scalar sphere; a split step does the worse the
more a body refracts without absorbing: .04 for n = .9 + .01i at 75 nm, the other .014.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, concrete, dtype_of
from diffscatter.operators._emission import exp_minus_one, given
from diffscatter.operators._ewald import (
    as_dtype,
    check_geometry,
    check_passive,
    far_field,
    plan_for,
)
from diffscatter.operators._propagator import box_for, march, seen

__all__ = ["split_step", "wave_propagation"]

# Taps on each side of a voxel, and the largest q times pitch that they are fitted to: beyond
# 2/3 of the Nyquist limit waves decay, at the pitches that resolve the hemisphere.
_TAPS, _REACH = 2, 2 / 3 * np.pi
_POWER = {"average": -1, "box": 1}  # of the form factor; points have none
# Room for what leaves the volume sideways, times its depth and the tangent of the angle. What
# comes back all the same disturbs silver by 1 % in a mean over 5 degrees.
_ROOM = {"split step": 1.25, "wave propagation": 2.0}


def split_step(
    chi: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    voxel: str = "average",
    pad: int | tuple[int, int] | None = None,
    rank: int | None = None,
) -> Array:
    r"""Return the complex scattering amplitude f of a body, with one-way multiple scattering.

    .. math::
        g_j = (e^{ika\chi_j} - 1)(1 + u_j),\qquad
        \hat u_{j+1} = e^{i(k_z - k)a}(\hat u_j + \hat g_j),\qquad
        f = \frac{-ik}{2\pi} a^2 \sum_j e^{-iq_z z_j} \hat g_j(k_x, k_y)

    which is the transform of the exit wave less the incident one. Weak bodies give the Born
    approximation, and the first order in u is left out by :func:`.multislice.amplitude`.

    The pitch must resolve the angles: below half a wavelength for the hemisphere; a fifth of it
    and less for minima to be where they belong. The z step is the pitch; halving it changes
    |f|^2 by .3 % to 45 degrees, for silver at 2.5 nm.

    Gradients reach every argument but ``voxel``, ``pad`` and ``rank``; reverse mode keeps about
    three volumes of the size of ``chi``. On a CPU, map many bodies with ``jax.lax.map``.

    Args:
        chi: n - 1 = -delta + i beta, complex or real, beta >= 0. Shape ``(nz, ny, nx)``.
        pitch: voxel side a, nm.
        wavelength: nm.
        kx, ky: transverse wave vector of the columns and rows, 1/nm, in any order. Shapes
            ``(nkx,)`` and ``(nky,)``.
        voxel: ``"average"``, ``"box"`` or ``"point"``, as in :func:`.multislice.amplitude`.
        pad: points of the periodic box in which the wave spreads, for both sides or as (y, x).
            By default wide enough for the angles that the axes ask for, up to 60 degrees: the
            volume, and 1.25 times its depth times the tangent.
        rank: as in :func:`.multislice.amplitude`.

    Returns:
        f in nm, 0 beyond the Ewald circle, in the precision of ``chi``. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`.multislice.amplitude`; if chi amplifies, or the box is smaller
            than the volume.

    References:
        M. D. Feit and J. A. Fleck, *Appl. Opt.* 17, 3990 (1978).
    """
    check_passive("chi", chi)
    geometry = (pitch, wavelength, kx, ky)
    shape, known = check_geometry("chi", chi, *geometry)
    dtype = dtype_of(chi)
    kind = dtype if not jnp.iscomplexobj(chi) else jnp.result_type(dtype, jnp.complex64)
    side, length = as_dtype(dtype, pitch, wavelength)
    return _scattered(
        _through_screen,
        jnp.asarray(chi, kind),
        lambda box: 2 * jnp.pi * side / length,
        (shape, known, geometry, dtype),
        (voxel, pad, rank, _ROOM["split step"]),
    )


def wave_propagation(
    chi: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    n: ArrayLike | None = None,
    voxel: str = "average",
    pad: int | tuple[int, int] | None = None,
    rank: int | None = None,
) -> Array:
    r"""Return the complex scattering amplitude f, each plane wave refracted at its own angle.

    .. math::
        g_j = \sum_m o_{m,j}\,\mathcal F^{-1}\!\left[
            (e^{i(k_{z,m} - k_z)a} - 1)(\delta + \hat u_j)\right],\qquad
        k_{z,m} = \sqrt{n_m^2 k^2 - k_\perp^2}

    with :math:`o_m` the occupancy of a voxel by material m, and the rest as in
    :func:`split_step`. That is the wave propagation method: each wave crosses a slice in vacuum
    and in each material, and the results are mixed by occupancy.

    Args:
        chi: n - 1 of one material times its occupancy, ``(nz, ny, nx)``, or a stack of such
            volumes, one a material, ``(m, nz, ny, nx)``.
        pitch, wavelength, kx, ky, voxel, pad, rank: as in :func:`split_step`.
        n: refractive index of each material, shape ``()`` or ``(m,)``. By default 1 + the chi
            of largest modulus in each volume: the body must fill a voxel somewhere, and the
            gradient with respect to that voxel is that of n. Occupancy is Re chi/(n - 1). In
            single precision n = 1 - 1e-6 has lost its digits, chi has not.

    Returns:
        f in nm, 0 beyond the Ewald circle, in the precision of ``chi``. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`split_step`; if n amplifies, is 1 or has another shape, or chi is
            no multiple of n - 1.

    References:
        K.-H. Brenner and W. Singer, *Appl. Opt.* 32, 4984 (1993).
    """
    if np.ndim(chi) not in (3, 4) or np.shape(chi)[:1] == (0,):
        raise ValueError(
            f"chi must be (nz, ny, nx) or a stack (m, nz, ny, nx), got shape {np.shape(chi)}"
        )
    check_passive("chi", chi)
    geometry = (pitch, wavelength, kx, ky)
    stack = chi if np.ndim(chi) == 4 else jnp.asarray(chi)[None]
    shape, known = check_geometry("chi", stack[0], *geometry)
    dtype = dtype_of(chi)
    kind = jnp.result_type(dtype, jnp.complex64)
    stack = jnp.asarray(stack, kind)
    contrast = _contrast(stack, n, kind)
    _check_multiple(stack, contrast)
    side, length = as_dtype(dtype, pitch, wavelength)
    return _scattered(
        _through_materials,
        jnp.moveaxis(_occupancy(stack, contrast), 0, 1),
        lambda box: _change(box.kz, contrast, side, length),
        (shape, known, geometry, dtype),
        (voxel, pad, rank, _ROOM["wave propagation"]),
    )


def _scattered(emit, slices, parameters, setting, options) -> Array:
    """Carry the wave through the slices and return the amplitude of what they emit.

    Args:
        emit: as :func:`march` takes it, with the taps of the voxel after its parameters.
        slices: shape ``(nz, ..., ny, nx)``.
        parameters: function of the box.
        setting: shape of the volume, concrete geometry, geometry as given, real dtype.
        options: voxel, pad, rank and room.
    """
    (nz, ny, nx), known, geometry, dtype = setting
    voxel, pad, rank, room = options
    taps = _taps(voxel)
    margin = len(taps) - 1
    window = nz, ny + 2 * margin, nx + 2 * margin
    plan, slab = plan_for(window, known, geometry, voxel, rank, dtype)
    box = box_for(window, known, geometry, pad, room, dtype)
    emitted = march(emit, slices, box, (parameters(box), jnp.asarray(taps, dtype)))
    field = far_field(emitted, jnp.ones((), dtype), plan, given, slab)
    pitch, wavelength, kx, ky = as_dtype(dtype, *geometry)
    response = _response(taps, ky * pitch)[:, None] * _response(taps, kx * pitch)
    return -1j * pitch**2 / wavelength * field / response


def _through_screen(spectrum, part, box, parameters) -> Array:
    strength, taps = parameters
    part = _filtered(part, taps)
    wave = seen(spectrum, part.shape)
    return exp_minus_one(part.astype(wave.dtype) * strength) * (1 + wave)


def _through_materials(spectrum, part, box, parameters) -> Array:
    changes, taps = parameters
    return sum(
        occupied * (change[0, 0] + seen(change * spectrum, occupied.shape))
        for occupied, change in zip(_filtered(part, taps), changes, strict=True)
    )


@jax.jit
def _change(kz: Array, contrast: Array, pitch: Array, wavelength: Array) -> Array:
    """Return what a slice of each material changes of plane waves, ``(m, mx, my)``."""
    k = 2 * jnp.pi / wavelength
    added = (contrast * (2 + contrast) * k**2)[:, None, None]  # (n^2 - 1) k^2
    square = kz**2 + added
    root = jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))
    inside = jnp.where(root.imag < 0, -root, root)  # decays, never grows
    total = inside + kz
    # The difference of the two k_z, without cancellation.
    difference = jnp.where(total == 0, 0, added / jnp.where(total == 0, 1, total))
    return exp_minus_one(difference * pitch)


def _contrast(stack: Array, n, kind) -> Array:
    """Return n - 1 of each material, shape ``(m,)``."""
    many = len(stack)
    if n is None:
        flat = stack.reshape(many, -1)
        strongest = jnp.argmax(flat.real**2 + flat.imag**2, axis=1)
        return jnp.take_along_axis(flat, strongest[:, None], axis=1)[:, 0]
    if np.shape(n) not in ((), (many,)):
        raise ValueError(f"n must be one index a material, {many}, got shape {np.shape(n)}")
    value = check_finite("n", n)
    if value is not None:
        check_passive("n", value)
        if (value == 1).any():
            raise ValueError(f"n must differ from 1, got {n}; an empty body has any other n")
    return jnp.broadcast_to(jnp.asarray((n if value is None else value) - 1, kind), (many,))


def _occupancy(stack: Array, contrast: Array) -> Array:
    contrast = contrast[:, None, None, None]
    return jnp.where(contrast == 0, 0, stack / jnp.where(contrast == 0, 1, contrast)).real


def _check_multiple(stack: Array, contrast: Array) -> None:
    """Refuse a volume of several materials, where it is concrete."""
    values, single = concrete(stack), concrete(contrast)
    if values is None or single is None:
        return
    for m, (volume, one) in enumerate(zip(values, single, strict=True)):
        apart = np.abs((volume * one.conj()).imag).max()
        if apart > 1e-3 * abs(one) * np.abs(volume).max():
            raise ValueError(
                f"chi must be occupancy times n - 1 of one material, but volume {m} has values "
                f"that are no multiple of {one:.6g}; give each material its own volume in a "
                "stack (m, nz, ny, nx)"
            )


@lru_cache
def _taps(voxel: str) -> np.ndarray:
    """Return the taps that undo (or apply) a voxel's width along x and y, centre first.

    A least-squares fit whose sum is 1, so that the mean is kept.
    """
    if voxel not in _POWER:
        return np.ones(1)
    theta = np.linspace(0, _REACH, 200)
    target = np.sinc(theta / (2 * np.pi)) ** _POWER[voxel]
    basis = 2 * (np.cos(np.outer(theta, np.arange(1, _TAPS + 1))) - 1)
    outer = np.linalg.lstsq(basis, target - 1, rcond=None)[0]
    return np.append(1 - 2 * outer.sum(), outer)


def _response(taps: np.ndarray, phase: Array) -> Array:
    """Return the factor by which the taps change a wave of ``phase`` a voxel."""
    outer = (2 * tap * jnp.cos(t * phase) for t, tap in enumerate(taps[1:], 1))
    return sum(outer, jnp.full_like(phase, taps[0]))


def _filtered(part: Array, taps: Array) -> Array:
    """Convolve the last two axes with the taps; they grow by twice the reach of those."""
    reach = len(taps) - 1
    for axis in (part.ndim - 1, part.ndim - 2) if reach else ():
        length = part.shape[axis] + 2 * reach
        widths = [(2 * reach,) * 2 if i == axis else (0, 0) for i in range(part.ndim)]
        wide = jnp.pad(part, widths)
        shifted = lambda t, wide=wide, length=length, axis=axis: lax.slice_in_dim(
            wide, reach + t, reach + t + length, axis=axis
        )
        part = taps[0] * shifted(0) + sum(
            taps[t] * (shifted(t) + shifted(-t)) for t in range(1, reach + 1)
        )
    return part
