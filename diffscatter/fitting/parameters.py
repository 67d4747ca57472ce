r"""Free, bounded parameters of any model, and the unbounded variables that a solver moves.

A model is a pytree; its leaves are its parameters. A leaf is named by the shortest end of its
dotted path that no other leaf shares: ``radius``, ``distribution.width``, ``scale``. An element
of an array carries its index, ``thickness[1]``.

A bounded value x is a smooth function of an unbounded z, on a linear or a logarithmic axis f,

.. math:: f(x) = f(a) + (f(b) - f(a)) \, \frac{1}{1 + e^{-z}},\qquad f(x) = x\ \text{or}\ \ln x
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import concrete
from diffscatter.core.pytree import static, struct

__all__ = [
    "Bounds",
    "Parameters",
    "free_parameters",
    "joint_parameters",
    "parameter_values",
]

# Beyond |z| = 12 the value is within 6e-6 of the range of its bound, and a solver that walks on
# gains nothing: there the value stays put, so that a fit against a bound ends.
_SATURATION = 12.0
# A start on a bound moves in by this much of the range: at the bound itself no slope is left.
_INSET = 1e-3


@dataclass(frozen=True)
class Bounds:
    """The range in which a parameter is free.

    Attributes:
        low, high: both finite, in the parameter's unit, both included.
        log: move on a logarithmic axis. None: where both are positive and more than a factor
            of 10 apart.
        label: what to call the parameter in results, instead of the name it was found by.
    """

    low: float
    high: float
    log: bool | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        low, high = float(self.low), float(self.high)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"bounds must be finite and low < high, got ({low:g}, {high:g})")
        if self.log and low <= 0:
            raise ValueError(f"a logarithmic axis needs low > 0, got ({low:g}, {high:g})")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        if self.log is None:
            object.__setattr__(self, "log", low > 0 and high > 10 * low)


@struct
class Parameters:
    """The free parameters of a model, or of several: a plan that packs and unpacks them.

    ``low`` and ``high`` are data, so that new bounds need no new compilation; which leaves are
    free, which of them move together, and on which axis, is structure.

    Attributes:
        low, high: bounds in the parameters' own units. Shape ``(n,)``.
        names: one a parameter.
        logarithmic: which of them move on a logarithmic axis.
        slots: for each, where it stands: leaf, and index in the flattened leaf. A parameter
            that several models share stands in several places.
        depths: for each, how deep in its model it lies; 1 is the top.
    """

    low: Array
    high: Array
    names: tuple[str, ...] = static()
    logarithmic: tuple[bool, ...] = static()
    slots: tuple[tuple[tuple[int, int], ...], ...] = static()
    depths: tuple[int, ...] = static()

    def values(self, model: Any) -> Array:
        """Return the free values of ``model``, shape ``(n,)``, in the dtype of the bounds.

        Of a shared parameter the first model's.
        """
        leaves = jax.tree.leaves(model)
        free = [jnp.ravel(leaves[leaf])[element] for (leaf, element), *_ in self.slots]
        return jnp.stack(free).astype(self.low.dtype)

    def insert(self, model: Any, values: Array | list[Array]) -> Any:
        """Return ``model`` with its free values replaced; ``n`` of them, as array or list."""
        leaves, tree = jax.tree.flatten(model)
        for i, places in enumerate(self.slots):
            for leaf, element in places:
                old = jnp.asarray(leaves[leaf])
                if old.ndim == 0:
                    leaves[leaf] = values[i]
                else:
                    flat = old.ravel().astype(self.low.dtype).at[element].set(values[i])
                    leaves[leaf] = flat.reshape(old.shape)
        return jax.tree.unflatten(tree, leaves)

    def standing_in(self, first: int, last: int) -> tuple[int, ...]:
        """Return which parameters stand in the leaves ``first`` to ``last - 1``."""
        return tuple(
            i
            for i, places in enumerate(self.slots)
            if any(first <= leaf < last for leaf, _ in places)
        )

    def pack(self, values: Array) -> Array:
        """Return the unbounded z of ``values``; those at or outside a bound are moved in."""
        fraction = jnp.clip(self.fractions(values), _INSET, 1 - _INSET)
        return jnp.log(fraction) - jnp.log1p(-fraction)

    def unpack(self, z: Array) -> Array:
        """Return the values at the unbounded ``z``, in the parameters' units."""
        return self.at_fractions(jax.nn.sigmoid(jnp.clip(z, -_SATURATION, _SATURATION)))

    def fractions(self, values: Array) -> Array:
        """Return where ``values`` lie between their bounds, 0 to 1 on each one's own axis."""
        low, high = self._axis(self.low), self._axis(self.high)
        return (self._axis(values) - low) / (high - low)

    def at_fractions(self, fractions: Array) -> Array:
        """Invert :meth:`fractions`. Any leading axes."""
        low, high = self._axis(self.low), self._axis(self.high)
        position = low + (high - low) * fractions
        log = np.asarray(self.logarithmic)
        return jnp.where(log, jnp.exp(jnp.where(log, position, 0.0)), position)

    def _axis(self, values: Array) -> Array:
        log = np.asarray(self.logarithmic)
        floor = jnp.finfo(jnp.result_type(values, float)).tiny
        return jnp.where(log, jnp.log(jnp.where(log, jnp.maximum(values, floor), 1.0)), values)


