"""Grids of panels: on each a curve is a polynomial, so that integrals over it are exact sums.

All of it is planning, in numpy and float64, done once for a set of data points.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

__all__ = ["INNER", "panel_weights", "plan_panels", "projected"]

_HALF_PHASE = 8.0  # rad of a fringe on half a panel
INNER = leggauss(48)  # nodes and weights on a piece of a resolution, a few sigma long


def plan_panels(
    start: np.ndarray, end: np.ndarray, size: np.ndarray, floor: float
) -> list[tuple[float, float, int]]:
    """Divide the union of intervals into panels of even phase.

    Args:
        start, end: the intervals, 1/nm, at least 0. Shape ``(n,)``.
        size: wave number in q (a length, nm) that the grid must carry in each. ``(n,)``.
        floor: q above which a panel ends at most at three times its start, so that laws like
            q^-4 are polynomials on it too; 1/nm.

    Returns:
        (start, end, number of nodes) of each panel, ascending.
    """
    panels = []
    for first, last in _merged(start, end):
        inside = (start < last) & (end > first)
        marks = [start[inside], end[inside], np.linspace(first, last, 257)]
        if last > floor:
            marks.append(np.geomspace(max(first, floor), last, 257))
        marks = np.unique(np.clip(np.concatenate(marks), first, last))
        middle = (marks[1:] + marks[:-1]) / 2
        cover = (start[inside] <= middle[:, None]) & (middle[:, None] <= end[inside])
        rate = np.max(np.where(cover, size[inside], 0.0), axis=1)
        rate = np.maximum(rate, 2 * _HALF_PHASE / np.log(3) / np.maximum(middle, floor))
        phase = np.concatenate([[0.0], np.cumsum(rate * np.diff(marks))])
        number = int(np.ceil(phase[-1] / (2 * _HALF_PHASE)))
        edges = np.interp(np.linspace(0, phase[-1], number + 1), phase, marks)
        nodes = int(np.ceil(1.4 * phase[-1] / (2 * number) + 5))
        panels += [(a, b, nodes) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return panels


def panel_weights(
    panel: tuple[float, float, int],
    low: np.ndarray,
    high: np.ndarray,
    density: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return a panel's nodes, and what each weighs in the integrals of density times curve.

    Args:
        panel: one of :func:`plan_panels`.
        low, high: range of each integral, 1/nm. Shape ``(n,)``.
        density: of q, shape ``(m, 48)``, and of the m integrals' indices.

    Returns:
        Nodes, shape ``(count,)``, and weights, shape ``(n, count)``.
    """
    start, end, _ = panel
    a, b = np.maximum(low, start), np.minimum(high, end)
    use = np.flatnonzero(b > a)
    middle, half = (a + b)[use] / 2, (b - a)[use] / 2
    q = middle[:, None] + half[:, None] * INNER[0]
    nodes, part = projected(panel, q, density(q, use) * INNER[1] * half[:, None])
    weights = np.zeros((low.size, nodes.size))
    weights[use] = part
    return nodes, weights


def projected(
    panel: tuple[float, float, int], q: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a panel's nodes, and the weights on them of sums over other points.

    A sum of ``weight`` times the panel's polynomial at ``q`` within it, both ``(n, m)``, is the
    sum of the polynomial at the nodes, ``(count,)``, with the weights returned, ``(n, count)``.
    """
    start, end, count = panel
    t, w = leggauss(count)
    # From values on Gauss-Legendre nodes to the Legendre series of their polynomial, exactly.
    series = legvander(t, count - 1).T * (w * (np.arange(count)[:, None] + 0.5))
    basis = legvander((2 * q - start - end) / (end - start), count - 1)
    weights = np.einsum("ik,ikl->il", weight, basis) @ series
    return (start + end) / 2 + (end - start) / 2 * t, weights


def _merged(start: np.ndarray, end: np.ndarray) -> list[tuple[float, float]]:
    """Return the union of intervals as disjoint ones, ascending."""
    merged: list[list[float]] = []
    for i in np.argsort(start):
        if merged and start[i] <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end[i])
        else:
            merged.append([start[i], end[i]])
    return [(a, b) for a, b in merged]
