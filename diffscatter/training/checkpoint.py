"""Checkpoints of a training, from which it goes on as if it had never stopped.

Orbax writes them: each into a temporary folder that takes its name when it is whole, in the
background, so that a process killed at any moment leaves the last whole one behind.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints of one run in one folder; used as a context, which waits for the last.

    Args:
        folder: made if it is not there.
        identity: what the run is, as task, network and seed; a checkpoint of any other run is
            refused. Words and numbers.
        keep: how many to keep.

    Example:
        >>> with Checkpoints("run/checkpoints", identity={"task": "fraction"}) as checkpoints:
        ...     train(model, loss, draw, key=key, steps=1000, checkpoints=checkpoints)
    """

    def __init__(
        self, folder: Path | str, *, identity: Mapping[str, Any] | None = None, keep: int = 2
    ):
        import orbax.checkpoint as ocp

        self.folder = Path(folder).absolute()
        self.identity = dict(identity or {})
        self._manager = ocp.CheckpointManager(
            self.folder, options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind, value, traceback) -> None:
        self._manager.wait_until_finished()
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """The step of the newest whole checkpoint, or None."""
        return self._manager.latest_step()

    def check_start(self, resume: bool) -> None:
        """Refuse to begin where a run already is, and to go on where there is none."""
        if resume and self.latest is None:
            raise ValueError(f"{self.folder} holds no checkpoint to go on from")
        if not resume and self.latest is not None:
            raise ValueError(
                f"{self.folder} holds a run up to step {self.latest}; resume it, or use "
                "another folder"
            )

    def save(self, step: int, tree: Any, record: Mapping[str, Any]) -> None:
        """Write arrays and a record of plain numbers, words and lists, in the background.

        A checkpoint that there is for this step is left as it is.
        """
        if step in self._manager.all_steps():
            return
        import orbax.checkpoint as ocp

        leaves = _named(tree)
        described = {"identity": self.identity, "leaves": _shapes(leaves), "record": record}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                arrays=ocp.args.StandardSave({k: _plain(v) for k, v in leaves.items()}),
                record=ocp.args.JsonSave(described),
            ),
        )

    def restore(self, like: Any) -> tuple[Any, dict[str, Any]]:
        """Return the arrays of the newest checkpoint, in the tree of ``like``, and its record.

        Raises:
            ValueError: if there is none, or if it is another run's.
        """
        import orbax.checkpoint as ocp

        self.check_start(resume=True)
        step = self.latest
        only = ocp.args.Composite(record=ocp.args.JsonRestore())
        described = self._manager.restore(step, args=only)["record"]
        self.check("made with", described["identity"], self.identity)
        leaves = _named(like)
        self.check("of a network with", described["leaves"], _shapes(leaves))
        shapes = {
            name: jax.ShapeDtypeStruct(data.shape, data.dtype)
            for name, data in ((name, _plain(leaf)) for name, leaf in leaves.items())
        }
        only = ocp.args.Composite(arrays=ocp.args.StandardRestore(shapes))
        found = self._manager.restore(step, args=only)["arrays"]
        filled = [_as(leaf, found[name]) for name, leaf in leaves.items()]
        return jax.tree.unflatten(jax.tree.structure(like), filled), described["record"]

    def check(self, words: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        """Refuse a run in this folder that differs from the one asked for."""
        for name in sorted(there.keys() | here.keys()):
            if there.get(name) != here.get(name):
                raise ValueError(
                    f"the run in {self.folder} is {words} {name} {there.get(name)}, not "
                    f"{here.get(name)}; ask for the same, or use another folder"
                )


def _named(tree: Any) -> dict[str, jax.Array]:
    """Return the leaves by plain names, numbered, so that they are unique."""
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    plain = lambda path: re.sub(r"\W+", "_", jax.tree_util.keystr(path)).strip("_")
    return {f"{k:04d}_{plain(path)}": leaf for k, (path, leaf) in enumerate(found)}


def _shapes(leaves: Mapping[str, jax.Array]) -> dict[str, str]:
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in leaves.items()}


def _plain(leaf: jax.Array) -> jax.Array:
    """Return the numbers of a random key, which Orbax cannot restore as a key."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _as(leaf: jax.Array, data: jax.Array) -> jax.Array:
    if _is_key(leaf):
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    return data


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
