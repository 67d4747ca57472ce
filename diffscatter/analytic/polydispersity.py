r"""Averages over a population of particles that differ in one parameter.

.. math:: \langle F^2 \rangle(q) = \frac{\int p(x)\, F^2(q;\, c x)\, dx}{\int p(x)\, dx}

p is a *number* distribution: so many particles, whatever their volume.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.concentric import WIDEST, mean_amplitude, mean_square
from diffscatter.analytic.description import element
from diffscatter.analytic.distributions import BLOCK, Band, Distribution, Gaussian
from diffscatter.analytic.particle import Particle, concrete_count
from diffscatter.analytic.quadrature import (
    LIMIT,
    along_q,
    counted_sum,
    in_blocks,
    largest_of_batch,
    run_time_count,
)
from diffscatter.analytic.rod import Rod, mean_of_rods
from diffscatter.core.checks import concrete
from diffscatter.core.pytree import replace, static, struct

__all__ = ["Polydisperse", "parameter_of", "with_parameter"]

GRIDS = ("converged", "sasmodels")
_POWERS = {"average_square": 2, "average_amplitude": 1}


@struct
class Polydisperse(Particle):
    """A particle model with a distribution of one of its parameters; nests for several.

    Attributes:
        model: the particle; its own value of the parameter is the distribution's centre.
        distribution: number distribution of the parameter relative to that centre.
        parameter: name of the parameter, a length (or a contrast); of an array one element,
            as ``"thickness[0]"``.
        grid: ``"converged"``: equal steps in a variable in which they converge exponentially,
            as many as q, the centre and the width need, decided while the program runs.
            ``"sasmodels"``: its linear grid and equal-weight sum, truncation included.
        nodes: fixed number of nodes, or None: automatic, and sasmodels' default.
        extent: half range of the sasmodels grid in widths, or None for its default.
    """

    model: Any
    distribution: Distribution
    parameter: str = static(default="radius")
    grid: str = static(default="converged")
    nodes: int | None = static(default=None)
    extent: float | None = static(default=None)

    def __post_init__(self) -> None:
        if self.grid not in GRIDS:
            raise ValueError(f"grid must be one of {', '.join(GRIDS)}, got {self.grid!r}")

    @property
    def volume(self) -> Array:
        """Number mean of the volume, nm^3."""
        return self._average_of(lambda model: model.volume)

    @property
    def form_volume(self) -> Array:
        """Number mean of the volume of the whole body, nm^3."""
        return self._average_of(lambda model: model.form_volume)

    def effective_radius(self, kind: str) -> Array:
        return self._average_of(lambda model: model.effective_radius(kind))

    def specific_intensity(self, q: Array) -> Array:
        if isinstance(_innermost(self), Particle):
            return super().specific_intensity(q)
        # A law without a volume: its intensity itself is what is averaged.
        return self._averaged("specific_intensity", q)

    def average_square(self, q: Array) -> Array:
        return self._averaged("average_square", q)

    def average_amplitude(self, q: Array) -> Array:
        return self._averaged("average_amplitude", q)

    def _averaged(self, method: str, q: Array) -> Array:
        """Return the number mean of one of the model's methods that take q."""
        return along_q(partial(_mean, method), self, q.ravel()).reshape(q.shape)

    def _may_close(self, dtype: Any) -> bool:
        """Return whether the average has a closed form, if the width is small enough."""
        if self.grid != "converged" or self.nodes is not None or self.parameter != "radius":
            return False
        if not isinstance(self.distribution, Gaussian) or not isinstance(self.model, Particle):
            return False
        found = self.model.interfaces
        # In single precision the two sides of a thin shell would cancel too many digits.
        return found is not None and (len(found[0]) == 1 or dtype == jnp.float64)

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of sizes used at the largest of ``q`` (1/nm)."""
        self._refuse_array()
        if self.grid == "sasmodels":
            return self._points()
        if self._may_close(jnp.asarray(q).dtype):
            width = concrete(self.distribution.width)
            if width is not None and np.all(np.abs(width) <= WIDEST):
                return 1
        blocks = _planned_blocks(self, jnp.asarray(q))
        return concrete_count(blocks, LIMIT, self.distribution.block_size, self.parameter)

    def number_mean(self, function: Callable[[Any], Array]) -> Array:
        """Return the number mean of a function of the particle, over every distribution.

        Args:
            function: of what does not depend on q, as ``lambda particle: particle.volume``.
        """
        inside = lambda model: (
            model.number_mean(function) if isinstance(model, Polydisperse) else function(model)
        )
        return self._average_of(inside)

    def _average_of(self, function: Callable[[Any], Array]) -> Array:
        """Return the number mean of what does not depend on q."""
        at = lambda model: jnp.asarray(function(model))[None]
        average = lambda population, q: population._average(at, q)
        return along_q(average, self, jnp.zeros_like(self._centre)[None])[0]

    def _average(self, function: Callable[[Any], Array], q: Array) -> Array:
        """Return the number mean of ``function(model)``, with nodes enough for ``q``."""
        self._refuse_array()
        centre = self._centre
        dtype = jnp.result_type(centre, q)
        values_of = jax.vmap(lambda x: function(with_parameter(self.model, self.parameter, x)))
        if self.grid == "sasmodels":
            points = self._points()
            blocks = -(-points // BLOCK)
            node = lambda j: self._sasmodels_block(j, -(-points // blocks), points)
        else:
            band = self._band(q)
            blocks = self._blocks(band)
            blocks = blocks if isinstance(blocks, int) else jnp.minimum(blocks, LIMIT)
            node = lambda j: self.distribution.block(j, blocks, band)

        def term(j: Array) -> tuple[Array, Array]:
            ratio, weight = node(j)
            values = values_of(centre * ratio.astype(dtype))
            weight = weight.astype(values.dtype)
            column = weight.reshape(-1, *(1,) * (values.ndim - 1))
            return jnp.sum(column * values, axis=0), jnp.sum(weight)

        total, norm = counted_sum(term, blocks)
        return total / norm

    @property
    def _centre(self) -> Array:
        return parameter_of(self.model, self.parameter)

    def _refuse_array(self) -> None:
        if jnp.ndim(self._centre):
            raise ValueError(
                f"{self.parameter} is an array; distribute one element of it, as "
                f"parameter='{self.parameter}[0]'"
            )

    def _band(self, q: Array) -> Band:
        """F^2 turns by at most 2 q for each nm of the body's half width."""
        reach = _innermost(self.model).reach(self.parameter)
        turn = jax.lax.stop_gradient(2 * jnp.abs(q) * jnp.abs(reach))
        return Band(jnp.min(turn), jnp.max(turn))

    def _blocks(self, band: Band) -> Array | int:
        if self.nodes is not None:
            return -(-self.nodes // self.distribution.block_size)
        return run_time_count(self.distribution.blocks(band))

    def _points(self) -> int:
        return self.distribution.points if self.nodes is None else self.nodes

    @property
    def _largest_ratio(self) -> Array:
        if self.grid == "converged":
            return self.distribution.largest
        return 1 + self._extent * jnp.abs(self.distribution.width)

    @property
    def _extent(self) -> float:
        return self.distribution.extent if self.extent is None else self.extent

    def _sasmodels_block(self, j: Array, size: int, points: int) -> tuple[Array, Array]:
        index = j * size + jnp.arange(size)
        t = self._extent * (2 * index / max(points - 1, 1) - 1)
        ratio = 1 + self.distribution.width * t
        inside = (index < points) & (self._centre * ratio >= self.distribution.smallest)
        weight = jnp.where(inside, self.distribution.density(jnp.where(inside, t, 0.0)), 0.0)
        return jnp.where(inside, ratio, 1.0), weight


def _mean(method: str, population: Polydisperse, q: Array) -> Array:
    """Return the number mean of a method of the model, along one axis of q."""
    rod = _innermost(population)
    if isinstance(rod, Rod) and method in _POWERS:
        return _mean_of_rods(_POWERS[method], rod, population, q)
    by_nodes = partial(_mean_by_nodes, method)
    if not population._may_close(q.dtype):
        return by_nodes(population, q)
    width = jnp.abs(jax.lax.stop_gradient(population.distribution.width))
    narrow = largest_of_batch(width) <= WIDEST
    return jax.lax.cond(narrow, partial(_mean_in_closed_form, method), by_nodes, population, q)


def _mean_of_rods(power: int, rod: Rod, population: Polydisperse, q: Array) -> Array:
    """Return the mean of a population of which either factor is averaged by itself."""
    in_length = lambda name: name == "length"
    in_section = lambda name: name != "length"
    return mean_of_rods(
        lambda k: _mean_over(population, in_section, lambda m: m.section_power(k, power), k),
        lambda k: _mean_over(population, in_length, lambda m: m.length_power(k, power), k),
        rod.section_radius * _largest(population, in_section),
        rod.length / 2 * _largest(population, in_length),
        rod.nodes,
        q,
    )


def _mean_over(model: Any, wanted: Callable, function: Callable, k: Array) -> Array:
    """Return the mean over the wanted parameters, the others at their centres."""
    if not isinstance(model, Polydisperse):
        return function(model)
    inner = lambda m: _mean_over(m, wanted, function, k)
    return model._average(inner, k) if wanted(model.parameter) else inner(model.model)


def _largest(model: Any, wanted: Callable) -> Array:
    """Return the largest ratio of the wanted parameters to their centres, multiplied."""
    if not isinstance(model, Polydisperse):
        return jnp.ones(())
    own = jax.lax.stop_gradient(model._largest_ratio) if wanted(model.parameter) else 1.0
    return own * _largest(model.model, wanted)


def _mean_by_nodes(method: str, population: Polydisperse, q: Array) -> Array:
    average = lambda q: population._average(lambda model: getattr(model, method)(q), q)
    # A population within a population evaluates 16 times as many bodies at once.
    return in_blocks(average, q, 32 if isinstance(population.model, Polydisperse) else 128)


def _mean_in_closed_form(method: str, population: Polydisperse, q: Array) -> Array:
    function = {"average_square": mean_square, "average_amplitude": mean_amplitude}[method]
    radii, steps = population.model.interfaces
    deviation = population.distribution.width * population._centre
    dtype = jnp.result_type(*radii, *steps, deviation, q)
    cast = lambda numbers: jnp.stack([jnp.asarray(n, dtype) for n in numbers])
    return function(cast(radii), cast(steps), deviation.astype(dtype), q.astype(dtype))


@jax.jit
def _planned_blocks(population: Polydisperse, q: Array) -> Array:
    return jnp.asarray(population._blocks(population._band(q)))


def parameter_of(model: Any, name: str) -> Array:
    """Return a parameter of a particle, through any distributions around it.

    Args:
        model: a particle, polydisperse or not.
        name: as ``"radius"``, or ``"thickness[1]"`` for one element of an array.
    """
    model = _innermost(model)
    field, index = _field(model, name)
    value = getattr(model, field)
    return value if index is None else jnp.asarray(value)[index]


def with_parameter(model: Any, name: str, value: ArrayLike) -> Any:
    """Return the model with one parameter of its particle, or one element of it, replaced."""
    if isinstance(model, Polydisperse):
        return replace(model, model=with_parameter(model.model, name, value))
    field, index = _field(model, name)
    if index is not None:
        whole = jnp.asarray(getattr(model, field))
        whole = whole.astype(jnp.result_type(whole, value))
        value = whole.at[index].set(value)
    return replace(model, **{field: value})


def _innermost(model: Any) -> Any:
    while isinstance(model, Polydisperse):
        model = model.model
    return model


def _field(model: Any, name: str) -> tuple[str, int | None]:
    """Return the field and the element that a name means; refuse what there is not."""
    field, index = element(name)
    fields = model.__dataclass_fields__
    known = [key for key, f in fields.items() if not f.metadata.get("static", False)]
    if field in known:
        size = jnp.shape(getattr(model, field))
        if index is None or size and index < size[0]:
            return field, index
        known = [key for key in known if key != field]
        known += [f"{field}[{i}]" for i in range(size[0])] if size else [field]
    raise ValueError(
        f"{type(model).__name__} has no parameter {name!r}; it has {', '.join(known)}"
    )
