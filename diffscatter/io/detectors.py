"""Images of detectors: EDF of the ESRF and CBF of Dectris, with what their headers say.

Headers are read here, before any memory is taken: common readers fill truncated files with
zeros, open other files that a header names, and only log checksums that fail.
"""

import base64
import hashlib
import re
from pathlib import Path

import numpy as np

from diffscatter.io.frame import Frame, chosen, detector_comments, in_nm
from diffscatter.io.guard import MAX_PIXELS, label, refusal

__all__ = ["read_cbf", "read_edf"]

_MAX_HEADER = 2**20  # bytes
_MAX_FRAMES = 10_000

_EDF_TYPES = {
    "signedbyte": "i1", "unsignedbyte": "u1", "signedshort": "i2", "unsignedshort": "u2",
    "signedinteger": "i4", "unsignedinteger": "u4", "signedlong": "i4", "unsignedlong": "u4",
    "signed64": "i8", "unsigned64": "u8", "float": "f4", "floatvalue": "f4", "real": "f4",
    "double": "f8", "doublevalue": "f8",
}  # fmt: skip


def read_edf(path: Path, frame: int | None) -> Frame:
    """Return one image of an EDF file, with distance, pixels, centre and wavelength.

    Keywords: P. Boesecke, *J. Appl. Cryst.* 40 (2007) s423; lengths are in m, ``Center`` counts
    from the outer corner of the first pixel.

    Raises:
        FileError: where the file does not hold what its header declares, packs it, or names
            another file.
    """
    where, headers = label(path), []
    with path.open("rb") as stream:
        size = path.stat().st_size
        while stream.tell() < size and len(headers) < _MAX_FRAMES:
            if stream.read(1).isspace():
                continue  # some writers pad between images
            stream.seek(-1, 1)
            headers.append(_edf_header(stream, where))
            kind, shape, start = headers[-1][1:]
            stop = start + kind.itemsize * shape[0] * shape[1]
            if stop > size:
                raise refusal(
                    where,
                    f"is truncated: image {len(headers) - 1} ends at byte {stop} of {size}",
                    "fetch or copy it again",
                )
            stream.seek(max(stop, start + int(headers[-1][0].get("edf_binarysize", 0))))
        keys, kind, shape, start = headers[chosen(len(headers), frame, where)]
        stream.seek(start)
        raw = stream.read(kind.itemsize * shape[0] * shape[1])
    image = np.frombuffer(raw, kind).reshape(shape).astype(kind.newbyteorder("="))
    return Frame(image=image, **_edf_facts(keys, image))


def _edf_header(stream, where: str) -> tuple[dict, np.dtype, tuple[int, int], int]:
    """Return the keys, the type, the shape and the first byte of the next image."""
    begin = stream.tell()
    text = stream.read(_MAX_HEADER)
    end = re.search(rb"\}\r?\n", text)
    if not text.startswith(b"{") or end is None:
        raise refusal(where, f"has no EDF header at byte {begin}", "fetch or copy it again")
    pairs = (
        line.partition("=")[::2] for line in text[1 : end.start()].decode("latin-1").split(";")
    )
    keys = {name.strip().lower(): value.strip() for name, value in pairs}
    if keys.get("compression", "none").lower() != "none" or "edf_binaryfilename" in keys:
        raise refusal(
            where, "is packed, or keeps its numbers in another file", "save it as plain EDF"
        )
    name = keys.get("datatype", "")
    dims = [keys.get(f"dim_{axis}", "") for axis in (1, 2)]
    plain = all(re.fullmatch(r"\d{1,9}", n) for n in dims) and "dim_3" not in keys
    if name.lower() not in _EDF_TYPES or not plain:
        raise refusal(
            where,
            f"has DataType {name[:24]!r}, Dim_1 {dims[0][:24]!r}, Dim_2 {dims[1][:24]!r}",
            "one image of plain numbers is wanted",
        )
    shape = int(dims[1]), int(dims[0])
    if not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise refusal(
            where,
            f"declares {shape[1]} x {shape[0]} pixels",
            f"at most {MAX_PIXELS} are read",
        )
    if not re.fullmatch(r"\d{0,12}", keys.get("edf_binarysize", "")):
        raise refusal(where, "has an EDF_BinarySize that is no number", "mend the header")
    keys["edf_binarysize"] = keys.get("edf_binarysize") or "0"
    high = keys.get("byteorder", "").lower().startswith("high")
    kind = np.dtype(_EDF_TYPES[name.lower()]).newbyteorder(">" if high else "<")
    return keys, kind, shape, begin + end.end()


