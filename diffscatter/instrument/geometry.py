r"""Detectors in real geometry: which scattered wave each pixel meets, and over what angle.

The beam runs along +z through the sample at the origin. A pixel at :math:`\mathbf p` receives
what is scattered into :math:`\hat s = \mathbf p/|\mathbf p|`:

.. math:: \mathbf k_{out} = k\,\hat s,\qquad \mathbf q = \mathbf k_{out} - k\hat z,\qquad
   |\mathbf q| = 2 k \sin(\theta/2),\qquad \cos\theta = \hat s_z

Columns count along x, rows along y, both from pixel 0; pixel ``centre`` = (column, row), which
may be fractional, is where the direct beam arrives. Three kinds:

* :class:`FlatDetector`: a plane with square pixels, tilted about both axes or not;
* :class:`SphericalDetector`: a sphere about the sample, pixels at equal steps of angle;
* :class:`EwaldDetector`: pixels at equal steps of :math:`k_x` and :math:`k_y`.

All are pytrees, differentiable in distance, pixel, centre, tilt and step, and the pixels in the
wavelength. Only the forward half of the Ewald sphere is seen: pixels beyond it are not
``inside``, carry zeros and have finite derivatives.
"""

import math
from abc import ABC, abstractmethod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import sinc

__all__ = ["EwaldDetector", "FlatDetector", "Pixels", "SphericalDetector"]

_POLARISATIONS = ("none", "x", "y", "unpolarised")


@struct
class Pixels:
    """The scattered waves that the pixels of a detector meet. Arrays are ``(ny, nx)``.

    Attributes:
        kx, ky, kz: wave vector of the scattered wave, 1/nm; 0 where not ``inside``.
        solid_angle: that a pixel spans at the sample, sr; 0 where not ``inside``.
        inside: True on the forward half of the Ewald sphere.
        wavenumber: k, 1/nm.
    """

    kx: Array
    ky: Array
    kz: Array
    solid_angle: Array
    inside: Array
    wavenumber: Array

    @property
    def q(self) -> Array:
        """Modulus of the momentum transfer, 1/nm."""
        # k - kz without cancellation: k_perp^2 / (k + kz).
        k = self.wavenumber
        return _length(self.kx, self.ky) * jnp.sqrt(2 * k / (k + self.kz))

    @property
    def theta(self) -> Array:
        """Angle between the scattered and the direct beam, rad; 0 where not ``inside``."""
        return jnp.arctan2(_length(self.kx, self.ky), jnp.where(self.inside, self.kz, 1.0))

    def polarisation(self, state: str = "none") -> Array:
        r"""Return the factor by which a polarised beam scatters less than a scalar wave.

        .. math:: 1 - (k_x/k)^2,\qquad 1 - (k_y/k)^2,\qquad (1 + \cos^2\theta)/2

        for a beam polarised along ``"x"`` or ``"y"``, and for an ``"unpolarised"`` one.

        Raises:
            ValueError: for another state.
        """
        if state not in _POLARISATIONS:
            known = ", ".join(_POLARISATIONS)
            raise ValueError(f"polarisation must be one of {known}, got {state!r}")
        if state == "none":
            return jnp.ones_like(self.kx)
        if state == "unpolarised":
            return (1 + (self.kz / self.wavenumber) ** 2) / 2
        return 1 - ((self.kx if state == "x" else self.ky) / self.wavenumber) ** 2


