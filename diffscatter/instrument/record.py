r"""From an operator's axes to a detector's pixels and back, and from there to photons.

Operators compute on axes :math:`k_x`, :math:`k_y`; the pixels of a flat or spherical detector
do not separate into axes. In between stands a quintic spline (:mod:`diffscatter.core
.interpolation`), differentiable in the values, the geometry and the wavelength. Record the
*amplitude*, not the intensity: a body of size L gives an amplitude with fringes of
:math:`2\pi/L` at most, an intensity with twice as many.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, dtype_of
from diffscatter.core.interpolation import spline_at
from diffscatter.instrument.geometry import Detector, Pixels

__all__ = ["axes_for", "expected_photons", "record", "regrid"]

_MARGIN = 6  # steps beyond the outermost pixel: the whole stencil of a quintic lies on the axes


def record(
    values: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    detector: Detector,
    wavelength: ArrayLike,
    *,
    degree: int = 5,
) -> tuple[Array, Array]:
    r"""Return what the pixels of a detector see of values known on axes.

    The error falls with the spacing to the power of the degree and one. At the points of
    :func:`axes_for`, for six points scattering alike from the surface of a sphere of diameter L
    (the finest fringes that there are) on a tilted flat detector to 63 degrees, relative to the
    forward amplitude:

    =========== ====== ====== ====== ======
    sampling    3      4      6      8
    =========== ====== ====== ====== ======
    degree 3    2e-4   5e-5   1e-5   3e-6
    degree 5    4e-5   2e-6   2e-8   4e-9
    =========== ====== ====== ====== ======

    At the rim of the Ewald circle the values break off to 0, and a spline rings there: pixels
    whose stencil touches the rim are masked, and the others err by at most 0.08 of what breaks
    off, 0.43 of that one step further in, and so on. A higher sampling moves both outwards.

    Args:
        values: amplitude or intensity, real or complex. Shape ``(nky, nkx)``.
        kx, ky: ascending axes with equal steps, 1/nm. :func:`axes_for` makes them.
        detector: flat, spherical or Ewald.
        wavelength: nm.
        degree: of the spline, 1, 3 or 5.

    Returns:
        The image, 0 where nothing is known, and the mask, True where it is: inside the Ewald
        circle and on the axes. Shapes ``(ny, nx)``.

    Raises:
        ValueError: if the axes are not ascending with equal steps or do not fit ``values``, or
            as :meth:`~diffscatter.instrument.geometry.Detector.pixels`.
    """
    values = jnp.asarray(values)
    _check_axis("kx", kx, np.shape(values), 1)
    _check_axis("ky", ky, np.shape(values), 0)
    pixels = detector.pixels(wavelength)
    column, row = (_position(k, at) for k, at in ((kx, pixels.kx), (ky, pixels.ky)))
    known = pixels.inside & _whole(row, column, pixels, kx, ky, degree)
    image = spline_at(values, row, column, degree=degree)
    return jnp.where(known, image, 0), known


def regrid(
    image: ArrayLike,
    detector: Detector,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    degree: int = 3,
) -> tuple[Array, Array]:
    """Return a detector's image on axes: the inverse of :func:`record`.

    Divide counts by the solid angle of their pixels first; what is interpolated is a density.

    Args:
        image: per solid angle. Shape of the detector.
        detector: flat, spherical or Ewald.
        wavelength: nm.
        kx, ky: axes wanted, 1/nm.
        mask: True where a pixel counts; what leans on any other pixel is masked.
        degree: of the spline. Noise asks for a low one.

    Returns:
        Values and mask, shapes ``(nky, nkx)``; 0 and False where no pixel saw the wave.

    Raises:
        ValueError: if ``image`` or ``mask`` is not of the detector's shape.
    """
    image = jnp.asarray(image)
    for name, array in (("image", image), ("mask", mask)):
        if array is not None and np.shape(array) != detector.shape:
            raise ValueError(
                f"{name} must have the detector's shape {detector.shape}, got {np.shape(array)}"
            )
    row, column, seen = detector.locate(
        jnp.asarray(kx)[None, :], jnp.asarray(ky)[:, None], wavelength
    )
    ny, nx = detector.shape
    seen &= (row >= 0) & (row <= ny - 1) & (column >= 0) & (column <= nx - 1)
    if mask is not None:
        hidden = jnp.where(jnp.asarray(mask, bool), 0, 1).astype(row.dtype)
        # The nearest pixels carry the value; a share in a hidden one spoils it.
        seen &= spline_at(hidden, row, column, degree=1) < 0.01
        image = jnp.where(jnp.asarray(mask, bool), image, 0)
    values = spline_at(image, row, column, degree=degree)
    return jnp.where(seen, values, 0), seen


def axes_for(
    detector: Detector, wavelength: float, size: float, *, sampling: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return axes on which to compute what a detector is to record.

    They cover its pixels in steps of :math:`2\pi/(s\,L')`, where
    :math:`L' = L (1 + \tan\theta)` is how long a body of size L appears from the steepest
    angle: its depth shows as much as its width. Beyond 60 degrees :math:`L'` stays.

    Args:
        detector: concrete.
        wavelength: nm, concrete.
        size: largest dimension L of the body, nm.
        sampling: s, points a fringe. see :func:`record`.

    Returns:
        kx and ky, 1/nm.
    """
    check_positive("size", size, "nm")
    check_positive("sampling", sampling)
    pixels = detector.pixels(wavelength)
    inside = np.asarray(pixels.inside)
    steepest = min(float(np.max(np.asarray(pixels.theta)[inside])), math.pi / 3)
    step = 2 * math.pi / (sampling * size * (1 + math.tan(steepest)))
    found = []
    for k in (pixels.kx, pixels.ky):
        reach = np.asarray(k)[inside]
        low = math.floor(reach.min() / step) - _MARGIN
        high = math.ceil(reach.max() / step) + _MARGIN
        found.append(step * np.arange(low, high + 1))
    return found[0], found[1]


