r"""Hard spheres with a narrow attractive well: Baxter's sticky spheres, Percus-Yevick.

.. math::
    \psi(r) = 12\eta\left[\frac{1 + 2\eta - \mu}{2(1 - \eta)^2} (r^2 - 1)
    + \frac{\mu - 3\eta}{2(1 - \eta)^2} (r - 1) + \frac{\lambda}{12}\right],\qquad
    \mu = \lambda\eta(1 - \eta)

with :math:`\psi` as in :mod:`~diffscatter.analytic.structure`, the smaller root of

.. math:: \frac{\eta}{12}\lambda^2 - \left(\tau + \frac{\eta}{1 - \eta}\right)\lambda
    + \frac{1 + \eta/2}{(1 - \eta)^2} = 0

and, for a well of depth u that ends at a diameter :math:`\sigma = 2R/(1 - \epsilon)`,
:math:`\tau = e^{-u/kT}/12\epsilon` and :math:`\eta = \phi/(1 - \epsilon)^3`. Where the roots
are complex the fluid has come apart.

Baxter, J. Chem. Phys. 49 (1968) 2770; Menon, Manohar and Rao, J. Chem. Phys. 95 (1991) 9186.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.description import POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.structure import StructureFactor, baxter
from diffscatter.core.checks import concrete
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "StickyHardSphere"]


@struct
class StickyHardSphere(StructureFactor):
    """Spheres that stick when they touch.

    Where there is no such fluid S is that at the edge of where there is, so that a fit may
    come by; a curve of it is refused.

    Attributes:
        radius: of the hard core, nm, or None where a particle gives it.
        volume_fraction: of the hard cores.
        perturbation: width of the well over its outer diameter.
        stickiness: tau; the smaller the stickier.
    """

    radius: Array | None
    volume_fraction: Array
    perturbation: Array
    stickiness: Array

    @property
    def packing(self) -> Array:
        outer = 1 - self.perturbation
        return self.volume_fraction / (outer * outer * outer)

    def factor(self, q: Array) -> Array:
        eta, (root, half, closest) = self.packing, self._root()
        free = (1 - eta) * (1 - eta)
        strength = 2 * closest / (half + root)
        mu = strength * eta * (1 - eta)
        return baxter(
            2 * q * self.radius / (1 - self.perturbation),
            12 * eta * (1 + 2 * eta - mu) / free,
            6 * eta * (mu - 3 * eta) / free,
            eta * strength,
        )

    def check(self, q: ArrayLike) -> None:
        super().check(q)
        packing, discriminant = concrete(self.packing), concrete(self._discriminant())
        if packing is None or discriminant is None or (discriminant >= 0).all():
            return
        raise ValueError(
            f"no homogeneous fluid of sticky spheres has stickiness {self.stickiness:g} at "
            f"volume fraction {self.volume_fraction:g} with perturbation "
            f"{self.perturbation:g}; raise the stickiness"
        )

    def _terms(self) -> tuple[Array, Array]:
        eta = self.packing
        return self.stickiness + eta / (1 - eta), (1 + eta / 2) / ((1 - eta) * (1 - eta))

    def _discriminant(self) -> Array:
        half, closest = self._terms()
        return half * half - self.packing / 3 * closest

    def _root(self) -> tuple[Array, Array, Array]:
        discriminant = self._discriminant()
        real = discriminant > 0
        root = jnp.where(real, jnp.sqrt(jnp.where(real, discriminant, 1.0)), 0.0)
        return root, *self._terms()


MODEL = Model(
    name="sticky_hard_sphere",
    constructor=StickyHardSphere,
    parameters=(
        Parameter("radius", "nm", 5.0, POSITIVE, "radius of the hard core"),
        Parameter(
            "volume_fraction", "", 0.2, (0.0, 0.74), "volume fraction", typical=(0.01, 0.3)
        ),
        Parameter(
            "perturbation", "", 0.05, (0.01, 0.1), "width of the well over its outer diameter"
        ),
        Parameter(
            "stickiness", "", 0.2, POSITIVE, "the smaller the stickier", typical=(0.2, 2.0)
        ),
    ),
    title="Sticky hard spheres, Percus-Yevick",
    equation=(
        r"S = |1 - \int_0^1 \psi e^{ixr} dr|^{-2},\ x = 2qR/(1 - \epsilon),\ \psi = 12\eta"
        r" [(1 + 2\eta - \mu)(r^2 - 1)/2 + (\mu - 3\eta)(r - 1)/2]/(1 - \eta)^2 + \eta\lambda,"
        r"\ \mu = \lambda\eta(1 - \eta),\ \eta\lambda^2/12 - (\tau + \eta/(1 - \eta))\lambda"
        r" + (1 + \eta/2)/(1 - \eta)^2 = 0"
    ),
    reference=(
        "Baxter, J. Chem. Phys. 49 (1968) 2770; Menon, Manohar and Rao, J. Chem. Phys. 95"
        " (1991) 9186"
    ),
    theirs=Theirs(
        name="stickyhardsphere",
        parameters={
            "radius_effective": (50, "A"),
            "volfraction": (0.2, ""),
            "perturb": (0.05, ""),
            "stickiness": (0.2, ""),
        },
        convert=lambda p: {
            "radius": p["radius_effective"],
            "volume_fraction": p["volfraction"],
            "perturbation": p["perturb"],
            "stickiness": p["stickiness"],
        },
        renamed={
            "radius_effective": "radius",
            "volfraction": "volume_fraction",
            "perturb": "perturbation",
        },
    ),
)
