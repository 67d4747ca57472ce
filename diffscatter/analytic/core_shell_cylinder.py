r"""Cylinder in a shell of the same thickness all around, all orientations equally likely.

.. math::
    F(q, \theta) = (\rho_c - \rho_s)\, V_c\, f(R, L) + (\rho_s - \rho_0)\, V\, f(R + t, L + 2t),
    \qquad f(R, L) = \frac{2 J_1(q R \sin\theta)}{q R \sin\theta}\,
    \frac{\sin(\tfrac12 q L \cos\theta)}{\tfrac12 q L \cos\theta}

Livsey, J. Chem. Soc. Faraday Trans. 2 83 (1987) 1445.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.axial import Axial
from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import cylinder_radii
from diffscatter.analytic.oriented import fraction
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import disc_kernel, sinc

__all__ = ["MODEL", "CoreShellCylinder"]


@struct
class CoreShellCylinder(Axial):
    """A right circular cylinder, its side and both ends covered.

    Attributes:
        radius, length: of the core, nm.
        thickness: of the shell, nm.
        core_contrast, shell_contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of orientations, rounded up to a multiple of 32, or None: as many as
            q times the half diagonal needs, decided while the program runs.
    """

    radius: Array
    thickness: Array
    length: Array
    core_contrast: Array
    shell_contrast: Array
    nodes: int | None = static(default=None)

    EFFECTIVE_RADII = cylinder_radii(
        lambda s: s.radius + s.thickness,
        lambda s: s.length + 2 * s.thickness,
        (
            "excluded volume",
            "equivalent volume sphere",
            "outer radius",
            "half outer length",
            "half min outer dimension",
            "half max outer dimension",
            "half outer diagonal",
        ),
    )

    @property
    def volume(self) -> Array:
        """Volume of core and shell together, nm^3."""
        outer = self.radius + self.thickness
        return jnp.pi * outer * outer * (self.length + 2 * self.thickness)

    @property
    def variation(self) -> Array:
        return jnp.hypot(self.radius + self.thickness, self.length / 2 + self.thickness)

    @property
    def strength(self) -> Array:
        return jnp.ones_like(self.volume)  # the contrasts are in the amplitude

    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        outer, whole = self.radius + self.thickness, self.length + 2 * self.thickness
        part = lambda r, length: disc_kernel(across * r) * sinc(along * length / 2)
        step = self.core_contrast - self.shell_contrast
        share = fraction(self.radius, outer) ** 2 * fraction(self.length, whole)
        core = step * share * part(self.radius, self.length)
        return (core + self.shell_contrast * part(outer, whole),)


MODEL = Model(
    name="core_shell_cylinder",
    constructor=CoreShellCylinder,
    parameters=(
        Parameter("radius", "nm", 2.0, POSITIVE, "radius of the core"),
        Parameter("thickness", "nm", 1.0, POSITIVE, "thickness of the shell"),
        Parameter("length", "nm", 40.0, POSITIVE, "length of the core"),
        Parameter("core_contrast", "1/nm^2", 1e-4, ANY, "sld of the core minus solvent sld"),
        Parameter("shell_contrast", "1/nm^2", 3e-4, ANY, "sld of the shell minus solvent sld"),
    ),
    title="Cylinder in a shell",
    equation=(
        r"F = (\rho_c - \rho_s) V_c f(R, L) + (\rho_s - \rho_0) V f(R + t, L + 2t),"
        r"\ f = 2 J_1(a)/a \; \sin(b)/b,\ a = qR\sin\theta,\ b = \tfrac12 qL\cos\theta"
    ),
    reference="Livsey, J. Chem. Soc. Faraday Trans. 2 83 (1987) 1445",
    theirs=Theirs(
        name="core_shell_cylinder",
        parameters={
            "sld_core": (4, "1e-6/A^2"),
            "sld_shell": (4, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
            "radius": (20, "A"),
            "thickness": (20, "A"),
            "length": (400, "A"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "thickness": p["thickness"],
            "length": p["length"],
            "core_contrast": p["sld_core"] - p["sld_solvent"],
            "shell_contrast": p["sld_shell"] - p["sld_solvent"],
        },
        spread=("radius", "thickness", "length"),
        ignored=("theta", "phi"),
    ),
)
