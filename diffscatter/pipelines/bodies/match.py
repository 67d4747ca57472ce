r"""Which bodies of a library have a pattern like this one, and how they lie about the beam.

A pattern on rings is correlated with every map of a library under all turns about the beam. A
linear correlation knows neither the scale nor the background of the display; the offset c of a
logarithmic one, :math:`\log(1 + I/c)`, is looked for with some bodies of every kind. Means of
rings, which no turn changes, then leave some thousands of bodies; for these

.. math::
    s(\alpha) = \frac{\langle wPx_\alpha\rangle - \langle wP\rangle\langle wx_\alpha\rangle}
    {\sigma_w(P)\,\sigma_w(x_\alpha)},\qquad x_\alpha(r, a) = x(r, a - \alpha)

comes from transforms over the angle, the weights of a mask included. A mirror image of a map is
the pattern of the mirror image of its body, so that each stands for two.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft  # keeps single precision

from diffscatter.pipelines.bodies.library import Library

__all__ = ["Candidate", "match"]

_LEAST_RING = 0.2  # of a ring that must be recorded for its mean to count
_TRIED = 400  # bodies looked at for each offset
_OF_ONE_SOLID = 2  # beyond the first half of the candidates
_DEGENERATE = 0.98  # of the best score: the half-turn is a candidate too


@dataclass(frozen=True)
class Candidate:
    """A body whose pattern resembles the one that was matched.

    Attributes:
        score: correlation of the patterns, at most 1.
        name: of the solid, None for a random polytope.
        unit_normals, unit_offsets: planes of the unit polytope. Shapes ``(m, 3)``, ``(m,)``.
        matrix: takes it to the body in nm, turned, stretched and sized; its determinant is
            below 0 where it mirrors. Shape ``(3, 3)``.
        angle: by which the map was turned about the beam, in ``matrix`` already, rad.
        log_offset: ln c of the display that fitted best, of |f|^2 in nm^2.
        index: of the body in its library.
    """

    score: float
    name: str | None
    unit_normals: np.ndarray
    unit_offsets: np.ndarray
    matrix: np.ndarray
    angle: float
    log_offset: float
    index: int

    def planes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return unit normals ``(m, 3)`` and offsets ``(m,)`` of the body, nm."""
        normals = self.unit_normals @ np.linalg.inv(self.matrix)
        length = np.linalg.norm(normals, axis=1)
        return normals / length[:, None], self.unit_offsets / length


