r"""Whether something is of a kind that is known, from numbers that describe it.

A statistic grows with oddness. Its value :math:`t` says little by itself; what does is the
share of known things that are as odd,

.. math:: p(t) = \frac{1 + \#\{t_i \ge t\}}{1 + n}

(Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*, Springer, 2005: known
things have p below :math:`\epsilon` with a probability of at most :math:`\epsilon`.) Numpy, on
the host.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["neighbour_distance", "oddness", "whitening"]


def oddness(
    values: Sequence[ArrayLike], known: Sequence[ArrayLike], weights: Sequence[float]
) -> np.ndarray:
    r"""Return :math:`-\log_{10} \min_k (p_k / w_k)` over statistics k of weights with sum 1.

    Known things score more than :math:`-\log_{10} \epsilon` with a probability of at most
    :math:`\epsilon` (Bonferroni).

    Args:
        values: of each statistic, ``(n,)``.
        known: those of known things, ascending. Each ``(m,)``.
        weights: of the statistics.
    """
    scores = []
    for value, calibration, weight in zip(values, known, weights, strict=True):
        calibration = np.asarray(calibration)
        as_odd = calibration.size - np.searchsorted(calibration, value, side="left")
        scores.append(np.log10(weight * (1 + calibration.size) / (1 + as_odd)))
    return np.max(scores, axis=0)


def whitening(features: ArrayLike, least: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of features and the matrix after which their covariance is one.

    Args:
        features: of known things. Shape ``(n, f)``.
        least: directions of less spread than this share of the largest count as that wide.

    Returns:
        Shapes ``(f,)`` and ``(f, f)``.
    """
    features = np.asarray(features, float)
    mean = features.mean(axis=0)
    _, spreads, axes = np.linalg.svd(features - mean, full_matrices=False)
    spreads = np.maximum(spreads, least * spreads[0]) / np.sqrt(len(features))
    return mean, axes.T / spreads


def neighbour_distance(points: ArrayLike, known: ArrayLike, count: int = 4) -> np.ndarray:
    """Return the distance of each point from its ``count``-th nearest known one.

    Args:
        points: shape ``(n, f)``.
        known: shape ``(m, f)``, m at least ``count``.
        count: 1 for the nearest.
    """
    points, known = np.asarray(points, float), np.asarray(known, float)
    squares = (points**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * points @ known.T
    return np.sqrt(np.maximum(np.partition(squares, count - 1, axis=1)[:, count - 1], 0.0))
