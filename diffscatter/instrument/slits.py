r"""Slits: resolution that is long in one direction, alone or with a pinhole's.

.. math:: I_s(q) = \frac{1}{2 w l} \int_{-w}^{w} dv \int_0^l du\; I(\sqrt{(q + v)^2 + u^2})

with :math:`l` half the slit's length and :math:`w` half its width in q, as ``dQl`` and ``dQw``
of canSAS, ``q_length`` and ``q_width`` of sasmodels. With a pinhole's Gaussian as well, v has
that of the box and the Gaussian convolved.
"""

import numpy as np
from jax.typing import ArrayLike

from diffscatter.core.checks import dtype_of
from diffscatter.core.data import Curve
from diffscatter.instrument._integrals import checked_axis, integrals, mean_q, visible
from diffscatter.instrument._panels import INNER, plan_panels, projected
from diffscatter.instrument.smear import Smear, planned

__all__ = ["slit", "smear_of"]

CONVENTIONS = ("exact", "sasmodels")
_SHARP = 1.5  # times the largest q: as far as all fringes are resolved
_WINDOW = (3.0, 3.0)  # of a pinhole beside a slit, in standard deviations


def slit(
    q: ArrayLike,
    length: ArrayLike = 0.0,
    width: ArrayLike = 0.0,
    *,
    resolution: ArrayLike = 0.0,
    size: float | None = None,
    convention: str = "exact",
) -> Smear:
    r"""Plan the smearing of a curve by a slit, of its own length and width at each point.

    The integrals are exact for a curve that is a polynomial on each of the panels that the grid
    is made of. Two conventions:

    * ``"exact"``: that.
    * ``"sasmodels"``: the mid-point sum of its ``Slit1D`` on the data's own grid, extended.
      Fringes finer than the data are not resolved. For parity; without a ``resolution``.

    Args:
        q: data points, at least 0, 1/nm, in any order. Shape ``(nq,)``.
        length: half of the slit's length in q at each, 1/nm; scalar or ``(nq,)``. A point
            without length, width and resolution is not smeared.
        width: half of its width, likewise.
        resolution: standard deviation of a pinhole resolution besides, likewise; a Gaussian
            about the mean q, cut at 3, as that of :func:`~diffscatter.instrument.pinhole`.
        size: largest dimension of the body in nm, whose fringes the grid then resolves
            everywhere. Without it, the grid resolves to 1.5 times the largest q what a body
            of 2 pi over the smallest q shows, and beyond, where the slit's end adds little,
            ever less: a sphere of one size comes out to 1e-3 at worst.
        convention: ``"exact"`` or ``"sasmodels"``.

    Raises:
        ValueError: if an array is traced, of the wrong shape, not finite or negative, if
            ``size`` is not positive, or for another convention.
    """
    if convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise ValueError(f"convention must be one of {known}, got {convention!r}")
    dtype = dtype_of(q, length, width, resolution)
    q, (length, width, sigma) = checked_axis(
        q, size, length=length, width=width, resolution=resolution
    )
    if convention == "sasmodels":
        if sigma.any():
            raise ValueError("resolution must be 0 where convention is 'sasmodels'")
        nodes, matrix = _midpoint(q, length, width)
        return planned(nodes, matrix, np.pi / np.diff(nodes).max(), dtype)

    widest = max(array.max() for array in (q, length, width)) or 1.0
    least = np.min(q, where=q > 0, initial=widest)
    cap = size or 2 * np.pi / least
    seen = np.minimum(visible(q, sigma), cap) if size is None else np.full(q.shape, size)
    nodes, matrix = integrals(mean_q(q, sigma), sigma, width, _WINDOW, seen)
    if length.any():
        sharp = None if size else _SHARP * max(q.max(), least)
        nodes, matrix = _lengthwise(nodes, matrix, length, cap, sharp)
    return planned(nodes, matrix / matrix.sum(axis=1, keepdims=True), cap, dtype)


def smear_of(curve: Curve, *, size: float | None = None) -> Smear | None:
    """Return what smeared a curve, pinhole, slit or both, or None if it carries neither."""
    pinhole = 0.0 if curve.resolution is None else curve.resolution
    length = 0.0 if curve.slit_length is None else curve.slit_length
    width = 0.0 if curve.slit_width is None else curve.slit_width
    if not any(np.any(extent) for extent in (pinhole, length, width)):
        return None
    return slit(curve.q, length, width, resolution=pinhole, size=size)


