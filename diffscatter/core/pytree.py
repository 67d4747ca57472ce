"""Frozen dataclasses that are JAX pytrees: the one way this library holds state."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["replace", "static", "struct"]

T = TypeVar("T")
replace = dataclasses.replace

_NUMBERS = (float, int, complex, np.ndarray, np.generic)


def static(**keywords: Any) -> Any:
    """Declare a field that is part of the tree's structure: a shape, a mode, a name.

    Its value must be hashable; a new value means a new trace.
    """
    return dataclasses.field(metadata={"static": True}, **keywords)


def _as_leaf(value: Any) -> Any:
    """Numbers and numpy arrays become JAX arrays; everything else passes untouched.

    Tracers, ``None``, nested trees and the placeholders that JAX puts into trees while it maps
    over them all take the second route. ``asarray`` keeps Python numbers weakly typed, so that
    results follow the dtype of the arrays they meet.
    """
    if isinstance(value, bool | np.bool_):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "biufc":
        return value
    if isinstance(value, _NUMBERS):
        return jnp.asarray(value)
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(v, float | int) and not isinstance(v, bool) for v in value)
    ):
        return jnp.asarray(value)
    return value


@dataclass_transform(frozen_default=True, kw_only_default=True)
def struct(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass that JAX sees as a pytree.

    Fields hold arrays or further structs; Python numbers become arrays on construction.
    Fields declared with :func:`static` belong to the tree's structure instead.

    Example:
        >>> @struct
        ... class Sphere:
        ...     radius: jax.Array
        >>> jax.grad(lambda s: s.radius**2)(Sphere(radius=3.0)).radius
        Array(6., dtype=float32, weak_type=True)
    """
    own = cls.__dict__.get("__post_init__")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not field.metadata.get("static", False):
                object.__setattr__(self, field.name, _as_leaf(getattr(self, field.name)))
        if own is not None:
            own(self)

    cls.__post_init__ = __post_init__
    cls = dataclasses.dataclass(frozen=True, kw_only=True, eq=False)(cls)
    _register(cls)
    return cls


def _register(cls: type) -> None:
    """Make a dataclass a node of JAX trees.

    Not with ``register_dataclass``: structures of its nodes compare equal whatever their class
    (jax 0.10), so two classes with the same number of fields may be taken for one another in a
    compilation cache.
    """
    fixed, free = [], []
    for field in dataclasses.fields(cls):
        (fixed if field.metadata.get("static", False) else free).append(field.name)
    keys = [jax.tree_util.GetAttrKey(name) for name in free]

    def flatten(node):
        leaves = tuple(getattr(node, name) for name in free)
        return leaves, tuple(getattr(node, name) for name in fixed)

    def flatten_with_keys(node):
        leaves, structure = flatten(node)
        return tuple(zip(keys, leaves, strict=True)), structure

    def unflatten(structure, leaves):
        values = (*zip(free, leaves, strict=True), *zip(fixed, structure, strict=True))
        return cls(**dict(values))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
