"""How a model describes itself: what the registry, the command line and the adapters read."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import concrete

__all__ = ["ANY", "POSITIVE", "Model", "Parameter", "Theirs", "element"]


POSITIVE = (0.0, math.inf)
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes:
        name: as the constructor's keyword.
        unit: ``"nm"``, ``"1/nm"``, ``"1/nm^2"``, ``"1/cm"`` or ``""``.
        default: value where none is given; several: an array, one value a shell or level.
        limits: smallest and largest value that means something, both included.
        description: one line.
        typical: range that :meth:`Model.random` draws from, on a logarithmic axis where both
            ends are positive; None: from half to twice the default.
    """

    name: str
    unit: str
    default: float | tuple[float, ...]
    limits: tuple[float, float]
    description: str
    typical: tuple[float, float] | None = None


@dataclass(frozen=True)
class Theirs:
    """How sasmodels calls a model and its parameters.

    Attributes:
        name: of the model there.
        parameters: name to default and unit (``"A"``, ``"1/A"``, ``"1e-6/A^2"``, ``""``), in
            the order of its documentation; without ``scale`` and ``background``.
        convert: takes their parameters with the lengths, q and slds already in nm, 1/nm and
            1/nm^2 and returns our constructor's keywords. A further key ``"scale"`` multiplies
            the sample's scale.
        spread: parameters that can be polydisperse.
        renamed: what ours are called among these, where not the same.
        counter: of a model with arrays, what gives their length, and the smallest and largest
            it may be; the elements' names here end in 1, 2, ...
        ignored: orientations, which an average over them does not depend on.
    """

    name: str
    parameters: Mapping[str, tuple[float, str]]
    convert: Callable[[Mapping[str, Any]], dict[str, Any]]
    spread: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    counter: tuple[str, int, int] | None = None
    ignored: tuple[str, ...] = ()

    def count(self, value: Any) -> int:
        """Return the length of the arrays that a value of the counter means.

        Raises:
            ValueError: for a value that is traced or outside its limits.
        """
        name, low, high = self.counter
        number = concrete(value)
        if number is None:
            raise ValueError(f"{self.name}: {name} decides shapes; it cannot be traced")
        if not low - 0.5 <= number < high + 0.5:
            raise ValueError(f"{self.name}: {name} must be in [{low}, {high}], got {number}")
        return int(number + 0.5)

    def present(self, count: int | None = None) -> dict[str, tuple[float, str]]:
        """Return the parameters of a model whose arrays have ``count`` elements.

        The counter itself is left out: a length is no number to fit. None: its default.
        """
        if self.counter is None:
            return dict(self.parameters)
        size = int(self.parameters[self.counter[0]][0]) if count is None else count
        last = lambda name: int(re.search(r"\d*$", name)[0] or 0)
        found = {key: p for key, p in self.parameters.items() if last(key) <= size}
        found.pop(self.counter[0])
        return found


@dataclass(frozen=True)
class Model:
    """How a model presents itself to the registry, the command line and the reports.

    Attributes:
        name: as users write it.
        constructor: the particle's class; takes the parameters as keywords.
        parameters: its table, in the order of presentation.
        title: one line; equation: TeX; reference: where it is derived.
        theirs: the same model in sasmodels, or None.
        related: what ties independent draws together, where they mean nothing apart.
    """

    name: str
    constructor: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    title: str
    equation: str
    reference: str
    theirs: Theirs | None = None
    related: Callable[[dict[str, Array]], dict[str, Array]] | None = None

    def scalars(self, count: int | None = None) -> tuple[Parameter, ...]:
        """Return the table with arrays spelled out: ``thickness[0]``, ``thickness[1]``, ...

        Args:
            count: length of the arrays; None: that of their defaults.
        """
        found = []
        for p in self.parameters:
            if not isinstance(p.default, tuple):
                found.append(p)
                continue
            size = len(p.default) if count is None else count
            defaults = [p.default[min(i, len(p.default) - 1)] for i in range(size)]
            found += [
                replace(p, name=f"{p.name}[{i}]", default=d) for i, d in enumerate(defaults)
            ]
        return tuple(found)

    def spelled(self, values: Mapping[str, Any]) -> tuple[int | None, dict[str, Any]]:
        """Return how long the arrays are that values imply, and values with each spelled out.

        As long as those that are given whole, or as the largest index; None: there are none.

        Raises:
            ValueError: for an array that is not one, or arrays that are not equally long.
        """
        arrays = [p.name for p in self.parameters if isinstance(p.default, tuple)]
        whole = {name: values[name] for name in arrays if name in values}
        for name, value in whole.items():
            if np.ndim(value) != 1:
                raise ValueError(
                    f"{self.name}: {name} must be one value for each of {', '.join(arrays)}, "
                    f"got shape {np.shape(value)}"
                )
        found = {key: value for key, value in values.items() if key not in whole}
        found |= {f"{name}[{i}]": v for name, a in whole.items() for i, v in enumerate(a)}
        named = [index for name, index in map(element, found) if name in arrays]
        counts = {len(value) for value in whole.values()}
        counts |= {max(named) + 1} if named else set()
        if len(counts) > 1:
            raise ValueError(
                f"{self.name}: {', '.join(arrays)} must be equally long, got lengths "
                f"{', '.join(map(str, sorted(counts)))}"
            )
        return (counts.pop() if counts else None), found

    def gathered(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the constructor's keywords: arrays put together from their elements."""
        fields = {}
        for p in self.parameters:
            if isinstance(p.default, tuple):
                size = sum(element(key)[0] == p.name for key in values)
                fields[p.name] = jnp.array([values[f"{p.name}[{i}]"] for i in range(size)])
            else:
                fields[p.name] = values[p.name]
        return fields

    def random(self, key: Array) -> dict[str, Array]:
        """Return parameters drawn from their typical ranges, keywords of the constructor."""
        keys = jax.random.split(key, len(self.parameters))
        drawn = {p.name: _drawn(p, k) for p, k in zip(self.parameters, keys, strict=True)}
        return drawn if self.related is None else self.related(drawn)


def element(name: str) -> tuple[str, int | None]:
    """Return ``("thickness", 1)`` of ``"thickness[1]"``, and no index where there is none."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", name)
    return (match[1], int(match[2])) if match else (name, None)


def _drawn(parameter: Parameter, key: Array) -> Array:
    default = np.asarray(parameter.default)
    low, high = parameter.typical or sorted((default.min() / 2, default.max() * 2))
    draw = lambda low, high: jax.random.uniform(key, default.shape, minval=low, maxval=high)
    return jnp.exp(draw(math.log(low), math.log(high))) if low > 0 else draw(low, high)
