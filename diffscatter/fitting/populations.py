"""Peaks of a density with a band: which stand out, how far each reaches, and its moments."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Population", "extents", "moments", "peaks", "vertex"]

_EDGE = 1e-2  # a population ends where its density has fallen to this part of its peak's


@dataclass(frozen=True)
class Population:
    """One peak of a size distribution, between the valleys beside it.

    Attributes:
        number_mean, number_width: mean size by number, nm, and standard deviation over mean.
        volume_mean: mean size by volume, nm.
        number_mode, volume_mode: where the density per nm is highest, nm.
        number_share, volume_share: of all particles and of all material in populations.
        sigma: standard deviations of the means, the width and the shares, by their names.
    """

    number_mean: float
    number_width: float
    volume_mean: float
    number_mode: float
    volume_mode: float
    number_share: float
    volume_share: float
    sigma: dict[str, float]


def peaks(f: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the maxima that stand out of the band, and the others.

    A maximum stands out where the lower end of the band at it is above the upper end of the
    band somewhere on the way to higher ground, or to the end of the axis, on both sides: then
    no curve within the band is without it.
    """
    clear, others = [], []
    for i in np.flatnonzero((f[1:-1] > f[:-2]) & (f[1:-1] >= f[2:])) + 1:
        left, right = np.flatnonzero(f[:i] > f[i]), np.flatnonzero(f[i + 1 :] > f[i])
        start = left[-1] if left.size else 0
        stop = i + 2 + right[0] if right.size else f.size
        if low[i] > high[start:i].min() and low[i] > high[i + 1 : stop].min():
            clear.append(int(i))
        else:
            others.append(int(i))
    return clear, others


def extents(f: np.ndarray, number: np.ndarray, at: list[int]) -> list[slice]:
    """Return the nodes of the population around each of the ascending peaks ``at``.

    From valley to valley, as far as the densities by volume and by number exceed a hundredth
    of theirs at the peak.
    """
    if not at:
        return []
    valleys = [a + int(np.argmin(f[a:b])) for a, b in zip(at[:-1], at[1:], strict=True)]
    found = []
    for i, first, last in zip(at, [0, *valleys], [*valleys, f.size], strict=True):
        low = np.flatnonzero(np.minimum(f / f[i], number / number[i]) < _EDGE)
        below, above = low[low < i], low[low > i]
        start = max(first, int(below[-1]) + 1 if below.size else 0)
        found.append(slice(start, min(last, int(above[0]) if above.size else f.size)))
    return found


def moments(
    f: np.ndarray,
    sizes: np.ndarray,
    volumes: np.ndarray,
    parts: list[slice],
    covariance: np.ndarray,
) -> tuple[Population, ...]:
    """Return the populations.

    Args:
        f: volume per unit of ln(size). Shape ``(n,)``.
        sizes, volumes: nodes, equally spaced in the logarithm, and bodies' volumes.
        parts: the populations' extents.
        covariance: of ln f. Shape ``(n, n)``.
    """
    everywhere = {name: np.zeros_like(f) for name in ("number", "volume")}
    for part in parts:
        everywhere["volume"][part] = f[part]
        everywhere["number"][part] = (f / volumes)[part]
    spread = lambda slope: float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
    found = []
    for part in parts:
        values, sigma = {}, {}
        for name, amount in everywhere.items():
            own = np.zeros_like(f)
            own[part] = amount[part]
            total, every = own.sum(), amount.sum()
            away = sizes - own @ sizes / total
            variance = own @ away**2 / total
            mean = own @ sizes / total
            width = np.sqrt(variance) / mean
            # Slopes with respect to ln f, node by node.
            of_mean = own * away / total
            of_width = own * (away**2 - variance) / (2 * total * width * mean**2)
            of_width = of_width - width / mean * of_mean
            share = total / every
            of_share = own / every - share * amount / every
            values |= {f"{name}_mean": mean, f"{name}_width": width, f"{name}_share": share}
            sigma |= {
                f"{name}_mean": spread(of_mean),
                f"{name}_width": spread(of_width),
                f"{name}_share": spread(of_share),
            }
            # Per nm, and from one node below to one above the highest.
            values[f"{name}_mode"] = vertex(sizes, own / sizes)
        values.pop("volume_width"), sigma.pop("volume_width")
        found.append(Population(**{k: float(v) for k, v in values.items()}, sigma=sigma))
    return tuple(found)


def vertex(sizes: np.ndarray, density: np.ndarray) -> float:
    """Return where a density is highest, from a parabola of the logarithms at three nodes."""
    i = int(np.argmax(density))
    if i in (0, density.size - 1) or min(density[i - 1], density[i + 1]) <= 0:
        return float(sizes[i])
    before, here, after = np.log(density[i - 1 : i + 2])
    shift = (before - after) / (2 * (before - 2 * here + after))
    return float(sizes[i] * (sizes[i + 1] / sizes[i]) ** shift)
