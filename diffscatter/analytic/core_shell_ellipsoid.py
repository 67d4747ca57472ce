r"""Ellipsoid of revolution in a shell, all orientations equally likely.

.. math::
    F(q, \theta) = (\rho_c - \rho_s)\, V_c\, \phi(q r_c) + (\rho_s - \rho_0)\, V\, \phi(q r_o),
    \qquad \phi(x) = 3\,(\sin x - x\cos x)/x^3

with :math:`r^2 = R_p^2 \cos^2\theta + R_e^2 \sin^2\theta` of the core, whose semi-axes are R
(equatorial) and xR (polar), and of the whole, R + t and xR + yt.

Kotlarchyk and Chen, J. Chem. Phys. 79 (1983) 2461.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.axial import Axial
from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import spheroid_radii
from diffscatter.analytic.oriented import fraction
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import sphere_kernel_of_square

__all__ = ["MODEL", "CoreShellEllipsoid"]


@struct
class CoreShellEllipsoid(Axial):
    """An ellipsoid with one axis of revolution within another of the same axis and centre.

    Attributes:
        radius_equat_core: semi-axes of the core across the axis of revolution, nm.
        x_core: semi-axis of the core along that axis, over ``radius_equat_core``.
        thick_shell: thickness of the shell at the equator, nm.
        x_polar_shell: thickness at the poles, over ``thick_shell``.
        core_contrast, shell_contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of orientations, rounded up to a multiple of 32, or None: as many as
            q times the difference of the axes needs, decided while the program runs.
    """

    radius_equat_core: Array
    x_core: Array
    thick_shell: Array
    x_polar_shell: Array
    core_contrast: Array
    shell_contrast: Array
    nodes: int | None = static(default=None)

    EFFECTIVE_RADII = spheroid_radii(
        lambda s: s.polar,
        lambda s: s.equatorial,
        (
            "average outer curvature",
            "equivalent volume sphere",
            "min outer radius",
            "max outer radius",
        ),
    )

    @property
    def core_polar(self) -> Array:
        """Semi-axis of the core along the axis of revolution, nm."""
        return self.radius_equat_core * self.x_core

    @property
    def polar(self) -> Array:
        """Semi-axis of the whole along the axis of revolution, nm."""
        return self.core_polar + self.thick_shell * self.x_polar_shell

    @property
    def equatorial(self) -> Array:
        """Semi-axes of the whole across it, nm."""
        return self.radius_equat_core + self.thick_shell

    @property
    def volume(self) -> Array:
        """Volume of core and shell together, nm^3."""
        return 4 / 3 * jnp.pi * self.polar * self.equatorial * self.equatorial

    @property
    def variation(self) -> Array:
        core = jnp.abs(self.core_polar - self.radius_equat_core)
        return jnp.maximum(core, jnp.abs(self.polar - self.equatorial))

    @property
    def strength(self) -> Array:
        return jnp.ones_like(self.volume)  # the contrasts are in the amplitude

    def reach(self, parameter: str) -> Array:
        """Return by how much half of the body's width grows at most as a parameter doubles."""
        core = self.radius_equat_core * jnp.maximum(self.x_core, 1.0)
        shell = self.thick_shell * jnp.maximum(self.x_polar_shell, 1.0)
        lengths = {
            "radius_equat_core": core,
            "x_core": self.core_polar,
            "thick_shell": shell,
            "x_polar_shell": self.thick_shell * self.x_polar_shell,
        }
        return lengths[parameter] if parameter in lengths else super().reach(parameter)

    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        def part(polar, equatorial):
            return sphere_kernel_of_square((along * polar) ** 2 + (across * equatorial) ** 2)

        step = self.core_contrast - self.shell_contrast
        share = fraction(self.radius_equat_core, self.equatorial) ** 2
        share = share * fraction(self.core_polar, self.polar)
        core = step * share * part(self.core_polar, self.radius_equat_core)
        return (core + self.shell_contrast * part(self.polar, self.equatorial),)


MODEL = Model(
    name="core_shell_ellipsoid",
    constructor=CoreShellEllipsoid,
    parameters=(
        Parameter("radius_equat_core", "nm", 2.0, POSITIVE, "equatorial semi-axis of the core"),
        Parameter("x_core", "", 3.0, POSITIVE, "polar over equatorial semi-axis of the core"),
        Parameter("thick_shell", "nm", 3.0, POSITIVE, "thickness of the shell at the equator"),
        Parameter("x_polar_shell", "", 1.0, POSITIVE, "thickness at the poles over that"),
        Parameter("core_contrast", "1/nm^2", -4.3e-4, ANY, "sld of the core minus solvent sld"),
        Parameter("shell_contrast", "1/nm^2", -5.3e-4, ANY, "that of the shell"),
    ),
    title="Ellipsoid of revolution in a shell",
    equation=(
        r"F = (\rho_c - \rho_s) V_c \phi(q r_c) + (\rho_s - \rho_0) V \phi(q r_o),"
        r"\ r^2 = R_p^2 \cos^2\theta + R_e^2 \sin^2\theta,"
        r"\ \phi(x) = 3 (\sin x - x \cos x) / x^3"
    ),
    reference="Kotlarchyk and Chen, J. Chem. Phys. 79 (1983) 2461",
    theirs=Theirs(
        name="core_shell_ellipsoid",
        parameters={
            "radius_equat_core": (20, "A"),
            "x_core": (3, ""),
            "thick_shell": (30, "A"),
            "x_polar_shell": (1, ""),
            "sld_core": (2, "1e-6/A^2"),
            "sld_shell": (1, "1e-6/A^2"),
            "sld_solvent": (6.3, "1e-6/A^2"),
        },
        convert=lambda p: {
            "radius_equat_core": p["radius_equat_core"],
            "x_core": p["x_core"],
            "thick_shell": p["thick_shell"],
            "x_polar_shell": p["x_polar_shell"],
            "core_contrast": p["sld_core"] - p["sld_solvent"],
            "shell_contrast": p["sld_shell"] - p["sld_solvent"],
        },
        # Ratios first: theirs is then the inner average, which sees the lengths as drawn.
        spread=("x_core", "x_polar_shell", "radius_equat_core", "thick_shell"),
        ignored=("theta", "phi"),
    ),
)
