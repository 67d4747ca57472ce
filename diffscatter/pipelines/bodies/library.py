r"""Patterns of many random bodies as polar maps: where a reconstruction looks for its start.

Straight rays through convex bodies (:mod:`diffscatter.operators.columns`) make a pattern in a
few milliseconds at the resolution that a start needs. Lengths are in units of the wavelength
throughout, so that one library serves every wavelength at which :math:`\chi` is the same. A
library is built once and kept in the user's cache folder.

Rings reach from 0.07 to 1 of :math:`q_h`, which is 0.57 k, or what the detector records where
that is less. Bodies measure :math:`7/q_h` to :math:`44/q_h` to their farthest corner: smaller
ones have no fringe on the rings, of larger ones fringes are narrower than a ring. At 13.5 nm
these are 27 to 165 nm.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter.core.checks import check_positive
from diffscatter.core.files import atomic
from diffscatter.operators import columns
from diffscatter.pipelines.bodies.draws import Bodies, draw_polytopes, draw_solids
from diffscatter.pipelines.bodies.polar import PolarGrid
from diffscatter.shapes.heights import column_heights
from diffscatter.shapes.solids import transform

__all__ = ["Library", "Recipe", "cache_folder", "library", "recipe_of"]

_VERSION = 1  # of the numbers: a new one makes old files useless
_COUNTS = {"solids": 30_000, "polytopes": 15_000}
_DRAWS = {"solids": draw_solids, "polytopes": draw_polytopes}
_HIGHEST = 0.57  # of k: where straight rays and forty columns still resemble the full pattern
_LOWEST = 0.07  # of the highest ring
_SIZES = (7.1, 44.0)  # over the highest ring
_RINGS, _ANGLES = 27, 64
_COLUMNS, _PIXELS = 40, 37
_CHUNK = 250  # bodies between two reports of progress
_OFFSETS = 12  # of the log display, for which ring means are kept


@dataclass(frozen=True)
class Recipe:
    """What determines a library, in units of the wavelength: its cache is named by this.

    Attributes:
        kind: ``"solids"`` or ``"polytopes"``.
        count: bodies.
        seed: of the draw.
        chi: real and imaginary part of n - 1, under which the body scatters.
        highest: q of the outermost ring, in k.
        version: of the numbers.
    """

    kind: str
    count: int
    seed: int
    chi: tuple[float, float]
    highest: float
    version: int = _VERSION

    @property
    def name(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Library:
    """Random bodies and their patterns on rings; lengths in wavelengths, q times wavelength.

    Attributes:
        recipe: what determined it.
        bodies: what was drawn.
        logs: logarithm of the intensity on the rings, float16. Shape ``(n, rings, angles)``.
        offsets: logarithms of offsets c for which ring means are kept. Shape ``(c,)``.
        rings: means over the angles of log(1 + I/c), float16. Shape ``(n, c, rings)``.
        notes: what went wrong with the cache, one line each.
    """

    recipe: Recipe
    bodies: Bodies
    logs: np.ndarray
    offsets: np.ndarray
    rings: np.ndarray
    notes: tuple[str, ...] = ()

    def grid(self, wavelength: float) -> PolarGrid:
        """Return the rings for a wavelength in nm."""
        return PolarGrid(_radii(self.recipe) / wavelength, _ANGLES)


def recipe_of(
    *,
    wavelength: float,
    q_max: float,
    chi: complex,
    kind: str = "solids",
    count: int | None = None,
    seed: int = 1,
) -> Recipe:
    """Return what determines a library; arguments as of :func:`library`."""
    check_positive("wavelength", wavelength, "nm")
    check_positive("q_max", q_max, "1/nm")
    if kind not in _DRAWS:
        raise ValueError(f"kind must be one of {', '.join(_DRAWS)}, got {kind!r}")
    count = _COUNTS[kind] if count is None else count
    if not (isinstance(count, int) and count > 0):
        raise ValueError(f"count must be a whole number above 0, got {count}")
    chi = complex(chi)
    if not (math.isfinite(abs(chi)) and chi.imag >= 0 and chi != 0):
        raise ValueError(f"chi must be finite, not 0, and absorb (beta >= 0), got {chi}")
    return Recipe(
        kind=kind,
        count=count,
        seed=seed,
        chi=(_rounded(chi.real), _rounded(chi.imag)),
        highest=_ring_limit(q_max * wavelength / (2 * math.pi)),
    )


def library(
    *,
    wavelength: float,
    q_max: float,
    chi: complex,
    kind: str = "solids",
    count: int | None = None,
    seed: int = 1,
    folder: str | os.PathLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Library:
    """Return a library of patterns, from the cache or built now and kept there.

    Args:
        wavelength: nm.
        q_max: transverse wave vector up to which the detector records whole rings, 1/nm.
        chi: n - 1 of the bodies; of a field that merely falls, that of
            :func:`.chi_of_attenuation`.
        kind: ``"solids"``: the base solids but for the random hull, turned and stretched.
            ``"polytopes"``: of 4 to 16 random faces.
        count: bodies; 30 000 solids or 15 000 polytopes unless given.
        seed: of the draw.
        folder: of the cache; :func:`cache_folder` unless given.
        progress: called with the bodies that are done and all of them, now and then.

    Returns:
        The library. Where its file is damaged it is built again, and where the folder cannot
        be written it is not kept; its ``notes`` say so.

    Raises:
        ValueError: if an argument is out of range, naming it.
    """
    recipe = recipe_of(
        wavelength=wavelength,
        q_max=q_max,
        chi=chi,
        kind=kind,
        count=count,
        seed=seed,
    )
    path = Path(cache_folder() if folder is None else folder) / f"{recipe.name}.h5"
    found, notes = _read(path, recipe)
    if found is not None:
        return found
    logs, offsets, rings = _build(recipe, _bodies(recipe), progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, recipe, logs, offsets, rings)
    except OSError as error:
        notes = (*notes, f"the library is not kept: {path.parent} cannot be written ({error})")
    return Library(recipe, _bodies(recipe), logs, offsets, rings, notes)


def cache_folder() -> Path:
    """Return where libraries are kept: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "diffscatter" / "libraries"


