r"""What a body is, and how bodies combine: occupancies that have met a narrow Gaussian.

A body answers one question: its occupancy, smoothed with a Gaussian of known width, and the
gradient of that field in space. Both are needed because smoothing does not pass through a
product. With :math:`\bar a = G_\sigma * a`,

.. math::
    \overline{a\,b} = \bar a\,\bar b + \sigma^2\,\nabla\bar a\cdot\nabla\bar b + O(\sigma^4)

(the heat equation's product rule). The second term vanishes where surfaces meet at a right
angle; at any other edge it restores the volume that the bare product loses. Complement is
``1 - a``, so intersections give unions and differences. A minimum or maximum of distances, by
contrast, errs by 1e-3 to 1e-2 of the intensity at every edge.
"""

from abc import ABC, abstractmethod
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.pytree import struct

__all__ = [
    "Body",
    "Composite",
    "Difference",
    "Intersection",
    "Smoothed",
    "Union",
    "difference",
    "intersection",
    "union",
]

# x, y and z apart, each an array that broadcasts with the others: a grid is never stacked.
Vector = tuple[Array, Array, Array]


class Smoothed(NamedTuple):
    """A smoothed occupancy and its gradient in space (1/nm), each component apart."""

    value: Array
    gradient: Vector


class Body(ABC):
    """A region of space. Set algebra as Python's sets: ``a | b``, ``a & b``, ``a - b``.

    ``contrast * body`` makes a :class:`Composite`, and composites add.
    """

    # numpy scalars and arrays on the left leave the product to __rmul__.
    __array_ufunc__ = None

    @abstractmethod
    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        """Return the occupancy at ``at`` (nm) after a Gaussian of ``sigma`` nm."""

    @abstractmethod
    def margin(self, at: Vector) -> Array:
        """Return a signed distance: negative inside, its size at most the distance to a face.

        It changes by at most 1 nm a nm, so it tells what lies in a ball around ``at``.
        """

    @abstractmethod
    def bounds(self) -> tuple[Array, Array]:
        """Return the lowest and the highest (x, y, z) of a box around it, nm."""

    @abstractmethod
    def check(self) -> None:
        """Refuse what is no body, from concrete fields.

        Raises:
            ValueError: naming the field, the value and what is expected.
        """

    def density(self, at: Vector, sigma: Array) -> Array:
        """Return the smoothed occupancy alone."""
        return self.smoothed(at, sigma).value

    def clearance(self, at: Vector) -> Array:
        """Return a lower bound of the distance to the surface, nm."""
        return jnp.abs(self.margin(at))

    def hard(self, at: Vector) -> Array:
        """Return the occupancy without smoothing, 0 or 1."""
        margin = self.margin(at)
        return (margin < 0).astype(margin.dtype)

    def __and__(self, other):
        return intersection(self, other) if isinstance(other, Body) else NotImplemented

    def __or__(self, other):
        return union(self, other) if isinstance(other, Body) else NotImplemented

    def __sub__(self, other):
        return difference(self, other) if isinstance(other, Body) else NotImplemented

    def __mul__(self, contrast):
        if isinstance(contrast, Body | Composite):
            return NotImplemented
        return Composite(parts=(Part(contrast=contrast, body=self),))

    __rmul__ = __mul__


def multiply(a: Smoothed, b: Smoothed, sigma: Array, *, right_angled: bool = False) -> Smoothed:
    """Return the smoothed product of two fields, right to second order in ``sigma``.

    ``right_angled`` says that the gradients are perpendicular, which saves their product.
    """
    value = a.value * b.value
    if not right_angled:
        value = value + sigma**2 * dot(a.gradient, b.gradient)
    gradient = tuple(
        a.value * gb + b.value * ga for ga, gb in zip(a.gradient, b.gradient, strict=True)
    )
    return Smoothed(value, gradient)


def complement(a: Smoothed) -> Smoothed:
    """Return the field of what is outside."""
    return Smoothed(1 - a.value, tuple(-g for g in a.gradient))


