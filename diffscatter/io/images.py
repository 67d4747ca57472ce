"""Images in PNG and TIFF."""

import struct
import warnings
from pathlib import Path

import numpy as np

from diffscatter.io.frame import Frame, chosen, detector_comments
from diffscatter.io.guard import MAX_PIXELS, FileError, label, refusal

__all__ = ["read_png", "read_tiff"]

_COLOURED = {2, 3, 6}  # of PNG's colour types: RGB, palette, RGB with transparency


def read_png(path: Path) -> Frame:
    """Return a grey image of 1 to 16 bits; RGB whose channels agree is grey.

    Pixels that are fully transparent are masked.

    Raises:
        FileError: for colours, which a map of colours made of the intensity, and for damage.
    """
    from PIL import Image

    where = label(path)
    with path.open("rb") as stream:
        head = stream.read(33)
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise refusal(where, "is a truncated PNG", "fetch or copy it again")
    width, height, depth, colours = struct.unpack(">IIBB", head[16:26])
    if width * height > MAX_PIXELS:
        raise refusal(
            where, f"declares {width} x {height} pixels", f"at most {MAX_PIXELS} are read"
        )
    if depth == 16 and colours != 0:
        raise refusal(
            where, "is a 16-bit PNG with colours or transparency", "save it as 16-bit grey"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the warnings say is checked here
            with Image.open(path, formats=["PNG"]) as picture:
                if colours in _COLOURED:
                    pixels = np.asarray(picture.convert("RGBA"))
                elif colours == 4:
                    pixels = np.asarray(picture.convert("LA"))
                else:
                    pixels = np.asarray(picture)[..., None]
    except Exception as error:  # damage shows as nearly every type of exception
        raise refusal(
            where, f"is a damaged PNG ({str(error)[:80]})", "fetch or copy it again"
        ) from None
    image, clear = pixels[..., 0], None
    if pixels.shape[-1] > 1:
        clear = pixels[..., -1] > 0
    if pixels.shape[-1] == 4:
        apart = (pixels[..., :3] != image[..., None]).any(axis=-1) & clear
        if apart.any():
            raise refusal(
                where,
                f"is a coloured picture ({int(apart.sum())} pixels are not grey)",
                "a map of colours is no intensity: save the numbers as grey, TIFF or npy",
            )
    mask = None if clear is None or clear.all() else clear
    return Frame(image=image.astype(np.int64), mask=mask, detector=False)


def read_tiff(path: Path, frame: int | None) -> Frame:
    """Return one page of a TIFF, and the geometry that a detector wrote into it.

    Raises:
        FileError: for colours, damage, too many pixels, and where tifffile is missing.
    """
    where = label(path)
    try:
        import tifffile
    except ImportError:
        raise refusal(
            where, "is TIFF, which tifffile reads", "pip install 'diffscatter[io]'"
        ) from None
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[chosen(len(file.pages), frame, where)]
            count = int(np.prod(page.shape, dtype=object))
            if count > MAX_PIXELS:
                raise refusal(
                    where,
                    f"declares an image of shape {page.shape}",
                    f"at most {MAX_PIXELS} pixels are read",
                )
            if page.dtype is None or page.dtype.kind not in "biuf":
                raise refusal(where, f"holds {page.dtype}", "real numbers are wanted")
            image, words = page.asarray(), str(page.description or "")
    except FileError:
        raise
    except Exception as error:  # damage shows as nearly every type of exception
        cause = " ".join(str(error).split())[:100]
        mend = "fetch or copy it again"
        if "imagecodecs" in cause:
            mend = "save it uncompressed, or pip install imagecodecs"
        raise refusal(where, f"cannot be read as TIFF ({cause})", mend) from None
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        if (image[..., 1:3] != image[..., :1]).any():
            raise refusal(where, "is a coloured picture", "save the numbers as grey")
        image = image[..., 0]
    if image.dtype.kind == "b":
        image = image.astype(np.uint8)
    return Frame(image=image, **detector_comments(words))
