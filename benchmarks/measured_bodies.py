"""Measured silver clusters: the solid named by forward fitting against solids, facets, voxels.

    python benchmarks/measured_bodies.py [1,3]

For each panel of ``experiment/barke*.png``: the published scatter loss, the mean square of the
difference over the range of the panel, inside the mask, of the best fit of the named solid (a
linear map of it, nine numbers), of the best of 21 solids, of free facets, of voxels. Physics of
the published reconstructions: absorption only, L = 12.5 nm. Then what the panel itself allows:

- ``flat``: pixels on the flat top of the colour map, which are masked: brightness is not known.
- ``uneven``: loss of the panel against itself after half a turn about the beam, at the smallest
  third of q, where patterns of compact bodies are all but even: what noise, the centre and the
  printing of the figure leave.
- ``pixel``: factor on the assumed size of a pixel at which the best solid's loss is least.
"""

import json
import sys
from dataclasses import replace

import jax
import numpy as np
from patterns import SATURATED, cases

from diffscatter.pipelines.bodies.choose import voxels_of
from diffscatter.pipelines.bodies.convex import recentred, with_planes
from diffscatter.pipelines.bodies.descent import Trial, by_facets, by_linear_map, seen
from diffscatter.pipelines.bodies.geometry import chi_of_attenuation
from diffscatter.pipelines.bodies.known import solids_start
from diffscatter.pipelines.bodies.library import library
from diffscatter.pipelines.bodies.match import match
from diffscatter.pipelines.bodies.polar import polar_map
from diffscatter.pipelines.bodies.recorded import recorded
from diffscatter.pipelines.bodies.sight import Sight
from diffscatter.pipelines.bodies.stages import GROWING, SETTLED, Stages, attempt, best_of
from diffscatter.pipelines.bodies.voxels import fit_voxel_body
from diffscatter.shapes.solids import canonical_name

LENGTH = 12.5  # nm
STARTS, FACETS, VOXELS = 16, 32, 64
PIXELS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)


def main(only: str = ""):
    for case in cases("barke", seed=0, only=[name for name in only.split(",") if name]):
        record = {"panel": case.name, "named": canonical_name(case.label)} | _judged(case)
        print(json.dumps(record, default=float), flush=True)


def _judged(case) -> dict:
    wavelength = case.options["wavelength"]
    chi = chi_of_attenuation(LENGTH, wavelength)
    data = recorded(case.pattern, wavelength, "log")
    stages = Stages(data.display(), wavelength, chi)
    known = library(wavelength=wavelength, q_max=stages.reach, chi=chi, kind="solids")
    sight = _every_pixel(stages)

    named = _of_solid(stages, known, canonical_name(case.label))
    found = solids_start(stages, known, np.random.default_rng(0))
    solids = _fitted(sight, named + [t for t in found if not t.free], by_linear_map)
    free = [t for t in found if t.free]
    faceted = [_with_facets(t) for t in solids[:2]]
    facets = _fitted(sight, free + faceted, by_facets)
    mine = [t for t in solids if t.solid == canonical_name(case.label)]
    voxels = _voxels(data, solids[0], wavelength, chi)
    # Display units have the brightest pixel at 1, and the darkest need not be at 0.
    span = float(np.ptp(sight.image)) ** 2
    losses = {
        "named solid": mine[0].rms ** 2 / span,
        "best solid": solids[0].rms ** 2 / span,
        "facets": facets[0].rms ** 2 / span,
        "voxels": voxels,
    }
    return {
        "losses": losses,
        "solid": solids[0].solid,
        "radius": [float(x) for x in recentred(solids[0].polar)[1]],
        "solids": [(t.solid, t.rms**2 / span) for t in solids],
        "pixels": int(data.counts.sum()),
        "centre": [-float(axis[0] / (axis[1] - axis[0])) for axis in (data.ky, data.kx)],
        "flat": _flat(case),
        "uneven": _uneven(data),
        "pixel": _pixel(stages, solids[0], span),
    }


def _every_pixel(stages: Stages) -> Sight:
    options = {"reach": stages.reach, "columns": 97, "depth": stages.largest}
    return Sight(stages.display, stages.wavelength, stages.chi, **options)


def _of_solid(stages: Stages, known, name: str) -> list[Trial]:
    """Return bodies of one solid that match, fitted at small q."""
    display = stages.display
    grid = known.grid(stages.wavelength)
    maps = polar_map(display.image, display.kx, display.ky, grid, mask=display.weight > 0)
    candidates = match(known, *maps, wavelength=stages.wavelength, top=4000)
    found = []
    for candidate in [c for c in candidates if c.name == name][:STARTS]:
        polar = candidate.planes()[0] / candidate.planes()[1][:, None]
        trial = Trial(polar=polar, tone=None, rms=np.inf, label=name, solid=name)
        start = seen(stages.fourth, trial, margin=GROWING)
        found += attempt(by_linear_map, stages.fourth, start, steps=8, margin=GROWING)
    return best_of(found, 3)


def _fitted(sight: Sight, trials: list[Trial], fit) -> list[Trial]:
    found = []
    for trial in trials:
        found += attempt(fit, sight, trial, steps=10, margin=SETTLED, tolerance=2e-3)
    return best_of(found, len(found))


def _with_facets(trial: Trial) -> Trial:
    polar = with_planes(recentred(trial.polar)[0], FACETS, np.random.default_rng(0))
    return replace(trial, polar=polar, label=f"{trial.label}, facets")


def _voxels(data, trial: Trial, wavelength: float, chi: complex) -> float:
    half = recentred(trial.polar)[1].max()
    pitch = 2.4 * float(half) / VOXELS
    body = fit_voxel_body(
        voxels_of(trial.polar, VOXELS, pitch), pitch, data.image, data.kx, data.ky,
        wavelength=wavelength, chi=chi, scale="log", weight=data.counts,
    )  # fmt: skip
    return float((body.rms / np.ptp(data.image[data.counts])) ** 2)


def _flat(case) -> int:
    """Return how many pixels of the window are as bright as the colour map goes."""
    top = np.interp(SATURATED, [0, 0.3, 0.88, 1], [0, 0.38, 0.7425, 1])
    y, x = np.indices(case.pattern.image.shape) - 64
    return int(((case.pattern.image >= top) & (np.hypot(x, y) >= 6)).sum())


def _uneven(data) -> float:
    half_turn = lambda axis: np.abs(axis[:, None] + axis).argmin(axis=1)
    turned = np.ix_(half_turn(data.ky), half_turn(data.kx))
    k = np.hypot(data.ky[:, None], data.kx)
    both = data.counts & data.counts[turned] & (k < k[data.counts].max() / 3)
    difference = (data.image - data.image[turned])[both]
    return float(np.mean(difference**2) / np.ptp(data.image[data.counts]) ** 2)


def _pixel(stages: Stages, trial: Trial, span: float) -> dict:
    """Return the loss of a solid, fitted anew, where pixels are larger by these factors."""
    losses = {}
    for factor in PIXELS:
        display = stages.display
        display = replace(display, kx=factor * display.kx, ky=factor * display.ky)
        sight = _every_pixel(Stages(display, stages.wavelength, stages.chi))
        # Larger pixels: a smaller body, whose polar vectors are longer.
        scaled = seen(sight, replace(trial, polar=factor * trial.polar), margin=SETTLED)
        found = attempt(by_linear_map, sight, scaled, steps=8, margin=SETTLED)
        if found:
            losses[str(factor)] = found[0].rms ** 2 / span
    return losses


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", False)
    main(*sys.argv[1:2])
