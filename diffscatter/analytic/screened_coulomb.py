r"""Charged spheres among their counterions and salt: the rescaled mean spherical approximation.

.. math::
    \frac{u(r)}{kT} = \frac{Z^2 l_B}{(1 + \kappa R)^2}\,\frac{e^{-\kappa(r - 2R)}}{r},\qquad
    \kappa^2 = 4\pi l_B (Z n + 2 n_s),\qquad l_B = \frac{e^2}{4\pi\epsilon_0\epsilon kT}

for r > 2R, with number densities n of the spheres and :math:`n_s` of the salt; counterions and
salt are monovalent. S(q) of this fluid is in :mod:`~diffscatter.analytic.yukawa`.

Hayter and Penfold, Mol. Phys. 42 (1981) 109; Hansen and Hayter, Mol. Phys. 46 (1982) 651.
"""

import math

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import Model, Parameter, Theirs
from diffscatter.analytic.structure import StructureFactor
from diffscatter.analytic.yukawa import Repulsion, yukawa
from diffscatter.core.pytree import struct

__all__ = ["MODEL", "ScreenedCoulomb"]

# e^2/(4 pi epsilon_0 k) in nm K, and the molecules of 1 mol/L in a nm^3 (CODATA 2018).
_BJERRUM, _MOLAR = 16710.094690, 0.602214076
# The same from the constants of 1973 that sasmodels keeps.
_THEIR_BJERRUM, _THEIR_MOLAR = 16710.195282, 0.6022


@struct
class ScreenedCoulomb(StructureFactor):
    """Charged hard spheres.

    Attributes:
        radius: nm, or None where a particle gives it.
        volume_fraction: of the spheres.
        charge: of a sphere, in electrons.
        temperature: K.
        salt: concentration of monovalent salt, mol/L.
        permittivity: of the solvent, relative to vacuum.
    """

    radius: Array | None
    volume_fraction: Array
    charge: Array
    temperature: Array = 298.15
    salt: Array = 0.0
    permittivity: Array = 78.4

    def factor(self, q: Array) -> Array:
        diameter = 2 * self.radius
        return yukawa(q * diameter, self._repulsion(diameter))

    def _repulsion(self, diameter: Array) -> Repulsion:
        bjerrum = _BJERRUM / (self.permittivity * self.temperature) / diameter
        counterions = self.charge * self.volume_fraction
        # As many ions as the salt has in the volume of a sphere.
        salt = 2 * _MOLAR * self.salt * jnp.pi / 6 * diameter**3
        ions = counterions + salt
        share = jnp.where(ions > 0, counterions / jnp.where(ions > 0, ions, 1.0), 1.0)
        # The root of rounding is as good as no screening, and has a derivative.
        squared = 24 * bjerrum * ions
        screening = jnp.sqrt(squared + jnp.finfo(squared.dtype).eps)
        reach = (2 + screening) ** 2
        return Repulsion(
            fraction=jnp.asarray(self.volume_fraction, squared.dtype),
            screening=screening,
            contact=-4 * self.charge**2 * bjerrum / reach,
            tail=-2 * self.charge * share / reach,
        )


MODEL = Model(
    name="screened_coulomb",
    constructor=ScreenedCoulomb,
    parameters=(
        Parameter("radius", "nm", 2.0, (0.01, math.inf), "radius of the charged sphere"),
        Parameter(
            "volume_fraction", "", 0.02, (0.0, 0.74), "volume fraction", typical=(0.005, 0.3)
        ),
        Parameter("charge", "e", 20.0, (0.0, 1000.0), "charge of a sphere", typical=(3, 50)),
        Parameter(
            "temperature", "K", 298.15, (100.0, 1000.0), "temperature", typical=(280, 350)
        ),
        Parameter(
            "salt",
            "mol/L",
            0.0,
            (0.0, 100.0),
            "concentration of monovalent salt",
            typical=(1e-4, 0.1),
        ),
        Parameter(
            "permittivity",
            "",
            78.4,
            (1.0, 300.0),
            "dielectric constant of the solvent",
            typical=(60, 90),
        ),
    ),
    title="Charged spheres, Hayter-Penfold RMSA",
    equation=(
        r"u(r)/kT = Z^2 l_B/(1 + \kappa R)^2 \; e^{-\kappa (r - 2R)}/r,\ \kappa^2 = 4\pi l_B"
        r" (Z n + 2 n_s),\ l_B = e^2/4\pi\epsilon_0\epsilon kT"
    ),
    reference=(
        "Hayter and Penfold, Mol. Phys. 42 (1981) 109; Hansen and Hayter, Mol. Phys. 46 (1982)"
        " 651"
    ),
    theirs=Theirs(
        name="hayter_msa",
        parameters={
            "radius_effective": (20.75, "A"),
            "volfraction": (0.0192, ""),
            "charge": (19.0, "e"),
            "temperature": (318.16, "K"),
            "concentration_salt": (0.0, "mol/L"),
            "dielectconst": (71.08, ""),
        },
        convert=lambda p: {
            "radius": p["radius_effective"],
            "volume_fraction": p["volfraction"],
            "charge": p["charge"],
            "temperature": p["temperature"] * (_BJERRUM / _THEIR_BJERRUM),
            "salt": p["concentration_salt"] * (_THEIR_MOLAR / _MOLAR),
            "permittivity": p["dielectconst"],
        },
        renamed={
            "radius_effective": "radius",
            "volfraction": "volume_fraction",
            "concentration_salt": "salt",
            "dielectconst": "permittivity",
        },
    ),
)
