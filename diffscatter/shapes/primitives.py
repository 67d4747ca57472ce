r"""Bodies with closed-form surfaces: sphere, ellipsoid, cylinder, box, convex polytope.

Each is an intersection of *faces*. For a face the smoothed occupancy is

.. math::
    \tfrac12\,\mathrm{erfc}\frac{d + \sigma^2 C/2}{\sqrt2\,\sigma}

with :math:`d` the signed distance to the surface and :math:`C` its total curvature
:math:`\nabla\cdot\hat n` (2/R for a sphere). Taken half-way between the point and the surface,
:math:`C` makes the formula exact through second order in :math:`\sigma` times curvature on both
sides of any smooth surface; without it the scattered intensity is 100 times less accurate.
Sizes should exceed about two pitches, so that a point lies near one side of the body only.
"""

import math
from abc import abstractmethod
from functools import reduce
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import erfc

from diffscatter.core.checks import check_finite, check_positive, concrete
from diffscatter.core.pytree import struct
from diffscatter.core.rotations import from_rotation_vector
from diffscatter.shapes.combine import Body, Smoothed, Vector, dot, multiply

__all__ = ["Box", "Cylinder", "Ellipsoid", "Sphere"]


class Face(NamedTuple):
    """One smooth surface seen from points around it.

    Attributes:
        distance: signed distance, negative inside, nm. Right to third order near the surface.
        normal: outward unit vector, by components.
        curvature: divergence of the normal of the distance, half-way to the surface, 1/nm.
    """

    distance: Array
    normal: Vector
    curvature: Array | float


def smooth_face(face: Face, sigma: Array) -> Smoothed:
    """Return the occupancy behind one face after a Gaussian of ``sigma`` nm."""
    t = (face.distance + sigma**2 * face.curvature / 2) / (math.sqrt(2) * sigma)
    slope = -jnp.exp(-t * t) / (math.sqrt(2 * math.pi) * sigma)
    return Smoothed(erfc(t) / 2, tuple(slope * n for n in face.normal))


class Solid(Body):
    """An intersection of faces with a position and an orientation.

    ``centre`` is (x, y, z) in nm, the origin where it is None. ``rotation`` takes the body's
    own axes to the laboratory's: a rotation vector ``(3,)`` (axis times angle in rad, smooth at
    0, the one to fit) or an orthogonal matrix ``(3, 3)``; None leaves the axes as they are, at
    no cost. Give zeros where a gradient is wanted.
    """

    centre: Array | None
    rotation: Array | None

    @abstractmethod
    def faces(self, at: Vector) -> list[Face]:
        """Return the faces seen from ``at``, in the body's own axes, nm."""

    @abstractmethod
    def extent(self) -> Array:
        """Return half the sides of the box around it, along x, y, z, nm. Shape ``(3,)``."""

    @property
    @abstractmethod
    def volume(self) -> Array:
        """Exact volume, nm^3."""

    def local(self, at: Vector) -> Vector:
        """Return laboratory coordinates in the body's own axes."""
        if self.centre is not None:
            at = tuple(x - c for x, c in zip(at, jnp.asarray(self.centre), strict=True))
        return at if self.rotation is None else rotate(at, self._axes().T)

    def margin(self, at: Vector) -> Array:
        return reduce(jnp.maximum, [face.distance for face in self.faces(self.local(at))])

    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        fields = [smooth_face(face, sigma) for face in self.faces(self.local(at))]
        # The faces of all solids in this file meet at right angles.
        total = reduce(lambda a, b: multiply(a, b, sigma, right_angled=True), fields)
        return Smoothed(total.value, self.outward(total.gradient))

    def outward(self, vector: Vector) -> Vector:
        """Return a vector of the body's own axes in those of the laboratory."""
        return vector if self.rotation is None else rotate(vector, self._axes())

    def bounds(self) -> tuple[Array, Array]:
        extent = self.extent()
        centre = 0.0 if self.centre is None else jnp.asarray(self.centre)
        return centre - extent, centre + extent

    def check(self) -> None:
        if self.centre is not None:
            check_vector("centre", self.centre)
        if self.rotation is not None:
            check_rotation(self.rotation)

    def _axes(self) -> Array:
        return jnp.eye(3) if self.rotation is None else rotation_matrix(self.rotation)


