"""Wide-angle patterns whose bodies are known, or were named by others: sets to be judged on.

The published and the measured ones need the data beside the checkout
(``../shared/data/wide_angle``); the others are made here, from a seed.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from scipy.optimize import minimize

from diffscatter.core.data import Pattern
from diffscatter.core.materials import Material
from diffscatter.datasets import clusters
from diffscatter.operators import multislice, propagation
from diffscatter.shapes.occupancy import occupancy

__all__ = ["AXIS", "Case", "SETS", "cases"]

DATA = Path(__file__).resolve().parents[2] / "shared/data/wide_angle"
SIDE, WAVELENGTH, LENGTH = clusters.BOX, 13.5, 12.5  # nm
N = 192
PITCH = SIDE / N
# Pixels 1 to 127 of 128: pixel 64 is the beam, pixel 0 lies beyond the Ewald circle.
AXIS = 2 * np.pi / (512 * PITCH) * (np.arange(128) - 64)
COUNTS, HOLE, WINDOW = 1e6, 6, (30, 36)  # photons; pixels: radius, half height and width
PUBLISHED = {"wavelength": WAVELENGTH, "attenuation_length": LENGTH, "physics": "attenuated"}


@dataclass(frozen=True, eq=False)
class Case:
    """One pattern.

    Attributes:
        name: unique within its set.
        what: the body in words.
        pattern: image and mask on :data:`AXIS`.
        options: of :func:`diffscatter.pipelines.reconstruct`.
        truth: occupancy ``(n, n, n)`` with ``pitch``, None where it is not known.
        label: base solid, as others found or drew it.
    """

    name: str
    what: str
    pattern: Pattern
    options: dict
    truth: np.ndarray | None = None
    pitch: float = PITCH
    label: str = ""
    details: dict = field(default_factory=dict)


def cases(name: str, *, seed: int, only: list[str]) -> Iterator[Case]:
    """Yield the cases of a set; ``only`` those of these names, if any."""
    if name not in DRAWN and not DATA.exists():
        raise SystemExit(f"the {name} patterns are not there: they belong in {DATA}")
    makers = dict(SETS[name](seed))
    if unknown := set(only) - set(makers):
        raise SystemExit(f"no {name} pattern {sorted(unknown)}; there are {list(makers)}")
    for number, make in makers.items():
        if not only or number in only:
            yield make()


def _pattern(image: np.ndarray, mask: np.ndarray | None = None) -> Pattern:
    return Pattern(image=image, mask=mask, kx=AXIS, ky=AXIS)


def _grey(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("L"), np.float32)


def _published(seed: int):
    """The 20 published pairs: pattern alone, display scale unknown."""
    return _numbered(lambda number, row: _pair(number, row))


def _numbered(make):
    rows = list(csv.DictReader((DATA / "simulated/objects.csv").open()))
    return [(row["nr"], lambda row=row: make(int(row["nr"]), row)) for row in rows]


def _pair(number: int, row: dict) -> Case:
    tiles = _grey(DATA / f"simulated/real/{number}r.png")
    body = 1 - tiles / tiles.max()
    body = body.reshape(12, N, 16, N).swapaxes(1, 2).reshape(N, N, N)
    shown = _grey(DATA / f"simulated/scatter/{number}s.png") / 255
    # The published patterns are turned by half a turn about the beam.
    image = np.roll(shown[::-1, ::-1], 1, axis=(0, 1))
    what = f"{row['polyhedron']}, size {row['size']}, stretch {row['stretch'] or 1}"
    options = PUBLISHED | {"scale": "log"}
    return Case(str(number), what, _pattern(image), options, body, label=row["polyhedron"])


def _degraded(seed: int):
    """The published pairs with 1e6 counts, a hole of 6 pixels and a window of 72 x 60."""
    return _numbered(lambda number, row: _worn(_pair(number, row), number + 1000 * seed))


def _worn(case: Case, seed: int) -> Case:
    field_ = multislice.attenuated_field(case.truth, PITCH, WAVELENGTH, LENGTH, AXIS, AXIS)
    intensity = np.abs(np.asarray(field_)) ** 2
    inside = np.hypot(AXIS[:, None], AXIS) < 2 * np.pi / WAVELENGTH
    image = np.asarray(case.pattern.image)[inside]

    def misfit(log_offset):
        shown = np.log1p(intensity[inside] * np.exp(-log_offset[0]))
        return np.sum((shown @ image / (shown @ shown) * shown - image) ** 2)

    offset = np.exp(minimize(misfit, [np.log(2e5)], method="Nelder-Mead").x[0])
    level = intensity / offset
    counts = np.random.default_rng(seed).poisson(level * COUNTS / level.sum())
    noisy = np.log1p(counts * level.sum() / COUNTS)
    y, x = np.indices(noisy.shape) - 64
    mask = (np.hypot(x, y) >= HOLE) & (abs(y) <= WINDOW[0]) & (abs(x) <= WINDOW[1])
    image = np.where(mask, noisy / noisy[mask].max(), 0)
    return Case(
        case.name, case.what, _pattern(image, mask), case.options, case.truth, label=case.label
    )


def _cut(seed: int):
    """Twenty cut solids of the published test recipe, through 192^3 voxels."""

    def make(number, key):
        cluster = clusters.draw(key=key, cut=True)
        body = cluster.body
        planes = np.asarray(body.normals), np.asarray(body.offsets)
        truth = np.asarray(occupancy(*planes, N, PITCH, oversampling=1)) > 0.5
        density = truth.astype(np.float32)
        f = multislice.attenuated_field(density, PITCH, WAVELENGTH, LENGTH, AXIS, AXIS)
        intensity = np.abs(np.asarray(f)) ** 2
        # Offsets as the published ones, and 8 bits.
        offset = np.exp(np.random.default_rng([seed, number]).uniform(*np.log([1e5, 4.6e5])))
        image = np.log(intensity + offset)
        image = np.round(255 * (image - image.min()) / np.ptp(image)) / 255
        options = PUBLISHED | {"scale": "log"}
        name = str(number)
        return Case(name, str(cluster), _pattern(image), options, density, label=cluster.name)

    return _drawn(seed, 20, make)


def _drawn(seed: int, count: int, make):
    keys = jax.random.split(jax.random.key(seed), count)
    numbers = range(1, count + 1)
    return [
        (str(n), lambda n=n, key=k: make(n, key)) for n, k in zip(numbers, keys, strict=True)
    ]


def _silver(seed: int):
    """Ten silver solids by split step on fine voxels, a million photons."""

    def make(number, key):
        cluster = clusters.draw(key=key)
        body = cluster.body
        planes = np.asarray(body.normals), np.asarray(body.offsets)
        low, high = (np.asarray(end) for end in body.bounds())
        pitch = max(1.06 * 2 * max(abs(low).max(), abs(high).max()) / 128, 1.0)
        truth = np.asarray(occupancy(*planes, 128, pitch, oversampling=3))
        chi = Material("Ag").chi(wavelength=WAVELENGTH)
        f = propagation.split_step(truth * np.complex64(chi), pitch, WAVELENGTH, AXIS, AXIS)
        expected = np.abs(np.asarray(f, complex)) ** 2
        expected *= COUNTS / expected.sum()
        counts = np.random.default_rng([seed, number]).poisson(expected)
        options = {"wavelength": WAVELENGTH, "chi": chi, "physics": "multislice"}
        options["scale"] = "linear"
        name = str(number)
        return Case(
            name, str(cluster), _pattern(counts), options, truth, pitch, label=cluster.name
        )

    return _drawn(seed, 10, make)


def _barke(seed: int):
    """Measured silver clusters, from figure panels whose colour map is undone."""
    rows = list(csv.DictReader((DATA / "experiment/labels.csv").open()))
    return [(row["nr"], lambda row=row: _panel(row)) for row in rows]


def _panel(row: dict) -> Case:
    panel = _grey(DATA / "experiment" / row["scatter"]) / 255
    image = np.interp(panel, [0, 0.3, 0.88, 1], [0, 0.38, 0.7425, 1])
    y, x = np.indices(panel.shape) - 64
    hole = np.hypot(x, y) < HOLE
    window = (y >= -31) & (y <= 29) & (x >= -36) & (x <= 35)
    # Where the scale of the figure ends, brightness is not known.
    mask = window & ~hole & (panel < SATURATED)
    options = PUBLISHED | {"scale": "log"}
    what = f"measured, {row['polyhedron']} by forward fitting"
    down, across = _middle(image, mask)
    step = AXIS[1] - AXIS[0]
    kx, ky = (step * (np.arange(128) - at) for at in (across, down))
    pattern = Pattern(image=image, mask=mask, kx=kx, ky=ky)
    return Case(row["nr"], what, pattern, options, label=row["polyhedron"])


def _middle(image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Return the row and column, within two pixels of the panel's middle and in halves, about
    which the pattern is most like its half-turn, as it is at small angles."""
    y, x = np.indices(image.shape)
    near = mask & (np.hypot(x - 64, y - 64) < NEAR)
    best = []
    for down in range(124, 133):
        for right in range(124, 133):
            turned = down - y, right - x
            inside = (turned[0] < 128) & (turned[1] < 128)
            there = tuple(np.where(inside, index, 0) for index in turned)
            both = near & inside & near[there]
            difference = (image - image[there])[both]
            best.append((float(np.mean(difference**2)), down / 2, right / 2))
    return min(best)[1:]


SATURATED = 238 / 255
NEAR = 20  # pixels, 13 degrees
DRAWN = ("cut", "silver")
SETS = {
    "published": _published,
    "cut": _cut,
    "degraded": _degraded,
    "silver": _silver,
    "barke": _barke,
}
