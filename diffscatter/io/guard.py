"""What a file must pass before its content is believed: size, kind, expansion, truncation.

A file may come from anywhere, so nothing here trusts a number that it declares: sizes are
compared with limits before memory is taken, nothing is ever unpickled, and every failure is a
:class:`FileError`, one line that names the file, the value and the mend. HDF5 has its own
module, :mod:`diffscatter.io.hdf5`.
"""

import gzip
import io
import math
import stat
import zlib
from pathlib import Path

import numpy as np

__all__ = [
    "MAX_PIXELS",
    "MAX_POINTS",
    "MAX_TEXT_BYTES",
    "FileError",
    "kind_of",
    "label",
    "read_array",
    "read_bytes",
    "refusal",
    "regular_file",
    "shown",
]

MAX_POINTS = 1_000_000  # of one curve: no detector has more, and 8 MB a column are no burden
MAX_PIXELS = 2**25  # of one image: the largest detectors have 18 millions
MAX_TEXT_BYTES = 32 * 2**20  # of text or XML, unpacked: the table of MAX_POINTS rows
# Columns of numbers shrink three- to tenfold; a bomb of zeros a thousandfold.
MAX_EXPANSION = 100

_HDF5, _NUMPY, _GZIP = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"\x1f\x8b"
_HDF5_NAMES = {".h5", ".hdf", ".hdf5", ".nx5", ".nxs", ".nexus"}


class FileError(ValueError):
    """A file that cannot be used: one line with its name, the value found and the mend."""


def refusal(where: str, problem: str, mend: str) -> FileError:
    """Return the error to raise, its message on one line whatever the file put into it."""
    line = " ".join(f"{where}: {problem}; {mend}".split())
    return FileError("".join(c if c.isprintable() else "?" for c in line))


def label(path: Path) -> str:
    """Return the name by which messages call a file."""
    return path.name or str(path)


def shown(value: bytes | str, width: int = 24) -> str:
    """Return the beginning of a file's content as it may stand in a one-line message."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return repr(text if len(text) <= width else text[:width] + "...")


def regular_file(path: str | Path) -> Path:
    """Return the path of a file that exists, is a file, is readable and is not empty.

    Raises:
        FileNotFoundError: if there is nothing at ``path``.
        FileError: if it is a folder, a device, a pipe, unreadable or empty.
    """
    path = Path(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        raise refusal(label(path), f"cannot be reached ({error})", "check the path") from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise refusal(label(path), f"is {what}", "give one data file")
    if status.st_size == 0:
        raise refusal(label(path), "is empty (0 bytes)", "fetch or copy it again")
    return path


def kind_of(path: Path) -> str:
    """Return ``"hdf5"``, ``"npy"``, ``"xml"`` or ``"text"``, by content first.

    The name decides only where the content leaves a choice, and is refused where it promises
    what the content does not hold.

    Raises:
        FileError: for archives, pickles, and a file named like HDF5 that is none.
    """
    where = label(path)
    head, packed = _head(path)
    if packed and head.startswith((_HDF5, _NUMPY)):
        raise refusal(where, "is binary data packed with gzip", "unpack it")
    if head.startswith(_HDF5):
        return "hdf5"
    if path.suffix.lower() in _HDF5_NAMES:
        if _has_user_block(path):
            return "hdf5"
        raise refusal(
            where,
            f"is named as HDF5 but starts with {shown(head)}",
            "fetch it again, or give a text file its own extension (.dat)",
        )
    if head.startswith(_NUMPY):
        return "npy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise refusal(
            where,
            "is a zip archive (.npz, .xlsx, .zip)",
            "unpack it, or save its columns as text or NXcanSAS",
        )
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise refusal(
            where, "is a Python pickle, which could run any code", "save it as text or NXcanSAS"
        )
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if start.startswith((b"<?xml", b"<!DOCTYPE", b"<SASroot")) or name.suffix.lower() == ".xml":
        return "xml"
    return "text"


def read_bytes(path: Path, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return a whole file, unpacked if it is gzip, after checking its size and expansion."""
    where, size = label(path), path.stat().st_size
    too_big = refusal(
        where,
        f"holds more than {limit / 2**20:.0f} MB",
        "a curve is smaller: cut the file to its table",
    )
    if size > limit:
        raise too_big
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            stream.seek(0)
            return stream.read(limit)
        stream.seek(0)
        allowed = min(limit, MAX_EXPANSION * size + 2**16)
        content = _unpacked(stream, allowed + 1, where)
    if len(content) > limit:
        raise too_big
    if len(content) > allowed:
        raise refusal(
            where,
            f"its {size} bytes unpack to more than {MAX_EXPANSION} times as many",
            "numbers never do: unpack it yourself if you trust it",
        )
    return content


def read_array(path: Path, limit: int = 4 * MAX_POINTS) -> np.ndarray:
    """Return the numbers of a ``.npy`` file, whose header is checked against the file's size.

    Raises:
        FileError: for objects (they would be unpickled), more than ``limit`` values, or a
            file that does not hold what its header declares.
    """
    where = label(path)
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = reader(stream)
        except Exception as error:  # the header is a Python literal: it can be wrong in any way
            raise refusal(
                where, f"has no sound .npy header ({shown(str(error), 60)})", "save it again"
            ) from None
        if dtype.kind not in "biuf":
            pickled = "" if dtype.kind == "c" else ", which may need unpickling"
            raise refusal(
                where,
                f"holds {dtype} values{pickled}",
                "save plain real numbers",
            )
        count = math.prod(int(n) for n in shape)
        declared = count * dtype.itemsize
        stored = path.stat().st_size - stream.tell()
        if declared != stored or count > limit:
            raise refusal(
                where,
                f"declares {count} values of {dtype} ({declared:.3g} bytes), "
                f"stores {stored} bytes, and at most {limit} values are read",
                "save it again, or cut it",
            )
        stream.seek(0)
        return np.load(stream, allow_pickle=False)


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes, unpacked if the file is gzip, and whether it is."""
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
            if not head.startswith(_GZIP):
                return head, False
            stream.seek(0)
            return _unpacked(stream, 256, label(path)), True
    except OSError as error:
        raise refusal(
            label(path), f"cannot be read ({error.strerror or error})", "check its permissions"
        ) from None


def _unpacked(stream: io.BufferedIOBase, count: int, where: str) -> bytes:
    """At most ``count`` bytes of a gzip stream."""
    try:
        with gzip.GzipFile(fileobj=stream) as packed:
            return packed.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(
            where, f"is damaged or truncated gzip ({error})", "fetch or copy it again"
        ) from None


def _has_user_block(path: Path) -> bool:
    """HDF5 may begin at byte 512, 1024, 2048, ... behind a block of the user's."""
    with path.open("rb") as stream:
        offset, size = 512, path.stat().st_size
        while offset < size:
            stream.seek(offset)
            if stream.read(8) == _HDF5:
                return True
            offset *= 2
    return False
