r"""Sphere with a soft edge: a ball convolved with a Gaussian.

.. math::
    F(q) = V\,\Delta\rho\;\phi(qR)\,e^{-(q\sigma)^2/2},\qquad \phi(x) = 3(\sin x - x\cos x)/x^3

R is where the density has fallen to half, and V the volume of a ball of that radius.

Stieger, Richtering, Pedersen and Lindner, J. Chem. Phys. 120 (2004) 6197.
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Particle
from diffscatter.analytic.shells import ball_volume
from diffscatter.core.pytree import struct
from diffscatter.core.special import sphere_kernel

__all__ = ["MODEL", "FuzzySphere"]


@struct
class FuzzySphere(Particle):
    """Attributes: ``radius`` and ``fuzziness`` (standard deviation of the edge) in nm;
    ``contrast``, sld minus solvent sld, in 1/nm^2."""

    radius: Array
    fuzziness: Array
    contrast: Array

    EFFECTIVE_RADII = {
        "radius": lambda s: s.radius,
        "radius + fuzziness": lambda s: s.radius + s.fuzziness,
    }

    @property
    def volume(self) -> Array:
        """Volume of the ball, nm^3."""
        return ball_volume(self.radius)

    def amplitude(self, q: Array) -> Array:
        """Return F(q) in nm, in the shape of ``q`` (1/nm)."""
        edge = q * self.fuzziness
        soft = sphere_kernel(q * self.radius) * jnp.exp(-edge * edge / 2)
        return self.contrast * self.volume * soft


MODEL = Model(
    name="fuzzy_sphere",
    constructor=FuzzySphere,
    parameters=(
        Parameter("radius", "nm", 6.0, POSITIVE, "radius at half the density"),
        Parameter("fuzziness", "nm", 1.0, POSITIVE, "standard deviation of the edge"),
        Parameter("contrast", "1/nm^2", -2e-4, ANY, "sld minus the solvent's"),
    ),
    title="Sphere with a soft edge",
    equation=r"F = V \Delta\rho \, \phi(qR) \exp(-(q\sigma)^2/2)",
    reference="Stieger, Richtering, Pedersen and Lindner, J. Chem. Phys. 120 (2004) 6197",
    theirs=Theirs(
        name="fuzzy_sphere",
        parameters={
            "sld": (1, "1e-6/A^2"),
            "sld_solvent": (3, "1e-6/A^2"),
            "radius": (60, "A"),
            "fuzziness": (10, "A"),
        },
        convert=lambda p: {
            "radius": p["radius"],
            "fuzziness": p["fuzziness"],
            "contrast": p["sld"] - p["sld_solvent"],
        },
        spread=("radius", "fuzziness"),
    ),
)
