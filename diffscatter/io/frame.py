"""One image as a file states it, and its way into a pattern."""

import dataclasses
import math
import re

import numpy as np

from diffscatter.core.data import Pattern, checked_pattern
from diffscatter.core.units import length_factor
from diffscatter.io.guard import FileError, refusal

__all__ = ["Frame", "chosen", "dark_regions", "detector_comments", "in_nm", "to_pattern"]

_DARK = 32  # pixels at 0 side by side: no minimum of a pattern is so wide
_GEOMETRY = ("wavelength", "distance", "pixel", "centre")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """An image and what its file says of it, nothing judged yet.

    Attributes:
        image: ``(ny, nx)``, in the file's numbers.
        mask: True where the file itself lets a pixel count, or None.
        kx, ky: axes, 1/nm, or None.
        wavelength, distance: nm, or None.
        pixel: sides along x and y, nm, or None.
        centre: column and row of the beam, counted from the outer corner of the first pixel as
            headers do, so that the middle of that pixel is 0.5; or None.
        saturation: the number from which on a pixel is full, or None.
        detector: whether integers are what a detector wrote: below 0 it marks dead pixels and
            gaps, the largest number of the type full or dead ones. Pictures for the eye have
            no such marks.
        title, source: what was measured, and where the numbers come from.
        notes: what the reader had to decide.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    kx: np.ndarray | None = None
    ky: np.ndarray | None = None
    wavelength: float | None = None
    distance: float | None = None
    pixel: tuple[float, float] | None = None
    centre: tuple[float, float] | None = None
    saturation: float | None = None
    detector: bool = True
    title: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()


def to_pattern(
    frame: Frame,
    where: str,
    *,
    mask: np.ndarray | None = None,
    mask_bad: bool = False,
    mask_dark: bool = False,
    saturation: float | None = None,
) -> Pattern:
    """Mask what does not count, and check what is left.

    ``where`` names the file in messages; the rest is as in
    :func:`diffscatter.io.load_pattern`.
    """
    image, notes = frame.image, list(frame.notes)
    if image.ndim != 2:
        raise refusal(where, f"holds an image of shape {image.shape}", "give one (ny, nx)")
    counts = np.ones(image.shape, bool)

    def leave_out(bad: np.ndarray, why: str):
        fresh = int((bad & counts).sum())
        if fresh:
            np.logical_and(counts, ~bad, out=counts)
            notes.append(f"{fresh} pixels masked: {why}")

    for given in (frame.mask, mask):
        if given is None:
            continue
        if given.shape != image.shape:
            raise refusal(
                where,
                f"the mask has shape {given.shape}, the image {image.shape}",
                "give one of its shape",
            )
        counts &= given
    if frame.detector and image.dtype.kind == "i":
        leave_out(image < 0, "below 0, as detectors mark gaps and dead pixels")
    if frame.detector and image.dtype.kind in "iu" and image.dtype.itemsize > 1:
        top = np.iinfo(image.dtype).max
        leave_out(image == top, f"at {top}, the most that the file's numbers hold")
    full = frame.saturation if saturation is None else saturation
    if full is not None:
        leave_out(image >= full, f"saturated, at {full:g} or more")
    if mask_bad:
        leave_out(~np.isfinite(image), "NaN or infinite, as asked")
    if mask_dark:
        leave_out(dark_regions(image), "at 0 in wide regions, as asked")
    geometry = {name: getattr(frame, name) for name in _GEOMETRY}
    if frame.centre is not None:
        geometry["centre"] = tuple(c - 0.5 for c in frame.centre)
    for name in _GEOMETRY:
        value = geometry[name]
        if value is None:
            continue
        numbers = np.atleast_1d(value)
        if not np.isfinite(numbers).all() or (name != "centre" and (numbers <= 0).any()):
            notes.append(f"{name} {value} in the header is no use: left out")
            geometry[name] = None
    try:
        return checked_pattern(
            image,
            None if counts.all() else counts,
            frame.kx,
            frame.ky,
            **geometry,
            name=where,
            source=frame.source,
            notes=tuple(notes),
        )
    except FileError:
        raise
    except ValueError as error:
        problem, _, mend = str(error).removeprefix(f"{where}: ").rpartition("; ")
        raise refusal(where, problem, mend) from None


def dark_regions(image: np.ndarray) -> np.ndarray:
    """Return where an image is 0 in connected regions too wide for minima of a pattern."""
    from scipy.ndimage import label

    regions, _ = label(image == 0)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    return (sizes >= _DARK)[regions]


def in_nm(value: float, unit: str) -> float:
    """Return a length in nm, without the round-off that a power of ten leaves."""
    return float(f"{value * length_factor(unit):.15g}")


def chosen(count: int, frame: int | None, where: str) -> int:
    """Return which of ``count`` images is meant.

    Raises:
        FileError: if there are several and none is chosen, or there is no such one.
    """
    if frame is None and count > 1:
        raise refusal(where, f"holds {count} images", "choose one (frame=0)")
    index = 0 if frame is None else frame
    if not 0 <= index < count:
        raise refusal(where, f"has no frame {index}", f"it holds {count}, counted from 0")
    return index


_NUMBER = r"([-+\d.eE]+)"
_COMMENTS = {
    "wavelength": rf"Wavelength\s+{_NUMBER}\s*(A|nm|m)\b",
    "distance": rf"Detector_distance\s+{_NUMBER}\s*(m|mm)\b",
    "pixel": rf"Pixel_size\s+{_NUMBER}\s*(m|um)\s*x\s*{_NUMBER}\s*(m|um)\b",
    "centre": rf"Beam_xy\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)",
    "saturation": rf"Count_cutoff\s+{_NUMBER}",
}


def detector_comments(text: str) -> dict:
    """Return what the comments that Dectris detectors write say of the geometry.

    They stand in the header of CBF and in the description of TIFF, as
    ``# Pixel_size 172e-6 m x 172e-6 m``.
    """
    found = {}
    for name, pattern in _COMMENTS.items():
        match = re.search(pattern, text)
        try:
            if match is None:
                continue
            if name in ("wavelength", "distance"):
                found[name] = in_nm(float(match[1]), match[2])
            elif name == "pixel":
                found[name] = in_nm(float(match[1]), match[2]), in_nm(float(match[3]), match[4])
            elif name == "centre":
                found[name] = float(match[1]), float(match[2])
            else:
                found[name] = float(match[1])
        except ValueError:  # signs and points without a number
            continue
    # A cutoff of 0 is one that nobody set.
    if not (0 < found.get("saturation", 1.0) < math.inf):
        del found["saturation"]
    return found
