r"""Circular cylinder, all orientations equally likely.

.. math::
    \langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} \left[
    \frac{2 J_1(q R \sin\theta)}{q R \sin\theta}\,
    \frac{\sin(\tfrac12 q L \cos\theta)}{\tfrac12 q L \cos\theta}\right]^2 \sin\theta\, d\theta

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import cylinder_radii
from diffscatter.analytic.rod import Rod
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import disc_kernel

__all__ = ["MODEL", "Cylinder"]


@struct
class Cylinder(Rod):
    """A right circular cylinder, flat at both ends.

    Attributes:
        radius: nm.
        length: nm.
        contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of orientations, rounded up to a multiple of 32, or None: as many as
            q times the half diagonal needs, decided while the program runs.
    """

    radius: Array
    length: Array
    contrast: Array
    nodes: int | None = static(default=None)

    EFFECTIVE_RADII = cylinder_radii(
        lambda s: s.radius,
        lambda s: s.length,
        (
            "excluded volume",
            "equivalent volume sphere",
            "radius",
            "half length",
            "half min dimension",
            "half max dimension",
            "half diagonal",
        ),
    )

    @property
    def section_area(self) -> Array:
        return jnp.pi * self.radius * self.radius

    @property
    def section_radius(self) -> Array:
        return self.radius

    @property
    def strength(self) -> Array:
        return self.contrast

    def section_amplitude(self, across: Array) -> Array:
        return disc_kernel(across * self.radius)


MODEL = Model(
    name="cylinder",
    constructor=Cylinder,
    parameters=(
        Parameter("radius", "nm", 2.0, POSITIVE, "radius"),
        Parameter("length", "nm", 40.0, POSITIVE, "length"),
        Parameter("contrast", "1/nm^2", 1e-4, ANY, "sld minus the solvent's"),
    ),
    title="Circular cylinder",
    equation=(
        r"\langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} [2 J_1(a)/a \; \sin(b)/b]^2"
        r" \sin\theta \, d\theta,\ a = qR\sin\theta,\ b = \tfrac12 qL\cos\theta"
    ),
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="cylinder",
        parameters={
            "sld": (4, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
            "radius": (20, "A"),
            "length": (400, "A"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "length": p["length"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("radius", "length"),
        ignored=("theta", "phi"),
    ),
)
