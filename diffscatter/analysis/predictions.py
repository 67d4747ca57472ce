"""How good predictions are: of classes, of numbers, of intervals. Numpy, on the host."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["classification_scores", "coverage", "regression_scores"]


def classification_scores(probabilities: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Compare the likeliest classes with the true ones.

    Args:
        probabilities: or logits. Shape ``(n, classes)``.
        labels: true classes, from 0. Shape ``(n,)``.

    Returns:
        ``accuracy``; ``f1`` by class, the harmonic mean of precision and recall, 0 for a class
        that is neither there nor found; and the ``confusion`` matrix, true class by found one.

    Raises:
        ValueError: for shapes that do not fit, or labels that are no classes.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise ValueError(
            "probabilities must be (n, classes) and labels (n,), got shapes "
            f"{probabilities.shape} and {labels.shape}"
        )
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must lie in 0 to {classes - 1}, got {labels.min()} to {labels.max()}"
        )
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    hits, asked = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return {
        "accuracy": float(hits.sum() / labels.size),
        "f1": [float(2 * h / max(a, 1)) for h, a in zip(hits, asked, strict=True)],
        "confusion": confusion.tolist(),
    }


def regression_scores(found: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    r"""Compare numbers with the true ones; those whose truth is NaN are left out.

    .. math:: R^2 = 1 - \sum (t - f)^2 / \sum (t - \bar t)^2

    Args:
        found, truth: the same shape.

    Returns:
        ``r2``, ``mse``, mean squared error, and ``mae``, mean absolute error; NaN where there
        is nothing to compare, ``r2`` also where all truths are equal.

    Raises:
        ValueError: if the shapes differ.
    """
    found, truth = np.asarray(found, float), np.asarray(truth, float)
    if found.shape != truth.shape:
        raise ValueError(f"found has shape {found.shape}, truth {truth.shape}")
    there = np.isfinite(truth)
    found, truth = found[there], truth[there]
    if not truth.size:
        return dict.fromkeys(("r2", "mse", "mae"), float("nan"))
    mse, spread = np.mean((truth - found) ** 2), np.var(truth)
    return {
        "r2": float(1 - mse / spread) if spread else float("nan"),
        "mse": float(mse),
        "mae": float(np.abs(truth - found).mean()),
    }


def coverage(low: ArrayLike, high: ArrayLike, truth: ArrayLike) -> float:
    """Return the share of truths within their intervals; NaN truths are left out."""
    truth = np.asarray(truth, float)
    inside = (np.asarray(low) <= truth) & (truth <= np.asarray(high))
    there = np.isfinite(truth)
    return float(inside[there].mean()) if there.any() else float("nan")
