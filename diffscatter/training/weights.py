"""Trained weights as HDF5: numbers by name, and what made them. Reading it executes nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike

from diffscatter.core.files import atomic

__all__ = ["load_beside", "load_weights", "save_weights"]

_BESIDE = "beside/"


def save_weights(
    path: Path | str,
    model: nnx.Module,
    made: Mapping[str, Any] | None = None,
    *,
    beside: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write the parameters, averages and constants of a network, each under its path in it.

    Args:
        path: the file, written whole or not at all.
        model: the network.
        made: how the weights came to be: command, seed, data, figures; kept as JSON.
        beside: arrays that belong to the weights, by name (:func:`load_beside`).
    """
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["made"] = json.dumps(dict(made or {}))
        for name, values in _named(_state(model)).items():
            file[name] = np.asarray(values)
        for name, values in (beside or {}).items():
            file[_BESIDE + name] = np.asarray(values)


def load_weights(path: Path | str, model: nnx.Module) -> dict[str, Any]:
    """Put the weights of a file into a network of the same layers.

    Returns:
        How they came to be, as :func:`save_weights` was told.

    Raises:
        ValueError: if the file is not of this network; the network is left as it was.
    """
    import h5py

    with h5py.File(path, "r") as file:
        made = json.loads(file.attrs.get("made", "{}"))
        found = {n: a for n, a in _datasets(file).items() if not n.startswith(_BESIDE)}
    state = _state(model)
    expected = _named(state)
    for name in sorted(expected.keys() | found.keys()):
        there, here = (_shape(weights.get(name)) for weights in (found, expected))
        if there != here:
            raise ValueError(f"{path} is not of this network: {name} is {there}, not {here}")
    leaves = [jax.numpy.asarray(found[name]) for name in expected]
    nnx.update(model, jax.tree.unflatten(jax.tree.structure(state), leaves))
    return made


def load_beside(path: Path | str) -> dict[str, np.ndarray]:
    """Return the arrays that :func:`save_weights` was given beside the weights."""
    import h5py

    with h5py.File(path, "r") as file:
        return _datasets(file[_BESIDE]) if _BESIDE in file else {}


def _datasets(group: Any) -> dict[str, np.ndarray]:
    """Return all arrays within a group, by their paths from there."""
    found = {}
    group.visititems(
        lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
    )
    return found


def _state(model: nnx.Module) -> nnx.State:
    """Return all that a network is made of but its random numbers."""
    return nnx.state(model, nnx.Not(nnx.RngState))


def _named(state: nnx.State) -> dict[str, Any]:
    """Return the arrays by their paths, ``blocks/0/first/kernel``, in the order of the tree."""
    paths = jax.tree_util.tree_flatten_with_path(state)[0]
    name = lambda path: "/".join(str(part.key) for part in path if hasattr(part, "key"))
    return {name(path): leaf for path, leaf in paths}


def _shape(values: Any) -> str:
    return "absent" if values is None else f"{values.dtype}{list(values.shape)}"
