"""What ``diffscatter check`` says of an image: what is in it, what is odd, what it lacks."""

import argparse
from typing import Any

from diffscatter.cli.options import as_options
from diffscatter.cli.patterns import placed, read_pattern, wavelength_of

__all__ = ["described"]

_OFF_CENTRE = 2  # pixels between the beam and the centre of symmetry that ask for a look
_FEW_LEVELS = 256  # of a display image
_WIDE = 0.35  # sine of the angle from which on a pattern tells depth


def described(options: argparse.Namespace) -> tuple[str, list[tuple[str, str]]]:
    """Return the title and the rows for a pattern that can be read.

    Raises:
        ValueError: as :func:`diffscatter.io.load_pattern`.
    """
    import numpy as np

    pattern = read_pattern(options.data, options)
    image, counts = np.asarray(pattern.image), pattern.counts
    values = image[counts]
    ny, nx = image.shape
    rows = [
        ("pixels", f"{nx} x {ny}, {int((~counts).sum())} masked"),
        ("intensity", f"{values.min():.6g} to {values.max():.6g}"),
        ("zeros", f"{(values == 0).mean():.0%} of the pixels that count"),
    ]
    stated = {
        "wavelength": _nm(pattern.wavelength),
        "distance": _nm(pattern.distance),
        "pixel": None if pattern.pixel is None else " x ".join(map(_nm, pattern.pixel)),
    }
    rows += [(name, words or "not in the file") for name, words in stated.items()]
    centre = pattern.centre
    where = f"({nx // 2}, {ny // 2}) by default" if centre is None else f"{centre}"
    rows.append(("beam", f"pixel (column, row) {where}"))
    rows += _angles(pattern, options)
    rows.append(("source", pattern.source))
    notes = [("note", words) for words in pattern.notes]
    return pattern.name, rows + notes + [
        ("look at", words) for words in _odd(pattern, image, counts)
    ]


def _nm(length: float | None) -> str | None:
    return None if length is None else f"{length:.6g} nm"


def _angles(pattern: Any, options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return what the pixels see, or what is missing to know it."""
    import numpy as np

    try:
        wavelength = wavelength_of(pattern, options)
        pattern = placed(pattern, wavelength, options)
    except ValueError as error:
        return [("angles", as_options(str(error)))]
    k = 2 * np.pi / wavelength
    across = np.hypot(np.asarray(pattern.kx), np.asarray(pattern.ky)[:, None])
    seen = pattern.counts & (across < k)
    if not seen.any():
        return [("angles", "no pixel that counts lies inside the Ewald circle")]
    sine = across[seen].max() / k
    theta = np.degrees(np.arcsin(sine))
    step = min(np.diff(np.asarray(axis)).min() for axis in (pattern.kx, pattern.ky))
    depth = "one pattern tells depth" if sine > _WIDE else "small: depth is hardly seen"
    return [
        ("angles", f"to {theta:.3g} degrees, k_perp to {sine * k:.4g} 1/nm; {depth}"),
        ("beyond 90", f"{int((across >= k).sum())} pixels lie beyond the Ewald circle"),
        ("resolution", f"{np.pi / (sine * k):.3g} nm (pi / k_perp)"),
        ("largest body", f"{np.pi / step:.4g} nm (pi / step of k_perp)"),
    ]


def _odd(pattern: Any, image: Any, counts: Any) -> list[str]:
    """Return what deserves a look before a reconstruction."""
    import numpy as np

    from diffscatter.analysis import symmetry_centre
    from diffscatter.io.frame import dark_regions

    odd, values = [], image[counts]
    whole = (values == np.rint(values)).all()
    levels = np.unique(values).size if whole else 0
    picture = whole and values.max() <= _FEW_LEVELS - 1
    if picture:
        odd.append(
            f"{levels} levels up to {values.max():.0f}: an 8-bit picture, probably of a "
            "logarithm; then give --scale log to reconstruct"
        )
    if (negative := int((values < 0).sum())) > 0:
        odd.append(f"{negative} pixels below 0: a background was subtracted")
    top = int((values == values.max()).sum())
    if top > 4:
        odd.append(
            f"{top} pixels share the largest value {values.max():.6g}: saturated? "
            f"--saturation {values.max():.6g} leaves them out"
        )
    dark = int(dark_regions(np.where(counts, image, 1)).sum())
    if dark:
        odd.append(
            f"{dark} pixels at 0 in wide regions: beyond the detector, or behind a beam stop? "
            "--mask-dark leaves them out"
        )
    centre = pattern.centre or tuple(n // 2 for n in reversed(image.shape))
    found = symmetry_centre(image, counts, log=picture)
    if max(abs(a - b) for a, b in zip(found, centre, strict=True)) >= _OFF_CENTRE:
        odd.append(
            f"most alike its half-turn about pixel {found}, the beam is taken at {centre}: "
            f"--centre {found[0]:g},{found[1]:g}?"
        )
    if min(image.shape) < 32:
        odd.append("fewer than 32 pixels an edge: few fringes are resolved")
    return odd
