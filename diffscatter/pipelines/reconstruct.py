r"""A body from one wide-angle diffraction pattern.

The pattern alone is given, with the wavelength and what the body does to it. Convex bodies are
fitted as columns (:mod:`diffscatter.operators.columns`), from a library of known solids and
from spheres, at small angles first. The lowest residual chooses, with parsimony; a body that
the pattern does not settle says so in its status.

References:
    Stielow and Scheel, *Phys. Rev. E* 103, 053312 (2021); Barke et al., *Nat. Commun.* 6, 6187
    (2015).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from diffscatter.analysis.registration import seen_half
from diffscatter.core.checks import check_finite, check_positive
from diffscatter.core.data import Pattern
from diffscatter.operators import columns
from diffscatter.pipelines.bodies.choose import chosen, verdict, voxels_of
from diffscatter.pipelines.bodies.cold import GOOD, cold_start
from diffscatter.pipelines.bodies.convex import NoBody, planes_of, recentred
from diffscatter.pipelines.bodies.descent import Trial
from diffscatter.pipelines.bodies.display import Display, of_counts, of_image
from diffscatter.pipelines.bodies.known import matches, solids_start
from diffscatter.pipelines.bodies.library import library
from diffscatter.pipelines.bodies.stages import SETTLED, Stages
from diffscatter.shapes.heights import heights

__all__ = ["METHODS", "PHYSICS", "STARTS", "Reconstruction", "reconstruct"]

PHYSICS = ("multislice", "attenuated")
METHODS = ("auto", "solid", "facets")
STARTS = ("both", "library", "cold")
_VOXELS = 64
_MOST_PIXELS = 160  # of an edge; finer patterns are binned
_COLUMNS = 48  # on either side of the middle one, for the pattern that is shown
_BOX = 0.375  # side of the voxel grid over 2 pi/pixel


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What :func:`reconstruct` finds.

    Attributes:
        density: occupancy, ``(nz, ny, nx)``.
        pitch: voxel side, nm.
        method: how the body is described: ``"solid"``, ``"facets"`` or ``"voxels"``.
        solid: the base solid whose linear map it is, or None.
        normals, offsets: its half-spaces ``n.x <= b``, nm; None for voxels.
        fitted: the pattern it gives, as the data are displayed. Shape ``(ny, nx)``.
        rms: root mean square residual of the pattern on a logarithmic scale from 0 to 1.
        scatter_loss: mean square of the same residual over all pixels that count.
        determined: the half of each column that the beam sees, bool, as ``density``.
        candidates: what else was found, ``(label, rms)``, the best first.
        status: one line; begins with "reliable" or "doubtful".
        warnings: what the reader should know, one line each.
        seconds: that it took.
    """

    density: np.ndarray
    pitch: float
    method: str
    solid: str | None
    normals: np.ndarray | None
    offsets: np.ndarray | None
    fitted: np.ndarray
    rms: float
    scatter_loss: float
    determined: np.ndarray
    candidates: list[tuple[str, float]]
    status: str
    warnings: tuple[str, ...]
    seconds: float


