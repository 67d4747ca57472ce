r"""Wide-angle diffraction of a convex body given by its columns, in closed form along the beam.

Every column (x, y) of a convex body is one stretch of matter, from :math:`z_f` over the length
t. On straight rays (:mod:`.multislice`) what it emits is an exponential along z, so that the
far field needs no voxels:

.. math::
    F(k_x, k_y) = p^2 \sum_{x, y} c\,e^{-i(k_x x + k_y y)}\,e^{-iq_z z_f}
        \frac{1 - e^{-(m + iq_z)t}}{m + iq_z},\qquad
    q_z = \sqrt{k^2 - k_x^2 - k_y^2} - k

with p the side of a column and c its coverage, the share of it that the body fills. m says what
happens on the way: :math:`-ik(n - 1)` for a refractive index n, 1/L where the amplitude merely
falls over a length L. Front and back of a convex body come from ``shapes.heights``.

**Cost.** Columns meet q_z through a function that is entire in it, of exponential type
``max |z|``, so Chebyshev interpolation takes it from some ten to fifty nodes to every pixel
(:mod:`._column_sum`). What is left are two matrix transforms a node: 64 columns across cost a
hundredth of 192^3 voxels.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, concrete, dtype_of
from diffscatter.operators._column_sum import detector, far_field
from diffscatter.operators._ewald import check_axis, check_circle
from diffscatter.operators._lowrank import chebyshev_terms

__all__ = ["amplitude", "attenuated_field"]

# Error of the interpolation in q_z, by item size of the result's real dtype.
_TOLERANCE = {4: 1e-6, 8: 1e-13}


def amplitude(
    front: ArrayLike,
    thickness: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    chi: ArrayLike,
    coverage: ArrayLike | None = None,
    terms: int | None = None,
) -> Array:
    r"""Return the complex scattering amplitude f of a body of columns, straight rays inside it.

    .. math:: f = \frac{k^2 \chi}{2\pi}\, F(k_x, k_y),\qquad m = -ik\chi

    with F of the module's text: the conventions, the detectors and the scale of
    :func:`.multislice.amplitude`, to which it is the limit of thin slices. Columns are points
    to the sum; they resolve angles up to :math:`\pi/p`, and the error falls with :math:`p^2`.

    Gradients reach everything but ``terms``. Where geometry (``wavelength``, ``kx``, ``ky``)
    is traced, the detector is not folded about the beam. ``jax.vmap`` and ``jax.lax.map`` take
    many bodies.

    Args:
        front: z where a column enters the body, nm; any number where it is empty. Shape
            ``(ny, nx)``, index ``n // 2`` is coordinate 0.
        thickness: length inside, nm, 0 where the column is empty. Shape ``(ny, nx)``.
        pitch: side p of a column, nm.
        wavelength: nm.
        kx, ky: transverse wave vector of the columns and rows of the detector, 1/nm, in any
            order. Shapes ``(nkx,)`` and ``(nky,)``.
        chi: n - 1 = -delta + i beta, beta not below 0.
        coverage: share of each column that is filled, 0 to 1; 1 if None. Shape ``(ny, nx)``.
        terms: nodes in q_z. By default enough for what is concrete; a body that is traced is
            taken to lie as deep as half the grid is wide.

    Returns:
        f in nm, 0 beyond the Ewald circle. Shape ``(nky, nkx)``.

    Raises:
        ValueError: if a shape is wrong, a number is not finite, a length not above 0, a
            thickness below 0, chi amplifies (gain), or the pitch is too coarse for the angles.
    """
    if np.ndim(chi):
        raise ValueError(f"chi must be one number, got shape {np.shape(chi)}")
    known = check_finite("chi", chi)
    if known is not None and np.imag(known) < 0:
        raise ValueError(f"chi must not amplify: its imaginary part beta is {np.imag(known)}")
    columns = (front, thickness, coverage)
    dtype, plan, body = _prepare(columns, pitch, wavelength, kx, ky, terms)
    pitch, wavelength = (jnp.asarray(value, dtype) for value in (pitch, wavelength))
    chi = jnp.asarray(chi, jnp.result_type(dtype, jnp.complex64))
    k = 2 * jnp.pi / wavelength
    rate = (k * chi.imag, -k * chi.real)
    return k * chi / wavelength * far_field(*body, pitch, rate, plan)


def attenuated_field(
    front: ArrayLike,
    thickness: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    attenuation_length: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    coverage: ArrayLike | None = None,
    terms: int | None = None,
) -> Array:
    r"""Return the absorption-only field with which published networks were trained.

    .. math:: E = e^{-p/2L}\,F(k_x, k_y) / p^3,\qquad m = 1/L

    with F of the module's text: the field of :func:`.multislice.attenuated_field` for voxels
    of side p, which counts voxels and attenuates each by all of itself.

    Args:
        front, thickness, pitch, wavelength, kx, ky, coverage, terms: as in :func:`amplitude`.
        attenuation_length: depth L over which the *amplitude* falls to 1/e, nm.

    Returns:
        E, dimensionless, 0 beyond the Ewald circle. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`amplitude`; if ``attenuation_length`` is not above 0.
    """
    check_positive("attenuation_length", attenuation_length, "nm")
    columns = (front, thickness, coverage)
    dtype, plan, body = _prepare(columns, pitch, wavelength, kx, ky, terms)
    pitch, length = (jnp.asarray(value, dtype) for value in (pitch, attenuation_length))
    rate = (1 / length, jnp.zeros_like(length))
    scale = jnp.exp(-pitch / (2 * length)) / pitch**3
    return scale * far_field(*body, pitch, rate, plan)


def _prepare(columns, pitch, wavelength, kx, ky, terms):
    """Check what is concrete; return the dtype, the detector and front, thickness, coverage."""
    front, thickness, coverage = columns
    shape = np.shape(front)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"front must be (ny, nx), got shape {shape}; vmap for many")
    for name, value in (("thickness", thickness), ("coverage", coverage)):
        if value is not None and np.shape(value) != shape:
            raise ValueError(
                f"{name} must have the shape of front, {shape}, got {np.shape(value)}"
            )
    check_finite("front", front)
    _check_range("thickness", thickness, np.inf)
    if coverage is not None:
        _check_range("coverage", coverage, 1 + 1e-6)
    side = check_positive("pitch", pitch, "nm")
    length = check_positive("wavelength", wavelength, "nm")
    axes = {name: check_axis(name, axis) for name, axis in (("kx", kx), ("ky", ky))}
    _check_angles(side, length, axes)

    dtype = dtype_of(front, thickness)
    coverage = jnp.ones(shape, dtype) if coverage is None else coverage
    if terms is None:
        depth = _depth(front, thickness, coverage)
        phase = _phase(depth, side, length, axes, max(shape) / 2)
        terms = chebyshev_terms(phase, _TOLERANCE[dtype.itemsize])
    plan = detector(kx, ky, wavelength, terms, dtype)
    body = tuple(jnp.asarray(value, dtype) for value in (front, thickness, coverage))
    return dtype, plan, body


def _depth(front, thickness, coverage) -> float | None:
    """Return the largest |z| of the body, or None where it is traced."""
    known = [concrete(value) for value in (front, thickness, coverage)]
    if any(value is None for value in known):
        return None
    front, thickness, coverage = known
    filled = (coverage > 0) & (thickness > 0)
    return float(
        np.max(np.maximum(abs(front), abs(front + thickness)), where=filled, initial=0)
    )


def _phase(depth, pitch, wavelength, axes, half_width: float) -> float:
    """Return a bound of half the band of q_z times the depth, from what is concrete.

    The modulus of q_z exceeds neither k nor that of k_perp, which pi/pitch bounds. A body of
    unknown depth is taken to lie within ``half_width`` columns.
    """
    if depth is None and pitch is not None:
        depth = half_width * pitch
    if depth is None or (pitch is None and wavelength is None):
        raise ValueError(
            "terms must be given where pitch is traced together with the body or the wavelength"
        )
    bands = [] if pitch is None else [np.pi / pitch]
    if wavelength is not None:
        k = 2 * np.pi / wavelength
        bands.append(k)
        if all(axis is not None for axis in axes.values()):
            reach = min(np.hypot(*(abs(axis).max() for axis in axes.values())), k)
            bands.append(k - np.sqrt(k * k - reach * reach))
    return min(bands) * depth / 2


def _check_range(name: str, value: ArrayLike, high: float) -> None:
    known = check_finite(name, value)
    if known is not None and ((known < 0).any() or (known > high).any()):
        raise ValueError(
            f"{name} must be from 0 to {high:g}, got {known.min():.6g} to {known.max():.6g}"
        )


def _check_angles(pitch, wavelength, axes) -> None:
    """Refuse axes beyond the Ewald circle, and columns too wide for the angles."""
    kx, ky = axes.values()
    if kx is None or ky is None or wavelength is None:
        return
    k = 2 * np.pi / wavelength
    check_circle(wavelength, kx, ky)
    for name, axis in axes.items():
        reach = min(abs(axis).max(), k)
        if pitch is not None and reach * pitch > np.pi * (1 + 1e-6):
            raise ValueError(
                f"{name} reaches {reach:.6g} 1/nm, beyond the Nyquist limit pi/pitch = "
                f"{np.pi / pitch:.6g} 1/nm; use a pitch of at most {np.pi / reach:.4g} nm"
            )