@struct
class Sphere(Solid):
    """A ball.

    Attributes:
        radius: nm.
        centre: (x, y, z), nm.
    """

    # A sphere has no orientation, and says so to what all solids share.
    rotation = None

    radius: Array
    centre: Array | None = None

    def faces(self, at: Vector) -> list[Face]:
        at = _off_centre(at)
        r = _length(at)
        normal = tuple(x / r for x in at)
        return [Face(r - self.radius, normal, 4 / (r + self.radius))]

    def extent(self) -> Array:
        return jnp.full(3, self.radius)

    @property
    def volume(self) -> Array:
        return 4 / 3 * math.pi * self.radius**3

    def check(self) -> None:
        check_positive("radius", self.radius, "nm")
        super().check()


@struct
class Ellipsoid(Solid):
    r"""An ellipsoid.

    With :math:`g^2 = \sum x_i^2/a_i^2` and :math:`\mathbf u = (x_i/a_i^2)`, a first-order
    distance is :math:`t = (g - 1)\,g/|\mathbf u|` along :math:`\hat n = \mathbf u/|\mathbf u|`.
    Going back by it leads close to the foot of the point on the surface. With what remains
    there (primed), and the turn of the normal in between,

    .. math:: d = t\,(\hat n\cdot\hat n') + t'

    is the distance to third order, which the occupancy needs to be right to second. The foot
    has the principal curvatures of :math:`PAP/|\mathbf u'|`, where :math:`A = \mathrm{diag}
    (a_i^{-2})` and P projects along :math:`\hat n'`; they add to C, their squares to S, and
    half-way to the surface the curvature is :math:`C - S d/2`.

    Attributes:
        semi_axes: along the body's own x, y, z, nm. Shape ``(3,)``.
        centre: (x, y, z), nm.
        rotation: rotation vector ``(3,)`` or matrix ``(3, 3)``.
    """

    semi_axes: Array
    centre: Array | None = None
    rotation: Array | None = None

    def faces(self, at: Vector) -> list[Face]:
        inverse = tuple(1 / a**2 for a in jnp.asarray(self.semi_axes))

        def first_order(at, u):
            length, g = _length(u), jnp.sqrt(dot(at, u))
            return length, (g - 1) * g / length

        at = _off_centre(at)
        u = _scale(at, inverse)
        length, t = first_order(at, u)
        back = tuple(1 - t / length * i for i in inverse)
        foot = _scale(u, back)
        length_foot, rest = first_order(_scale(at, back), foot)
        # Far away the normal may turn right round; the clip keeps the sign of the distance.
        turn = jnp.maximum(dot(u, foot) / (length * length_foot), 0.5)
        distance = t * turn + rest

        normal = tuple(x / length_foot for x in foot)
        bent = _scale(normal, inverse)
        along = dot(bent, normal)
        total = sum(inverse) - along
        squares = sum(i * i for i in inverse) - 2 * dot(bent, bent) + along**2
        curvature = (total - squares * distance / (2 * length_foot)) / length_foot
        return [Face(distance, normal, curvature)]

    def margin(self, at: Vector) -> Array:
        # The distance of faces() is an expansion. This one never exceeds the true distance.
        semi_axes = jnp.asarray(self.semi_axes)
        scaled = _scale(_off_centre(self.local(at)), 1 / semi_axes)
        return (_length(scaled) - 1) * semi_axes.min()

    def extent(self) -> Array:
        return jnp.sqrt(jnp.sum((self._axes() * jnp.asarray(self.semi_axes)) ** 2, axis=1))

    @property
    def volume(self) -> Array:
        return 4 / 3 * math.pi * jnp.prod(jnp.asarray(self.semi_axes))

    def check(self) -> None:
        check_sizes("semi_axes", self.semi_axes)
        super().check()


