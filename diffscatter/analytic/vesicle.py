r"""Vesicle: a spherical shell with solvent inside.

.. math::
    F(q) = \Delta\rho \bigl[V(R + t)\,\phi(q(R + t)) - V(R)\,\phi(qR)\bigr],
    \qquad \phi(x) = 3\,(\sin x - x\cos x)/x^3

The intensity is normalised by the volume of the shell: the scale is the volume fraction of its
material, not of the vesicles with what they enclose.

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Particle
from diffscatter.analytic.shells import ball_volume, shell_form, shell_volume
from diffscatter.core.pytree import struct
from diffscatter.core.units import CM_PER_NM

__all__ = ["MODEL", "Vesicle"]


@struct
class Vesicle(Particle):
    """Attributes: ``radius`` of the solvent inside and ``thickness`` of the shell in nm;
    ``contrast``, sld of the shell minus solvent sld, in 1/nm^2."""

    radius: Array
    thickness: Array
    contrast: Array

    EFFECTIVE_RADII = {"outer radius": lambda s: s.radius + s.thickness}

    @property
    def volume(self) -> Array:
        """Volume of the shell, nm^3."""
        return shell_volume(self.radius, self.thickness)

    @property
    def form_volume(self) -> Array:
        """Volume of the shell and the solvent inside, nm^3."""
        return ball_volume(self.radius + self.thickness)

    @property
    def interfaces(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        outer = self.radius + self.thickness
        return (self.radius, outer), (-self.contrast, self.contrast)

    def amplitude(self, q: Array) -> Array:
        """Return F(q) in nm, in the shape of ``q`` (1/nm)."""
        return self.contrast * self.volume * shell_form(q, self.radius, self.thickness)

    def specific_intensity(self, q: Array) -> Array:
        # V (F/V)^2 instead of F^2/V: the shell may be infinitely thin.
        form = self.contrast * shell_form(q, self.radius, self.thickness)
        return CM_PER_NM * (self.volume * form * form)


MODEL = Model(
    name="vesicle",
    constructor=Vesicle,
    parameters=(
        Parameter("radius", "nm", 10.0, POSITIVE, "radius of the solvent inside"),
        Parameter("thickness", "nm", 3.0, POSITIVE, "thickness of the shell"),
        Parameter("contrast", "1/nm^2", -6e-4, ANY, "sld of the shell minus the solvent's"),
    ),
    title="Vesicle, normalised by the volume of its shell",
    equation=r"F = \Delta\rho [V(R+t) \phi(q(R+t)) - V(R) \phi(qR)]",
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="vesicle",
        parameters={
            "sld": (0.5, "1e-6/A^2"),
            "sld_solvent": (6.36, "1e-6/A^2"),
            "volfraction": (0.05, ""),
            "radius": (100, "A"),
            "thickness": (30, "A"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "thickness": p["thickness"],
            "contrast": p["sld"] - p["sld_solvent"],
            "scale": p["volfraction"],
        },
        spread=("radius", "thickness"),
    ),
)
