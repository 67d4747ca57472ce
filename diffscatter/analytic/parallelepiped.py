r"""Box with three different sides, all orientations equally likely.

.. math::
    \langle F^2 \rangle = (V \Delta\rho)^2 \left\langle \prod_{i = a, b, c}
    \left[\frac{\sin(\tfrac12 q L_i n_i)}{\tfrac12 q L_i n_i}\right]^2 \right\rangle_n

over unit vectors n.

Mittelbach and Porod, Acta Physica Austriaca 14 (1961) 185.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.effective import equivalent_sphere, excluded_volume
from diffscatter.analytic.quadrature import in_blocks
from diffscatter.analytic.tabulated import tabulated
from diffscatter.analytic.triaxial import BLOCK, Triaxial, ascending, over_azimuth, over_polar
from diffscatter.core.pytree import static, struct
from diffscatter.core.special import sinc

__all__ = ["MODEL", "Parallelepiped"]

_CHUNKS = 64  # of the table of rectangles: for diagonals of up to 800/q


@struct
class Parallelepiped(Triaxial):
    """A rectangular box; the order of its sides does not matter.

    Attributes:
        length_a, length_b, length_c: sides, nm.
        contrast: sld minus solvent sld, 1/nm^2.
        nodes: number of values of either angle, or None: as many as q times the diagonals
            need, decided while the program runs.
    """

    length_a: Array
    length_b: Array
    length_c: Array
    contrast: Array
    nodes: int | None = static(default=None)

    MARGIN = 2.0
    EFFECTIVE_RADII = {
        "equivalent cylinder excluded volume": lambda s: _excluded_volume(*s.sorted),
        "equivalent volume sphere": lambda s: equivalent_sphere(s.volume),
        "half length_a": lambda s: s.length_a / 2,
        "half length_b": lambda s: s.length_b / 2,
        "half length_c": lambda s: s.length_c / 2,
        "equivalent circular cross-section": lambda s: _disc(s.length_a, s.length_b),
        "half ab diagonal": lambda s: jnp.hypot(s.length_a, s.length_b) / 2,
        "half diagonal": lambda s: jnp.hypot(jnp.hypot(s.length_a, s.length_b), s.length_c) / 2,
    }

    @property
    def sorted(self) -> Array:
        """The three sides, ascending, nm."""
        return ascending(self.length_a, self.length_b, self.length_c)

    @property
    def volume(self) -> Array:
        """Volume in nm^3."""
        return self.length_a * self.length_b * self.length_c

    @property
    def strength(self) -> Array:
        return self.contrast

    @property
    def spans(self) -> tuple[Array, Array]:
        # The longest side is the polar axis: turns about it take the fewest nodes.
        short, middle, long = self.sorted
        section = jnp.hypot(short, middle)
        return jnp.hypot(section, long), section

    def oriented_amplitude(self, x: Array, y: Array, z: Array) -> Array:
        short, middle, long = self.sorted.astype(x.dtype) / 2
        return sinc(x * short) * sinc(y * middle) * sinc(z * long)

    def mean_power(self, power: int, q: Array) -> Array:
        # The longest side is a factor of its own. What remains depends on one component of q.
        short, middle, long = self.sorted.astype(q.dtype) / 2
        diagonal, section = self.spans

        def around(k: Array) -> Array:
            rectangle = lambda x, y: (sinc(x * short) * sinc(y * middle)) ** power
            return over_azimuth(rectangle, k, self.count(k, section))

        rectangles = tabulated(around, jnp.max(jnp.abs(q)), section / 2, _CHUNKS)
        box = lambda along, across: rectangles(across) * sinc(along * long) ** power
        mean = lambda q: over_polar(box, q, self.count(q, diagonal))
        return in_blocks(mean, jnp.abs(q), BLOCK)


def _disc(first: Array, second: Array) -> Array:
    """Return the radius of the disc that is as large as a rectangle."""
    return jnp.sqrt(first * second / jnp.pi)


def _excluded_volume(short: Array, middle: Array, long: Array) -> Array:
    """Return that of a cylinder: the rectangle of the two most similar sides becomes a disc."""
    flat = middle - short > long - middle
    length = jnp.where(flat, short, long)
    return excluded_volume(_disc(middle, jnp.where(flat, long, short)), length)


MODEL = Model(
    name="parallelepiped",
    constructor=Parallelepiped,
    parameters=(
        Parameter("length_a", "nm", 3.5, POSITIVE, "first side"),
        Parameter("length_b", "nm", 7.5, POSITIVE, "second side"),
        Parameter("length_c", "nm", 40.0, POSITIVE, "third side"),
        Parameter("contrast", "1/nm^2", 3e-4, ANY, "sld minus the solvent's"),
    ),
    title="Rectangular box",
    equation=(
        r"\langle F^2 \rangle = (V \Delta\rho)^2 \langle \prod_i [\sin(x_i)/x_i]^2 \rangle_n,"
        r"\ x_i = \tfrac12 q L_i n_i"
    ),
    reference="Mittelbach and Porod, Acta Physica Austriaca 14 (1961) 185",
    theirs=Theirs(
        name="parallelepiped",
        parameters={
            "sld": (4, "1e-6/A^2"),
            "sld_solvent": (1, "1e-6/A^2"),
            "length_a": (35, "A"),
            "length_b": (75, "A"),
            "length_c": (400, "A"),
        },
        convert=lambda p: {
            "length_a": p["length_a"],
            "length_b": p["length_b"],
            "length_c": p["length_c"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("length_a", "length_b", "length_c"),
        ignored=("theta", "phi", "psi"),
    ),
)
