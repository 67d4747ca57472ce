"""Random bodies for a library: base solids and polytopes, of any length unit.

A body is one of a table of polytopes of unit size under a matrix. Rotations about the beam are
drawn with the others, though a match tries all of them: the maps are then no likelier along the
axes of the detector.
"""

from dataclasses import dataclass, replace

import numpy as np

from diffscatter.shapes import solids

__all__ = ["Bodies", "draw_polytopes", "draw_solids"]

# The random hull is no one body; what it stands for, random polytopes do.
_SOLIDS = tuple(name for name in solids.NAMES if name != solids.HULL)
_STRETCHES = (0.5, 2.0)
_FACES = (4, 16)  # of random polytopes
_SLENDER = 3.2  # longest over shortest principal extent of those


@dataclass(frozen=True)
class Bodies:
    """Bodies as members of a table of unit polytopes, each under a matrix of its own.

    Attributes:
        normals: outward unit vectors of the table's planes, padded. Shape ``(t, m, 3)``.
        offsets: ``(t, m)``.
        counts: how many planes of each are meant. Shape ``(t,)``.
        names: of the members of the table, None where they have none.
        base: member of each body. Shape ``(n,)``.
        matrices: from the unit polytope to the body. Shape ``(n, 3, 3)``.
        sizes: largest distance of a corner from the origin. Shape ``(n,)``.
        halves: largest |x| or |y| of a corner. Shape ``(n,)``.
    """

    normals: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray
    names: tuple[str | None, ...]
    base: np.ndarray
    matrices: np.ndarray
    sizes: np.ndarray
    halves: np.ndarray

    def __len__(self) -> int:
        return len(self.base)

    def by_size(self) -> "Bodies":
        """Return the same bodies, the smallest first."""
        order = np.argsort(self.sizes)
        fields = ("base", "matrices", "sizes", "halves")
        return replace(self, **{name: getattr(self, name)[order] for name in fields})

    def unit_planes(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return normals ``(m, 3)`` and offsets ``(m,)`` of a body's unit polytope."""
        member = self.base[index]
        count = self.counts[member]
        return self.normals[member, :count], self.offsets[member, :count]

    def name(self, index: int) -> str | None:
        return self.names[self.base[index]]


def draw_solids(count: int, sizes: tuple[float, float], seed: int) -> Bodies:
    """Draw base solids with any rotation, stretched by 1/2 to 2 along an axis of symmetry.

    Args:
        count: how many.
        sizes: least and greatest distance of the farthest corner; uniform in its logarithm.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    base = random.integers(len(_SOLIDS), size=count)
    stretches = _log_uniform(random, *_STRETCHES, count)
    radii, turns = _log_uniform(random, *sizes, count), _rotations(random, count)
    matrices, halves = np.empty((count, 3, 3)), np.empty(count)
    axes = [solids.symmetry_axes(name) for name in _SOLIDS]
    unit = [solids.vertices(name) for name in _SOLIDS]
    for i, member in enumerate(base):
        axis = _axis(random, axes[member])
        matrix = turns[i] @ (np.eye(3) + (stretches[i] - 1) * np.outer(axis, axis))
        corners = unit[member] @ matrix.T
        scale = radii[i] / np.linalg.norm(corners, axis=1).max()
        matrices[i], halves[i] = scale * matrix, scale * np.abs(corners[:, :2]).max()
    table = [solids.planes(name) for name in _SOLIDS]
    return Bodies(*_padded(table), _SOLIDS, base, matrices, radii, halves)


def draw_polytopes(count: int, sizes: tuple[float, float], seed: int) -> Bodies:
    """Draw polytopes of 4 to 16 faces that spread over all directions."""
    from scipy.spatial import HalfspaceIntersection

    random = np.random.default_rng(seed)
    table, matrices, halves = [], np.empty((count, 3, 3)), np.empty(count)
    radii = _log_uniform(random, *sizes, count)
    while len(table) < count:
        normals = _spread_directions(random)
        offsets = random.uniform(0.75, 1.2, len(normals))
        if not _encloses(normals):
            continue
        planes = np.concatenate([normals, -offsets[:, None]], axis=1)
        corners = HalfspaceIntersection(planes, np.zeros(3)).intersections
        axis = _axis(random, {})
        stretch = _log_uniform(random, 0.55, 1.8, None)
        matrix = np.eye(3) + (stretch - 1) * np.outer(axis, axis)
        centre = corners.mean(axis=0)
        moved = (corners - centre) @ matrix.T
        extents = np.linalg.svd(moved, compute_uv=False)
        if extents[0] > _SLENDER * extents[-1] or (offsets <= normals @ centre).any():
            continue
        i = len(table)
        scale = radii[i] / np.linalg.norm(moved, axis=1).max()
        matrices[i], halves[i] = scale * matrix, scale * np.abs(moved[:, :2]).max()
        table.append((normals, offsets - normals @ centre))
    names = (None,) * count
    return Bodies(*_padded(table), names, np.arange(count), matrices, radii, halves)


def _spread_directions(random: np.random.Generator) -> np.ndarray:
    """Draw a random number of directions that have repelled each other a little."""
    found = random.normal(size=(random.integers(_FACES[0], _FACES[1] + 1), 3))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    for _ in range(8):
        apart = found[:, None] - found
        squared = np.sum(apart**2, axis=-1) + np.eye(len(found))
        push = np.sum(apart / squared[..., None], axis=1)
        found = found + 0.15 * random.uniform(0.3, 1) * push
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _encloses(normals: np.ndarray) -> bool:
    """Say whether planes of these normals close around the origin, and not too far out.

    They do where the hull of the normals holds the origin: the reach of the polytope is that of
    the planes over the distance from there to the hull.
    """
    from scipy.spatial import ConvexHull

    return bool((-ConvexHull(normals).equations[:, 3] > 0.25).all())


def _padded(table: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return planes in rows of one length; those added are far away and never reached."""
    counts = np.array([len(offsets) for _, offsets in table])
    normals = np.tile(np.float32([0, 0, 1]), (len(table), counts.max(), 1))
    offsets = np.full(normals.shape[:2], 1e3, np.float32)
    for i, (directions, distances) in enumerate(table):
        normals[i, : counts[i]], offsets[i, : counts[i]] = directions, distances
    return normals, offsets, counts


def _axis(random: np.random.Generator, axes: dict[int, np.ndarray]) -> np.ndarray:
    """Draw an axis of symmetry, orders alike; any direction where there is none."""
    if not axes:
        axis = random.normal(size=3)
        return axis / np.linalg.norm(axis)
    group = axes[list(axes)[random.integers(len(axes))]]
    return group[random.integers(len(group))]


def _rotations(random: np.random.Generator, count: int) -> np.ndarray:
    frames, upper = np.linalg.qr(random.normal(size=(count, 3, 3)))
    frames = frames * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None]
    return frames * np.linalg.det(frames)[:, None, None]


def _log_uniform(random, low, high, size):
    return np.exp(random.uniform(np.log(low), np.log(high), size))
