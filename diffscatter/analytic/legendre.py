"""Gauss-Legendre rules of many sizes, one of which is chosen while the program runs."""

import functools
from typing import NamedTuple

import numpy as np

__all__ = ["HalfRules", "half_rules"]


class HalfRules(NamedTuple):
    """Gauss-Legendre rules for even functions on [-1, 1], by their nodes in (0, 1).

    Attributes:
        counts: nodes of each rule, ascending; offsets: where it starts in the following.
        nodes, complements, weights: x, sqrt(1 - x^2) and weights that add up to 1.
    """

    counts: np.ndarray
    offsets: np.ndarray
    nodes: np.ndarray
    complements: np.ndarray
    weights: np.ndarray


@functools.cache
def half_rules() -> HalfRules:
    """Return the rules of 4 to 1024 nodes, four to an octave from 8 on."""
    counts = [n for n in range(4, 8)] + [n << k for k in range(1, 8) for n in range(4, 8)]
    counts = np.array([*counts, 1024], np.int32)
    x, t, w = (np.concatenate(part) for part in zip(*map(_half_legendre, counts), strict=True))
    return HalfRules(counts, np.cumsum(counts, dtype=np.int32) - counts, x, t, w)


def _half_legendre(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cos, sin and weights of the nodes above 0 of the rule of ``2 * count`` nodes."""
    n = 2 * count
    start = np.pi * (np.arange(count) + 0.75) / (n + 0.5)
    angle = start + 1 / (np.tan(start) * 8 * (n + 0.5) ** 2)  # Tricomi
    for _ in range(2):  # Halley, with Legendre's equation for the second derivative
        x, t = np.cos(angle), np.sin(angle)
        before, value = np.ones(count), x
        for k in range(2, n + 1):
            before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
        slope = n * (x * value - before) / t  # by the angle
        bend = -slope * x / t - n * (n + 1) * value
        step = -value / (slope - value * bend / (2 * slope))
        angle = angle + step
    slope = slope + step * bend
    return np.cos(angle), np.sin(angle), 2 / slope**2
