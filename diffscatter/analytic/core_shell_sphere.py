r"""Sphere in a shell of constant thickness.

.. math::
    F(q) = (\rho_c - \rho_s) V(R)\,\phi(qR) + (\rho_s - \rho_0) V(R + t)\,\phi(q(R + t)),
    \qquad \phi(x) = 3\,(\sin x - x\cos x)/x^3

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Particle
from diffscatter.analytic.shells import ball_volume
from diffscatter.core.pytree import struct
from diffscatter.core.special import sphere_kernel

__all__ = ["MODEL", "CoreShellSphere"]


@struct
class CoreShellSphere(Particle):
    """Attributes: ``radius`` of the core and ``thickness`` of the shell in nm;
    ``core_contrast`` and ``shell_contrast``, sld minus solvent sld, in 1/nm^2."""

    radius: Array
    thickness: Array
    core_contrast: Array
    shell_contrast: Array

    EFFECTIVE_RADII = {
        "outer radius": lambda s: s.radius + s.thickness,
        "core radius": lambda s: s.radius,
    }

    @property
    def volume(self) -> Array:
        """Volume of core and shell together, nm^3."""
        return ball_volume(self.radius + self.thickness)

    @property
    def interfaces(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        steps = self.core_contrast - self.shell_contrast, self.shell_contrast
        return (self.radius, self.radius + self.thickness), steps

    def amplitude(self, q: Array) -> Array:
        """Return F(q) in nm, in the shape of ``q`` (1/nm)."""
        outer = self.radius + self.thickness
        step = self.core_contrast - self.shell_contrast
        inner_part = step * ball_volume(self.radius) * sphere_kernel(q * self.radius)
        return inner_part + self.shell_contrast * ball_volume(outer) * sphere_kernel(q * outer)


MODEL = Model(
    name="core_shell_sphere",
    constructor=CoreShellSphere,
    parameters=(
        Parameter("radius", "nm", 5.0, POSITIVE, "radius of the core"),
        Parameter("thickness", "nm", 1.0, POSITIVE, "thickness of the shell"),
        Parameter("core_contrast", "1/nm^2", 1e-4, ANY, "sld of the core minus solvent sld"),
        Parameter("shell_contrast", "1/nm^2", 2e-4, ANY, "sld of the shell minus solvent sld"),
    ),
    title="Sphere in a shell",
    equation=(
        r"F = (\rho_c - \rho_s) V(R) \phi(qR) + (\rho_s - \rho_0) V(R+t) \phi(q(R+t)),"
        r"\ \phi(x) = 3 (\sin x - x \cos x) / x^3"
    ),
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="core_shell_sphere",
        parameters={
            "radius": (60, "A"),
            "thickness": (10, "A"),
            "sld_core": (1, "1e-6/A^2"),
            "sld_shell": (2, "1e-6/A^2"),
            "sld_solvent": (3, "1e-6/A^2"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "thickness": p["thickness"],
            "core_contrast": p["sld_core"] - p["sld_solvent"],
            "shell_contrast": p["sld_shell"] - p["sld_solvent"],
        },
        spread=("radius", "thickness"),
    ),
)
