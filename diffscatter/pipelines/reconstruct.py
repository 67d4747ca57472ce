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
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from diffscatter.analysis.registration import seen_half
from diffscatter.core.checks import check_finite, check_positive
from diffscatter.core.data import Pattern
from diffscatter.operators import columns
from diffscatter.pipelines.bodies.choose import chosen, contenders, verdict, voxels_of
from diffscatter.pipelines.bodies.cold import GOOD, cold_start
from diffscatter.pipelines.bodies.convex import NoBody, planes_of, polar_of, recentred
from diffscatter.pipelines.bodies.descent import Trial
from diffscatter.pipelines.bodies.geometry import chi_of_attenuation
from diffscatter.pipelines.bodies.known import polytopes_start, solids_start
from diffscatter.pipelines.bodies.library import Library, library
from diffscatter.pipelines.bodies.recorded import Recorded, recorded
from diffscatter.pipelines.bodies.refine import refine_body
from diffscatter.pipelines.bodies.stages import SETTLED, Stages, best_of, finished
from diffscatter.pipelines.bodies.voxels import fit_voxel_body
from diffscatter.shapes.heights import heights

__all__ = ["METHODS", "PHYSICS", "STARTS", "Reconstruction", "reconstruct"]

_KINDS = 4  # solids that straight rays may take for one another
PHYSICS = ("multislice", "split-step", "attenuated")
METHODS = ("auto", "solid", "facets", "voxels")
STARTS = ("both", "library", "cold")
_VOXELS = 64
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
        chi: n - 1 of the body, unless ``physics="attenuated"``.
        attenuation_length: depth over which the amplitude falls to 1/e, nm; for
            ``physics="attenuated"``.
        physics: ``"multislice"``: straight rays with a complex index. ``"split-step"``: the
            same, then the body is refined with multiple scattering. ``"attenuated"``: no
            refraction, as in the published data set.
        method: ``"solid"``: a linear map of a base solid or a sphere. ``"facets"``: free
            half-spaces. ``"auto"``: the solid, unless facets explain the pattern clearly
            better. ``"voxels"``: voxels set free from the body of ``"auto"``, on straight
            rays.
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
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise ValueError(f"seed must be a whole number, 0 or above, got {seed!r}")
    chi = _index(physics, chi, attenuation_length, wavelength)
    data = recorded(pattern, float(wavelength), scale)
    stages = Stages(data.display(), data.wavelength, chi)
    stages.check()
    report = _Report(progress)
    kinds = _KINDS if physics == "split-step" else 1
    trials, notes = _search(stages, start, method, seed, kinds, report)
    if not trials:
        raise NoBody("no body was found from any start: check wavelength, axes and scale")
    wanted = {
        "solid": [t for t in trials if not t.free],
        "facets": [t for t in trials if t.free],
    }
    wanted = wanted.get(method) or trials
    if physics == "split-step":
        report("refined through multiple scattering")
        # Straight rays, wrong by tens of percent, take one solid for another and make facets
        # of either: all go on, and are judged by what comes out.
        ends = [_refined(stages, data, trial) for trial in contenders(wanted)]
        best, found = min(ends, key=lambda end: end[0].rms)
        trials = sorted((trial for trial, _ in ends), key=lambda trial: trial.rms)
    else:
        best = chosen(wanted)
        found = _body(stages, data, best)
    if method == "voxels":
        report("voxels")
        found = _set_free(stages, data, found)
    # A display image does not tell its noise, but what is left of it does.
    noise = max(stages.display.noise, stages.display.white(found.fitted))
    status = verdict(
        best,
        trials,
        rms=found.rms,
        noise=noise,
        largest=stages.largest,
        straight=abs(chi) if physics == "multislice" else 0.0,
    )
    return Reconstruction(
        **found._asdict(),
        solid=None if best.free or method == "voxels" else best.solid,
        determined=seen_half(found.density),
        candidates=list(dict.fromkeys((trial.label, trial.rms) for trial in trials)),
        status=status,
        warnings=(*data.notes, *notes),
        seconds=time.perf_counter() - began,
    )


