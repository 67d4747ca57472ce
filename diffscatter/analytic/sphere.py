r"""Homogeneous sphere.

.. math:: F(q) = V\,\Delta\rho\;3\,(\sin x - x\cos x)/x^3,\qquad x = qR

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Particle
from diffscatter.analytic.shells import ball_volume
from diffscatter.core.pytree import struct
from diffscatter.core.special import sphere_kernel

__all__ = ["MODEL", "Sphere"]


@struct
class Sphere(Particle):
    """Attributes: ``radius`` in nm; ``contrast``, sld minus solvent sld, in 1/nm^2."""

    radius: Array
    contrast: Array

    EFFECTIVE_RADII = {"radius": lambda s: s.radius}

    @property
    def volume(self) -> Array:
        """Volume in nm^3."""
        return ball_volume(self.radius)

    @property
    def interfaces(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return (self.radius,), (self.contrast,)

    def amplitude(self, q: Array) -> Array:
        """Return F(q) in nm, in the shape of ``q`` (1/nm)."""
        return self.contrast * self.volume * sphere_kernel(q * self.radius)


MODEL = Model(
    name="sphere",
    constructor=Sphere,
    parameters=(
        Parameter("radius", "nm", 5.0, POSITIVE, "radius"),
        Parameter("contrast", "1/nm^2", 1e-4, ANY, "sld minus the solvent's"),
    ),
    title="Homogeneous sphere",
    equation=r"F = V \Delta\rho \, 3 (\sin qR - qR \cos qR) / (qR)^3",
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="sphere",
        parameters={
            "sld": (1, "1e-6/A^2"),
            "sld_solvent": (6, "1e-6/A^2"),
            "radius": (50, "A"),
        },
        convert=lambda p: {"radius": p["radius"], "contrast": p["sld"] - p["sld_solvent"]},
        spread=("radius",),
    ),
)
