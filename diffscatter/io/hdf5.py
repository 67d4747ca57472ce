"""HDF5 as a border: what a file links to, declares and stores is checked before it is read.

An HDF5 file can read other files (external links, virtual datasets, external storage), declare
more than any memory (sparse datasets), and link in circles. None of that belongs to a curve or
an image, so all of it is refused, and links are followed one at a time inside the file.

What stays with libhdf5 is damage inside its own metadata: formats before 1.10 carry no
checksums there, and a flipped bit can end in a crash of the library. The files that this
package writes have checksums throughout.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from diffscatter.io.guard import MAX_POINTS, FileError, label, refusal

__all__ = [
    "children",
    "follow",
    "numbers",
    "open_file",
    "texts",
    "write_attributes",
    "write_text",
]

_MAX_LINKS = 10_000  # members of one group; a file of curves has a few
_MAX_HOPS = 16  # soft links followed for one name
_MAX_TEXT = 2**16  # bytes of one text
_MAX_CHUNK = 2**26  # bytes that HDF5 allocates to unpack one chunk


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; whatever goes wrong inside is a :class:`FileError`."""
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except FileError:
        raise
    except Exception as error:  # libhdf5 reports damage as nearly every type of exception
        cause = str(error)
        sizes = re.search(r"eof = (\d+),.*stored_eof = (\d+)", cause)
        if sizes:
            problem = f"is truncated: {sizes[1]} of {sizes[2]} bytes"
        else:
            problem = f"is damaged HDF5 ({cause[:120]})"
        raise refusal(label(path), problem, "fetch or copy it again") from None


def children(group: h5py.Group, where: str) -> Iterator[tuple[str, h5py.Group]]:
    """Yield the (name, group) of every group directly inside ``group``."""
    if len(group) > _MAX_LINKS:
        raise refusal(
            where,
            f"{group.name} has {len(group)} members, at most {_MAX_LINKS} are searched",
            "split the file",
        )
    for name in group:
        node = follow(group, name, where)
        if isinstance(node, h5py.Group):
            yield name, node


def follow(group: h5py.Group, name: str, where: str) -> h5py.Group | h5py.Dataset | None:
    """Return the member ``name`` (a path) of ``group``, or None if there is none.

    Soft links are followed by hand, because libhdf5 would pass through an external link on the
    way and open whatever file it names.
    """
    node, hops = group, 0
    parts = [part for part in name.split("/") if part]
    while parts:
        part = parts.pop(0)
        if part == ".":
            continue
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise refusal(
                where,
                f"{node.name}/{part} links to another file ({link.filename!r})",
                "copy the data into this file",
            )
        if isinstance(link, h5py.SoftLink):
            hops += 1
            if hops > _MAX_HOPS:
                raise refusal(where, f"soft links from {name!r} loop", "mend that link")
            parts = [part for part in link.path.split("/") if part] + parts
            node = node.file if link.path.startswith("/") else node
        elif link is None:
            if hops:
                raise refusal(
                    where,
                    f"soft link {name!r} leads to {part!r}, which is not there",
                    "mend that link",
                )
            return None
        else:
            node = node[part]
    return node


def numbers(
    dataset: h5py.Dataset,
    where: str,
    limit: int = MAX_POINTS,
    *,
    frame: int | None = None,
    dtype: type | None = np.float64,
) -> np.ndarray:
    """Return a dataset of real numbers that lies in this file.

    What it declares is checked before any memory is taken.

    Args:
        dataset: to be read.
        where: name of the file in messages.
        limit: number of values that are read at most.
        frame: which entry of the first axis is read; None: all of it.
        dtype: of the result; None: as stored.
    """

    def refuse(problem: str, mend: str):
        raise refusal(where, f"{dataset.name} {problem}", mend)

    if not isinstance(dataset, h5py.Dataset):
        refuse("is not a dataset", "mend the file")
    if dataset.is_virtual:
        refuse("is a virtual dataset: it reads other files", "copy the data into this file")
    if dataset.external:
        refuse(
            f"is stored in another file ({dataset.external[0][0]!r})",
            "copy the data into this file",
        )
    if dataset.shape is None or dataset.dtype.kind not in "biuf":
        refuse(f"holds {dataset.dtype}, shape {dataset.shape}", "real numbers are wanted")
    shape = dataset.shape if frame is None else dataset.shape[1:]
    count, itemsize = math.prod(shape), dataset.dtype.itemsize
    if count > limit:
        refuse(
            f"declares {count} values ({count * itemsize / 1e9:.3g} GB), "
            f"at most {limit} are read",
            "cut it",
        )
    if dataset.chunks and math.prod(dataset.chunks) * itemsize > _MAX_CHUNK:
        refuse(f"has chunks of shape {dataset.chunks}", "write it with smaller chunks")
    if count and not dataset.id.get_storage_size():
        refuse(f"declares {count} values but stores none", "write the data")
    try:
        return np.asarray(dataset[() if frame is None else frame], dtype=dtype)
    except OSError as error:
        refuse(f"cannot be read ({str(error)[:120]})", "it is damaged: fetch or copy it again")


def write_text(group: h5py.Group, name: str, lines: list[str]) -> None:
    """Write UTF-8 texts of one fixed length: those of variable length escape the checksums."""
    coded = [line.encode("utf-8", "replace") for line in lines]
    dtype = h5py.string_dtype("utf-8", max(map(len, coded)) or 1)
    group.create_dataset(name, data=np.array(coded, dtype), dtype=dtype, fletcher32=True)


def write_attributes(node: h5py.HLObject, **texts: str | list[str]) -> None:
    """Write attributes; a list has texts of variable length, or sasdata cannot read it."""
    for name, value in texts.items():
        if isinstance(value, list) and len(value) > 1:
            node.attrs[name] = np.array(value, h5py.string_dtype())
        else:
            node.attrs[name] = np.bytes_(value if isinstance(value, str) else value[0])


def texts(node: h5py.Group | h5py.Dataset, *names: str) -> list[str] | None:
    """Return the texts of the first attribute that exists, or of ``node`` if none is asked for.

    Numbers are written out; lists that some writers join with commas are split.
    """
    if names:
        name = next((name for name in names if name in node.attrs), None)
        if name is None:
            return None
        stored = node.attrs.get_id(name)
        shape, dtype, read = stored.shape, stored.dtype, lambda: node.attrs[name]
    else:
        if not isinstance(node, h5py.Dataset) or node.is_virtual or node.external:
            return None
        shape, dtype, read = node.shape, node.dtype, lambda: node[()]
    if shape is None or math.prod(shape) * dtype.itemsize > _MAX_TEXT:
        return None
    found = []
    for value in np.ravel(np.asarray(read())):
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        found.append(value[:_MAX_TEXT].strip())
    if names and len(found) == 1:
        found = [part.strip() for part in found[0].split(",")]
    return found