def dot(a: Vector, b: Vector) -> Array:
    """Return the scalar product of two vectors held by components."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _sum(fields: list[Array]) -> Array:
    return reduce(jnp.add, fields)


def _product(fields: list[Smoothed], sigma: Array) -> Smoothed:
    return reduce(lambda a, b: multiply(a, b, sigma), fields)


class _Several(Body):
    bodies: tuple[Body, ...]

    def check(self) -> None:
        for body in self.bodies:
            body.check()


@struct
class Intersection(_Several):
    """Where all ``bodies`` are."""

    bodies: tuple[Body, ...]

    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        return _product([body.smoothed(at, sigma) for body in self.bodies], sigma)

    def margin(self, at: Vector) -> Array:
        return reduce(jnp.maximum, [body.margin(at) for body in self.bodies])

    def bounds(self) -> tuple[Array, Array]:
        low, high = _stacked_bounds(self.bodies)
        return low.max(axis=0), high.min(axis=0)


@struct
class Union(_Several):
    """Where any of the ``bodies`` is; overlaps count once."""

    bodies: tuple[Body, ...]

    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        outside = [complement(body.smoothed(at, sigma)) for body in self.bodies]
        return complement(_product(outside, sigma))

    def margin(self, at: Vector) -> Array:
        return reduce(jnp.minimum, [body.margin(at) for body in self.bodies])

    def bounds(self) -> tuple[Array, Array]:
        low, high = _stacked_bounds(self.bodies)
        return low.min(axis=0), high.max(axis=0)


@struct
class Difference(Body):
    """Where ``body`` is and ``removed`` is not."""

    body: Body
    removed: Body

    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        outside = complement(self.removed.smoothed(at, sigma))
        return multiply(self.body.smoothed(at, sigma), outside, sigma)

    def margin(self, at: Vector) -> Array:
        return jnp.maximum(self.body.margin(at), -self.removed.margin(at))

    def bounds(self) -> tuple[Array, Array]:
        return self.body.bounds()

    def check(self) -> None:
        self.body.check()
        self.removed.check()


@struct
class Part:
    """One body of a composite, and the contrast it adds."""

    contrast: Array
    body: Body


@struct
class Composite:
    """A density that is a sum of bodies, each with a contrast of any sign.

    Where bodies overlap, their contrasts add, so a core-shell sphere is::

        shell * Sphere(radius=18.0) + (core - shell) * Sphere(radius=13.0)

    Contrasts are in units of the caller's choice (occupancy, or sld in 1/nm^2).
    """

    __array_ufunc__ = None

    parts: tuple[Part, ...]

    def density(self, at: Vector, sigma: Array) -> Array:
        """Return the smoothed density at ``at`` (nm)."""
        return _sum([part.contrast * part.body.density(at, sigma) for part in self.parts])

    def clearance(self, at: Vector) -> Array:
        """Return a lower bound of the distance to the nearest surface, nm."""
        return reduce(jnp.minimum, [part.body.clearance(at) for part in self.parts])

    def hard(self, at: Vector) -> Array:
        """Return the density without smoothing."""
        return _sum([part.contrast * part.body.hard(at) for part in self.parts])

    def bounds(self) -> tuple[Array, Array]:
        """Return the lowest and the highest (x, y, z) of a box around it, nm."""
        low, high = _stacked_bounds([part.body for part in self.parts])
        return low.min(axis=0), high.max(axis=0)

    def check(self) -> None:
        """Refuse bodies that are none, and contrasts that are not finite scalars."""
        for part in self.parts:
            if jnp.shape(part.contrast):
                raise ValueError(
                    f"contrast must be a scalar, got shape {jnp.shape(part.contrast)}"
                )
            check_finite("contrast", part.contrast)
            part.body.check()

    def __add__(self, other):
        if not isinstance(other, Composite):
            return NotImplemented
        return Composite(parts=self.parts + other.parts)


def intersection(*bodies: Body) -> Intersection:
    """Return the region common to all ``bodies``; also ``a & b``."""
    return Intersection(bodies=_several("intersection", bodies))


def union(*bodies: Body) -> Union:
    """Return the region of any of the ``bodies``; also ``a | b``."""
    return Union(bodies=_several("union", bodies))


def difference(body: Body, removed: Body) -> Difference:
    """Return ``body`` without ``removed``; also ``a - b``."""
    _several("difference", (body, removed))
    return Difference(body=body, removed=removed)


def _several(name: str, bodies: tuple) -> tuple[Body, ...]:
    if not bodies:
        raise ValueError(f"{name} needs at least one body")
    for body in bodies:
        if not isinstance(body, Body):
            raise ValueError(f"{name} takes bodies, got {type(body).__name__}")
    return bodies


def _stacked_bounds(bodies) -> tuple[Array, Array]:
    low, high = jax.tree.map(lambda *b: jnp.stack(b), *(body.bounds() for body in bodies))
    return low, high