def reconstruct(
    pattern: Pattern,
    *,
    wavelength: float,
    chi: complex | None = None,
    attenuation_length: float | None = None,
    physics: str = "multislice",
    method: str = "auto",
    start: str = "both",
    scale: str = "linear",
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> Reconstruction:
    r"""Return the convex body that explains a pattern, and how far to trust it.

    Computed in single precision. A pattern determines a body up to a shift, and hardly its far
    side: see ``determined``.

    Args:
        pattern: image, mask and axes ``kx``, ``ky`` (1/nm), in physical orientation. Pixels
            beyond the Ewald circle do not count.
        wavelength: nm.
        chi: n - 1 of the body; for ``physics="multislice"``.
        attenuation_length: depth over which the amplitude falls to 1/e, nm; for
            ``physics="attenuated"``.
        physics: ``"multislice"``: straight rays with a complex index. ``"attenuated"``: no
            refraction, as in the published data set.
        method: ``"solid"``: a linear map of a base solid or a sphere. ``"facets"``: free
            half-spaces. ``"auto"``: the solid, unless facets explain the pattern clearly
            better.
        start: ``"library"``: known solids whose patterns match. ``"cold"``: spheres.
            ``"both"``.
        scale: ``"linear"``: counts, or intensities. ``"log"``: a published image,
            :math:`\alpha \ln(1 + I/c)` of unknown alpha and c.
        seed: of all random numbers.
        progress: called with words and the share of the work that is done, from any thread.

    Raises:
        ValueError: naming what cannot be used, and the mend.
    """
    began = time.perf_counter()
    for name, value, known in (
        ("physics", physics, PHYSICS),
        ("method", method, METHODS),
        ("start", start, STARTS),
        ("scale", scale, ("linear", "log")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    check_positive("wavelength", wavelength, "nm")
    chi = _index(physics, chi, attenuation_length, wavelength)
    display = _display(pattern, wavelength, scale)
    stages = Stages(display, float(wavelength), chi)
    trials = _search(stages, start, method, seed, _Report(progress))
    if not trials:
        raise NoBody("no body was found from any start: check wavelength, axes and scale")
    wanted = {
        "solid": [t for t in trials if not t.free],
        "facets": [t for t in trials if t.free],
    }
    best = chosen(wanted.get(method) or trials)
    return _result(stages, best, trials, scale, time.perf_counter() - began)


def _search(stages: Stages, start: str, method: str, seed: int, report) -> list[Trial]:
    """Return the bodies from every start asked for, the best first; starts run side by side."""
    first, second = np.random.SeedSequence(seed).spawn(2)
    common = {"solids_only": method == "solid", "report": report}
    known = partial(library, **_library_key(stages), progress=report.building)
    solids = known(kind="solids") if start != "cold" else None
    with ThreadPoolExecutor(2) as pool:
        jobs = []
        if solids is not None:
            random = np.random.default_rng(first)
            jobs.append(pool.submit(solids_start, stages, solids, random, **common))

        def polytopes() -> list[Trial]:
            # What the other start has found already needs no more starts.
            if any(trial.rms <= GOOD for job in jobs for trial in job.result()):
                return []
            return matches(stages, known(kind="polytopes"))

        ways = list(jobs)
        if start != "library":
            random = np.random.default_rng(second)
            ways.append(pool.submit(cold_start, stages, random, polytopes=polytopes, **common))
        found = [way.result() for way in ways]
    return sorted((trial for some in found for trial in some), key=lambda trial: trial.rms)


def _library_key(stages: Stages) -> dict:
    return {
        "wavelength": stages.wavelength,
        "q_max": stages.reach,
        "chi": stages.chi,
    }


class _Report:
    """Counts what starts report, from their threads, into a share of the work."""

    _STEPS = 8

    def __init__(self, progress: Callable[[str, float], None] | None):
        self._progress, self._done, self._lock = progress, 0, threading.Lock()

    def __call__(self, words: str) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += 1
            self._progress(words, min(self._done / self._STEPS, 1.0))

    def building(self, done: int, count: int) -> None:
        """Report a library that is being built, which is no part of the work."""
        if self._progress is not None:
            self._progress(f"library of patterns, {done} of {count}", 0.0)


def _index(physics: str, chi, attenuation_length, wavelength: float) -> complex:
    """Return n - 1; attenuation without refraction is that of i lambda/(2 pi L)."""
    if physics == "attenuated":
        if attenuation_length is None or chi is not None:
            raise ValueError("physics 'attenuated' takes attenuation_length (nm), and not chi")
        check_positive("attenuation_length", attenuation_length, "nm")
        return 1j * wavelength / (2 * np.pi * attenuation_length)
    if chi is None or attenuation_length is not None:
        raise ValueError(
            f"physics {physics!r} takes chi = n - 1 of the body, and not attenuation_length"
        )
    chi = complex(check_finite("chi", chi))
    if chi.imag < 0:
        raise ValueError(f"chi must not amplify: its imaginary part beta is {chi.imag:g}")
    if chi == 0:
        raise ValueError("chi must not be 0: such a body does not scatter")
    return chi


def _display(pattern: Pattern, wavelength: float, scale: str) -> Display:
    """Return the pattern as a display, after refusing what no body explains."""
    image = np.asarray(pattern.image)
    if image.ndim != 2:
        raise ValueError(f"the pattern must be (ny, nx), got shape {image.shape}")
    if pattern.kx is None or pattern.ky is None:
        raise ValueError("the pattern has no axes kx, ky (1/nm): see core.data.Pattern")
    axes = []
    for name, axis, size in (
        ("kx", pattern.kx, image.shape[1]),
        ("ky", pattern.ky, image.shape[0]),
    ):
        axis = np.asarray(axis, float)
        if axis.shape != (size,):
            raise ValueError(f"{name} must be ({size},) as the pattern, got {axis.shape}")
        check_finite(name, axis)
        if size < 2 or not (np.diff(axis) > 0).all():
            raise ValueError(f"{name} must ascend")
        axes.append(axis)
    kx, ky = axes
    mask = np.ones(image.shape, bool) if pattern.mask is None else np.asarray(pattern.mask)
    if mask.shape != image.shape:
        raise ValueError(
            f"mask must have the shape of the pattern, {image.shape}, got {mask.shape}"
        )
    inside = np.hypot(ky[:, None], kx) < 2 * np.pi / wavelength
    if not inside.any():
        raise ValueError(
            f"no pixel lies inside the Ewald circle: |k| starts at "
            f"{np.hypot(ky[:, None], kx).min():.6g} 1/nm, 2 pi/wavelength is "
            f"{2 * np.pi / wavelength:.6g} 1/nm"
        )
    counts = inside & mask.astype(bool)
    if not counts.any():
        raise ValueError("the mask leaves no pixel inside the Ewald circle")
    check_finite("the pattern where it counts", image[counts])
    image = np.where(counts, image, 0).astype(float)
    if not image.max() > 0:
        raise ValueError("the pattern is 0 wherever it counts: nothing was recorded")
    if np.ptp(image[counts]) == 0:
        raise ValueError("the pattern is the same wherever it counts: nothing was recorded")
    image, counts, kx, ky = _binned(image, counts, kx, ky, mean=scale == "log")
    return (of_image if scale == "log" else of_counts)(image, counts, kx, ky)


def _binned(image, counts, kx, ky, *, mean: bool):
    """Return a pattern of at most ``_MOST_PIXELS`` an edge; blocks that half count, count."""
    factor = -(-max(image.shape) // _MOST_PIXELS)
    if factor == 1:
        return image, counts, kx, ky
    ny, nx = (size // factor for size in image.shape)
    blocks = lambda a: a[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    share = blocks(counts.astype(float)).mean(axis=(1, 3))
    total = blocks(image).sum(axis=(1, 3))
    axis = lambda a, n: a[: n * factor].reshape(n, factor).mean(axis=1)
    kept = share >= 0.5
    full = np.where(kept, total / np.where(kept, share, 1), 0)
    full = (
        full / factor**2
        if mean
        else np.round(full)
        if (image == np.round(image)).all()
        else full
    )
    return full, kept, axis(kx, nx), axis(ky, ny)


def _result(stages, best: Trial, trials, scale: str, seconds: float) -> Reconstruction:
    display = stages.display
    pitch = _BOX * 2 * np.pi / float(np.diff(display.kx).max()) / _VOXELS
    half = recentred(best.polar)[1]
    pitch = max(pitch, float(half.max()) / (0.48 * _VOXELS))
    density = voxels_of(best.polar, _VOXELS, pitch)
    normals, offsets = planes_of(recentred(best.polar)[0])
    labels = dict.fromkeys((trial.label, trial.rms) for trial in trials)
    fitted, rms, loss = _fitted(stages, best, scale)
    return Reconstruction(
        density=density,
        pitch=pitch,
        method="facets" if best.free else "solid",
        solid=None if best.free else best.solid,
        normals=normals,
        offsets=offsets,
        fitted=fitted,
        rms=rms,
        scatter_loss=loss,
        determined=seen_half(density),
        candidates=list(labels),
        status=verdict(best, trials, noise=display.noise, largest=stages.largest),
        warnings=(),
        seconds=seconds,
    )


def _fitted(stages: Stages, best: Trial, scale: str) -> tuple[np.ndarray, float, float]:
    """Return the pattern of a body as the data are displayed, its rms and its mean square."""
    display, wavelength = stages.display, stages.wavelength
    polar, half = recentred(best.polar)
    half_width = SETTLED * float(half[:2].max())
    axis = (np.arange(-_COLUMNS, _COLUMNS + 1) * (half_width / _COLUMNS)).astype(np.float32)
    planes = (part.astype(np.float32) for part in planes_of(polar))
    front, thickness, coverage = heights(*planes, axis, axis)
    f = columns.amplitude(
        front, thickness, half_width / _COLUMNS, wavelength, display.kx, display.ky,
        chi=stages.chi, coverage=coverage,
    )  # fmt: skip
    field = np.asarray(f) * wavelength**2 / (2 * np.pi * stages.chi) / stages.unit_length**3
    shown = best.tone.show(np.abs(field) ** 2)
    residual = np.where(display.weight > 0, shown - display.image, 0)
    weight = display.weight**2 / np.sum(display.weight**2)
    rms = float(np.sqrt(np.sum(weight * residual**2)))
    loss = float(np.mean(residual[display.weight > 0] ** 2))
    if scale == "log":
        return display.unit * shown, rms, loss
    return display.unit * np.expm1(shown / display.contrast), rms, loss
