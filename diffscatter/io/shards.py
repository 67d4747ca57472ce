"""Data sets as shards: one checksummed HDF5 file each, made by any number of processes.

Sample i of a data set is a pure function of its configuration and i, so a shard can be made
anywhere, again, and alone: ranks share nothing but the folder. A shard is written whole or not
at all (:func:`diffscatter.core.files.atomic`), carries the configuration that made it and the
SHA-256 of what it holds, and is kept if both are right. So a process that was killed is started
again, with another number of ranks if wanted, and the data set is the same to the bit.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from diffscatter.core.files import atomic
from diffscatter.io.guard import FileError, label, refusal
from diffscatter.io.hdf5 import follow, open_file

__all__ = [
    "Generated",
    "check_split",
    "configuration_hash",
    "generate",
    "read",
    "read_shard",
    "write_shard",
]

Arrays = Mapping[str, np.ndarray]

_CHUNK_BYTES = 2**20


class Generated(NamedTuple):
    """How many shards a rank wrote, and how many it found sound and kept."""

    written: int
    kept: int


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that name a configuration (plain numbers, texts, lists)."""
    return hashlib.sha256(_json(configuration).encode()).hexdigest()[:16]


def check_split(count: int, per_shard: int, rank: int, world: int) -> None:
    """Refuse numbers that :func:`generate` would.

    Raises:
        ValueError: naming the number, its value and what is expected.
    """
    for name, value in (("count", count), ("per_shard", per_shard), ("world", world)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0, got {value!r}")
    if not isinstance(rank, int) or not 0 <= rank < world:
        raise ValueError(f"rank must lie in 0..{world - 1} (world = {world}), got {rank!r}")


def generate(
    folder: Path | str,
    sample: Callable[[int, int], Arrays],
    *,
    count: int,
    per_shard: int,
    configuration: Mapping[str, Any],
    rank: int = 0,
    world: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Generated:
    """Write those of this rank's shards of a data set that are not there yet.

    Args:
        folder: of the data set, made if it is not there.
        sample: returns the samples ``start`` to ``stop - 1`` as named arrays with one sample a
            row; a function of these two numbers and of ``configuration`` alone.
        count, per_shard: samples in all, and in a shard (the last may hold fewer).
        configuration: everything the samples depend on, as JSON can write it.
        rank, world: this process, 0 to world - 1, and how many there are.
        progress: called with shards done and shards in all of this rank.

    Returns:
        Shards written and shards kept.

    Raises:
        ValueError: if a number is out of range.
        FileError: if the folder holds shards of another configuration.
    """
    check_split(count, per_shard, rank, world)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**configuration, "count": count, "per_shard": per_shard}
    shards = -(-count // per_shard)
    _refuse_other_splits(folder, shards)
    mine, done = range(rank, shards, world), Generated(0, 0)
    for turn, shard in enumerate(mine):
        path = folder / _name(shard, shards)
        if _is_sound(path, whole):
            done = done._replace(kept=done.kept + 1)
        else:
            for left in folder.glob(f".{path.name}.*.part"):  # of a process that was killed
                left.unlink(missing_ok=True)
            start = shard * per_shard
            arrays = sample(start, min(start + per_shard, count))
            write_shard(path, arrays, whole, shard=shard)
            done = done._replace(written=done.written + 1)
        if progress is not None:
            progress(turn + 1, len(mine))
    return done


def write_shard(
    path: Path | str, arrays: Arrays, configuration: Mapping[str, Any], **attributes: Any
) -> None:
    """Write named arrays and the configuration that made them, whole or not at all."""
    arrays = {name: np.asarray(values) for name, values in arrays.items()}
    with atomic(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        for name, values in arrays.items():
            options = {}
            if values.size:  # HDF5 has no chunks of nothing
                row = max(values[:1].nbytes, 1) if values.ndim else 1
                rows = min(max(_CHUNK_BYTES // row, 1), values.shape[0]) if values.ndim else 1
                options = {"chunks": (rows, *values.shape[1:]), "fletcher32": True}
            file.create_dataset(name, data=values, **(options if values.ndim else {}))
        file.attrs.update(
            configuration=_json(configuration),
            configuration_hash=configuration_hash(configuration),
            sha256=_digest(arrays),
            **attributes,
        )


def read_shard(
    path: Path | str, configuration: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Return the arrays of one shard after checking what it holds.

    Args:
        path: of the shard.
        configuration: what must have made it, if given.

    Raises:
        FileError: if it is damaged, or of another configuration.
    """
    path = Path(path)
    with open_file(path) as file:
        stored = {name: file.attrs.get(name) for name in ("sha256", "configuration_hash")}
        if None in stored.values():
            raise refusal(label(path), "carries no checksum", "it is no shard: remove it")
        if configuration is not None:
            wanted = configuration_hash(configuration)
            if stored["configuration_hash"] != wanted:
                raise refusal(
                    label(path),
                    f"was made by configuration {stored['configuration_hash']}, not {wanted}",
                    "use another folder, or remove the old shards",
                )
        arrays = {name: _stored(file, name, label(path)) for name in file}
    if _digest(arrays) != stored["sha256"]:
        raise refusal(
            label(path), "does not hold what its SHA-256 says", "remove it and make it again"
        )
    return arrays


def read(folder: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a whole data set, and its configuration.

    Raises:
        FileError: if a shard is missing, damaged, or of another configuration than the first.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("shard-*-of-*.h5"))
    if not paths:
        raise refusal(label(folder), "holds no shards", "give the folder of a data set")
    shards = int(paths[0].stem.rsplit("-", 1)[1])
    _refuse_other_splits(folder, shards)
    missing = [k for k in range(shards) if not (folder / _name(k, shards)).exists()]
    if missing:
        raise refusal(
            label(folder),
            f"lacks {len(missing)} of {shards} shards, first number {missing[0]}",
            "run the command that makes it again",
        )
    with open_file(paths[0]) as file:
        configuration = json.loads(str(file.attrs.get("configuration", "null")))
    parts = [read_shard(path, configuration) for path in paths]
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, configuration


def _is_sound(path: Path, configuration: Mapping[str, Any]) -> bool:
    """Say whether a shard is there and right; refuse one of another configuration."""
    if not path.exists():
        return False
    try:
        read_shard(path)
    except FileError:
        return False
    read_shard(path, configuration)
    return True


def _refuse_other_splits(folder: Path, shards: int) -> None:
    for path in folder.glob("shard-*-of-*.h5"):
        if not path.stem.endswith(f"-of-{shards:05d}"):
            raise refusal(
                path.name,
                f"belongs to a data set of another number of shards than {shards}",
                "use another folder, or remove the old shards",
            )


def _name(shard: int, shards: int) -> str:
    return f"shard-{shard:05d}-of-{shards:05d}.h5"


def _stored(file: h5py.File, name: str, where: str) -> np.ndarray:
    dataset = follow(file, name, where)
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise refusal(where, f"{name} is not an array of this file", "make the shard again")
    if dataset.dtype.kind not in "biuf":
        raise refusal(where, f"{name} holds {dataset.dtype}", "numbers are wanted")
    return dataset[()]


def _digest(arrays: Arrays) -> str:
    """Return the SHA-256 of names, types, shapes and values."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {values.dtype.str} {values.shape};".encode())
        found.update(values.tobytes())
    return found.hexdigest()


def _json(configuration: Mapping[str, Any]) -> str:
    return json.dumps(configuration, sort_keys=True, allow_nan=False)