def _search(
    stages: Stages, start: str, method: str, seed: int, kinds: int, report: "_Report"
) -> tuple[list[Trial], tuple[str, ...]]:
    """Return the bodies from every start asked for, the best first, and notes of libraries.

    Starts run side by side: compiled programs leave the interpreter to one another.
    """
    first, second = np.random.SeedSequence(seed).spawn(2)
    common = {"solids_only": method == "solid", "report": report}
    notes: list[str] = []

    def known(kind: str) -> Library:
        found = library(
            wavelength=stages.wavelength,
            q_max=stages.reach,
            chi=stages.chi,
            kind=kind,
            progress=report.building,
        )
        notes.extend(found.notes)
        return found

    solids = known("solids") if start != "cold" else None
    with ThreadPoolExecutor(2) as pool:
        ways = []
        if solids is not None:
            random = np.random.default_rng(first)
            ways.append(
                pool.submit(solids_start, stages, solids, random, kinds=kinds, **common)
            )
        before = tuple(ways)

        def polytopes() -> list[Trial]:
            # What the other start has found already needs no more starts.
            if any(trial.rms <= GOOD for way in before for trial in way.result()):
                return []
            return polytopes_start(stages, known("polytopes"))

        if start != "library":
            random = np.random.default_rng(second)
            ways.append(pool.submit(cold_start, stages, random, polytopes=polytopes, **common))
        found = [trial for way in ways for trial in way.result()]
        if start == "library" and method != "solid":
            for trial in best_of(polytopes(), 1):
                found += finished(stages, trial, steps=12, facets=True)
    return sorted(found, key=lambda trial: trial.rms), tuple(notes)


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
    """Return n - 1, whichever way it was given."""
    if physics == "attenuated":
        if attenuation_length is None or chi is not None:
            raise ValueError("physics 'attenuated' takes attenuation_length (nm), and not chi")
        check_positive("attenuation_length", attenuation_length, "nm")
        return chi_of_attenuation(attenuation_length, wavelength)
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


class _Found(NamedTuple):
    """The body of a :class:`Reconstruction` and the pattern that it gives."""

    density: np.ndarray
    pitch: float
    method: str
    normals: np.ndarray | None
    offsets: np.ndarray | None
    fitted: np.ndarray
    rms: float
    scatter_loss: float


def _body(stages: Stages, data: Recorded, best: Trial) -> _Found:
    """Return a body about the middle of its bounding box, on straight rays."""
    polar, half = recentred(best.polar)
    normals, offsets = planes_of(polar)
    display, wavelength = stages.display, stages.wavelength
    half_width = SETTLED * float(half[:2].max())
    axis = (np.arange(-_COLUMNS, _COLUMNS + 1) * (half_width / _COLUMNS)).astype(np.float32)
    planes = normals.astype(np.float32), offsets.astype(np.float32)
    front, thickness, coverage = heights(*planes, axis, axis)
    f = columns.amplitude(
        front, thickness, half_width / _COLUMNS, wavelength, data.kx, data.ky,
        chi=stages.chi, coverage=coverage,
    )  # fmt: skip
    field = np.asarray(f) * wavelength**2 / (2 * np.pi * stages.chi) / stages.unit_length**3
    fitted = display.recorded(best.tone.show(np.abs(field) ** 2))
    return _described(
        stages, half, "facets" if best.free else "solid", normals, offsets, fitted
    )


def _refined(stages: Stages, data: Recorded, trial: Trial) -> tuple[Trial, _Found]:
    """Refine the linear map of a body through split step."""
    found = _body(stages, data, trial)
    better = refine_body(
        found.normals, found.offsets, data.image, data.kx, data.ky,
        wavelength=data.wavelength, chi=stages.chi, scale=data.scale, weight=data.counts,
    )  # fmt: skip
    polar, half = recentred(polar_of(better.normals, better.offsets))
    found = _described(stages, half, found.method, *planes_of(polar), better.fitted)
    label = f"{trial.label}, refined"
    return replace(trial, polar=polar, rms=found.rms, label=label), found


def _set_free(stages: Stages, data: Recorded, found: _Found) -> _Found:
    """Fit every voxel, from those of a body."""
    pitch = max(found.pitch / 2, 1.1 * _extent(found) / _VOXELS)
    start = voxels_of(polar_of(found.normals, found.offsets), _VOXELS, pitch)
    body = fit_voxel_body(
        start, pitch, data.image, data.kx, data.ky,
        wavelength=data.wavelength, chi=stages.chi, scale=data.scale, weight=data.counts,
    )  # fmt: skip
    rms, loss = stages.display.misfit(body.fitted)
    return _Found(body.density, body.pitch, "voxels", None, None, body.fitted, rms, loss)


def _extent(found: _Found) -> float:
    return 2 * float(recentred(polar_of(found.normals, found.offsets))[1].max())


def _described(stages: Stages, half, method: str, normals, offsets, fitted) -> _Found:
    box = _BOX * 2 * np.pi / float(np.diff(stages.display.kx).max())
    pitch = max(box / _VOXELS, float(half.max()) / (0.48 * _VOXELS))
    density = voxels_of(polar_of(normals, offsets), _VOXELS, pitch)
    rms, loss = stages.display.misfit(fitted)
    return _Found(density, pitch, method, normals, offsets, fitted, rms, loss)
