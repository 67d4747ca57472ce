r"""Straight tube, filled with and surrounded by solvent, all orientations equally likely.

.. math::
    \langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} \left[
    \frac{R_o^2 D(q R_o \sin\theta) - R^2 D(q R \sin\theta)}{R_o^2 - R^2}\,
    \frac{\sin b}{b}\right]^2 \sin\theta\, d\theta,
    \qquad D(x) = 2 J_1(x)/x,\quad b = \tfrac12 q L \cos\theta

with the outer radius :math:`R_o = R + t` and the volume V of the wall.

Feigin and Svergun, *Structure Analysis by Small-Angle X-Ray and Neutron Scattering*,
Plenum (1987).
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import cylinder_radii
from diffscatter.analytic.rod import Rod
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import disc_kernel

__all__ = ["MODEL", "HollowCylinder"]


@struct
class HollowCylinder(Rod):
    """A tube, open at both ends.

    Attributes:
        radius: of the hollow, nm.
        thickness: of the wall, nm.
        length: nm.
        contrast: sld of the wall minus solvent sld, 1/nm^2.
        nodes: number of orientations, rounded up to a multiple of 32, or None: as many as
            q times the half diagonal needs, decided while the program runs.
    """

    radius: Array
    thickness: Array
    length: Array
    contrast: Array
    nodes: int | None = static(default=None)

    EFFECTIVE_RADII = cylinder_radii(
        lambda s: s.radius + s.thickness,
        lambda s: s.length,
        (
            "excluded volume",
            "equivalent outer volume sphere",
            "outer radius",
            "half length",
            "half outer min dimension",
            "half outer max dimension",
            "half outer diagonal",
        ),
    )

    @property
    def section_area(self) -> Array:
        return jnp.pi * self.thickness * (2 * self.radius + self.thickness)

    @property
    def section_radius(self) -> Array:
        return self.radius + self.thickness

    @property
    def form_volume(self) -> Array:
        """Volume of the wall and the hollow, nm^3."""
        outer = self.radius + self.thickness
        return jnp.pi * outer * outer * self.length

    @property
    def strength(self) -> Array:
        return self.contrast

    def section_amplitude(self, across: Array) -> Array:
        middle = self.radius + self.thickness / 2
        # The difference over a wall of no thickness is a derivative. Over one of the cube root
        # of the rounding error, relative, it is that derivative to 1e-9 (float32: 1e-3).
        least = jnp.finfo(across.dtype).eps ** (3 / 8)
        half = jnp.maximum(self.thickness / 2, least * middle)
        outer, inner = middle + half, middle - half
        ring = 4 * middle * half
        disc = lambda radius: radius * radius * disc_kernel(across * radius)
        return (disc(outer) - disc(inner)) / jnp.where(ring > 0, ring, 1.0)


MODEL = Model(
    name="hollow_cylinder",
    constructor=HollowCylinder,
    parameters=(
        Parameter("radius", "nm", 2.0, POSITIVE, "radius of the hollow"),
        Parameter("thickness", "nm", 1.0, POSITIVE, "thickness of the wall"),
        Parameter("length", "nm", 40.0, POSITIVE, "length"),
        Parameter("contrast", "1/nm^2", 5.3e-4, ANY, "sld of the wall minus the solvent's"),
    ),
    title="Hollow cylinder",
    equation=(
        r"\langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} [(R_o^2 D(q R_o \sin\theta)"
        r" - R^2 D(q R \sin\theta))/(R_o^2 - R^2) \; \sin(b)/b]^2 \sin\theta \, d\theta,"
        r"\ R_o = R + t,\ D(x) = 2 J_1(x)/x,\ b = \tfrac12 q L \cos\theta"
    ),
    reference=(
        "Feigin and Svergun, Structure Analysis by Small-Angle X-Ray and Neutron"
        " Scattering, Plenum (1987)"
    ),
    theirs=Theirs(
        name="hollow_cylinder",
        parameters={
            "radius": (20, "A"),
            "thickness": (10, "A"),
            "length": (400, "A"),
            "sld": (6.3, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "thickness": p["thickness"],
            "length": p["length"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("radius", "thickness", "length"),
        ignored=("theta", "phi"),
    ),
)