def free_parameters(model: Any, free: Mapping[str, Any]) -> Parameters:
    """Return the plan of the parameters named in ``free``; every other one stays fixed.

    Args:
        model: any pytree of numbers and arrays.
        free: name to ``(low, high)`` or :class:`Bounds`. A name is any end of a dotted path
            that fits one leaf only; an array's name frees all of its elements.

    Raises:
        ValueError: for a name that is unknown, ambiguous or given twice (listing the valid
            ones), for bad bounds, and for a value of ``model`` outside its bounds.
    """
    return _plan(_found(model, free))


def joint_parameters(
    models: Sequence[Any],
    free: Sequence[Mapping[str, Any]],
    shared: Collection[str],
    curves: Sequence[str],
) -> Parameters:
    """Return the plan of the free parameters of several models, as of one tuple of them.

    A shared parameter keeps its name; any other is one for each curve, ``scale[first]``.

    Args:
        models: one a curve.
        free: for each model as in :func:`free_parameters`.
        shared: names of the parameters that are one and the same in all models that free it;
            it lies within the bounds of each. An array's name means all of its elements.
        curves: names of the curves, all different.

    Raises:
        ValueError: as :func:`free_parameters`; for a shared name that no model frees, and for
            shared bounds that leave nothing.
    """
    merged: dict[str, _Free] = {}
    offset, used = 0, set()
    for model, chosen, curve in zip(models, free, curves, strict=True):
        for found in _found(model, chosen):
            common = {found.name, found.name.partition("[")[0]} & set(shared)
            name = found.name if common else f"{found.name}[{curve}]"
            used |= common
            slots = tuple((leaf + offset, element) for leaf, element in found.slots)
            here = changed(found, name=name, slots=slots)
            merged[name] = merged[name].joined(here) if name in merged else here
        offset += len(jax.tree.leaves(model))
    if missing := [name for name in shared if name not in used]:
        known = dict.fromkeys(name for chosen in free for name in chosen)
        raise ValueError(f"shared {missing[0]!r} is not free; free are {', '.join(known)}")
    return _plan(list(merged.values()))


@dataclass(frozen=True)
class _Free:
    """One free parameter of a model, found by its name."""

    name: str
    slots: tuple[tuple[int, int], ...]
    bounds: Bounds
    value: float
    depth: int

    def joined(self, other: "_Free") -> "_Free":
        """Return the one parameter that stands for both."""
        low = max(self.bounds.low, other.bounds.low)
        high = min(self.bounds.high, other.bounds.high)
        if not low < high:
            raise ValueError(f"the bounds of shared {self.name} leave nothing between them")
        bounds = Bounds(low, high, log=self.bounds.log or other.bounds.log)
        _check_start(self.name, self.value, bounds)
        return changed(self, slots=self.slots + other.slots, bounds=bounds)


def _found(model: Any, free: Mapping[str, Any]) -> list[_Free]:
    if not free:
        raise ValueError(f"no parameter is free; name at least one of {_listed(model)}")
    leaves = _paths(model)
    short = _short_names([path for path, _ in leaves])
    found: list[_Free] = []
    for name, given in free.items():
        limits = _bounds(name, given)
        leaf, chosen = _resolve(name, leaves, model)
        path, array = leaves[leaf]
        value = np.ravel(np.asarray(array, dtype=float))
        for element in range(value.size) if chosen is None else [chosen]:
            slot = (leaf, element)
            label = _label(limits.label or short[leaf], np.shape(array), element)
            if any(slot in other.slots or label == other.name for other in found):
                raise ValueError(f"{label} is made free twice; name it once")
            start = float(value[element])
            _check_start(label, start, limits)
            found.append(_Free(label, (slot,), limits, start, path.count(".") + 1))
    return found


