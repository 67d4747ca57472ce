r"""Lipid nanoparticles: the five published types, as bodies with scattering length densities.

Types 1 to 3 are two lobes joined along z, a sphere of radius :math:`r_1` above and an ellipsoid
of semi-axes :math:`(r_1, r_1, r_2)` below, together L long:

.. math::
    r_1 = \frac{L}{2A},\quad r_2 = b\,r_1,\qquad
    z_1 = \frac{L}{2} - r_1,\quad z_2 = -\frac{L}{2} + r_2

with A = L/(2 r1) the axial ratio and b the ratio of the lobes. A shell of thickness t surrounds
cores of radii less t about the same centres. Half-way between the centres the shell may close:
cores that are cut end a gap g before that plane on both sides.

====  =============================  ==================================================
type  body                           inside the shell
====  =============================  ==================================================
1     two lobes                      one core through both
2     two lobes                      a core in the upper one, a filling in the lower, cut
3     two lobes                      a core in each, cut
4     sphere of diameter L           nothing but the sld of the shell
5     cylinder of length L           nothing but the sld of the shell
====  =============================  ==================================================

T. Li, *Physics-based SAXS simulation and ML characterization of LNPs*, Cornell University
(2025), section 2.1.1 and listing 3: L = 100 alpha nm, r1 = 28.57 alpha, r2 = 35.71 alpha, t = 4
and g = 2 nm; its cylinder has L = 50, radius 10 and sld 1 at every alpha. Its slds, core 16,
shell and filling 9, solvent 0, are relative.
"""

import math
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, concrete
from diffscatter.core.grids import axis
from diffscatter.core.pytree import static, struct
from diffscatter.shapes.combine import Body, Composite, union
from diffscatter.shapes.polytope import HalfSpaces
from diffscatter.shapes.primitives import Cylinder, Ellipsoid, Sphere

__all__ = ["Nanoparticle", "hard_voxels"]

_AXIAL_RATIO = {1: 50 / 28.57, 2: 50 / 28.57, 3: 50 / 28.57, 4: 1.0, 5: 2.5}


@struct
class Nanoparticle:
    """A lipid nanoparticle; ``jax.grad`` takes the whole of it.

    Attributes:
        kind: the type, 1 to 5.
        size: its length L along z, nm; of a sphere the diameter.
        axial_ratio: length over width; the published one unless given. None for a sphere.
        lobe_ratio: b, of types 1 to 3.
        thickness: t of the shell, nm, of types 1 to 3.
        gap: g between the plane of the cut and the cores, nm, of types 2 and 3.
        sld_core, sld_shell, sld_fill, sld_solvent: in units of the caller's choice, as 1/nm^2;
            differences alone scatter.

    Example:
        >>> particle = Nanoparticle(kind=3, size=60.0)
        >>> soft = rasterise(particle.body(), (130, 80, 80), 0.5)
    """

    KINDS: ClassVar = (1, 2, 3, 4, 5)

    kind: int = static()
    size: Array
    axial_ratio: Array | None = None
    lobe_ratio: Array = 35.71 / 28.57
    thickness: Array = 4.0
    gap: Array = 2.0
    sld_core: Array = 16.0
    sld_shell: Array = 9.0
    sld_fill: Array = 9.0
    sld_solvent: Array = 0.0

    @property
    def width(self) -> Array:
        """Diameter across z, nm."""
        given = self.axial_ratio
        return self.size / (_AXIAL_RATIO[self.kind] if given is None else given)

    @property
    def volume(self) -> Array:
        """Exact volume within the outer surface, nm^3."""
        if self.kind == 4:
            return math.pi / 6 * self.size**3
        if self.kind == 5:
            return math.pi / 4 * self.width**2 * self.size
        r1, r2, z1, z2 = self._lobes()
        # The lobes meet where their sections are equal: (z - z1) / r1 = (z2 - z) / r2.
        meet = (z1 * r2 + z2 * r1) / (r1 + r2)
        h1, h2 = (z1 - meet) / r1, (meet - z2) / r2
        capped = lambda h: 2 / 3 + h - h**3 / 3
        return math.pi * r1**2 * (r1 * capped(h1) + r2 * capped(h2))

    def body(self) -> Composite:
        """Return it as a sum of contrasts against the solvent, centred half-way along z.

        Raises:
            ValueError: if a size, a ratio or a scattering length density makes no such body.
        """
        self.check()
        shell = self.sld_shell - self.sld_solvent
        if self.kind == 4:
            return shell * Sphere(radius=self.size / 2)
        if self.kind == 5:
            return shell * Cylinder(radius=self.width / 2, length=self.size)
        r1, r2, z1, z2 = self._lobes()
        t = self.thickness
        outside = shell * union(_ball(r1, z1), _lobe(r1, r2, z2))
        upper, lower = _ball(r1 - t, z1), _lobe(r1 - t, r2 - t, z2)
        core = self.sld_core - self.sld_shell
        if self.kind == 1:
            return outside + core * union(upper, lower)
        middle = (z1 + z2) / 2
        upper = upper & _beyond(1.0, middle + self.gap)
        lower = lower & _beyond(-1.0, middle - self.gap)
        second = self.sld_fill - self.sld_shell if self.kind == 2 else core
        return outside + core * upper + second * lower

    def check(self) -> None:
        """Refuse what is no particle, from concrete fields.

        Raises:
            ValueError: naming the field, its value and what is expected.
        """
        if self.kind not in self.KINDS:
            raise ValueError(f"kind must be a type 1 to 5, got {self.kind!r}")
        check_positive("size", self.size, "nm")
        if self.axial_ratio is not None:
            if self.kind == 4:
                raise ValueError("axial_ratio must be None: type 4 is a sphere")
            check_positive("axial_ratio", self.axial_ratio)
        for name in ("sld_core", "sld_shell", "sld_fill", "sld_solvent"):
            if jnp.shape(getattr(self, name)):
                raise ValueError(f"{name} must be a scalar, got {getattr(self, name)}")
            check_finite(name, getattr(self, name))
        if self.kind <= 3:
            self._check_lobes()

    def _check_lobes(self) -> None:
        for name, unit in (("lobe_ratio", ""), ("thickness", "nm"), ("gap", "nm")):
            check_positive(name, getattr(self, name), unit)
        radii = [concrete(r) for r in self._lobes()]
        t, gap = concrete(self.thickness), concrete(self.gap)
        if t is None or gap is None or any(r is None for r in radii):
            return
        r1, r2, z1, z2 = map(float, radii)
        length, ratio = float(self.size), r2 / r1
        if not 2 * max(r1, r2) < length < 2 * (r1 + r2):
            raise ValueError(
                f"axial_ratio must lie between {max(1, ratio):.4g} and {1 + ratio:.4g} for two "
                f"lobes of ratio {ratio:.4g} that meet, got {length / (2 * r1):.4g}"
            )
        if t >= min(r1, r2):
            raise ValueError(
                f"thickness must be below the smallest radius {min(r1, r2):.4g} nm at size "
                f"{length:.4g} nm, got {t:.4g}; use a larger size or a thinner shell"
            )
        if self.kind > 1 and gap >= (z1 - z2) / 2 + min(r1, r2) - t:
            raise ValueError(
                f"gap must leave something of both cores, got {gap:.4g} nm with centres "
                f"{z1 - z2:.4g} nm apart"
            )

    def _lobes(self) -> tuple[Array, Array, Array, Array]:
        """Return r1, r2 and the centres z1, z2, nm."""
        r1 = self.width / 2
        r2 = self.lobe_ratio * r1
        return r1, r2, self.size / 2 - r1, r2 - self.size / 2