@lru_cache(maxsize=4)
def _bodies(recipe: Recipe) -> Bodies:
    """Return the bodies, by size: neighbours take the same number of nodes."""
    sizes = tuple(size / (2 * math.pi * recipe.highest) for size in _SIZES)
    return _DRAWS[recipe.kind](recipe.count, sizes, recipe.seed).by_size()


def _radii(recipe: Recipe) -> np.ndarray:
    return 2 * math.pi * recipe.highest * np.linspace(_LOWEST, 1, _RINGS)


def _ring_limit(q_max: float) -> float:
    """Return the outermost ring in k: one of few, so that like detectors share a library."""
    if q_max >= _HIGHEST:
        return _HIGHEST
    steps = math.ceil(math.log(_HIGHEST / q_max) / math.log(1.1) - 1e-9)
    return _rounded(_HIGHEST / 1.1**steps)


def _rounded(value: float) -> float:
    """Return six digits: what a hash may depend on."""
    return float(f"{value:.5e}")


def _build(recipe: Recipe, bodies: Bodies, progress):
    """Return the logarithms on the rings, offsets, and the means of the rings."""
    offsets = _offsets(recipe, bodies)
    logs = np.empty((recipe.count, _RINGS, _ANGLES), np.float16)
    rings = np.empty((recipe.count, len(offsets), _RINGS), np.float16)
    chunks = [slice(i, i + _CHUNK) for i in range(0, recipe.count, _CHUNK)]
    done = 0
    # XLA runs one program on one core here; a thread a core keeps all of them busy.
    workers = 1 if jax.default_backend() != "cpu" else os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        work = {pool.submit(_chunk, recipe, bodies, part, offsets): part for part in chunks}
        try:
            for future in as_completed(work):
                part = work[future]
                logs[part], rings[part] = future.result()
                done += len(logs[part])
                if progress is not None:
                    progress(done, recipe.count)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return logs, offsets, rings


def _chunk(recipe: Recipe, bodies: Bodies, part: slice, offsets: np.ndarray):
    member = bodies.base[part]
    deepest = bodies.sizes[part].max()
    arrays = (
        bodies.normals[member],
        bodies.offsets[member],
        bodies.counts[member].astype(np.int32),
        bodies.matrices[part].astype(np.float32),
        bodies.halves[part].astype(np.float32),
    )
    short = _CHUNK - len(member)
    if short:  # one program for all chunks
        arrays = tuple(np.concatenate([a, np.repeat(a[:1], short, axis=0)]) for a in arrays)
    found = _patterns(
        arrays, jnp.asarray(offsets), recipe=recipe, terms=_terms(recipe, deepest)
    )
    return tuple(np.asarray(values)[: len(member)] for values in found)