def _lengthwise(nodes, matrix, length, size, faded) -> tuple[np.ndarray, np.ndarray]:
    """Put the slit's length before an operator: its nodes see the curve along the slit."""
    found, blocks = [], []
    groups, at, along = [], [np.zeros(0)], [np.zeros(0)]
    for value in np.unique(length):  # points of one length share their nodes
        rows = np.flatnonzero(length == value)
        columns = np.flatnonzero(matrix[rows].any(axis=0))
        part = matrix[np.ix_(rows, columns)]
        if value == 0:
            found.append(nodes[columns])
            blocks.append(np.zeros((length.size, columns.size)))
            blocks[-1][rows] = part
        else:
            groups.append((part, rows))
            at.append(nodes[columns])
            along.append(np.full(columns.size, value))
    ends = np.cumsum([part.size for part in at])
    at, along = np.concatenate(at), np.concatenate(along)
    for panel in _panels(at, np.hypot(at, along), size, faded):
        x, weights = _along(panel, at, along)
        block = np.zeros((length.size, x.size))
        for (part, rows), first, last in zip(groups, ends[:-1], ends[1:], strict=True):
            block[rows] = part @ weights[first:last]
        found.append(x)
        blocks.append(block)
    return np.concatenate(found), np.concatenate(blocks, axis=1)


def _panels(start, end, size, faded) -> list[tuple[float, float, int]]:
    """Divide what slits reach into panels that carry a size, less and less beyond ``faded``.

    A curve with fringes falls as q^-4: what is beyond x weighs (q/x)^3 of the whole.
    """
    floor = 0.05 * np.min(start, where=start > 0, initial=start.max() or end.max())
    bottom, top = start.min(), end.max()
    marks = np.array([0.0 if bottom < floor else bottom, top])
    if faded is not None and top > faded:
        count = int(np.ceil(4 * np.log2(top / faded)))
        marks = np.concatenate([marks[:1], np.geomspace(faded, top, count + 1)])
    sizes = np.full(marks.size - 1, float(size))
    if faded is not None:
        sizes = sizes * np.minimum(1.0, (faded / np.maximum(marks[:-1], faded)) ** 2)
    return plan_panels(marks[:-1], marks[1:], sizes, floor)


def _along(panel, q: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a panel's nodes and their weights in the means along the slit, from u = 0.

    With u as the variable the integrand has no singularity where x = q.
    """
    ends = [np.sqrt(np.maximum(end**2 - q**2, 0.0)) for end in panel[:2]]
    a, b = (np.minimum(end, length) for end in ends)
    use = np.flatnonzero(b > a)
    middle, half = (a + b)[use] / 2, (b - a)[use] / 2
    u = middle[:, None] + half[:, None] * INNER[0]
    weight = (half / length[use])[:, None] * INNER[1]
    nodes, part = projected(panel, np.hypot(q[use, None], u), weight)
    weights = np.zeros((q.size, nodes.size))
    weights[use] = part
    return nodes, weights


def _midpoint(q, length, width) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and matrix as sasmodels has them."""
    data = np.sort(q)
    if (length == 0).any():
        raise ValueError("length must be above 0 where convention is 'sasmodels'")
    if data.size < 2 or data[0] <= 0:
        raise ValueError(
            "q must be at least two points above 0 where convention is 'sasmodels'"
        )
    first, last = (q - width).min(), np.hypot(q + width, length).max()
    step = np.log(data[-1] / data[0]) / (data.size - 1)
    pieces = [data]
    if first < data[0]:
        first = first if first > 0 else 0.02 * data[0]
        count = int(np.ceil(np.log(data[0] / first) / step))
        pieces.insert(0, np.geomspace(first, data[0], count + 1)[:-1])
    if last > data[-1]:
        count = int(np.ceil(np.log(last / data[-1]) / step))
        pieces.append(np.geomspace(data[-1], last, count + 1)[1:])
    x = np.concatenate(pieces)
    x = x[x >= 0.02 * data[0]]
    inner = (x[1:] + x[:-1]) / 2
    edges = np.concatenate([[x[0] * 2 - inner[0]], inner, [x[-1] * 2 - inner[-1]]])
    shifts = q[:, None] + width[:, None] * np.arange(-30, 31) / 30
    along = edges**2 - shifts[:, :, None] ** 2
    u = np.sqrt(np.clip(along, 0.0, length[:, None, None] ** 2))
    return x, np.diff(u).mean(axis=1) / length[:, None]
