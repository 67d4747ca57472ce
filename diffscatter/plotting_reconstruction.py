"""Figures of bodies found from a pattern: pattern, fit, residual; the surface in three views.

Surfaces are drawn as triangles, seen in parallel projection, and coloured by whether the beam
sees them first: what lies in the far half of its column scatters light that has crossed the
near half, and is hardly determined.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffscatter.plotting import COLORS, _figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Surface", "pattern_fit", "surface_of_density", "surface_of_planes", "views"]

_SEEN, _FAR = COLORS[4], COLORS[5]
_PIECES = 32  # along a body: so fine are faces cut, that a colour may end inside of one
_THIN = 4  # voxels of the near half of a column, which tell the halves apart no more
_WALL = 0.12  # z component of the normal of a face along the beam, at most
_VIEWS = {  # right and up of each picture, as (x, y, z)
    "along the beam": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "from the side": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    "from behind": ((0.83, 0.0, -0.56), (-0.22, 0.92, -0.33)),
}


class Surface(NamedTuple):
    """Triangles of a closed surface, nm.

    Attributes:
        corners: of each triangle, as (x, y, z). Shape ``(m, 3, 3)``.
        outward: normal at each triangle. Shape ``(m, 3)``.
        edges: ends of the body's edges with the normals of the face they bound, to be drawn as
            lines. Shape ``(l, 3, 3)``; empty for a surface without edges.
    """

    corners: np.ndarray
    outward: np.ndarray
    edges: np.ndarray


def surface_of_planes(normals: Any, offsets: Any) -> Surface:
    """Return the exact faces of the convex body ``normals . x <= offsets``.

    Args:
        normals: outward directions (x, y, z). Shape ``(m, 3)``.
        offsets: nm. Shape ``(m,)``.

    Raises:
        ValueError: if the planes enclose no body.
    """
    from scipy.optimize import linprog
    from scipy.spatial import HalfspaceIntersection

    normals, offsets = np.asarray(normals, float), np.asarray(offsets, float)
    length = np.linalg.norm(normals, axis=1)
    normals, offsets = normals / length[:, None], offsets / length
    # The largest ball inside: its middle lies well away from every plane.
    ball = linprog(
        [0, 0, 0, -1],
        A_ub=np.column_stack([normals, np.ones(len(normals))]),
        b_ub=offsets,
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    if not ball.success or not ball.x[3] > 0:
        raise ValueError(
            "the planes enclose no body; give normals that point outwards all round"
        )
    inside = HalfspaceIntersection(np.column_stack([normals, -offsets]), ball.x[:3])
    corners = inside.intersections[np.isfinite(inside.intersections).all(axis=1)]
    size = np.ptp(corners, axis=0).max()
    triangles, outward, edges = [], [], []
    for normal, offset in zip(normals, offsets, strict=True):
        face = corners[np.abs(corners @ normal - offset) < 1e-7 * size]
        face = _around(face, normal, 1e-6 * size)
        if len(face) < 3:
            continue
        fan = np.stack(np.broadcast_arrays(face[0], face[1:-1], face[2:]), axis=1)
        pieces = np.concatenate([_cut(triangle, size / _PIECES) for triangle in fan])
        triangles.append(pieces)
        outward.append(np.broadcast_to(normal, (len(pieces), 3)))
        ends = np.stack([face, np.roll(face, -1, axis=0)], axis=1)
        side = np.broadcast_to(normal, (len(face), 1, 3))
        edges.append(np.concatenate([ends, side], axis=1))
    return Surface(*(np.concatenate(parts) for parts in (triangles, outward, edges)))


def _around(points: np.ndarray, normal: np.ndarray, same: float) -> np.ndarray:
    """Return the different ones of the corners of a convex face, in order around it."""
    if len(points) < 3:
        return points
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    arms = points - points.mean(axis=0)
    angle = np.arctan2(arms @ np.cross(normal, first), arms @ first)
    ordered = points[np.argsort(angle)]
    apart = np.linalg.norm(ordered - np.roll(ordered, 1, axis=0), axis=1) > same
    return ordered[apart]


def _cut(triangle: np.ndarray, longest: float) -> np.ndarray:
    """Divide a triangle into n^2 equal ones whose edges are at most ``longest``."""
    reach = max(np.linalg.norm(triangle - np.roll(triangle, 1, axis=0), axis=1))
    n = max(1, math.ceil(reach / longest))
    a, b = (triangle[k] - triangle[0] for k in (1, 2))
    i, j = (index.ravel() for index in np.mgrid[:n, :n])
    at = lambda i, j: triangle[0] + (i[:, None] * a + j[:, None] * b) / n
    upright = i + j < n
    hanging = i + j < n - 1
    first = np.stack([at(i, j), at(i + 1, j), at(i, j + 1)], axis=1)[upright]
    second = np.stack([at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)], axis=1)[hanging]
    return np.concatenate([first, second])


def surface_of_density(density: Any, pitch: float) -> Surface:
    """Return the surface at half of the largest density, by marching cubes (scikit-image).

    W. E. Lorensen, H. E. Cline, *Computer Graphics* 21 (1987) 163, in the form of T. Lewiner
    et al., *J. Graphics Tools* 8 (2003) 1.

    Args:
        density: ``(nz, ny, nx)``.
        pitch: voxel side, nm.

    Raises:
        ImportError: without scikit-image, saying how to install it.
        ValueError: if the body is empty.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError:
        raise ImportError(
            "surfaces of voxel bodies need scikit-image: pip install 'diffscatter[particles]'"
        ) from None
    filled = np.pad(np.asarray(density, np.float32), 1)  # closed where it touches the box
    if not filled.max() > 0:
        raise ValueError("the body is empty: it has no surface")
    points, faces, slopes, _ = marching_cubes(filled, filled.max() / 2)
    middle = np.array([n // 2 + 1 for n in np.shape(density)])
    corners = pitch * (points - middle)[faces][..., ::-1]
    # Slopes of the density shade more smoothly than the triangles, which follow the lattice.
    outward = slopes[faces].mean(axis=1)[:, ::-1]
    size = np.linalg.norm(outward, axis=1)
    keep = size > 0
    return Surface(corners[keep], outward[keep] / size[keep, None], np.zeros((0, 3, 3)))


def views(surface: Surface, determined: Any, pitch: float) -> "Figure":
    """Draw a body as the beam meets it, from the side and from behind.

    Args:
        surface: of the body.
        determined: True in the half that the beam sees. Shape ``(nz, ny, nx)``.
        pitch: of ``determined``, nm.
    """
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    seen = _is_seen(surface, np.asarray(determined, bool), pitch)
    colors = np.where(seen[:, None], to_rgb(_SEEN), to_rgb(_FAR))
    planes = {title: _plane(*axes) for title, axes in _VIEWS.items()}
    points = surface.corners.reshape(-1, 3)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = 1.12 * max(np.abs((points - middle) @ flat).max() for flat in planes.values())

    figure = _figure(9.6, 3.9)
    panels = figure.subplots(1, 3)
    for panel, (title, flat) in zip(panels, planes.items(), strict=True):
        right, up = flat.T
        toward = np.cross(right, up)
        light = toward + 0.5 * up - 0.35 * right
        facing = surface.outward @ toward > 0
        corners, normals = surface.corners[facing], surface.outward[facing]
        order = np.argsort(corners.mean(axis=1) @ toward)
        shade = 0.42 + 0.58 * np.clip(normals @ light / np.linalg.norm(light), 0, 1)
        tones = np.clip(colors[facing] * shade[:, None], 0, 1)[order]
        # Hair lines of the same colour close the seams between neighbours.
        panel.add_collection(
            PolyCollection(
                corners[order] @ flat, facecolors=tones, edgecolors=tones, linewidths=0.3
            )
        )
        if len(surface.edges):
            near = surface.edges[:, 2] @ toward > 0
            lines = surface.edges[near, :2] @ flat
            panel.add_collection(
                LineCollection(lines, colors=[(0, 0, 0, 0.45)], linewidths=0.6)
            )
        at = middle @ flat
        panel.set_xlim(at[0] - reach, at[0] + reach)
        panel.set_ylim(at[1] - reach, at[1] + reach)
        panel.set(title=title, aspect="equal")
        _label(panel, title)
    handles = [Patch(color=_SEEN), Patch(color=_FAR)]
    words = ["near half of each column: determined", "far half: hardly determined"]
    figure.legend(handles, words, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _plane(right: tuple, up: tuple) -> np.ndarray:
    """Return the unit vectors to the right and up of a view, as columns ``(3, 2)``."""
    axes = np.array([right, up], float)
    return (axes / np.linalg.norm(axes, axis=1, keepdims=True)).T


def _label(panel: Any, title: str) -> None:
    """Write the axes of a view; one that is askew has none."""
    if title == "along the beam":
        panel.set(xlabel="x (nm), to the left", ylabel="y (nm)")
        panel.xaxis.set_major_formatter(lambda value, _: f"{0 - value:g}")
    elif title == "from the side":
        panel.set(xlabel="z (nm)", ylabel="y (nm)")
        arrow = {"arrowprops": {"arrowstyle": "->"}, "xycoords": "axes fraction"}
        panel.annotate("beam", (0.3, 0.94), (0.04, 0.94), va="center", fontsize=9, **arrow)
    else:
        panel.set(xticks=[], yticks=[])


def _is_seen(surface: Surface, determined: np.ndarray, pitch: float) -> np.ndarray:
    """Return which triangles bound the determined half: those before its end in their column.

    Where a column is only a few voxels long, those that face the beam.
    """
    nz, ny, nx = determined.shape
    at = surface.corners.mean(axis=1)
    inward = (
        at - 0.75 * pitch * surface.outward
    ) / pitch  # a wall belongs to the column inside
    x, y = (
        np.clip(np.rint(inward[:, k]).astype(int) + n // 2, 0, n - 1)
        for k, n in enumerate((nx, ny))
    )
    end = (nz - np.argmax(determined[::-1], axis=0) - nz // 2 - 0.5)[y, x] * pitch
    thin = determined.sum(axis=0)[y, x] < _THIN
    forward = surface.outward[:, 2]
    # What is no wall needs more than the error of a voxel's place to be beyond the middle.
    margin = np.where(np.abs(forward) > _WALL, -_THIN / 2 * pitch * np.sign(forward), 0)
    return np.where(thin, forward < 0, at[:, 2] < end + margin)


def pattern_fit(
    image: Any,
    fitted: Any,
    kx: Any,
    ky: Any,
    *,
    mask: Any = None,
    wavenumber: float | None = None,
    log: bool = False,
) -> "Figure":
    """Draw a pattern, its fit on the same scale, and the difference of their logarithms.

    Args:
        image, fitted: intensities, or shown logarithms of them. Shape ``(ny, nx)``.
        kx, ky: axes, 1/nm.
        mask: True where a pixel counts; the rest is grey in the residual.
        wavenumber: k, 1/nm: the circle beyond which nothing scatters is drawn.
        log: whether the images are logarithms already, as published display images.
    """
    from matplotlib.colors import LogNorm, Normalize

    counts = np.ones(np.shape(image), bool) if mask is None else np.asarray(mask, bool)
    image, fitted = np.array(image, float), np.array(fitted, float)
    if log:
        residual, what = fitted - image, "fit − data (shown units)"
        norm = Normalize(image[counts].min(), image[counts].max())
    else:
        top = image[counts].max()
        least = np.percentile(image[counts & (image > 0)], 2)
        low = max(least, 1e-7 * top)
        residual = np.log(np.maximum(fitted, low) / np.maximum(image, low))
        what, norm = "ln fit − ln data", LogNorm(low, top)
        image, fitted = (np.maximum(v, low) for v in (image, fitted))
    image[~counts], residual[~counts] = np.nan, np.nan
    limit = np.nanpercentile(np.abs(residual), 99) or 1.0

    figure = _figure(10.4, 3.5)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    pictures = (
        ("pattern", image, {"norm": norm, "cmap": "inferno"}),
        ("fit", fitted, {"norm": norm, "cmap": "inferno"}),
        ("residual", residual, {"vmin": -limit, "vmax": limit, "cmap": "RdBu_r"}),
    )
    around = np.linspace(0, 2 * np.pi, 181)
    drawn = []
    for panel, (title, values, how) in zip(panels, pictures, strict=True):
        drawn.append(panel.pcolormesh(kx, ky, values, shading="nearest", **how))
        if wavenumber is not None:
            circle = wavenumber * np.cos(around), wavenumber * np.sin(around)
            panel.plot(*circle, color="0.5", linewidth=0.8, linestyle="--")
        panel.set(title=title, aspect="equal", facecolor="0.75")
        panel.set_xlim(np.min(kx), np.max(kx))
        panel.set_ylim(np.min(ky), np.max(ky))
        panel.set_xlabel(r"$k_x$ (nm$^{-1}$)")
    panels[0].set_ylabel(r"$k_y$ (nm$^{-1}$)")
    label = "shown intensity" if log else "intensity"
    figure.colorbar(drawn[1], ax=panels[:2], label=label, shrink=0.75)
    figure.colorbar(drawn[2], ax=panels[2], label=what, shrink=0.75)
    return figure
