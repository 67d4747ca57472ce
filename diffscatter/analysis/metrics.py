"""How far a curve is from its exact form. Numpy, on the host."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import maximum_filter1d

__all__ = ["away_from_minima", "curve_error"]


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