@struct
class Cylinder(Solid):
    """A circular cylinder.

    Attributes:
        radius, length: nm.
        centre: (x, y, z), nm.
        rotation: rotation vector ``(3,)`` or matrix ``(3, 3)``; the axis is the body's own z.
    """

    radius: Array
    length: Array
    centre: Array | None = None
    rotation: Array | None = None

    def faces(self, at: Vector) -> list[Face]:
        zero = jnp.zeros_like(at[2])
        x, y, _ = _off_centre((at[0], at[1], zero))
        rho, z = _length((x, y, zero)), at[2]
        side = Face(rho - self.radius, (x / rho, y / rho, zero), 2 / (rho + self.radius))
        ends = Face(jnp.abs(z) - self.length / 2, (zero, zero, jnp.sign(z)), 0.0)
        return [side, ends]

    def extent(self) -> Array:
        cosine = self._axes()[:, 2]
        sine = jnp.sqrt(jnp.maximum(1 - cosine**2, 0))
        return jnp.abs(cosine) * self.length / 2 + sine * self.radius

    @property
    def volume(self) -> Array:
        return math.pi * self.radius**2 * self.length

    def check(self) -> None:
        check_positive("radius", self.radius, "nm")
        check_positive("length", self.length, "nm")
        super().check()


@struct
class Box(Solid):
    """A rectangular box.

    Attributes:
        sides: along the body's own x, y, z, nm. Shape ``(3,)``.
        centre: (x, y, z), nm.
        rotation: rotation vector ``(3,)`` or matrix ``(3, 3)``.
    """

    sides: Array
    centre: Array | None = None
    rotation: Array | None = None

    def faces(self, at: Vector) -> list[Face]:
        zero = jnp.zeros_like(at[0])
        found = []
        for axis, side in enumerate(jnp.asarray(self.sides)):
            normal = [zero, zero, zero]
            normal[axis] = jnp.sign(at[axis])
            found.append(Face(jnp.abs(at[axis]) - side / 2, tuple(normal), 0.0))
        return found

    def extent(self) -> Array:
        return jnp.abs(self._axes()) @ jnp.asarray(self.sides) / 2

    @property
    def volume(self) -> Array:
        return jnp.prod(jnp.asarray(self.sides))

    def check(self) -> None:
        check_sizes("sides", self.sides)
        super().check()


def rotation_matrix(rotation: Array) -> Array:
    """Return the matrix of a rotation given as a vector ``(3,)`` or a matrix ``(3, 3)``."""
    rotation = jnp.asarray(rotation)
    return from_rotation_vector(rotation) if rotation.ndim == 1 else rotation


def check_rotation(rotation: Array) -> None:
    """Refuse what is neither a rotation vector nor an orthogonal matrix."""
    rotation = jnp.asarray(rotation)
    if rotation.shape not in ((3,), (3, 3)):
        raise ValueError(
            f"rotation must be a rotation vector (3,) or a matrix (3, 3), "
            f"got shape {rotation.shape}"
        )
    array = check_finite("rotation", rotation)
    if array is not None and array.ndim == 2:
        error = np.abs(array @ array.T - np.eye(3)).max()
        if error > 1e-4:
            raise ValueError(
                f"rotation must be orthogonal, got a matrix off by {error:.3g}; "
                "use a rotation vector (3,) to fit orientations"
            )


def check_vector(name: str, vector: Array) -> None:
    """Refuse what is not a finite (x, y, z)."""
    vector = jnp.asarray(vector)
    if vector.shape != (3,):
        raise ValueError(f"{name} must be (x, y, z), got shape {vector.shape}")
    check_finite(name, vector)


def check_sizes(name: str, sizes: Array) -> None:
    """Refuse what is not three sizes above zero."""
    check_vector(name, sizes)
    array = concrete(jnp.asarray(sizes))
    if array is not None and not (array > 0).all():
        raise ValueError(f"{name} must be above 0 nm, got {array}")


def rotate(vector: Vector, matrix: Array) -> Vector:
    """Return ``matrix`` times a vector held by components."""
    return tuple(dot(row, vector) for row in matrix)


def _scale(vector: Vector, factors: Vector) -> Vector:
    return tuple(x * f for x, f in zip(vector, factors, strict=True))


def _length(vector: Vector) -> Array:
    return jnp.sqrt(dot(vector, vector))


def _off_centre(vector: Vector) -> Vector:
    """Move a point on the centre by 2e-6 nm: directions have no derivative there."""
    shift = jnp.where(dot(vector, vector) < 1e-12, 2e-6, 0.0)
    return (vector[0] + shift, *vector[1:])
