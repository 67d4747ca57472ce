"""How a model describes itself: what the registry, the command line and the adapters read."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["ANY", "POSITIVE", "Model", "Parameter", "Theirs"]


POSITIVE = (0.0, math.inf)
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes:
        name: as the constructor's keyword.
        unit: ``"nm"``, ``"1/nm^2"``, ``"1/nm"`` or ``""``.
        default: value where none is given.
        limits: smallest and largest value that means something, both included.
        description: one line.
        typical: range that :meth:`Model.random` draws from, on a logarithmic axis where both
            ends are positive; None: from half to twice the default.
    """

    name: str
    unit: str
    default: float
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
        ignored: orientations, which an average over them does not depend on.
    """

    name: str
    parameters: Mapping[str, tuple[float, str]]
    convert: Callable[[Mapping[str, Any]], dict[str, Any]]
    spread: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """How a model presents itself to the registry, the command line and the reports.

    Attributes:
        name: as users write it.
        constructor: the particle's class; takes the parameters as keywords.
        parameters: its table, in the order of presentation.
        title: one line; equation: TeX; reference: where it is derived.
        theirs: the same model in sasmodels, or None.
    """

    name: str
    constructor: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    title: str
    equation: str
    reference: str
    theirs: Theirs | None = None

    def random(self, key: Array) -> dict[str, Array]:
        """Return parameters drawn from their typical ranges, keywords of the constructor."""
        keys = jax.random.split(key, len(self.parameters))
        return {p.name: _drawn(p, k) for p, k in zip(self.parameters, keys, strict=True)}


def _drawn(parameter: Parameter, key: Array) -> Array:
    low, high = parameter.typical or sorted((parameter.default / 2, parameter.default * 2))
    if low > 0:
        return jnp.exp(jax.random.uniform(key, minval=math.log(low), maxval=math.log(high)))
    return jax.random.uniform(key, minval=low, maxval=high)
