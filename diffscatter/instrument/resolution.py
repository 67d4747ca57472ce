r"""Resolution in q as a linear operator on curves.

.. math:: I_s(q_i) = \int R_i(q')\, I(|q'|)\, dq' \Big/ \int R_i(q')\, dq'

The model is evaluated on a grid of its own, wider and denser than the data, and a matrix, made
once, does the rest: smearing is linear, so that matrix is also its own derivative.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, dtype_of
from diffscatter.core.pytree import static, struct
from diffscatter.instrument._panels import panel_weights, plan_panels

__all__ = ["Smear", "checked_axis", "integrals", "mean_q", "pinhole", "smear", "visible"]

CONVENTIONS = ("mean", "line", "sasmodels")
_FADED = 6.0  # a fringe of 6 rad in a standard deviation is smeared down to e^-18


@struct
class Smear:
    """A resolution, ready to be applied to any curve.

    Attributes:
        q: where the curve must be known, ascending, 1/nm. Shape ``(nc,)``.
        matrix: takes I(q) there to the smeared data points; rows sum to 1. ``(nq, nc)``.
        size: fringes of bodies up to this size in nm are resolved by ``q`` everywhere.
    """

    q: Array
    matrix: Array
    size: float = static()

    def apply(self, intensity: ArrayLike) -> Array:
        """Return the smeared curve, ``(nq,)``, of an intensity known on :attr:`q`."""
        return jnp.matmul(self.matrix, intensity, precision="highest")

    def __call__(self, model: Callable[[Array], Array]) -> Array:
        """Return the smeared curve, ``(nq,)``, of a model callable on q (1/nm)."""
        return self.apply(model(self.q))


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
    return smear(nodes, matrix / matrix.sum(axis=1, keepdims=True), resolved, dtype)


def smear(nodes: np.ndarray, matrix: np.ndarray, size: float, dtype: np.dtype) -> Smear:
    """Return the operator of a planned matrix, its nodes ascending."""
    order = np.argsort(nodes, kind="stable")
    return Smear(
        q=jnp.asarray(nodes[order], dtype),
        matrix=jnp.asarray(matrix[:, order], dtype),
        size=float(size),
    )


def checked_axis(q: ArrayLike, size: float | None, **extents: ArrayLike):
    """Return data points and the extents of what smears them, each as long as q, in float64."""
    for name, value in {"q": q, **extents}.items():
        if isinstance(value, jax.core.Tracer):
            raise ValueError(f"{name} must not be traced: plan the smearing outside jit")
    arrays = {name: check_finite(name, value) for name, value in {"q": q, **extents}.items()}
    shape = arrays["q"].shape
    for name, array in arrays.items():
        if len(shape) != 1 or 0 in shape or array.shape not in ((), shape):
            raise ValueError(
                f"q must be one axis and {name} a scalar or as long, got shapes {shape} and "
                f"{array.shape}"
            )
        if (array < 0).any():
            raise ValueError(f"{name} must be at least 0 1/nm, got {array.min():.6g}")
    if size is not None and not (np.isfinite(size) and size > 0):
        raise ValueError(f"size must be positive and finite, got {size} nm")
    axis, *found = (np.broadcast_to(array.astype(float), shape) for array in arrays.values())
    return axis, found


def mean_q(q: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the mean q of rings that a round spot of ``sigma`` covers, to second order."""
    return q + sigma**2 / (2 * np.where(q > 0, q, np.inf))


def visible(q: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return, at each point, the largest size (nm) whose fringes the data could show."""
    order = np.argsort(q)
    spacing = np.empty_like(q)
    spacing[order] = np.gradient(q[order]) if q.size > 1 else 0.0
    with np.errstate(divide="ignore"):
        return np.minimum(_FADED / sigma, 20 / np.maximum(spacing, 1e-300))


def integrals(q, sigma, width, window, sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and matrix of the exact integrals over piecewise polynomials.

    Each point sees the curve through a Gaussian of ``sigma``, cut at ``window``, smeared again
    by a slit from ``-width`` to ``width``.
    """
    smeared = (sigma > 0) | (width > 0)
    # Points without a resolution are nodes themselves.
    nodes, columns = [q[~smeared]], [np.eye(q.size)[:, ~smeared]]
    if smeared.any():
        # Between these the density is smooth.
        ends = (
            q + far * sigma + side * width
            for far in (-window[0], window[1])
            for side in (-1, 1)
        )
        breaks = np.sort(list(ends), axis=0)
        low, high = breaks[0], breaks[-1]
        floor = 0.05 * np.min(q, where=smeared & (q > 0), initial=high.max())
        density = _density(q, sigma, width, window)
        parts = [(a, b, density) for a, b in zip(breaks[:-1], breaks[1:], strict=True)]
        if (low < 0).any():
            # What lies at q' < 0 is seen at |q'|.
            mirrored = lambda x, point: density(-x, point)
            parts += [(-b, -a, mirrored) for a, b, _ in parts]
        parts = [(a, b, f) for a, b, f in parts if (b > np.maximum(a, 0)).any()]
        start = np.where(low < floor, 0.0, low)[smeared]
        end = np.maximum(high, -low)[smeared]
        for panel in plan_panels(start, end, sizes[smeared], floor):
            weights = 0.0
            for near, far, part in parts:
                x, weight = panel_weights(panel, near, np.where(smeared, far, near), part)
                weights = weights + weight
            nodes.append(x)
            columns.append(weights)
    return np.concatenate(nodes), np.concatenate(columns, axis=1)


def _density(centre, sigma, width, window) -> Callable:
    """Return what a point sees of q: a Gaussian that is cut, convolved with a box."""
    from scipy.special import ndtr

    def density(x: np.ndarray, point: np.ndarray) -> np.ndarray:
        c, s, w = (a[point, None] for a in (centre, sigma, width))
        with np.errstate(divide="ignore", invalid="ignore"):
            gauss = np.exp(-(((x - c) / s) ** 2) / 2) / (np.sqrt(2 * np.pi) * s)
            below = lambda z: ndtr(np.clip(z / s, -window[0], window[1]))
            boxed = (below(x - c + w) - below(x - c - w)) / (2 * w)
        return np.where(w > 0, boxed, gauss)

    return density


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
