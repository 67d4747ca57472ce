r"""Pinhole resolution: a Gaussian in q.

.. math:: I_s(q_i) = \int R_i(q')\, I(|q'|)\, dq' \Big/ \int R_i(q')\, dq'
"""

import numpy as np
from jax.typing import ArrayLike

from diffscatter.core.checks import dtype_of
from diffscatter.instrument._integrals import checked_axis, integrals, mean_q, visible
from diffscatter.instrument.smear import Smear, planned

__all__ = ["pinhole"]

CONVENTIONS = ("mean", "line", "sasmodels")


def pinhole(
    q: ArrayLike,
    resolution: ArrayLike,
    *,
    window: float | tuple[float, float] | None = None,
    size: float | None = None,
    convention: str = "mean",
) -> Smear:
    r"""Plan the smearing of a curve by a Gaussian in q, of its own width at each point.

    The Gaussian is cut at ``window`` standard deviations and normalised there: a real
    instrument's resolution ends, and the tails of one that does not would, at small q,
    outweigh the rest of a curve that falls as :math:`q^{-4}`. The integral is exact for a
    curve that is a polynomial on each of the panels that the grid is made of. Three
    conventions for R:

    * ``"mean"``: a Gaussian about the mean q of the point. Resolution is a round spot on the
      detector; the rings it covers have the mean :math:`q + \sigma^2/2q` to second order
      (Barker and Pedersen, *J. Appl. Cryst.* 28 (1995) 105), which matters where sigma is
      comparable with q. What reaches below q = 0 counts at :math:`|q'|`.
    * ``"line"``: a Gaussian about q itself; right where q already is the mean.
    * ``"sasmodels"``: the same, as the mid-point sum of its ``Pinhole1D`` on the data's own
      grid, extended, within 2.5 and 3 standard deviations unless ``window`` says otherwise;
      fringes finer than the data are not resolved. For parity.

    Args:
        q: data points, at least 0, 1/nm, in any order. Shape ``(nq,)``.
        resolution: standard deviation of q at each, 1/nm; scalar or ``(nq,)``. A point with 0
            is not smeared.
        window: where the Gaussian ends, in standard deviations (below, above), or both alike;
            3 by default.
        size: largest dimension of the body in nm. Its fringes have a period of
            2 pi/size, which the grid then resolves everywhere. Without it, the grid resolves
            what is left after smearing, and at most what the data's spacing could show.
        convention: ``"mean"``, ``"line"`` or ``"sasmodels"``.

    Raises:
        ValueError: if ``q`` or ``resolution`` is traced, of the wrong shape, not finite or
            negative, if ``window`` or ``size`` is not positive, or for another convention.
    """
    if convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise ValueError(f"convention must be one of {known}, got {convention!r}")
    dtype = dtype_of(q, resolution)
    if window is None:
        window = (2.5, 3.0) if convention == "sasmodels" else 3.0
    q, (sigma,) = checked_axis(q, size, resolution=resolution)
    window = np.broadcast_to(np.asarray(window, float), (2,))
    if not (np.isfinite(window).all() and (window > 0).all()):
        raise ValueError(f"window must be positive, in standard deviations, got {window}")
    if convention == "sasmodels":
        nodes, matrix = _midpoint(q, sigma, window)
        resolved = np.pi / np.diff(np.sort(nodes)).max() if nodes.size > 1 else np.inf
    else:
        sizes = visible(q, sigma) if size is None else np.full(q.shape, float(size))
        centre = mean_q(q, sigma) if convention == "mean" else q
        nodes, matrix = integrals(centre, sigma, np.zeros_like(q), window, sizes)
        resolved = np.min(sizes, where=sigma > 0, initial=np.inf)
    return planned(nodes, matrix / matrix.sum(axis=1, keepdims=True), resolved, dtype)


def _midpoint(q, sigma, window) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and matrix as sasmodels has them."""
    from scipy.special import erf

    tiny = 1e-7  # 1/nm: its least resolution
    data = np.sort(q)
    first, last = (q - window[0] * sigma).min(), (q + window[1] * sigma).max()
    pieces = [data]
    if first + 2 * tiny < data[0]:
        count = int(np.ceil((data[0] - first) / (data[1] - data[0]))) if q.size > 1 else 15
        pieces.insert(0, np.linspace(first, data[0], count + 1)[:-1])
    if last - 2 * tiny > data[-1]:
        count = int(np.ceil((last - data[-1]) / (data[-1] - data[-2]))) if q.size > 1 else 15
        pieces.append(np.linspace(data[-1], last, count + 1)[1:])
    x = np.concatenate(pieces)
    x = x[np.abs(x) >= 0.02 * data[0]]
    if x.size < 2:
        return q, np.eye(q.size)
    inner = (x[1:] + x[:-1]) / 2
    edges = np.concatenate([[x[0] * 2 - inner[0]], inner, [x[-1] * 2 - inner[-1]]])
    wide = np.maximum(sigma, tiny)[:, None]
    weights = np.diff(erf((edges - q[:, None]) / (2**0.5 * wide)), axis=1)
    below, above = q[:, None] - window[0] * wide, q[:, None] + window[1] * wide
    return np.abs(x), np.where((x < below) | (x > above), 0.0, weights)