class Detector(ABC):
    """What all detectors share: a raster of pixels and the place of the direct beam in it."""

    shape: tuple[int, int]
    centre: Array | None

    def pixels(self, wavelength: ArrayLike) -> Pixels:
        """Return what each pixel meets at ``wavelength`` (nm).

        Raises:
            ValueError: from concrete values, where a length is not above 0, a number is not
                finite, or no pixel lies inside the Ewald circle.
        """
        self.check()
        check_positive("wavelength", wavelength, "nm")
        found = _pixels(self, jnp.asarray(wavelength, self._dtype(wavelength)))
        inside = found.inside
        if not isinstance(inside, jax.core.Tracer) and not np.any(inside):
            raise ValueError(
                "no pixel lies inside the Ewald circle |k_perp| < 2 pi/wavelength; check "
                "distance or step, pixel, centre and wavelength"
            )
        return found

    def locate(
        self, kx: ArrayLike, ky: ArrayLike, wavelength: ArrayLike
    ) -> tuple[Array, Array, Array]:
        """Return where waves arrive: the inverse of :meth:`pixels`.

        Args:
            kx, ky: transverse wave vectors, 1/nm. Shapes that broadcast.
            wavelength: nm.

        Returns:
            Row and column, fractional, and whether the wave meets the detector's surface
            (its raster may still end before). Each of the shape of ``kx + ky``.
        """
        self.check()
        check_positive("wavelength", wavelength, "nm")
        dtype = self._dtype(kx, ky, wavelength)
        return _located(self, *(jnp.asarray(v, dtype) for v in (kx, ky, wavelength)))

    def check(self) -> None:
        """Refuse, from concrete fields, what is no detector.

        Raises:
            ValueError: naming the field, the value and what is expected.
        """
        shape = self.shape
        whole = isinstance(shape, tuple) and all(isinstance(n, int | np.integer) for n in shape)
        if not whole or len(shape) != 2 or min(shape) < 1:
            raise ValueError(f"shape must be two whole numbers (ny, nx) above 0, got {shape}")
        for name, unit in self._lengths():
            check_positive(name, getattr(self, name), unit)
        if self.centre is not None:
            _check_pair("centre", self.centre, "(column, row)")

    def _lengths(self) -> tuple[tuple[str, str], ...]:
        """Return the fields that must be above 0, and their units."""
        return ("distance", "nm"), ("pixel", "nm")

    def _dtype(self, *others: ArrayLike) -> np.dtype:
        # Python numbers take the dtype of the arrays they meet, or the default one.
        return jnp.result_type(float, *jax.tree.leaves(self), *others)

    def _centre(self) -> tuple[ArrayLike, ArrayLike]:
        ny, nx = self.shape
        return (nx // 2, ny // 2) if self.centre is None else tuple(jnp.asarray(self.centre))

    def _steps(self, dtype) -> tuple[Array, Array]:
        """Return columns ``(1, nx)`` and rows ``(ny, 1)`` from the direct beam, in pixels."""
        column, row = self._centre()
        u, v = (jnp.arange(n, dtype=dtype) for n in reversed(self.shape))
        return (u - column)[None, :], (v - row)[:, None]

    @abstractmethod
    def _direction(self, k: Array) -> tuple[Array, Array, Array, Array]:
        """Return k_x, k_y, k_z and the solid angle of every pixel, before any mask."""

    @abstractmethod
    def _arrival(self, kx: Array, ky: Array, kz: Array, k: Array) -> tuple[Array, Array, Array]:
        """Return steps along columns and rows from the direct beam, and what arrives."""


@struct
class FlatDetector(Detector):
    r"""A plane of square pixels.

    .. math:: \mathbf p = D\hat z + p\,(u\,\hat e_1 + v\,\hat e_2),\qquad
       d\Omega = p^2\,\frac{\hat n\cdot\hat s}{|\mathbf p|^2}

    with (u, v) the pixel from ``centre``. The plane turns about the point that the direct beam
    meets: first by ``tilt[0]`` about the x axis, then by ``tilt[1]`` about the y axis, both
    right-handed. Untilted, :math:`\mathbf k_\perp = k (X, Y)/\sqrt{X^2 + Y^2 + D^2}` and
    :math:`d\Omega = p^2 \cos^3\theta/D^2`. The solid angle is that of the pixel's middle: a
    relative error of order :math:`(p/D)^2`.

    Attributes:
        distance: from the sample to that point, along the beam, nm. Only its ratio to
            ``pixel`` counts, so any one unit does for both.
        pixel: side of a pixel, nm.
        centre: (column, row) of that point; ``(nx // 2, ny // 2)`` by default.
        tilt: angles about x and y, rad; None for a detector at right angles to the beam.
        shape: ``(ny, nx)``.
    """

    distance: Array
    pixel: Array
    centre: Array | None = None
    tilt: Array | None = None
    shape: tuple[int, int] = static()

    def check(self) -> None:
        super().check()
        if self.tilt is not None:
            tilt = _check_pair("tilt", self.tilt, "(about x, about y)")
            if tilt is not None and np.abs(tilt).max() >= math.pi / 2:
                raise ValueError(f"tilt must be below pi/2 = 1.57 rad, got {tilt}")

    def _axes(self) -> tuple:
        """Return the directions of columns and rows, and the normal away from the sample."""
        if self.tilt is None:
            return (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
        a, b = jnp.asarray(self.tilt)
        (sa, ca), (sb, cb) = ((jnp.sin(t), jnp.cos(t)) for t in (a, b))
        return (cb, 0.0, -sb), (sb * sa, ca, cb * sa), (sb * ca, -sa, cb * ca)

    def _direction(self, k):
        u, v = self._steps(k.dtype)
        across, down, normal = self._axes()
        scale = self.pixel / self.distance  # everything in units of the distance
        x, y, z = (scale * (u * e + v * f) for e, f in zip(across, down, strict=True))
        z = 1 + z
        r = jnp.sqrt(x**2 + y**2 + z**2)
        # Every point of the plane has the same component along the normal.
        solid_angle = scale**2 * normal[2] / r**3
        return k * x / r, k * y / r, k * z / r, solid_angle

    def _arrival(self, kx, ky, kz, k):
        across, down, normal = self._axes()
        dot = lambda e: kx * e[0] + ky * e[1] + kz * e[2]
        forward = dot(normal)
        meets = forward > 0
        # The ray reaches the plane at D n_z / (s n); the beam's point is at D along z.
        reach = normal[2] / jnp.where(meets, forward, 1.0)
        ratio = self.distance / self.pixel
        u, v = (ratio * (reach * dot(e) - e[2]) for e in (across, down))
        return u, v, meets


@struct
class SphericalDetector(Detector):
    r"""A sphere about the sample, with pixels at equal steps of angle.

    .. math:: \theta = \frac{p}{D}\sqrt{u^2 + v^2},\qquad
       \mathbf k_\perp = k\,\frac{\sin\theta}{\theta}\,\frac pD\,(u, v),\qquad
       d\Omega = \frac{p^2}{D^2}\,\frac{\sin\theta}{\theta}

    with (u, v) the pixel from ``centre`` (the azimuthal equidistant map of the sphere).

    Attributes:
        distance: radius of the sphere, nm.
        pixel: length of a step along the sphere, nm; ``pixel / distance`` is its angle.
        centre: (column, row) of the direct beam; ``(nx // 2, ny // 2)`` by default.
        shape: ``(ny, nx)``.
    """

    distance: Array
    pixel: Array
    centre: Array | None = None
    shape: tuple[int, int] = static()

    def _direction(self, k):
        u, v = self._steps(k.dtype)
        step = self.pixel / self.distance
        theta = step * _length(u, v)
        # Beyond the back pole the map has no meaning; those pixels are not inside.
        theta = jnp.minimum(theta, math.pi)
        share = sinc(theta)
        kz = k * jnp.cos(theta)
        return k * share * step * u, k * share * step * v, kz, step**2 * share

    def _arrival(self, kx, ky, kz, k):
        transverse = _length(kx, ky)
        theta = jnp.arctan2(transverse, kz)
        away = transverse > 0
        ratio = jnp.where(away, theta / jnp.where(away, transverse, 1.0), 1 / k)
        scale = self.distance / self.pixel * ratio
        return scale * kx, scale * ky, jnp.full(jnp.shape(scale), True)


@struct
class EwaldDetector(Detector):
    r"""Pixels at equal steps of the transverse wave vector: the axes of the operators.

    .. math:: \mathbf k_\perp = \Delta k\,(u, v),\qquad
       d\Omega = \frac{\Delta k^2}{k^2\cos\theta}

    Attributes:
        step: of k_x and k_y from pixel to pixel, 1/nm.
        centre: (column, row) of the direct beam; ``(nx // 2, ny // 2)`` by default.
        shape: ``(ny, nx)``.
    """

    step: Array
    centre: Array | None = None
    shape: tuple[int, int] = static()

    def axes(self) -> tuple[Array, Array]:
        """Return k_x of the columns and k_y of the rows, 1/nm."""
        u, v = self._steps(self._dtype())
        return self.step * u[0], self.step * v[:, 0]

    def _lengths(self):
        return (("step", "1/nm"),)

    def _direction(self, k):
        u, v = self._steps(k.dtype)
        kx, ky = jnp.broadcast_arrays(self.step * u, self.step * v)
        square = k**2 - kx**2 - ky**2
        inside = square > 0
        # A harmless root beyond the circle, where the pixel is masked.
        kz = jnp.where(inside, jnp.sqrt(jnp.where(inside, square, k**2)), -k)
        return kx, ky, kz, self.step**2 / (k * jnp.where(inside, kz, k))

    def _arrival(self, kx, ky, kz, k):
        u, v = jnp.broadcast_arrays(kx / self.step, ky / self.step)
        return u, v, jnp.full(u.shape, True)


@jax.jit
def _pixels(detector: Detector, wavelength: Array) -> Pixels:
    k = 2 * jnp.pi / wavelength
    *waves, solid_angle = detector._direction(k)
    inside = waves[2] > 0
    kx, ky, kz, solid_angle = (
        jnp.where(inside, v, 0).astype(k.dtype) for v in (*waves, solid_angle)
    )
    return Pixels(kx=kx, ky=ky, kz=kz, solid_angle=solid_angle, inside=inside, wavenumber=k)


@jax.jit
def _located(detector: Detector, kx: Array, ky: Array, wavelength: Array):
    k = 2 * jnp.pi / wavelength
    kx, ky = jnp.broadcast_arrays(kx, ky)
    square = k**2 - kx**2 - ky**2
    inside = square > 0
    kx, ky = (jnp.where(inside, v, 0) for v in (kx, ky))
    kz = jnp.sqrt(jnp.where(inside, square, k**2))
    u, v, meets = detector._arrival(kx, ky, kz, k)
    column, row = detector._centre()
    return v + row, u + column, inside & meets


def _length(x: Array, y: Array) -> Array:
    """Return ``sqrt(x^2 + y^2)`` with the derivative 0 at 0."""
    square = x**2 + y**2
    away = square > 0
    return jnp.where(away, jnp.sqrt(jnp.where(away, square, 1.0)), 0.0)


def _check_pair(name: str, value: ArrayLike, order: str) -> np.ndarray | None:
    if np.shape(value) != (2,):
        raise ValueError(f"{name} must be two numbers {order}, got shape {np.shape(value)}")
    return check_finite(name, value)