def expected_photons(
    cross_section: ArrayLike,
    pixels: Pixels,
    fluence: ArrayLike,
    *,
    polarisation: str = "none",
) -> Array:
    r"""Return the mean number of photons in each pixel.

    .. math:: N = I_0\,\frac{d\sigma}{d\Omega}\,P\,d\Omega

    Args:
        cross_section: dsigma/dOmega = \|f\|^2, nm^2/sr. Shape ``(ny, nx)``.
        pixels: of the detector.
        fluence: incident photons I_0 per nm^2.
        polarisation: as in :meth:`~diffscatter.instrument.geometry.Pixels.polarisation`.

    Raises:
        ValueError: if the shapes differ or the fluence is not above 0.
    """
    check_positive("fluence", fluence, "1/nm^2")
    if np.shape(cross_section) != pixels.kx.shape:
        raise ValueError(
            f"cross_section must have the detector's shape {pixels.kx.shape}, "
            f"got {np.shape(cross_section)}"
        )
    weight = pixels.solid_angle * pixels.polarisation(polarisation)
    return fluence * cross_section * weight


def _position(axis: ArrayLike, at: Array) -> Array:
    """Return positions along an axis, in its steps from its first value."""
    axis = jnp.asarray(axis, dtype_of(axis, at))
    return (at - axis[0]) / (axis[-1] - axis[0]) * (axis.size - 1)


def _whole(row, column, pixels: Pixels, kx, ky, degree: int) -> Array:
    """Say where a position and the stencil around it lie on the axes and in the circle."""
    kx, ky = jnp.asarray(kx), jnp.asarray(ky)
    on = (row >= 0) & (row <= ky.size - 1) & (column >= 0) & (column <= kx.size - 1)
    # The outermost node of the stencil is half its width further out, along both axes.
    reach = (degree + 1) / 2
    steps = [jnp.abs(k[-1] - k[0]) / (k.size - 1) for k in (kx, ky)]
    square = sum(
        (jnp.abs(k) + reach * s) ** 2
        for k, s in zip((pixels.kx, pixels.ky), steps, strict=True)
    )
    # On a node the spline is the value there, whatever surrounds it.
    at_node = (abs(row - jnp.round(row)) < 1e-4) & (abs(column - jnp.round(column)) < 1e-4)
    return on & (at_node | (square < pixels.wavenumber**2))


def _check_axis(name: str, axis: ArrayLike, shape: tuple[int, ...], along: int) -> None:
    """Refuse what is not an ascending axis of equal steps for the values."""
    if len(shape) != 2 or np.shape(axis) != (shape[along],):
        raise ValueError(
            f"values must be (nky, nkx) of the axes, got shape {shape} with {name} of shape "
            f"{np.shape(axis)}"
        )
    array = check_finite(name, axis)
    if array is None or array.size < 2:
        return
    steps = np.diff(array)
    step = (array[-1] - array[0]) / (array.size - 1)
    rounding = 1e-3 if array.dtype.itemsize < 8 else 1e-6
    if step <= 0 or np.abs(steps - step).max() > rounding * step:
        raise ValueError(
            f"{name} must ascend in equal steps, got steps from {steps.min():.6g} to "
            f"{steps.max():.6g} 1/nm"
        )
