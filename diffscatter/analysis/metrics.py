"""How far a curve is from its exact form, and a body from the true one. Numpy, on the host."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import maximum_filter1d
from scipy.signal import correlate

__all__ = ["away_from_minima", "curve_error", "registered_overlap"]


def away_from_minima(reference: ArrayLike, *, floor: float = 0.1) -> np.ndarray:
    """Return where a curve stands above ``floor`` times its local envelope.

    Relative errors explode in the zeros of a form factor, where a real measurement sees
    background and resolution; accuracy is therefore quoted away from them. The envelope is the
    running maximum over 1/30 of the curve, at least seven points.

    Args:
        reference: the exact curve on an even axis. Shape ``(nq,)``.
        floor: fraction of the envelope below which a point counts as a minimum.

    Returns:
        Boolean mask, shape ``(nq,)``.
    """
    reference = np.asarray(reference)
    window = 2 * max(3, reference.size // 60) + 1
    return reference > floor * maximum_filter1d(reference, window, mode="nearest")


def curve_error(intensity: ArrayLike, reference: ArrayLike) -> dict[str, float]:
    """Return the ``median`` and ``max`` relative error of a curve, away from minima."""
    intensity, reference = np.asarray(intensity, float), np.asarray(reference, float)
    if intensity.shape != reference.shape:
        raise ValueError(f"curve has shape {intensity.shape}, the reference {reference.shape}")
    error = np.abs(intensity / reference - 1)[away_from_minima(reference)]
    return {"median": float(np.median(error)), "max": float(error.max())}


def registered_overlap(found: ArrayLike, truth: ArrayLike) -> tuple[float, tuple[int, ...]]:
    """Return the best intersection over union of two bodies over whole-voxel shifts.

    A pattern does not see where the body stands, so bodies are compared after registration.

    Args:
        found, truth: occupancies of the same pitch, inside where above one half. Same shape.

    Returns:
        Intersection over union in 0..1, and the shift (z, y, x) in voxels that takes ``found``
        onto ``truth``.

    Raises:
        ValueError: if the shapes differ or a body is empty.
    """
    found, truth = np.asarray(found) > 0.5, np.asarray(truth) > 0.5
    if found.shape != truth.shape:
        raise ValueError(f"found has shape {found.shape}, truth {truth.shape}; resample one")
    if not (found.any() and truth.any()):
        raise ValueError("a body is empty: no occupancy exceeds one half")
    common = correlate(truth.astype(float), found.astype(float), method="fft")
    best = np.unravel_index(np.argmax(common), common.shape)
    shift = tuple(int(b) - n + 1 for b, n in zip(best, found.shape, strict=True))
    intersection = round(float(common[best]))
    return intersection / (found.sum() + truth.sum() - intersection), shift
