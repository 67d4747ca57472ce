"""The body of a simulation: a shape or a volume from a file, on a grid."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from diffscatter import shapes
from diffscatter.io.volumes import load_volume
from diffscatter.shapes import solids

__all__ = ["Grid", "body_on_grid"]

_OVERSAMPLING = 4  # of the cell averages: enough for intensities
_ROOM = 1.0  # voxels left free around a body
_BLUR = 0.9 * 5  # pitches of the low-passed body's Gaussian that must fit in besides

_PRIMITIVES = {
    "sphere": (shapes.Sphere, {"size": "radius"}),
    "ellipsoid": (shapes.Ellipsoid, {"semi_axes": "semi_axes"}),
    "cylinder": (shapes.Cylinder, {"radius": "radius", "length": "length"}),
    "box": (shapes.Box, {"sides": "sides"}),
}
_OF_SOLIDS = ("size", "stretch", "stretch_axis", "cut")
_OF_GRIDS = {"shape", "rotation", "voxels", "box"}
_OF_FILES = {"file", "dataset", "pitch", "voxels"}  # voxels has a default


class Grid(NamedTuple):
    """A body on its grid.

    Attributes:
        density: occupancy, 0 to 1, ``(nz, ny, nx)``.
        pitch: voxel side, nm.
        size: longest distance in the body at most, nm.
        shape: the body itself, or None of a file.
        name: what it is, in words.
    """

    density: np.ndarray
    pitch: float
    size: float
    shape: shapes.Body | None
    name: str

    def low_passed(self) -> tuple[Any, float, dict[str, Any]]:
        """Return values, pitch and the options of a small-angle operator on them."""
        if self.shape is None:
            return self.density, self.pitch, {"voxel": "average"}
        n = self.density.shape[0]
        pitch = _reach(self.shape) / (n - n // 2 - 0.5 - _BLUR - 0.01)
        found = shapes.rasterise(self.shape, n, pitch)
        return found.values, pitch, {"voxel": "point", "blur": found.blur}


def body_on_grid(settings: Mapping[str, Any], *, seed: int, folder: Path) -> Grid:
    """Return the body that ``[body]`` describes.

    Args:
        settings: checked keys and values.
        seed: of the random hull.
        folder: that relative files are in.

    Raises:
        ValueError: if neither shape nor file is given, or keys that do not belong together, or
            the body does not fit its grid.
    """
    given = set(settings)
    if "file" in given:
        _refuse_others(given - _OF_FILES, "a file")
        return _from_file(settings, folder)
    if "shape" not in given:
        raise ValueError('[body] needs shape, as "cube", or file')
    shape = _shape(settings, seed)
    n = settings["voxels"]
    reach = _reach(shape)
    fits = n - n // 2 - 0.5 - _ROOM  # voxels from the middle to the nearer end
    pitch = settings["box"] / n if "box" in given else reach / fits
    density = shapes.cell_averages(shape, n, pitch, oversampling=_OVERSAMPLING)
    low, high = (np.asarray(end, float) for end in shape.bounds())
    return Grid(
        density=np.asarray(density),
        pitch=float(pitch),
        size=float(np.linalg.norm(high - low)),
        shape=shape,
        name=settings["shape"],
    )


def _shape(settings: Mapping[str, Any], seed: int) -> shapes.Body:
    name, given = settings["shape"], set(settings) - _OF_GRIDS - {"dataset"}
    rotation = settings.get("rotation")
    rotation = None if rotation is None else np.radians(rotation)
    plain = name.strip().lower()
    if plain in _PRIMITIVES and not (plain == "sphere" and given - {"size"}):
        make, fields = _PRIMITIVES[plain]
        _refuse_others(given - set(fields), f"shape {plain!r}, which has {', '.join(fields)}")
        missing = [key for key in fields if key not in given]
        if missing:
            raise ValueError(f"[body] shape {plain!r} needs {' and '.join(missing)}, in nm")
        sizes = {field: np.asarray(settings[key]) for key, field in fields.items()}
        if plain != "sphere" and rotation is not None:
            sizes["rotation"] = rotation
        return make(**sizes)
    try:
        solid = solids.canonical_name(name)
    except ValueError as error:
        others = ", ".join(k for k in _PRIMITIVES if k != "sphere")
        raise ValueError(f"[body] shape: {error}, or {others}") from None
    _refuse_others(given - set(_OF_SOLIDS), f"shape {name!r}, which has size, stretch and cut")
    if "size" not in given:
        raise ValueError(f"[body] shape {name!r} needs size, the radius of its corners in nm")
    return solids.solid(
        solid,
        size=settings["size"],
        rotation=rotation,
        stretch=settings.get("stretch", 1.0),
        stretch_axis=settings.get("stretch_axis"),
        cut=settings.get("cut"),
        key=jax.random.key(seed) if solid == solids.HULL else None,
    )


def _from_file(settings: Mapping[str, Any], folder: Path) -> Grid:
    path = folder / settings["file"]
    density, pitch = load_volume(path, dataset=settings["dataset"])
    pitch = settings.get("pitch", pitch)
    if pitch is None:
        raise ValueError(f"[body] {path.name} states no pitch; give pitch, in nm")
    if density.min() < 0 or density.max() > 1 or not density.any():
        raise ValueError(
            f"[body] {path.name} must hold occupancies from 0 to 1, got {density.min():.6g} to "
            f"{density.max():.6g}; divide by what full means"
        )
    filled = [np.flatnonzero(density.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    edges = [index[-1] - index[0] + 1 for index in filled]
    return Grid(
        density=density,
        pitch=float(pitch),
        size=float(pitch * math.hypot(*edges)),
        shape=None,
        name=path.name,
    )


def _reach(shape: shapes.Body) -> float:
    """Return how far a body reaches from the origin along an axis, nm."""
    reach = max(float(np.abs(np.asarray(end)).max()) for end in shape.bounds())
    if not math.isfinite(reach):
        raise ValueError("[body] is empty: a cut or a stretch leaves nothing of it")
    return reach


def _refuse_others(others: set[str], what: str) -> None:
    if others:
        raise ValueError(f"[body] {', '.join(sorted(others))} cannot be given with {what}")