def _edf_facts(keys: dict[str, str], image: np.ndarray) -> dict:
    def number(*names: str) -> float | None:
        for name in names:
            match = re.match(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", keys.get(name, ""))
            try:
                if match:
                    return float(match[0])
            except ValueError:
                continue
        return None

    length = lambda *names: None if (v := number(*names)) is None else in_nm(v, "m")
    both = lambda x, y: None if x is None or y is None else (x, y)
    facts = {
        "wavelength": length("wavelength"),
        "distance": length("sampledistance", "distance"),
        "pixel": both(length("psize_1"), length("psize_2")),
        "centre": both(number("center_1"), number("center_2")),
        "title": keys.get("title", ""),
    }
    dummy = number("dummy")
    if dummy is not None:
        facts["mask"] = np.abs(image - dummy) > (number("ddummy") or 0)
    return facts


def read_cbf(path: Path) -> Frame:
    """Return the image of a CBF file packed by byte offsets, checked against its MD5.

    Raises:
        FileError: where the file does not hold what its header declares, packs it in another
            way, and where fabio is missing.
    """
    where, limit = label(path), 4 * MAX_PIXELS + _MAX_HEADER
    if path.stat().st_size > limit:
        raise refusal(where, f"holds more than {limit / 2**20:.0f} MB", "give one image")
    content = path.read_bytes()
    head, mark, binary = content.partition(b"\x0c\x1a\x04\xd5")
    text = head[:_MAX_HEADER].decode("latin-1")

    def key(name: str) -> str:
        match = re.search(rf"{name}:?\s*\"?([^\r\n\"]*)", text)
        return match[1].strip() if match else ""

    names = ("Size", "Number-of-Elements", "Size-Fastest-Dimension", "Size-Second-Dimension")
    found = [key(f"X-Binary-{name}") for name in names]
    if not mark or not all(re.fullmatch(r"\d{1,12}", n) for n in found):
        raise refusal(where, "has no sound CBF header", "fetch or copy it again")
    size, count, nx, ny = map(int, found)
    conversion = re.search(r'conversions="?([\w-]+)', text)
    if conversion is None or conversion[1].lower() != "x-cbf_byte_offset":
        raise refusal(where, "is not packed by byte offsets", "save it so, or as EDF")
    if count != nx * ny or not 0 < count <= min(MAX_PIXELS, size):
        raise refusal(
            where,
            f"declares {nx} x {ny} pixels, {count} numbers in {size} bytes",
            f"at most {MAX_PIXELS} are read, of a byte each or more",
        )
    if len(binary) < size:
        raise refusal(
            where,
            f"is truncated: {len(binary)} of {size} bytes of numbers",
            "fetch or copy it again",
        )
    packed, md5 = binary[:size], key("Content-MD5")
    if md5 and base64.b64encode(hashlib.md5(packed).digest()).decode() != md5:
        raise refusal(where, "its numbers fail their MD5", "it is damaged: copy it again")
    try:
        from fabio.compression import decByteOffset
    except ImportError:
        raise refusal(
            where, "is CBF, which fabio unpacks", "pip install 'diffscatter[io]'"
        ) from None
    # Sums of the offsets, in twice the width of the pixels that detectors have.
    values = np.asarray(decByteOffset(packed, size=count, dtype="int64"))
    if values.size != count:
        raise refusal(where, f"holds {values.size} of {count} numbers", "copy it again")
    kind = np.uint32 if key("X-Binary-Element-Type").startswith("unsigned") else np.int32
    if values.min() < np.iinfo(kind).min or values.max() > np.iinfo(kind).max:
        raise refusal(where, "its numbers leave their 32 bits", "it is damaged: copy it again")
    image = values.astype(kind).reshape(ny, nx)
    return Frame(image=image, **detector_comments(text))