def _terms(recipe: Recipe, depth: float) -> int:
    """Return the nodes in q_z for bodies of this depth: even, so that there are few programs.

    The phase at the ends of the band of q_z is half the band times the depth; Chebyshev series
    of a wave converge past as many terms, five more give 1e-3 of the field.
    """
    reach = recipe.highest * _PIXELS / (_PIXELS - 1.5)
    band = 2 * math.pi * (1 - math.sqrt(1 - reach**2))
    return 2 * math.ceil((band * depth / 2 + 5) / 2)


@partial(jax.jit, static_argnames=("recipe", "terms"))
def _patterns(bodies, offsets, *, recipe: Recipe, terms: int):
    """Return log intensities ``(n, rings, angles)`` and ring means ``(n, c, rings)``."""
    pixel = 2 * math.pi * recipe.highest / (_PIXELS - 1.5)
    axis = (np.arange(-_PIXELS, _PIXELS + 1) * pixel).astype(np.float32)
    index, shares = PolarGrid(_radii(recipe), _ANGLES).weights(axis, axis)
    shares = jnp.asarray(shares, jnp.float32)
    column = np.arange(_COLUMNS, dtype=np.float32) - _COLUMNS // 2
    floor = jnp.exp(offsets[0]) / 10

    def one(body):
        normals, distances, count, matrix, half = body
        normals, distances = transform(normals, distances, matrix)
        # A margin of a column on every side: the silhouette is smooth.
        pitch = 2 * half / (_COLUMNS - 3)
        front, thickness, coverage = column_heights(
            normals, distances, pitch * column, pitch * column, count
        )
        field = columns.amplitude(
            front, thickness, pitch, 1.0, axis, axis,
            chi=complex(*recipe.chi), coverage=coverage, terms=terms,
        )  # fmt: skip
        logs = jnp.log(field.real**2 + field.imag**2 + floor).ravel()
        logs = jnp.sum(shares * logs[index], axis=0)
        shown = jnp.log1p(jnp.exp(logs - offsets[:, None, None]))
        return logs.astype(jnp.float16), shown.mean(axis=-1).astype(jnp.float16)

    batch = None if jax.default_backend() == "cpu" else 64
    return jax.lax.map(one, bodies, batch_size=batch)


def _offsets(recipe: Recipe, bodies: Bodies) -> np.ndarray:
    """Return logarithms of the offsets of a log display: five decades below a forward peak.

    That of a disc of middle size, as dark as a body of its radius.
    """
    radius = math.exp(np.log(bodies.sizes).mean())
    area, k = math.pi * radius**2, 2 * math.pi
    peak = area * abs(np.expm1(1j * k * complex(*recipe.chi) * radius))
    decades = np.linspace(-6, -1, _OFFSETS)
    return (math.log(peak**2) + decades * math.log(10)).astype(np.float32)


def _write(path: Path, recipe: Recipe, logs, offsets, rings) -> None:
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["recipe"] = json.dumps(asdict(recipe), sort_keys=True)
        for name, values in (("logs", logs), ("offsets", offsets), ("rings", rings)):
            # A flipped bit is an error when it is read, not a wrong match.
            file.create_dataset(name, data=values, chunks=True, fletcher32=True)


def _read(path: Path, recipe: Recipe) -> tuple[Library | None, tuple[str, ...]]:
    """Return the library of a file, or None and why it is of no use."""
    if not path.exists():
        return None, ()
    import h5py

    try:
        with h5py.File(path, "r") as file:
            kept = json.loads(file.attrs["recipe"])
            if kept != json.loads(json.dumps(asdict(recipe))):
                raise ValueError("it holds another library")
            logs, offsets, rings = (file[n][()] for n in ("logs", "offsets", "rings"))
        if logs.shape != (recipe.count, _RINGS, _ANGLES):
            raise ValueError(f"it holds patterns of shape {logs.shape}")
        if rings.shape != (recipe.count, len(offsets), _RINGS):
            raise ValueError(f"it holds rings of shape {rings.shape}")
    except (OSError, KeyError, ValueError) as error:
        cause = " ".join(str(error).split())[:120]
        return None, (f"the library {path} is damaged and was built again ({cause})",)
    return Library(recipe, _bodies(recipe), logs, offsets, rings), ()
