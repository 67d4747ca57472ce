r"""Ellipsoid with three different axes, all orientations equally likely.

.. math::
    \langle F^2 \rangle = (V \Delta\rho)^2 \left\langle \phi^2\!\left(q \sqrt{R_a^2 n_a^2
    + R_b^2 n_b^2 + R_c^2 n_c^2}\right) \right\rangle_n,
    \qquad \phi(x) = 3\,(\sin x - x\cos x)/x^3

over unit vectors n.

Finnigan and Jacobs, J. Phys. D: Appl. Phys. 4 (1971) 72.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import average_curvature
from diffscatter.analytic.triaxial import Triaxial, ascending
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import sphere_kernel_of_square

__all__ = ["MODEL", "TriaxialEllipsoid"]


@struct
class TriaxialEllipsoid(Triaxial):
    """An ellipsoid; the order of its semi-axes does not matter.

    Attributes:
        radius_equat_minor, radius_equat_major, radius_polar: semi-axes, nm.
        contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of values of either angle, or None: as many as q times the differences of
            the axes need, decided while the program runs.
    """

    radius_equat_minor: Array
    radius_equat_major: Array
    radius_polar: Array
    contrast: Array
    nodes: int | None = static(default=None)

    MARGIN = 3.5
    EFFECTIVE_RADII = {
        "equivalent biaxial ellipsoid average curvature": lambda s: _curvature(*s.sorted),
        "equivalent volume sphere": lambda s: jnp.cbrt(
            s.radius_equat_minor * s.radius_equat_major * s.radius_polar
        ),
        "min radius": lambda s: s.sorted[0],
        "max radius": lambda s: s.sorted[2],
    }

    @property
    def sorted(self) -> Array:
        """The three semi-axes, ascending, nm."""
        return ascending(self.radius_equat_minor, self.radius_equat_major, self.radius_polar)

    @property
    def volume(self) -> Array:
        """Volume in nm^3."""
        equatorial = self.radius_equat_minor * self.radius_equat_major
        return 4 / 3 * jnp.pi * equatorial * self.radius_polar

    @property
    def strength(self) -> Array:
        return self.contrast

    @property
    def spans(self) -> tuple[Array, Array]:
        # The axis that differs most is the polar one.
        short, middle, long = self.sorted
        return 2 * (long - short), 2 * jnp.minimum(middle - short, long - middle)

    def oriented_amplitude(self, x: Array, y: Array, z: Array) -> Array:
        radii = self.sorted.astype(x.dtype)
        oblate = radii[1] - radii[0] > radii[2] - radii[1]
        first, second, polar = jnp.where(oblate, radii[jnp.array([2, 1, 0])], radii)
        return sphere_kernel_of_square((x * first) ** 2 + (y * second) ** 2 + (z * polar) ** 2)


def _curvature(short: Array, middle: Array, long: Array) -> Array:
    """Return that of an ellipsoid of revolution: the two most similar axes become one."""
    oblate = middle - short > long - middle
    polar = jnp.where(oblate, short, long)
    return average_curvature(polar, jnp.sqrt(middle * jnp.where(oblate, long, short)))


MODEL = Model(
    name="triaxial_ellipsoid",
    constructor=TriaxialEllipsoid,
    parameters=(
        Parameter("radius_equat_minor", "nm", 2.0, POSITIVE, "first semi-axis"),
        Parameter("radius_equat_major", "nm", 40.0, POSITIVE, "second semi-axis"),
        Parameter("radius_polar", "nm", 1.0, POSITIVE, "third semi-axis"),
        Parameter("contrast", "1/nm^2", 3e-4, ANY, "sld minus the solvent's"),
    ),
    title="Ellipsoid with three different axes",
    equation=(
        r"\langle F^2 \rangle = (V \Delta\rho)^2 \langle \phi^2(q r) \rangle_n,"
        r"\ r^2 = R_a^2 n_a^2 + R_b^2 n_b^2 + R_c^2 n_c^2,"
        r"\ \phi(x) = 3 (\sin x - x \cos x) / x^3"
    ),
    reference="Finnigan and Jacobs, J. Phys. D: Appl. Phys. 4 (1971) 72",
    theirs=Theirs(
        name="triaxial_ellipsoid",
        parameters={
            "sld": (4, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
            "radius_equat_minor": (20, "A"),
            "radius_equat_major": (400, "A"),
            "radius_polar": (10, "A"),
        },
        convert=lambda p: {
            "radius_equat_minor": p["radius_equat_minor"],
            "radius_equat_major": p["radius_equat_major"],
            "radius_polar": p["radius_polar"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("radius_equat_minor", "radius_equat_major", "radius_polar"),
        ignored=("theta", "phi", "psi"),
    ),
)
