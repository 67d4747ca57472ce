"""Patterns from files and into files, with masks and geometry, lengths in nm."""

from pathlib import Path

import numpy as np

from diffscatter.core.data import Pattern, checked_pattern
from diffscatter.core.pytree import replace
from diffscatter.io.frame import Frame, chosen, to_pattern
from diffscatter.io.guard import (
    MAX_PIXELS,
    kind_of,
    label,
    read_array,
    refusal,
    regular_file,
    shown,
)

__all__ = ["is_pattern", "load_mask", "load_pattern", "save_pattern"]

# What images begin with.
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"###CBF": "cbf",
}
_NO_NUMBERS = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"%PDF": "PDF"}


def load_pattern(
    path: str | Path,
    *,
    mask: str | Path | np.ndarray | None = None,
    frame: int | None = None,
    dataset: str | None = None,
    saturation: float | None = None,
    mask_bad: bool = False,
    mask_dark: bool = False,
) -> Pattern:
    """Load a diffraction pattern: PNG, TIFF, EDF, CBF, CXI, NeXus or other HDF5, or .npy.

    The content decides what the file is. What the file says of wavelength, distance, pixels and
    beam comes with the pattern, in nm; what the reader decided stands in its ``notes``. TIFF
    and CBF need the extra ``io``.

    Masked are the pixels that the file or ``mask`` rules out and, in images of detectors, those
    at or above saturation, integers below 0 (gaps, dead pixels) and the largest integer of the
    type.

    Args:
        path: the file.
        mask: a file, read likewise, or an array: not 0 where a pixel counts. Shape of the
            image.
        frame: number (from 0) of the image, where a file holds several.
        dataset: path of the image in HDF5, where that is not clear.
        saturation: the number from which on a pixel does not count; overrules the file's.
        mask_bad: mask NaN and infinite pixels, and note it; otherwise they are refused.
        mask_dark: mask pixels at 0 where 32 or more lie side by side, and note it: what lies
            beyond a detector or behind a beam stop.

    Returns:
        A :class:`~diffscatter.core.data.Pattern`; ``kx`` and ``ky`` are None unless the file
        holds them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: in one line that names the file, the value and the mend.
    """
    path = regular_file(path)
    found = _frame(path, frame, dataset)
    if isinstance(mask, str | Path):
        mask = load_mask(mask)
    elif mask is not None:
        mask = np.asarray(mask) != 0
    pattern = to_pattern(
        found,
        label(path),
        mask=mask,
        mask_bad=mask_bad,
        mask_dark=mask_dark,
        saturation=saturation,
    )
    return replace(
        pattern, name=found.title or path.name.split(".")[0], source=found.source or path.name
    )


def save_pattern(path: str | Path, pattern: Pattern) -> None:
    """Save a pattern as CXI (HDF5), completely or not at all.

    :func:`load_pattern` returns the same numbers, mask, axes, geometry and notes.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if the pattern is not sound.
    """
    from diffscatter.io.cxi import write_cxi

    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{label(path)}: no such folder: {path.parent}")
    checked_pattern(
        pattern.image, pattern.mask, pattern.kx, pattern.ky, name=pattern.name or label(path)
    )
    write_cxi(path, pattern)


def is_pattern(path: str | Path) -> bool:
    """Return whether a file holds an image, or what may be one: not a curve, by its content.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be opened.
    """
    path = regular_file(path)
    kind = _image_kind(path)
    if kind == "npy":
        shape = np.shape(read_array(path, MAX_PIXELS))
        return len(shape) == 3 or (len(shape) == 2 and shape[1] > 4)
    if kind == "hdf5":
        from diffscatter.io.nxcansas import has_curves

        return not has_curves(path)
    return kind is not None


def _image_kind(path: Path) -> str | None:
    """Return what an image is, by its first bytes; None where it is none."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    for magic, kind in _NO_NUMBERS.items():
        if head.startswith(magic):
            raise refusal(
                label(path), f"is {kind}, which keeps no numbers", "give PNG, TIFF, EDF or CXI"
            )
    if head.lstrip().startswith(b"{") and b"=" in head:
        return "edf"
    kind = kind_of(path)
    return kind if kind in ("hdf5", "npy") else None


def _frame(path: Path, frame: int | None, dataset: str | None) -> Frame:
    """Read one image; readers are imported when they are needed."""
    kind, where = _image_kind(path), label(path)
    if dataset is not None and kind != "hdf5":
        raise refusal(where, "is no HDF5: it has no datasets", "leave out dataset")
    if kind == "hdf5":
        from diffscatter.io.cxi import read_cxi

        return read_cxi(path, frame, dataset)
    if kind in ("png", "tiff"):
        from diffscatter.io.images import read_png, read_tiff

        if kind == "tiff":
            return read_tiff(path, frame)
        chosen(1, frame, where)
        return read_png(path)
    if kind in ("edf", "cbf"):
        from diffscatter.io.detectors import read_cbf, read_edf

        if kind == "edf":
            return read_edf(path, frame)
        chosen(1, frame, where)
        return read_cbf(path)
    if kind == "npy":
        stack = read_array(path, MAX_PIXELS)
        if stack.ndim == 3:
            stack = stack[chosen(stack.shape[0], frame, where)]
        return Frame(image=stack)
    with path.open("rb") as stream:
        head = stream.read(24)
    raise refusal(
        where,
        f"is no image that is known (it starts with {shown(head)})",
        "give PNG, TIFF, EDF, CBF, CXI, HDF5 or .npy",
    )


def load_mask(path: str | Path) -> np.ndarray:
    """Return a mask from a file: its own where HDF5 has one, else True where it is not 0."""
    path = regular_file(path)
    found = _frame(path, None, None)
    if found.mask is not None and _image_kind(path) == "hdf5":
        return found.mask
    mask = found.image != 0
    return mask if found.mask is None else mask & found.mask
