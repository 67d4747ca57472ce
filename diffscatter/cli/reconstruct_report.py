"""What a reconstruction leaves in its folder: a verdict first, then pictures and numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffscatter.core.data import Pattern
from diffscatter.report import Run

__all__ = ["collect", "is_good"]

_METHODS = {
    "solid": "one of 21 solids, stretched",
    "facets": "a convex body of free faces",
    "voxels": "free voxels",
}


def is_good(result: Any) -> bool:
    """Return whether a reconstruction calls itself reliable."""
    return result.status.startswith("reliable")


def collect(
    run: Run,
    pattern: Pattern,
    result: Any,
    wavelength: float,
    *,
    log: bool = False,
    assumed: Mapping[str, Any] | None = None,
) -> None:
    """Put a reconstruction into a run: report, summary, arrays.

    Args:
        run: the run to fill.
        pattern: what was given, on axes.
        result: of ``pipelines.reconstruct``.
        wavelength: nm.
        log: whether the pattern is a display image.
        assumed: the physics and the matter that were taken for granted.
    """
    run.status = result.status
    run.lead(f"{result.status[0].upper()}{result.status[1:]}", good=is_good(result))
    for message in result.warnings:
        run.warn(message)
    run.record(
        wavelength=wavelength,
        **(assumed or {}),
        rms=float(result.rms),
        scatter_loss=float(result.scatter_loss),
        method=result.method,
        solid=result.solid,
        candidates=[{"start": label, "rms": float(rms)} for label, rms in result.candidates],
        search_seconds=float(result.seconds),
        notes=list(pattern.notes),
    )
    _pattern(run, pattern, result, wavelength, log)
    _body(run, result)
    _candidates(run, result)
    _arrays(run, pattern, result)


def _sizes(run: Run, result: Any) -> None:
    """Say what the voxels measure: volume, and extents along the axes."""
    density, pitch = np.asarray(result.density, float), float(result.pitch)
    volume = density.sum() * pitch**3
    found = {"equivalent_diameter": (6 * volume / np.pi) ** (1 / 3)}
    filled = density > 0.5 * density.max()
    for axis, name in ((2, "x"), (1, "y"), (0, "z")):
        others = tuple(k for k in range(3) if k != axis)
        inside = np.flatnonzero(filled.any(axis=others))
        found[f"extent_{name}"] = pitch * (np.ptp(inside) + 1) if inside.size else 0.0
    run.record(sizes=found)
    notes = {"extent_z": "along the beam: with the far side, hardly determined"}
    notes["equivalent_diameter"] = "of the sphere of the same volume, far side included"
    rows = [(k.replace("_", " "), f"{v:.4g}", notes.get(k, "")) for k, v in found.items()]
    run.table(("size", "nm", ""), rows)


def _pattern(run: Run, pattern: Pattern, result: Any, wavelength: float, log: bool) -> None:
    from diffscatter import plotting_reconstruction

    run.heading("Pattern and fit")
    figure = plotting_reconstruction.pattern_fit(
        pattern.image,
        result.fitted,
        pattern.kx,
        pattern.ky,
        mask=pattern.mask,
        wavenumber=2 * np.pi / wavelength,
        log=log,
    )
    what = "as shown in the file" if log else "as recorded"
    run.figure(
        "pattern",
        figure,
        f"The pattern {what}, that of the body found in the same display, and their "
        f"difference: rms {result.rms:.4g} of the logarithm. Dashed: the Ewald circle, beyond "
        f"which nothing scatters. Grey: masked. Data: {pattern.source}.",
    )
    for note in pattern.notes:
        run.text(f"Note: {note}.")


def _body(run: Run, result: Any) -> None:
    from diffscatter import plotting, plotting_reconstruction

    run.heading("Body")
    kind = _METHODS[result.method]
    name = f", the {result.solid}" if result.solid else ""
    run.text(f"Found as {kind}{name}.")
    _sizes(run, result)
    pitch = float(result.pitch)
    try:
        if result.normals is None:
            surface = plotting_reconstruction.surface_of_density(result.density, pitch)
        else:
            surface = plotting_reconstruction.surface_of_planes(result.normals, result.offsets)
        density = np.asarray(result.density)
        near = np.asarray(result.determined, bool) & (density > 0.5 * density.max())
        figure = plotting_reconstruction.views(surface, near, pitch)
        words = (
            "The body as the beam meets it, from the side and from behind. Blue bounds the "
            "half of each column that the beam meets first, orange the other half."
        )
    except ImportError as error:
        figure = plotting.body(result.density, pitch)
        words = f"Thickness along the three axes. {error}."
    run.figure("body", figure, words)
    run.heading("What is not determined")
    share = np.sum(np.asarray(result.density)[np.asarray(result.determined, bool)])
    share = 100 * share / max(float(np.sum(result.density)), 1e-30)
    run.text(
        "The far side (orange). What scatters there has crossed the body, is weakened by it, "
        f"and differs little from pattern to pattern: the near half, {share:.0f} % of the body "
        "found, is what the pattern shows; the rest is what the kind of body implies, its "
        "symmetry or its convexity. Compare bodies over the near half only."
    )
    run.text(
        "The place of the body: moved along x, y or z it gives the same pattern. And its "
        "strength: a scale and an offset of the pattern were fitted along with the body."
    )


def _candidates(run: Run, result: Any) -> None:
    if not result.candidates:
        return
    run.heading("Candidates")
    run.text(
        "Every start ends in a body; the least rms wins, and a simpler body wins over free "
        "faces unless these halve the rms. Starts that end in like bodies speak for them."
    )
    run.table(("start", "rms"), [(label, float(rms)) for label, rms in result.candidates])


def _arrays(run: Run, pattern: Pattern, result: Any) -> None:
    run.body(result.density, float(result.pitch))
    run.array("determined", np.asarray(result.determined, np.uint8))
    if result.normals is not None:
        run.array("planes/normals", result.normals)
        run.array("planes/offsets", result.offsets, unit="nm")
    run.array("pattern/image", pattern.image)
    run.array("pattern/fitted", result.fitted)
    run.array("pattern/mask", pattern.counts.astype(np.uint8))
    run.array("pattern/kx", pattern.kx, unit="1/nm")
    run.array("pattern/ky", pattern.ky, unit="1/nm")