def hard_voxels(particle: Nanoparticle, n: int | tuple[int, int, int], pitch: ArrayLike = 1.0):
    """Return a particle the published way: every voxel has the sld at its centre.

    Kept to reproduce that pipeline (its pitch is 1 nm); :func:`diffscatter.shapes.rasterise`
    of ``particle.body()`` is what scatters like the particle, and what has gradients.

    Args:
        particle: concrete.
        n: voxels along each axis, or ``(nz, ny, nx)``; index ``n // 2`` is coordinate 0.
        pitch: voxel side, nm.

    Returns:
        Scattering length density less the solvent's, shape ``(nz, ny, nx)``, numpy.

    Raises:
        ValueError: as :meth:`Nanoparticle.check`, or if the pitch is not positive.
    """
    particle.check()
    check_positive("pitch", pitch, "nm")
    shape = tuple(n) if isinstance(n, tuple | list) else (n, n, n)
    z, y, x = (np.asarray(axis(m)) * float(pitch) for m in shape)
    across, z = y[:, None] ** 2 + x**2, z[:, None, None]
    width, length = float(particle.width), float(particle.size)
    solvent = float(particle.sld_solvent)
    core, shell, fill = (
        float(sld) - solvent
        for sld in (particle.sld_core, particle.sld_shell, particle.sld_fill)
    )
    # Points on a surface belong to the body, as in the listing.
    if particle.kind == 4:
        return np.where(across + z**2 <= (length / 2) ** 2, shell, 0.0)
    if particle.kind == 5:
        return np.where((across <= (width / 2) ** 2) & (abs(z) <= length / 2), shell, 0.0)
    r1, r2, z1, z2 = map(float, particle._lobes())
    t, gap, middle = float(particle.thickness), float(particle.gap), (z1 + z2) / 2
    inside = lambda a, c, centre: across / a**2 + ((z - centre) / c) ** 2 <= 1
    upper, lower = inside(r1 - t, r1 - t, z1), inside(r1 - t, r2 - t, z2)
    if particle.kind > 1:
        upper, lower = upper & (z >= middle + gap), lower & (z <= middle - gap)
    body = np.where(inside(r1, r1, z1) | inside(r1, r2, z2), shell, 0.0)
    body[lower] = fill if particle.kind == 2 else core
    body[upper] = core
    return body


def _ball(radius: Array, centre: Array) -> Sphere:
    return Sphere(radius=radius, centre=_on_axis(centre))


def _lobe(across: Array, along: Array, centre: Array) -> Ellipsoid:
    return Ellipsoid(semi_axes=jnp.stack([across, across, along]), centre=_on_axis(centre))


def _on_axis(z: Array) -> Array:
    zero = jnp.zeros_like(z)
    return jnp.stack([zero, zero, z])


def _beyond(sign: float, z: Array) -> Body:
    """Return the half-space above z (sign 1) or below it (-1)."""
    normals = jnp.asarray([[0.0, 0.0, -sign]], jnp.result_type(z))
    return HalfSpaces(normals=normals, offsets=jnp.reshape(-sign * z, 1))
