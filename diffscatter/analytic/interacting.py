r"""Particles that feel one another: form factor and structure factor together.

.. math::
    I(q) = \frac{\phi}{\langle V \rangle} \langle F^2 \rangle S(q) \qquad\text{or}\qquad
    I(q) = \frac{\phi}{\langle V \rangle}
    \left[\langle F^2 \rangle + \langle F \rangle^2 (S(q) - 1)\right]

The second is the decoupling approximation: sizes and orientations are independent of where the
particles are. Kotlarchyk and Chen, J. Chem. Phys. 79 (1983) 2461.
"""

import jax
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.particle import Particle, Scatterer
from diffscatter.analytic.structure import StructureFactor
from diffscatter.core.pytree import replace, static, struct
from diffscatter.core.units import CM_PER_NM

__all__ = ["Interacting"]


@struct
class Interacting(Scatterer):
    """A particle, polydisperse or not, with a structure factor.

    Attributes:
        particle: a particle, or with plain P S any model.
        structure: its structure factor. Its ``volume_fraction`` is that of the particle's
            material; S itself is taken at that of the whole bodies, hollows included.
        decoupled: the decoupling approximation instead of plain P S.
        effective_radius: which of the particle's ``EFFECTIVE_RADII``, averaged over the
            population, the structure factor is taken at; None: its own ``radius``.
    """

    particle: Scatterer
    structure: StructureFactor
    decoupled: bool = static(default=False)
    effective_radius: str | None = static(default=None)

    def at_particle(self) -> StructureFactor:
        """Return the structure factor at the particle's radius and volume fraction."""
        particle, structure = self.particle, self.structure
        if isinstance(particle, Particle):
            enclosed = particle.form_volume / particle.volume
            structure = replace(structure, volume_fraction=structure.volume_fraction * enclosed)
        if self.effective_radius is None:
            return structure
        return replace(structure, radius=particle.effective_radius(self.effective_radius))

    def specific_intensity(self, q: Array) -> Array:
        particle, factor = self.particle, self.at_particle().factor(q)
        single = particle.specific_intensity(q)
        if not self.decoupled:
            return self.structure.volume_fraction * single * factor
        mean = particle.average_amplitude(q)
        coherent = CM_PER_NM * (mean * mean / particle.volume)
        return self.structure.volume_fraction * (single + coherent * (factor - 1))

    def node_count(self, q: ArrayLike) -> int:
        return self.particle.node_count(q)

    def check(self, q: ArrayLike) -> None:
        self.particle.check(q)
        if not isinstance(self.particle, Particle) and self.decoupled:
            raise ValueError(
                f"{type(self.particle).__name__} is no particle with an amplitude: it has no "
                "decoupling approximation; set decoupled to False"
            )
        _placed(self).check(q)


@jax.jit
def _placed(model: Interacting) -> StructureFactor:
    return model.at_particle()
