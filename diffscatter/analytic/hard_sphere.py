r"""Hard spheres in the Percus-Yevick approximation.

.. math::
    S(q) = |Q(2qR)|^{-2},\qquad
    \psi(r) = \frac{6\eta}{(1 - \eta)^2} \left[(1 + 2\eta)(r^2 - 1) - 3\eta\,(r - 1)\right],
    \qquad S(0) = \frac{(1 - \eta)^4}{(1 + 2\eta)^2}

with :math:`\psi` as in :mod:`~diffscatter.analytic.structure` and the volume fraction
:math:`\eta`.

Percus and Yevick, Phys. Rev. 110 (1958) 1; Baxter, Aust. J. Phys. 21 (1968) 563.
"""

from jax import Array

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.structure import StructureFactor, baxter
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "HardSphere"]


@struct
class HardSphere(StructureFactor):
    """Attributes: ``radius`` in nm, or None where a particle gives it; ``volume_fraction``."""

    radius: Array | None
    volume_fraction: Array

    def factor(self, q: Array) -> Array:
        eta = self.volume_fraction
        contact = 12 * eta / ((1 - eta) * (1 - eta))
        return baxter(2 * q * self.radius, contact * (1 + 2 * eta), -1.5 * eta * contact)


MODEL = Model(
    name="hard_sphere",
    constructor=HardSphere,
    parameters=(
        Parameter("radius", "nm", 5.0, POSITIVE, "radius of the hard sphere"),
        Parameter(
            "volume_fraction", "", 0.2, (0.0, 0.74), "volume fraction", typical=(0.01, 0.5)
        ),
    ),
    title="Hard spheres, Percus-Yevick",
    equation=(
        r"S = |Q(2qR)|^{-2},\ Q(x) = 1 - 12\eta \int_0^1 [\tfrac12 a (r^2 - 1) + b (r - 1)]"
        r" e^{ixr} dr,\ a = (1 + 2\eta)/(1 - \eta)^2,\ b = -3\eta/2(1 - \eta)^2"
    ),
    reference=(
        "Percus and Yevick, Phys. Rev. 110 (1958) 1; Baxter, Aust. J. Phys. 21 (1968) 563"
    ),
    theirs=Theirs(
        name="hardsphere",
        parameters={"radius_effective": (50, "A"), "volfraction": (0.2, "")},
        convert=lambda p: {
            "radius": p["radius_effective"],
            "volume_fraction": p["volfraction"],
        },
        renamed={"radius_effective": "radius", "volfraction": "volume_fraction"},
    ),
)
