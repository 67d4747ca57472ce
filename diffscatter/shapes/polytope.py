r"""Convex polytopes as intersections of half-spaces, with exact volume.

The volume follows without any ordering of vertices. The planes of faces i and j meet in a line;
what the other half-spaces leave of it is the edge, of length :math:`\ell_{ij}` (0 where they
leave nothing). Then

.. math::
    V = \tfrac13\sum_i b_i A_i,\qquad
    A_i = \tfrac12\sum_{j\ne i} \frac{b_j - b_i\cos\theta_{ij}}{\sin\theta_{ij}}\,\ell_{ij}

with :math:`\cos\theta_{ij} = \hat n_i\cdot\hat n_j`: pyramids over faces, triangles over edges.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.pytree import struct
from diffscatter.shapes.combine import Smoothed, Vector, dot, multiply
from diffscatter.shapes.primitives import Face, Solid, smooth_face

__all__ = ["HalfSpaces"]


@struct
class HalfSpaces(Solid):
    r"""The convex body :math:`\hat n_i\cdot x \le b_i`, in its own axes.

    Edges of any angle are right to second order in the smoothing (:mod:`.combine`). Planes must
    be distinct; those that touch nothing are harmless. A single half-space cuts another body:
    ``Sphere(radius=9.0) & HalfSpaces(normals=[[0.0, 0.0, 1.0]], offsets=[4.0])``.

    Attributes:
        normals: outward directions of any length. Shape ``(m, 3)``.
        offsets: distances of the planes from ``centre``, nm. Shape ``(m,)``.
        centre: (x, y, z), nm.
        rotation: rotation vector ``(3,)`` or matrix ``(3, 3)``.
    """

    normals: Array
    offsets: Array
    centre: Array | None = None
    rotation: Array | None = None

    def faces(self, at: Vector) -> list[Face]:
        planes = zip(self._unit_normals(), jnp.asarray(self.offsets), strict=True)
        return [Face(dot(n, at) - b, tuple(n), 0.0) for n, b in planes]

    def margin(self, at: Vector) -> Array:
        planes = (self._unit_normals(), jnp.asarray(self.offsets))
        distance = jax.vmap(lambda n, b: dot(n, self.local(at)) - b)(*planes)
        return distance.max(axis=0)

    def smoothed(self, at: Vector, sigma: Array) -> Smoothed:
        local = jnp.broadcast_arrays(*self.local(at))

        # A loop, where the other solids unroll: the program does not grow with the faces.
        def add(total, plane):
            normal, offset = plane
            face = smooth_face(Face(dot(normal, local) - offset, tuple(normal), 0.0), sigma)
            return multiply(total, face, sigma), None

        zero = jnp.zeros_like(local[0])
        everywhere = Smoothed(zero + 1, (zero, zero, zero))
        planes = (self._unit_normals(), jnp.asarray(self.offsets))
        total, _ = jax.lax.scan(add, everywhere, planes)
        return Smoothed(total.value, self.outward(total.gradient))

    def bounds(self) -> tuple[Array, Array]:
        start, along, low, high = self._edges()
        real = high > low
        # Planes that enclose nothing, or leave an edge without end: as large as can be.
        unbounded = ~jnp.any(real) | jnp.any(real & ~(jnp.isfinite(low) & jnp.isfinite(high)))
        finite = real & ~unbounded
        reach = jnp.stack([jnp.where(finite, t, 0.0) for t in (low, high)])
        ends = start + reach[..., None] * along
        ends = jnp.einsum("ab,kijb->kija", self._axes(), ends, precision="highest")
        if self.centre is not None:
            ends = ends + jnp.asarray(self.centre)
        lowest = jnp.where(finite[..., None], ends, jnp.inf).min(axis=(0, 1, 2))
        highest = jnp.where(finite[..., None], ends, -jnp.inf).max(axis=(0, 1, 2))
        return (
            jnp.where(unbounded, -jnp.inf, lowest),
            jnp.where(unbounded, jnp.inf, highest),
        )

    def extent(self) -> Array:
        """Return half the sides of the box around it (not centred on ``centre``), nm."""
        low, high = self.bounds()
        return (high - low) / 2

    @property
    @jax.jit
    def volume(self) -> Array:
        """Exact volume, nm^3; infinite or 0 where the planes enclose no body."""
        _, _, low, high = self._edges()
        # Lines that no edge lies on carry -inf and inf; they must not meet a derivative.
        real = high > low
        length = jnp.where(real, jnp.where(real, high, 0.0) - jnp.where(real, low, 0.0), 0.0)
        unit, b = self._unit_normals(), jnp.asarray(self.offsets)
        cosine = jnp.einsum("ia,ja->ij", unit, unit, precision="highest")
        cross = jnp.cross(unit[:, None], unit[None])
        sine = jnp.sqrt(jnp.where(real, jnp.sum(cross**2, axis=-1), 1.0))
        apothem = (b[None, :] - b[:, None] * cosine) / sine
        return jnp.sum(b[:, None] * apothem * length) / 6

    def check(self) -> None:
        normals, offsets = jnp.asarray(self.normals), jnp.asarray(self.offsets)
        if normals.ndim != 2 or normals.shape[1] != 3 or normals.shape[0] < 1:
            raise ValueError(f"normals must be (m, 3), m >= 1, got shape {normals.shape}")
        if offsets.shape != normals.shape[:1]:
            raise ValueError(
                f"offsets must be one a normal, ({normals.shape[0]},), got {offsets.shape}"
            )
        check_finite("offsets", offsets)
        array = check_finite("normals", normals)
        if array is not None and not np.linalg.norm(array, axis=1).all():
            raise ValueError("normals must not be zero: a plane needs a direction")
        super().check()

    def _unit_normals(self) -> Array:
        normals = jnp.asarray(self.normals)
        return normals / jnp.linalg.norm(normals, axis=1, keepdims=True)

    def _edges(self) -> tuple[Array, Array, Array, Array]:
        """Return start (m, m, 3), unit direction (m, m, 3), lowest and highest position (m, m).

        Position on a line that carries no edge runs from inf to -inf.
        """
        unit, b = self._unit_normals(), jnp.asarray(self.offsets)
        m = b.size
        cosine = jnp.einsum("ia,ja->ij", unit, unit, precision="highest")
        along = jnp.cross(unit[:, None], unit[None])
        # The squared sine; 1 - cosine^2 drowns in the rounding of single precision.
        squared = jnp.sum(along**2, axis=-1)
        parallel = squared < 1e-9
        safe = jnp.where(parallel, 1.0, squared)
        along = jnp.where(parallel[..., None], 0.0, along) / jnp.sqrt(safe)[..., None]
        # The point of both planes nearest the centre: a combination of their normals.
        first = (b[:, None] - b[None, :] * cosine) / safe
        start = first[..., None] * unit[:, None] + first.T[..., None] * unit[None]
        # Every other plane k cuts the line at t <= slack / rate (rate > 0) or t >= it.
        rate = jnp.einsum("ija,ka->ijk", along, unit, precision="highest")
        slack = b - jnp.einsum("ija,ka->ijk", start, unit, precision="highest")
        index = jnp.arange(m)
        own = (index == index[:, None, None]) | (index == index[:, None])
        level = jnp.abs(rate) < 1e-6
        cut = slack / jnp.where(level | own, 1.0, rate)
        high = jnp.where(~own & ~level & (rate > 0), cut, jnp.inf).min(axis=2)
        low = jnp.where(~own & ~level & (rate < 0), cut, -jnp.inf).max(axis=2)
        missed = parallel | jnp.any(~own & level & (slack < 0), axis=2) | (high <= low)
        return start, along, jnp.where(missed, jnp.inf, low), jnp.where(missed, -jnp.inf, high)
