r"""Base curves: one particle of each size and type, on one axis of q.

Two routes lead there. ``"exact"``: the body is low-passed onto a grid of at most 0.5 nm (so
that q = 3 1/nm is half-way to the Nyquist limit) and averaged over orientations without bins.
``"published"``: hard voxels of 1 nm, the padded FFT with channels, a cubic spline to the common
axis, and Guinier's law where a curve begins above it. Base curves of training and of test come
from sizes that lie between one another (``TRAINED``, ``HELD_OUT``), so no curve is in both.

T. Li, *Physics-based SAXS simulation and ML characterization of LNPs*, Cornell University
(2025), sections 2.1.1 to 2.1.5.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter import shapes
from diffscatter.core.checks import check_q
from diffscatter.core.pytree import static, struct
from diffscatter.core.resampling import guinier_extension, spline_matrix
from diffscatter.io import shards
from diffscatter.io.guard import FileError
from diffscatter.operators import saxs
from diffscatter.shapes.lnp import Nanoparticle, hard_voxels

__all__ = [
    "CURVES_VERSION",
    "HELD_OUT",
    "LIMITS",
    "Q",
    "TRAINED",
    "Base",
    "base_curves",
    "exact_curve",
    "finer",
    "published_curve",
]

# Raised when the curves change, so that old files are not believed.
CURVES_VERSION = 1
LIMITS = (20.0, 100.0)  # nm: no particle is smaller or larger
Q = np.linspace(0.04, 3.0, 500)  # 1/nm
TRAINED = np.arange(20.0, 101.0)  # nm: the 81 published sizes
HELD_OUT = np.arange(20.5, 100.0)  # nm: as dense, and none of them

_PITCH = 0.5  # nm
_OVERSAMPLING = 2
_GUINIER_POINTS = 3  # of the published curves: q L = 2 pi k / 6 for k = 1, 2, 3 at any size L
# Voxels along the longest side. Few numbers, because each is a compilation; a size takes the
# first that holds it at 0.5 nm, and fills it with a finer pitch.
_GRIDS = (96, 152, 216)
# Voxels beside the body: 5 standard deviations of 0.9 pitch at each end, the voxel between.
_MARGIN = 11


@struct
class Base:
    """Curves of single particles by type and size.

    Attributes:
        kinds: types of particle.
        sizes: nm, equally spaced. Shape ``(ns,)``.
        q: 1/nm. Shape ``(nq,)``.
        intensity: (sld nm^3)^2. Shape ``(kinds, ns, nq)``.
    """

    kinds: tuple[int, ...] = static()
    sizes: Array
    q: Array
    intensity: Array


def exact_curve(particle: Nanoparticle, q: ArrayLike = Q) -> Array:
    """Return the intensity of one particle through the exact operator.

    In float64, for q to 3 1/nm and away from minima, within 2e-5 (median) and 3e-4 (largest) of
    the body of revolution; cylinders, whose ends lie along the lattice, within 5e-5 and 9e-4.
    In float32 the orientation average has a floor of 1e-5 I(0), above the end of the curve.

    Args:
        particle: concrete.
        q: 1/nm. Shape ``(nq,)``.

    Returns:
        (sld nm^3)^2, shape ``(nq,)``.

    Raises:
        ValueError: if the particle or q is none.
    """
    particle.check()
    largest = float(np.max(check_q("q", q)))
    length = float(max(particle.size, particle.width))
    least = length / min(_PITCH, math.pi / 2 / max(largest, 1e-9)) + _MARGIN
    longest = next((n for n in _GRIDS if n >= least), 64 * math.ceil(least / 64))
    pitch = length / (longest - _MARGIN)
    nz, nx = (math.ceil(float(s) / pitch - 1e-6) + _MARGIN for s in _sides(particle))
    soft = shapes.rasterise(particle.body(), (nz, nx, nx), pitch, oversampling=_OVERSAMPLING)
    return saxs.intensity(soft.values, pitch, q, voxel="point", blur=soft.blur)


def published_curve(particle: Nanoparticle, q: ArrayLike = Q) -> Array:
    """Return the intensity of one particle through the published pipeline.

    Its q is right here (2 pi k / (n a), from k = 1), no voxel is cropped, and below its first
    channel stands Guinier's law; apart from that it is as published, errors included.

    Args:
        particle: concrete.
        q: 1/nm, below about pi. Shape ``(nq,)``.

    Returns:
        (sld nm^3)^2, shape ``(nq,)``.

    Raises:
        ValueError: if the particle is none, or q leaves what voxels of 1 nm carry.
    """
    q = np.asarray(check_q("q", q))
    cube = hard_voxels(particle, 2 * (int(max(map(float, _sides(particle)))) // 2) + 2)
    channels, curve = saxs.binned_intensity(cube, 1.0)
    channels = np.asarray(channels)
    inside = q >= channels[0]
    below = guinier_extension(channels, curve, q[~inside], _GUINIER_POINTS)
    above = spline_matrix(channels, q[inside]) @ np.asarray(curve) if inside.any() else []
    found = np.empty(q.shape, np.asarray(curve).dtype)
    found[~inside], found[inside] = below, above
    return jax.numpy.asarray(found)


def base_curves(
    kinds: Sequence[int] = (3, 4),
    sizes: ArrayLike = TRAINED,
    *,
    route: str = "exact",
    q: ArrayLike = Q,
    folder: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Base:
    """Return the curves of every type and size, computed in float64.

    Args:
        kinds: types of particle, 1 to 5.
        sizes: nm, equally spaced, within :data:`LIMITS`. Shape ``(ns,)``.
        route: ``"exact"`` or ``"published"``.
        q: 1/nm. Shape ``(nq,)``.
        folder: where the curves of a type are kept, under a name that says all they depend on;
            None computes them anew.
        progress: called with curves done and curves in all.

    Returns:
        The curves; float64 where 64-bit numbers are on, else float32.

    Raises:
        ValueError: for an unknown route or type, or sizes beyond limits or unequally spaced.
    """
    if route not in _ROUTES:
        raise ValueError(f"route must be one of {', '.join(_ROUTES)}, got {route!r}")
    kinds, sizes, q = tuple(map(int, kinds)), np.asarray(sizes, float), np.asarray(q, float)
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds must be different types, at least one, got {kinds}")
    if sizes.ndim != 1 or sizes.size < 2 or np.ptp(np.diff(sizes)) > 1e-9 * np.ptp(sizes):
        raise ValueError(f"sizes must be two or more, equally spaced, got {sizes}")
    if sizes.min() < LIMITS[0] or sizes.max() > LIMITS[1]:
        raise ValueError(
            f"sizes must lie within {LIMITS[0]:g} to {LIMITS[1]:g} nm, got {sizes.min():g} to "
            f"{sizes.max():g} nm"
        )
    total = len(kinds) * sizes.size

    def one_more(turn: int, done: int) -> None:
        if progress is not None:
            progress(turn * sizes.size + done, total)

    found = [
        _of_kind(kind, sizes, q, route, folder, partial(one_more, turn))
        for turn, kind in enumerate(kinds)
    ]
    return Base(kinds=kinds, sizes=sizes, q=q, intensity=np.stack(found))


def finer(base: Base, factor: int = 4) -> Base:
    r"""Return curves of sizes between those of a base, for distributions that are narrow.

    Particles of one type are nearly copies of one another on another scale, so what is
    interpolated between sizes, by lines, is that which a scale leaves alone,

    .. math:: f(x; D) = D^{-6} I(x / D; D),

    exact for spheres. Where x lies beyond the curve of one of the two, the other has all the
    weight. Along q stand quintic splines; no minimum is deeper than the base's deepest.

    Args:
        base: curves; concrete.
        factor: steps of the result in one of the base's.
    """
    from scipy.interpolate import make_interp_spline

    q, coarse = np.asarray(base.q, float), np.asarray(base.sizes, float)
    sizes = np.linspace(coarse[0], coarse[-1], (coarse.size - 1) * factor + 1)
    curves = np.moveaxis(np.asarray(base.intensity, float), 1, 0)
    splines = [make_interp_spline(q, of_size, 5, axis=-1) for of_size in curves]
    found = []
    for n, size in enumerate(sizes):
        i = min(n // factor, coarse.size - 2)
        both, scales = splines[i : i + 2], size / coarse[i : i + 2]
        beyond = scales[0] * q > q[-1], scales[1] * q < q[0]
        share = np.select(beyond, (1.0, 0.0), n / factor - i)  # of the larger one
        low, high = (s**6 * of(s * q) for s, of in zip(scales, both, strict=True))
        found.append((1 - share) * low + share * high)
    intensity = np.maximum(np.stack(found, axis=1), curves.min())
    return Base(kinds=base.kinds, sizes=sizes, q=q, intensity=intensity)


_ROUTES = {"exact": exact_curve, "published": published_curve}


def _of_kind(kind, sizes, q, route, folder, done) -> np.ndarray:
    """Return the curves of one type, ``(ns, nq)``, from ``folder`` if they are there."""
    configuration = {
        "version": CURVES_VERSION,
        "route": route,
        "kind": kind,
        "sizes": sizes.tolist(),
        "q": q.tolist(),
    }
    path = None
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"lnp-{route}-type{kind}-{shards.configuration_hash(configuration)}.h5"
        path = Path(folder) / name
        try:
            kept = shards.read_shard(path, configuration)["intensity"]
        except (FileNotFoundError, FileError):
            pass  # not there or not sound: made again
        else:
            done(sizes.size)
            return kept
    curves = []
    with jax.enable_x64(True):
        for size in sizes:
            curves.append(np.asarray(_ROUTES[route](Nanoparticle(kind=kind, size=size), q)))
            done(len(curves))
    if path is not None:
        shards.write_shard(path, {"intensity": np.stack(curves)}, configuration)
    return np.stack(curves)


def _sides(particle: Nanoparticle) -> tuple[Array, Array]:
    """Return what it spans along z and across, nm."""
    return particle.size, particle.width
