"""What the commands on patterns share: reading a file, turning it, and its wave vectors."""

import argparse
import re
from pathlib import Path
from typing import Any

from diffscatter.cli.options import number

__all__ = ["add_geometry", "add_reading", "placed", "read_pattern", "wavelength_of"]


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how an image is read and what of it counts."""
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="image of its shape, not 0 where a pixel counts",
    )
    parser.add_argument(
        "--frame", type=int, metavar="N", help="which image, from 0, where there are several"
    )
    parser.add_argument("--dataset", metavar="NAME", help="of HDF5, where that is not clear")
    parser.add_argument(
        "--saturation", type=float, metavar="I", help="from which on a pixel is left out"
    )
    parser.add_argument("--mask-bad", action="store_true", help="mask NaN and infinite pixels")
    parser.add_argument(
        "--mask-dark", action="store_true", help="mask wide regions at 0, as beyond a detector"
    )
    parser.add_argument(
        "--rotate",
        type=int,
        choices=(0, 180),
        default=0,
        help="degrees about pixel n // 2; published images need 180",
    )


def add_geometry(parser: argparse.ArgumentParser) -> None:
    """Add what gives every pixel its scattered wave."""
    parser.add_argument(
        "--wavelength", metavar="L", help="nm, or with its unit, as 135A; the file's by default"
    )
    parser.add_argument(
        "--q-max",
        metavar="Q",
        help="transverse wave vector of pixel 0, 1/nm, or as 0.0473/A: the pixels are even "
        "steps of it, and pixel n // 2 is the beam",
    )
    parser.add_argument(
        "--distance",
        metavar="D",
        help="of a flat detector, as 68mm, or in the unit of --pixel; the file's by default",
    )
    parser.add_argument("--pixel", metavar="P", help="side of its pixels, as 75um")
    parser.add_argument(
        "--centre",
        metavar="X,Y",
        help="column and row of the beam, whole numbers are middles of pixels "
        "(the file's, or n // 2)",
    )


def read_pattern(path: Path, options: argparse.Namespace) -> Any:
    """Return the pattern of a file, turned as the options ask, with the centre they give."""
    from diffscatter.core.pytree import replace
    from diffscatter.io import load_pattern

    names = ("mask", "frame", "dataset", "saturation", "mask_bad", "mask_dark")
    pattern = load_pattern(path, **{name: getattr(options, name) for name in names})
    if options.centre is not None:
        pattern = replace(pattern, centre=_pair("--centre", options.centre))
    return pattern.rotated() if options.rotate else pattern


def wavelength_of(pattern: Any, options: argparse.Namespace) -> float:
    """Return the wavelength in nm that is asked for, or the file's."""
    if options.wavelength is not None:
        return number("--wavelength", options.wavelength, "nm")
    if pattern.wavelength is None:
        raise ValueError(f"{pattern.source} states no wavelength; give --wavelength, in nm")
    return pattern.wavelength


def placed(pattern: Any, wavelength: float, options: argparse.Namespace) -> Any:
    """Return the pattern on axes kx, ky: by the options, or by what its file says."""
    flat = options.distance is not None or options.pixel is not None
    if options.q_max is not None:
        if flat:
            raise ValueError("give --q-max, or --distance with --pixel, not both")
        return pattern.with_axes(number("--q-max", options.q_max, "1/nm"), wavelength)
    if flat:
        from diffscatter.pipelines import on_axes

        return on_axes(pattern, wavelength=wavelength, **_lengths(pattern, options))
    if pattern.kx is not None:
        return pattern
    if pattern.distance is not None and pattern.pixel is not None:
        from diffscatter.pipelines import on_axes

        return on_axes(pattern, wavelength=wavelength)
    raise ValueError(
        f"{pattern.source} does not say which angles its pixels see; give --q-max (1/nm, of "
        "pixel 0), or --distance and --pixel"
    )


def _lengths(pattern: Any, options: argparse.Namespace) -> dict[str, float]:
    """Return distance and pixel in one unit: bare numbers are in one of the user's."""
    from diffscatter.core.units import split_quantity

    found = {"distance": options.distance, "pixel": options.pixel}
    given = {name: text for name, text in found.items() if text is not None}
    units = {bool(split_quantity(text, f"--{name}")[1]) for name, text in given.items()}
    if len(units) > 1 or (len(given) == 1 and units == {False}):
        raise ValueError("give --distance and --pixel both with a unit, as 68mm and 75um")
    return {name: number(f"--{name}", text, "nm") for name, text in given.items()}


def _pair(option: str, text: str) -> tuple[float, float]:
    match = re.fullmatch(r"\s*([^,\s]+)\s*,\s*([^,\s]+)\s*", text)
    try:
        return float(match[1]), float(match[2])
    except (TypeError, ValueError):
        raise ValueError(f"{option} takes X,Y in pixels, got {text!r}") from None
