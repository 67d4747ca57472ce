r"""Straight bodies of one section all along, and populations of them.

.. math::
    F = s \, A\,a(q\sin\theta) \; L \operatorname{sinc}(\tfrac12 qL\cos\theta)

with the strength s, the area A and the reduced amplitude a of the section. The section's
parameters are in the one factor and the length in the other. So of a population

.. math::
    \langle F^2 \rangle = \int_0^{\pi/2} \langle s^2 A^2 a^2 \rangle (q\sin\theta) \;
    \langle L^2 \operatorname{sinc}^2 \rangle (q\cos\theta) \, \sin\theta \, d\theta

and either average is a function of one variable, worth a table: n times m bodies in every
orientation cost no more than one.
"""

from abc import abstractmethod
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.axial import Axial, over_orientations, panel_count
from diffscatter.analytic.quadrature import in_blocks
from diffscatter.analytic.tabulated import tabulated
from diffscatter.core.special import sinc

__all__ = ["Rod", "mean_of_rods"]


class Rod(Axial):
    """Base of cylinders of any section that looks the same from all around.

    A subclass has a field ``length``, in nm, and gives the section and the strength, which
    must not depend on the length.
    """

    @property
    @abstractmethod
    def section_area(self) -> Array:
        """Area of the material, nm^2."""

    @property
    @abstractmethod
    def section_radius(self) -> Array:
        """Outer radius, nm."""

    @abstractmethod
    def section_amplitude(self, across: Array) -> Array:
        """Return the amplitude of the section, 1 at 0."""

    @property
    def volume(self) -> Array:
        """Volume of the material, nm^3."""
        return self.section_area * self.length

    @property
    def variation(self) -> Array:
        return jnp.hypot(self.section_radius, self.length / 2)

    def oriented_amplitude(self, along: Array, across: Array) -> tuple[Array, ...]:
        return self.section_amplitude(across), sinc(along * self.length / 2)

    def section_power(self, across: Array, power: int) -> Array:
        """Return a power of the factor in which the length is not."""
        return (self.strength * self.section_area * self.section_amplitude(across)) ** power

    def length_power(self, along: Array, power: int) -> Array:
        """Return a power of the factor in which nothing but the length is."""
        return (self.length * sinc(along * self.length / 2)) ** power


def mean_of_rods(
    sections: Callable[[Array], Array],
    lengths: Callable[[Array], Array],
    radius: Array,
    half_length: Array,
    nodes: int | None,
    q: Array,
) -> Array:
    """Return the mean over sections, lengths and orientations.

    Args:
        sections, lengths: means of the two factors, functions of one axis of k, 1/nm.
        radius, half_length: largest of the population, nm.
        nodes: number of orientations, or None for as many as needed.
        q: 1/nm, one axis.
    """
    top = jnp.max(jnp.abs(q))
    section = tabulated(sections, top, radius)
    length = tabulated(lengths, top, half_length)
    factors = lambda along, across: (section(across), length(along))
    panels = lambda q: panel_count(q, jnp.hypot(radius, half_length), nodes)
    return in_blocks(lambda q: over_orientations(factors, q, panels(q)), jnp.abs(q))
