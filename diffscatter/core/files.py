"""Files that are either whole or not there: temporary name, fsync, rename."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["atomic", "write_atomic"]


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes ``path``'s name at once.

    A reader, a crash or a second writer therefore sees the old file or the new one, never a
    part. If the body raises, the temporary file is removed and ``path`` is left as it was.

    Example:
        >>> with atomic("result.h5") as temporary:
        ...     with h5py.File(temporary, "w") as file:
        ...         file["density"] = density
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give this one the mode that open() would have.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
    """Write a small file whole: text as UTF-8, bytes as they are."""
    with atomic(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
