"""What every model offers: an intensity, and for particles a form factor and its averages."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.description import element
from diffscatter.core.checks import check_finite, concrete
from diffscatter.core.units import CM_PER_NM

__all__ = ["Particle", "Scatterer", "check_model", "concrete_count", "floating"]


class Scatterer(ABC):
    """Base of everything that a :class:`~diffscatter.analytic.Sample` can hold.

    A subclass gives ``specific_intensity``: particles through :class:`Particle`, empirical
    laws (Guinier, Porod, ...) directly.

    Attributes:
        EFFECTIVE_RADII: name to a function of the model that returns the radius (nm) of
            the sphere that stands for it in a structure factor; in the order of sasmodels'
            ``radius_effective_mode`` 1, 2, ...
    """

    EFFECTIVE_RADII: ClassVar[Mapping[str, Callable[[Any], Array]]] = {}

    @abstractmethod
    def specific_intensity(self, q: Array) -> Array:
        """Return I(q) in 1/cm for a scale of 1, in the shape of ``q`` (1/nm)."""

    def node_count(self, q: ArrayLike) -> int:
        """Return how many quadrature nodes the largest of ``q`` (1/nm) needs; 1 if none."""
        return 1

    def check(self, q: ArrayLike) -> None:
        """Refuse, from concrete values, what cannot be computed at ``q`` (1/nm)."""
        self.node_count(q)

    def effective_radius(self, kind: str) -> Array:
        """Return one of the ``EFFECTIVE_RADII`` by name, nm.

        Raises:
            ValueError: for a name that this model does not have, with the list.
        """
        if kind not in self.EFFECTIVE_RADII:
            known = ", ".join(self.EFFECTIVE_RADII) or "none"
            raise ValueError(
                f"{type(self).__name__} has no effective radius {kind!r}; it has {known}"
            )
        return jnp.asarray(self.EFFECTIVE_RADII[kind](self))

    def reach(self, parameter: str) -> Array:
        """Return by how much half of the body's width grows, at most, as a parameter doubles.

        In nm; it tells a distribution of the parameter how fast F turns. Of a length: itself.
        """
        field, index = element(parameter)
        value = getattr(self, field)
        return value if index is None else value[index]


class Particle(Scatterer):
    """Base of the particle models: structs whose fields are lengths (nm) and contrasts.

    A subclass gives ``volume`` (nm^3) and one of two things: ``amplitude(q)``, the form factor
    F in nm of a body that looks the same from everywhere, or ``average_square(q)`` and
    ``average_amplitude(q)``, the averages of F^2 in nm^2 and of F in nm over orientations (and
    over whatever else is distributed).

    Attributes:
        volume: what the intensity is normalised by, nm^3: that of the scattering material.
        form_volume: of the whole body, nm^3, its hollow included; ``volume`` if it has none.
    """

    @property
    def form_volume(self) -> Array:
        return self.volume

    @property
    def interfaces(self) -> tuple[Sequence[Array], Sequence[Array]] | None:
        """Of concentric spheres that grow together with ``radius``: the radii, nm, outermost
        last, and the fall of the sld at each, 1/nm^2. None for anything else."""
        return None

    def average_square(self, q: Array) -> Array:
        return self.amplitude(q) ** 2

    def average_amplitude(self, q: Array) -> Array:
        return self.amplitude(q)

    def specific_intensity(self, q: Array) -> Array:
        square = self.average_square(q)
        volume = jnp.asarray(self.volume, square.dtype)
        empty = volume == 0  # and so is F
        return CM_PER_NM * jnp.where(empty, 0.0, square / jnp.where(empty, 1.0, volume))

    def intensity(self, q: ArrayLike) -> Array:
        r"""Return :math:`\langle F^2(q) \rangle` of one particle, in nm^2.

        Args:
            q: 1/nm; 0 is allowed. Any shape; an ascending axis is fastest.

        Returns:
            In the shape of ``q``.

        Raises:
            ValueError: if ``q`` or a parameter is not finite, or if the body is so large that
                the quadrature would need more nodes than it has.
        """
        check_model(self, q)
        return _intensity(self, floating(q))


def check_model(model: Any, q: ArrayLike) -> None:
    """Refuse, from concrete values, what would silently give wrong numbers."""
    values = check_finite("q", q)
    for path, leaf in jax.tree_util.tree_leaves_with_path(model):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if check_finite(name, leaf) is None:
            return
    if values is not None:
        model.check(values)


def floating(q: ArrayLike) -> Array:
    """Return q as an array of floats; Python numbers stay weakly typed."""
    q = jnp.asarray(q)
    return q if jnp.issubdtype(q.dtype, jnp.floating) else q.astype(float)


def concrete_count(count: Array, limit: int, size: int, what: str) -> int:
    """Return blocks times ``size`` as an integer; refuse more than ``limit`` blocks."""
    blocks = int(concrete(count))
    if blocks > limit:
        raise ValueError(
            f"the average over {what} needs more than {limit * size} nodes at the largest q; "
            "lower q or the size, or set nodes= to accept a fixed number"
        )
    return blocks * size


@jax.jit
def _intensity(model: Particle, q: Array) -> Array:
    return model.average_square(q)
