r"""The last step: a body from simpler physics, refined through one-way multiple scattering.

Straight rays mistake silver's pattern by tens of percent, so the body that fits best through
them is not the right one. From where they end, a Levenberg-Marquardt descent through
:func:`.propagation.split_step` takes a few steps in the nine numbers of a linear map of the
body, or in every facet. Voxels are filled by share (:func:`.occupancy`), so that the pattern
follows the planes smoothly.

Errors are those of the Fisher information at the end, times the root of the reduced deviance
where that is above 1. They hold what noise does, and what a poor fit betrays; not what the
operator and the voxels leave out.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from scipy.spatial import ConvexHull

from diffscatter.fitting.losses import LOSSES
from diffscatter.fitting.marquardt import marquardt
from diffscatter.operators import multislice, propagation
from diffscatter.pipelines.bodies.convex import corners, planes_of, polar_of, recentred
from diffscatter.pipelines.bodies.geometry import Geometry, counting
from diffscatter.shapes.occupancy import occupancy

__all__ = ["OPERATORS", "Refined", "refine_body"]

OPERATORS = {
    "multislice": multislice.amplitude,
    "split-step": propagation.split_step,
    "wave-propagation": propagation.wave_propagation,
}
_PITCH = 0.22  # of a wavelength: the error of split step at 60 degrees no longer changes
_BLOCK, _LARGEST = 16, 96  # voxels a side are whole blocks: programs are few
_ROOM = 1.1  # of the volume around the body, which may grow on the way
_DISPLAY_SIGMA = 0.01


@dataclass(frozen=True, eq=False)
class Refined:
    """What :func:`refine_body` finds.

    Attributes:
        normals, offsets: of the refined body about the middle of the box around the start;
            outward unit vectors ``(m, 3)`` and nm ``(m,)``.
        matrix: takes points of the start onto the refined body, ``(3, 3)``; None for facets.
        covariance: of the nine numbers of ``matrix``, row by row, ``(9, 9)``, or of the
            facets' polar vectors, 1/nm, ``(3 m, 3 m)``. Infinite where the data leave a
            combination free.
        radius, radius_sigma: of the sphere of the body's volume, and its error, nm.
        fitted: expected counts, or display, ``(nky, nkx)``.
        deviance: of the data from ``fitted``, over degrees of freedom, before and after.
        density, pitch: the body as voxels, ``(n, n, n)`` and nm.
    """

    normals: np.ndarray
    offsets: np.ndarray
    matrix: np.ndarray | None
    covariance: np.ndarray
    radius: float
    radius_sigma: float
    fitted: np.ndarray
    deviance: tuple[float, float]
    density: np.ndarray
    pitch: float


def refine_body(
    normals: ArrayLike,
    offsets: ArrayLike,
    data: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    wavelength: float,
    chi: complex,
    scale: str = "linear",
    weight: ArrayLike | None = None,
    facets: bool = False,
    steps: int = 8,
    physics: str = "split-step",
) -> Refined:
    """Refine a convex body that nearly fits, in single precision.

    Args:
        normals, offsets: of the start, nm; the pattern does not see where it stands.
        data: counts, or a published display. Shape ``(nky, nkx)``.
        kx, ky: transverse wave vectors, 1/nm.
        wavelength: nm.
        chi: n - 1 of the body.
        scale: ``"linear"``: counts, of unknown strength and background, by their Poisson
            deviance. ``"log"``: a display of unknown contrast and offset, by squares of 0.01.
        weight: 0 where a pixel does not count, 1 elsewhere; None for all.
        facets: move every facet, rather than all by one linear map: three numbers each.
        steps: Jacobians at most, each worth about two values a number.
        physics: one of :data:`OPERATORS`.

    Raises:
        ValueError: if a name is not known, no pixel counts, or the start is no body.
    """
    if scale not in ("linear", "log"):
        raise ValueError(f"scale must be 'linear' or 'log', got {scale!r}")
    if physics not in OPERATORS:
        raise ValueError(f"physics must be one of {', '.join(OPERATORS)}, got {physics!r}")
    weight = counting(weight, kx, ky, wavelength)
    data = np.where(weight > 0, np.asarray(data), 0).astype(np.float32)
    polar, half_sides = recentred(polar_of(np.asarray(normals), np.asarray(offsets)))
    n, pitch = _grid(2 * float(half_sides.max()), wavelength)
    geometry = Geometry.of(pitch, wavelength, chi, kx, ky)
    size = np.float32(half_sides.max())
    start = (polar * size if facets else np.eye(3)).ravel()
    body = _Body(jnp.asarray(polar, jnp.float32), size)
    setting = _Setting(n, geometry, physics, facets)
    pattern = lambda x: np.asarray(_pattern(jnp.asarray(x, jnp.float32), body, setting))
    first = pattern(start)
    top = first.max()
    compare = partial(_compared, data=data, weight=weight, scale=scale)

    def linearise(x):
        value, slopes = _slopes(jnp.asarray(x[:-2], jnp.float32), body, setting)
        residuals, by_value, by_tone, _ = compare(value / top, x[-2:])
        rows = np.concatenate([slopes / top * by_value, by_tone])
        return np.ravel(residuals), rows.reshape(len(rows), -1)

    residuals = lambda x: np.ravel(compare(pattern(x[:-2]) / top, x[-2:])[0])
    start = np.concatenate([start, _first_tone(first / top, data, weight, scale)])
    end = marquardt(residuals, linearise, start, steps=steps, tolerance=1e-4).x
    freedom = max(int((weight > 0).sum()) - start.size, 1)
    deviance = tuple(float(np.sum(residuals(x) ** 2)) / freedom for x in (start, end))
    covariance = _inverse(linearise(end)[1].astype(float)) * max(deviance[1], 1.0)
    fitted = compare(pattern(end[:-2]) / top, end[-2:])[3]
    return _refined(end[:-2], covariance[:-2, :-2], np.asarray(fitted), deviance, body, setting)


class _Body(NamedTuple):
    """Polar vectors of the start, 1/nm, ``(m, 3)``, and half the longest side, nm."""

    polar: Array
    size: np.float32


class _Setting(NamedTuple):
    """Voxels a side, geometry, name of the physics, and whether facets move on their own."""

    voxels: int
    geometry: Geometry
    physics: str
    facets: bool


def _grid(extent: float, wavelength: float) -> tuple[int, float]:
    """Return voxels a side and their pitch: fine ones, or as many as there may be."""
    n = _BLOCK * int(np.ceil(_ROOM * extent / (_PITCH * wavelength) / _BLOCK))
    if n <= _LARGEST:
        return n, _PITCH * wavelength
    return _LARGEST, _ROOM * extent / _LARGEST


def _vectors(x, body: _Body, facets: bool):
    """Return the polar vectors of a body, 1/nm; works for numpy and traced numbers."""
    return x.reshape(-1, 3) / body.size if facets else body.polar @ x.reshape(3, 3)


def _density(x, body: _Body, setting: _Setting) -> Array:
    vectors = _vectors(x, body, setting.facets)
    one = jnp.ones(len(vectors), vectors.dtype)
    return occupancy(vectors, one, setting.voxels, setting.geometry.pitch)


@partial(jax.jit, static_argnames="setting")
def _pattern(x: Array, body: _Body, setting: _Setting) -> Array:
    operator = OPERATORS[setting.physics]
    return setting.geometry.intensity(_density(x, body, setting), operator)


@partial(jax.jit, static_argnames="setting")
def _slopes(x: Array, body: _Body, setting: _Setting) -> tuple[Array, Array]:
    """Return the pattern ``(nky, nkx)``, and its derivatives with the variables before it."""
    value, along = jax.linearize(lambda x: _pattern(x, body, setting), x)
    return value, lax.map(along, jnp.eye(x.size, dtype=x.dtype))


@partial(jax.jit, static_argnames="scale")
def _compared(pattern, tone, *, data, weight, scale: str):
    """Return residuals, their slopes with the pattern and the tone, and what is expected."""
    loss = LOSSES["poisson" if scale == "linear" else "chi2"]
    tone = jnp.asarray(tone, pattern.dtype)

    def expected(pattern, tone):
        if scale == "linear":
            return jnp.exp(tone[0]) * pattern + tone[1]
        return tone[0] / 10 * jnp.log1p(pattern * jnp.exp(-tone[1]))

    def residuals(pattern, tone):
        compared = loss.residuals(expected(pattern, tone), data, _DISPLAY_SIGMA)
        return jnp.where(weight > 0, compared, 0.0)

    value, along = jax.linearize(residuals, pattern, tone)
    still = jnp.zeros_like(pattern)
    by_tone = jnp.stack([along(still, unit) for unit in jnp.eye(2, dtype=pattern.dtype)])
    by_pattern = along(jnp.ones_like(pattern), jnp.zeros_like(tone))
    return value, by_pattern, by_tone, jnp.where(weight > 0, expected(pattern, tone), 0.0)


def _first_tone(pattern, data, weight, scale: str) -> np.ndarray:
    """Return the two numbers between a pattern of height 1 and the data."""
    w = weight > 0
    if scale == "linear":
        bright = w & (pattern > np.median(pattern[w]))
        strength = max(float(data[bright].sum() / pattern[bright].sum()), 1e-6)
        return np.array([np.log(strength), 0.0])
    trials = []
    for offset in np.arange(-14.0, 0.1, 0.5):
        image = np.log1p(pattern[w] * np.exp(-offset))
        contrast = float(image @ data[w] / (image @ image))
        trials.append((float(np.sum((contrast * image - data[w]) ** 2)), contrast, offset))
    _, contrast, offset = min(trials)
    return np.array([10 * contrast, offset])


def _refined(x, covariance, fitted, deviance, body: _Body, setting: _Setting) -> Refined:
    vectors = np.asarray(_vectors(np.asarray(x), body, setting.facets), float)
    volume = ConvexHull(corners(vectors)).volume
    radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
    if setting.facets:
        matrix, slope = None, _volume_slope(vectors) / float(body.size)
    else:
        # Vectors change by B, points by its inverse M: d ln V = -tr(M dB).
        matrix = np.linalg.inv(np.reshape(x, (3, 3)))
        slope = -matrix.T.ravel()
    sigma = radius / 3 * np.sqrt(_along(slope, covariance))
    if setting.facets:
        covariance = covariance / float(body.size) ** 2
    else:
        covariance = _between(-np.kron(matrix, matrix.T), covariance)  # dM = -M dB M
    normals, offsets = planes_of(vectors)
    return Refined(
        normals=normals,
        offsets=offsets,
        matrix=matrix,
        covariance=covariance,
        radius=float(radius),
        radius_sigma=float(sigma),
        fitted=fitted,
        deviance=deviance,
        density=np.asarray(_density(jnp.asarray(x, jnp.float32), body, setting)),
        pitch=setting.geometry.pitch,
    )


def _volume_slope(vectors: np.ndarray) -> np.ndarray:
    """Return the derivatives of ln V with polar vectors, flat, by central differences."""
    step = 1e-5 * np.abs(vectors).max()

    def log_volume(change):
        return np.log(ConvexHull(corners(vectors + change.reshape(vectors.shape))).volume)

    units = step * np.eye(vectors.size)
    return np.array([(log_volume(u) - log_volume(-u)) / (2 * step) for u in units])


# Parts of the largest information below which the data say nothing of a combination: single
# precision leaves 1e-6 of the Jacobian.
_NOTHING = 1e-10


def _inverse(rows: np.ndarray) -> np.ndarray:
    """Return the inverse information, infinite along what is not determined."""
    information = rows @ rows.T
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, axes = np.linalg.eigh(information / np.outer(size, size))
    known = values > _NOTHING * values.max()
    parts = axes[:, known] / np.sqrt(values[known])
    covariance = parts @ parts.T / np.outer(size, size)
    free = (np.abs(axes[:, ~known]) > 1e-3).any(axis=1)
    covariance[free, free] = np.inf
    return covariance


def _along(slope: np.ndarray, covariance: np.ndarray) -> float:
    known = np.isfinite(np.diag(covariance))
    return float(slope[known] @ covariance[np.ix_(known, known)] @ slope[known])


def _between(change: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Carry a covariance through a linear change, infinite where it mixes in what is free."""
    free = ~np.isfinite(np.diag(covariance))
    finite = np.where(np.isfinite(covariance), covariance, 0)
    carried = change @ finite @ change.T
    mixed = (np.abs(change[:, free]) > 1e-9).any(axis=1)
    carried[mixed, mixed] = np.inf
    return carried
