r"""Ellipsoid of revolution, all orientations equally likely.

.. math::
    \langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} \phi^2\!\left(q
    \sqrt{R_p^2 \cos^2\theta + R_e^2 \sin^2\theta}\right) \sin\theta\, d\theta,
    \qquad \phi(x) = 3\,(\sin x - x\cos x)/x^3

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.axial import Axial
from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import spheroid_radii
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import sphere_kernel_of_square

__all__ = ["MODEL", "Ellipsoid"]


@struct
class Ellipsoid(Axial):
    """An ellipsoid with one axis of revolution.

    Attributes:
        radius_polar: semi-axis along the axis of revolution, nm.
        radius_equatorial: the other two, nm.
        contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of orientations, rounded up to a multiple of 32, or None: as many as
            q times the difference of the axes needs, decided while the program runs.
    """

    radius_polar: Array
    radius_equatorial: Array
    contrast: Array
    nodes: int | None = static(default=None)

    EFFECTIVE_RADII = spheroid_radii(
        lambda s: s.radius_polar,
        lambda s: s.radius_equatorial,
        ("average curvature", "equivalent volume sphere", "min radius", "max radius"),
    )

    @property
    def volume(self) -> Array:
        """Volume in nm^3."""
        equatorial = self.radius_equatorial * self.radius_equatorial
        return 4 / 3 * jnp.pi * self.radius_polar * equatorial

    @property
    def variation(self) -> Array:
        return jnp.abs(self.radius_polar - self.radius_equatorial)

    @property
    def strength(self) -> Array:
        return self.contrast

    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        squared = (along * self.radius_polar) ** 2 + (across * self.radius_equatorial) ** 2
        return (sphere_kernel_of_square(squared),)


MODEL = Model(
    name="ellipsoid",
    constructor=Ellipsoid,
    parameters=(
        Parameter("radius_polar", "nm", 2.0, POSITIVE, "semi-axis of revolution"),
        Parameter("radius_equatorial", "nm", 40.0, POSITIVE, "the other two semi-axes"),
        Parameter("contrast", "1/nm^2", 1e-4, ANY, "sld minus the solvent's"),
    ),
    title="Ellipsoid of revolution",
    equation=(
        r"\langle F^2 \rangle = (V \Delta\rho)^2 \int_0^{\pi/2} \phi^2(q r(\theta))"
        r" \sin\theta \, d\theta,\ r^2 = R_p^2 \cos^2\theta + R_e^2 \sin^2\theta"
    ),
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="ellipsoid",
        parameters={
            "sld": (4, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
            "radius_polar": (20, "A"),
            "radius_equatorial": (400, "A"),
        },
        convert=lambda p: {
            "radius_polar": p["radius_polar"],
            "radius_equatorial": p["radius_equatorial"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("radius_polar", "radius_equatorial"),
        ignored=("theta", "phi"),
    ),
)