def _check_start(label: str, value: float, limits: Bounds) -> None:
    if not limits.low <= value <= limits.high:
        raise ValueError(
            f"{label} starts at {value:.6g}, outside its bounds "
            f"({limits.low:g}, {limits.high:g}); move the start or widen the bounds"
        )


def _plan(found: Sequence[_Free]) -> Parameters:
    return Parameters(
        low=np.array([p.bounds.low for p in found]),
        high=np.array([p.bounds.high for p in found]),
        names=tuple(p.name for p in found),
        logarithmic=tuple(bool(p.bounds.log) for p in found),
        slots=tuple(p.slots for p in found),
        depths=tuple(p.depth for p in found),
    )


def parameter_values(
    model: Any, without: Parameters | None = None, first: int = 0
) -> dict[str, float]:
    """Return every parameter of ``model`` by name, arrays element by element.

    Args:
        model: any pytree of numbers and arrays.
        without: leaves out those that are free in this plan.
        first: number of leaves that the plan counts before those of this model.
    """
    free = () if without is None else {slot for places in without.slots for slot in places}
    leaves = _paths(model)
    short = _short_names([path for path, _ in leaves])
    values = {}
    for i, (name, (_, leaf)) in enumerate(zip(short, leaves, strict=True)):
        shape = np.shape(leaf)
        for element, value in enumerate(np.ravel(np.asarray(leaf, dtype=float))):
            if (i + first, element) not in free:
                values[_label(name, shape, element)] = float(value)
    return values


def _bounds(name: str, given: Any) -> Bounds:
    if isinstance(given, Bounds):
        return given
    if (
        isinstance(given, str)
        or not isinstance(given, Sequence | np.ndarray)
        or len(given) != 2
    ):
        raise ValueError(f"bounds of {name} must be (low, high), got {given!r}")
    try:
        return Bounds(*given)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except TypeError:
        raise ValueError(f"bounds of {name} must be two numbers, got {given!r}") from None


def _paths(model: Any) -> list[tuple[str, Any]]:
    """Return the dotted path and the value of every leaf; refuse what is not a number."""
    leaves = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(model):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        value = concrete(leaf)
        if value is None or value.dtype.kind not in "iuf":
            found = type(leaf).__name__ if value is None else f"dtype {value.dtype}"
            raise ValueError(f"parameter {name or 'model'} must be real numbers, got {found}")
        leaves.append((name, value))
    return leaves


def _short_names(paths: list[str]) -> list[str]:
    """Return the shortest end of each path that fits no other; the whole path if none does."""
    counts: dict[str, int] = {}
    for path in paths:
        for end in _ends(path):
            counts[end] = counts.get(end, 0) + 1
    return [next((end for end in _ends(path) if counts[end] == 1), path) for path in paths]


def _ends(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]


def _resolve(name: str, leaves: list, model: Any) -> tuple[int, int | None]:
    """Return the leaf a name means, and the element if it names one."""
    paths = [path for path, _ in leaves]
    # A number may be called so itself, where a table spells an array out.
    whole = any(name in _ends(path) for path in paths)
    stem, _, index = (name, "", "") if whole else name.partition("[")
    if stem in paths:
        found = [paths.index(stem)]
    else:
        found = [i for i, path in enumerate(paths) if stem in _ends(path)]
    if len(found) != 1:
        problem = "fits several parameters" if found else "is not a parameter of the model"
        raise ValueError(f"{name!r} {problem}; the names are {_listed(model)}")
    if not index:
        return found[0], None
    shape = np.shape(leaves[found[0]][1])
    labels = [_label(stem, shape, e) for e in range(math.prod(shape))] if shape else []
    if name not in labels:
        raise ValueError(
            f"{name!r} is not an element of {stem}, which has shape {shape}; "
            f"the names are {_listed(model)}"
        )
    return found[0], labels.index(name)


def _label(name: str, shape: tuple[int, ...], element: int) -> str:
    if not shape:
        return name
    index = ",".join(str(i) for i in np.unravel_index(element, shape))
    return f"{name}[{index}]"


def _listed(model: Any) -> str:
    names = list(parameter_values(model))
    shown = ", ".join(names[:30])
    return shown + (f", ... ({len(names)} in all)" if len(names) > 30 else "")