def match(
    library: Library,
    values: np.ndarray,
    weights: np.ndarray,
    *,
    wavelength: float,
    top: int = 24,
    keep: int = 4000,
) -> list[Candidate]:
    """Return the bodies that match a pattern best, the best first.

    Args:
        library: of the physics of the pattern.
        values: the pattern on the rings of ``library.grid(wavelength)``, in a logarithmic
            display of any scale: log(1 + counts) for counts. Shape ``(rings, angles)``.
        weights: 1 where it was recorded, else 0, as of :func:`.polar_map`.
        wavelength: nm.
        top: how many to return.
        keep: how many to look at closely.

    Raises:
        ValueError: if a shape is wrong, or nothing was recorded on the rings.
    """
    shape = library.logs.shape[1:]
    values, weights = np.asarray(values, np.float32), np.asarray(weights, np.float32)
    if values.shape != shape or weights.shape != shape:
        raise ValueError(
            f"values and weights must be on the rings, {shape}, got {values.shape} and "
            f"{weights.shape}"
        )
    recorded = weights > 0
    if not recorded.any() or np.ptp(values[recorded]) == 0:
        raise ValueError("no ring of the library was recorded, or all of it is constant")
    # Outer rings hold more pixels: half-way between equal rings and equal pixels.
    ring = np.sqrt(np.linspace(0, 1, shape[0] + 1)[1:])[:, None]
    weights = (weights * ring / np.sum(weights * ring)).astype(np.float32)
    by_rings = _by_rings(library, values, weights)
    middle = _likely_offset(library, by_rings, values, weights)
    near = slice(max(middle - 1, 0), middle + 2)
    kept, offsets = _leading(library, by_rings, near, keep)
    scores, found = [], []
    for mirrored in (False, True):
        curve = _by_turns(library, kept, offsets, values, weights, mirrored)
        best = curve.argmax(axis=1)
        opposite = (best + shape[1] // 2) % shape[1]
        every = np.arange(len(kept))
        for shift in (best, opposite):
            score = curve[every, shift]
            wanted = score >= _DEGENERATE * curve[every, best]
            scores.append(score[wanted])
            found += [(mirrored, i, shift[i]) for i in np.flatnonzero(wanted)]
    scores = np.concatenate(scores)
    order = np.argsort(-scores)
    names = [library.bodies.name(kept[found[i][1]]) for i in order]
    return [
        _candidate(library, kept, offsets, *found[i], float(scores[i]), wavelength)
        for i in order[_varied(names, top)]
    ]


def _varied(names: list, top: int) -> list[int]:
    """Return which of a list, best first, to take: half by rank, then few of one solid.

    Where fringes look alike a dozen orientations of a wrong solid come before the first of the
    right one, that happens to be a little farther off.
    """
    chosen, counts = [], {}
    for place, name in enumerate(names):
        if len(chosen) == top:
            break
        if place < top // 2 or name is None or counts.get(name, 0) < _OF_ONE_SOLID:
            chosen.append(place)
            counts[name] = counts.get(name, 0) + 1
    missing = top - len(chosen)
    if missing > 0:
        chosen = sorted(chosen + [i for i in range(len(names)) if i not in chosen][:missing])
    return chosen


def _by_rings(library: Library, values, weights) -> np.ndarray:
    """Return the correlation of ring means with every body at every offset, ``(n, c)``."""
    per_ring = weights.sum(axis=1)
    mean = np.sum(values * weights, axis=1) / np.maximum(per_ring, 1e-20)
    full = np.mean(weights > 0, axis=1) >= _LEAST_RING
    if full.sum() < 3:  # a narrow window: take what there is
        full = per_ring > 0
    per_ring = np.where(full, per_ring, 0) / per_ring[full].sum()
    mean = mean - mean @ per_ring
    rings = library.rings.astype(np.float32)
    rings -= (rings @ per_ring)[..., None]
    covariance = rings @ (mean * per_ring)
    return covariance / (np.sqrt(rings**2 @ per_ring * (mean**2 @ per_ring)) + 1e-20)


def _leading(library: Library, by_rings, offsets: slice, keep: int):
    """Return the bodies whose rings fit best at some offsets, and the offset of each."""
    score = by_rings[:, offsets]
    kept = np.argsort(-score.max(axis=1))[:keep]
    return kept, library.offsets[offsets][score[kept].argmax(axis=1)]


def _likely_offset(library: Library, by_rings, values, weights) -> int:
    """Return the offset at which any body fits best: that of a pattern is one for all of them.

    Rings alone choose badly: at a small offset those of a round body fit every pattern.
    """
    scores = []
    for place in range(len(library.offsets)):
        kept, offsets = _leading(library, by_rings, slice(place, place + 1), _TRIED)
        scores.append(_by_turns(library, kept, offsets, values, weights, False).max())
    return int(np.argmax(scores))


def _by_turns(library, kept, offsets, values, weights, mirrored: bool) -> np.ndarray:
    """Return the correlation of each body kept with the pattern, at every turn of the map."""
    shown = np.log1p(np.exp(library.logs[kept].astype(np.float32) - offsets[:, None, None]))
    turns = values.shape[1]
    # Sums over the angle of w(a) x(a - shift); the mirror image of x has the conjugate.
    transform = lambda x: fft.rfft(x, axis=-1)
    first, second = transform(shown), transform(shown**2)
    if not mirrored:
        first, second = first.conj(), second.conj()
    sums = lambda maps, fixed: fft.irfft(
        np.einsum("nra,ra->na", maps, transform(fixed)), turns, axis=-1
    )
    mean_x, mean_xx = sums(first, weights), sums(second, weights)
    mean = float(np.sum(weights * values))
    variance = float(np.sum(weights * values**2)) - mean**2
    covariance = sums(first, weights * values) - mean_x * mean
    spread = np.maximum(mean_xx - mean_x**2, 1e-9) * max(variance, 1e-20)
    return covariance / np.sqrt(spread)


def _candidate(library, kept, offsets, mirrored, place, shift, score, wavelength) -> Candidate:
    index = int(kept[place])
    angle = 2 * math.pi * int(shift) / library.logs.shape[2]
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    flip = np.diag([1.0, -1.0 if mirrored else 1.0, 1.0])
    normals, distances = library.bodies.unit_planes(index)
    return Candidate(
        score=score,
        name=library.bodies.name(index),
        unit_normals=normals,
        unit_offsets=distances,
        matrix=wavelength * turn @ flip @ library.bodies.matrices[index],
        angle=angle,
        log_offset=float(offsets[place]) + 2 * math.log(wavelength),
        index=index,
    )
