"""What a simulation leaves behind: figures, arrays, files that other commands read."""

from pathlib import Path
from typing import Any

import numpy as np

from diffscatter import io, plotting
from diffscatter.pipelines.simulate import Simulation

__all__ = ["collect"]

_WHITE = 65535  # of a 16-bit PNG
_UNITS = {
    "pitch": "nm",
    "volume": "nm^3",
    "wavelength": "nm",
    "fluence": "1/nm^2",
    "theta_max": "degrees",
}


def collect(run: Any, found: Simulation) -> list[str]:
    """Fill a run with what was simulated, and return what to print."""
    run.title = f"{found.name}, simulated"
    lines = []
    if found.recorded is not None:
        lines.append(_pattern(run, found))
    if found.curve is not None:
        lines.append(_curve(run, found))
    if found.body is not None:
        grid = found.body
        run.heading("Body")
        caption = f"{grid.name}: thickness along the three axes; the beam runs along z."
        run.figure("body", plotting.body(grid.density, grid.pitch), caption)
        run.body(grid.density, grid.pitch)
    rows = [
        (name.replace("_", " "), v, _UNITS.get(name, "")) for name, v in found.facts.items()
    ]
    if rows:
        run.heading("In numbers")
        run.table(("what", "value", "unit"), rows)
    run.record(**found.facts)
    run.lead("; ".join(lines) + ".")
    return lines


def _pattern(run: Any, found: Simulation) -> str:
    recorded, pattern = found.recorded, found.recorded.pattern
    counts, image = pattern.counts, np.asarray(pattern.image)
    mean = recorded.expected + recorded.background
    run.heading("Pattern")
    # Half a count stands for none: dark, where masked pixels are grey.
    floor = max(min(0.5, mean[counts].max() / 10), 1e-300)
    figure = plotting.pattern(
        {"recorded": np.maximum(image, floor), "mean": np.maximum(mean, floor)},
        pattern.kx,
        pattern.ky,
        mask=counts,
        unit="counts",
        centre=pattern.centre,
    )
    run.figure("detector", figure, "What is recorded, and its mean; masked pixels are grey.")
    _arrays(run, recorded)
    run.file("pattern.cxi", lambda path: io.save_pattern(path, pattern))
    words = "pattern.cxi holds counts, mask and geometry"
    if recorded.on_axes is not None:
        run.file("on_axes.cxi", lambda path: io.save_pattern(path, recorded.on_axes))
        words += "; on_axes.cxi the same on even steps of kx and ky, as reconstructions need it"
    step = _step(image)
    run.file("pattern.png", lambda path: _write_png(path, np.maximum(image, 0) / step))
    run.file("mask.png", lambda path: _write_png(path, 255 * counts, np.uint8))
    run.record(counts_per_grey_level=step)
    run.text(
        f"{words}. pattern.png holds the counts in grey levels, {step:.6g} each, and mask.png "
        "is white where they count."
    )
    facts = found.facts
    return (
        f"{facts['counts']:.6g} counts in {facts['pixels_that_count']} pixels to "
        f"{facts['theta_max']:.1f} degrees, {facts['brightest_pixel']:.6g} in the brightest"
    )


def _arrays(run: Any, recorded: Any) -> None:
    pattern, pixels = recorded.pattern, recorded.pixels
    run.array("pattern/image", pattern.image, unit="counts")
    run.array("pattern/mask", pattern.counts)
    run.array("pattern/expected", recorded.expected, unit="counts")
    run.array("pattern/background", recorded.background, unit="counts")
    run.array("pattern/kx", pixels.kx, unit="1/nm")
    run.array("pattern/ky", pixels.ky, unit="1/nm")
    run.array("pattern/theta", pixels.theta, unit="rad")
    run.array("pattern/solid_angle", pixels.solid_angle, unit="sr")


def _curve(run: Any, found: Simulation) -> str:
    curve = found.curve
    run.heading("Curve")
    run.figure(
        "curve",
        plotting.curve_fit(curve, found.exact, label="without noise"),
        "The curve with its noise, and without.",
    )
    run.array("curve/exact", found.exact, unit="1/cm")
    units = {"intensity": "1/cm", "sigma": "1/cm"}
    for name, values in curve.columns.items():
        run.array(f"curve/{name}", values, unit=units.get(name, "1/nm"))
    run.file("curve.h5", lambda path: io.save_curve(path, curve, fit=found.exact))
    run.text("curve.h5 is the curve as NXcanSAS, without noise as Imodel.")
    q = np.asarray(curve.q)
    return f"{q.size} points of a curve from {q[0]:.4g} to {q[-1]:.4g} 1/nm"


def _step(image: np.ndarray) -> float:
    """Return the counts of one grey level: 1 where whole counts fit, else so that all do."""
    top, whole = float(image.max()), bool((image == np.round(image)).all())
    return 1.0 if whole and top <= _WHITE else top / _WHITE


def _write_png(path: Path, levels: np.ndarray, dtype: Any = np.uint16) -> None:
    from PIL import Image

    from diffscatter.core.files import atomic

    with atomic(path) as temporary:
        Image.fromarray(np.round(levels).astype(dtype)).save(temporary, format="PNG")
