r"""Guinier analysis: radius of gyration and forward intensity of a body without a model.

.. math:: \ln I(q) = \ln I(0) - q^2 R_g^2 / 3

holds up to :math:`q R_g` of about 1.3 for compact bodies (Guinier and Fournet, 1955). The
range is chosen as the experienced do it: as many points as possible from as low a q as
possible, of which neither the slope nor the residuals show that something else is at work.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve
from diffscatter.fitting.losses import scatter_sigma
from diffscatter.fitting.result import value_with_error

__all__ = ["Guinier", "fit_guinier", "guinier_line"]

_REACH = 1.3  # largest q Rg
_FEWEST = 5  # points of a range
_SHORTEST = 1.5  # largest over smallest q of a range, at least
_CURVED = 3.0  # standard deviations of a quadratic term, or of a fall at low q, that refuse
_WEAK = 0.15  # largest relative error of Rg


@dataclass(frozen=True, eq=False)
class Guinier:
    """A Guinier fit, as plain numbers and numpy arrays.

    Attributes:
        radius_of_gyration, radius_of_gyration_sigma: nm.
        forward_intensity, forward_intensity_sigma: I(0), in the curve's unit.
        first, last: indices of the first and the last point used.
        q, fitted, residuals: of the points used; residuals are those of ln I over its sigma.
        reduced_chi2: of the points used; None without errors.
        quality: ``"good"``, ``"fair"`` or ``"poor"``; why in ``warnings``.
        warnings: what a reader should know.
    """

    radius_of_gyration: float
    radius_of_gyration_sigma: float
    forward_intensity: float
    forward_intensity_sigma: float
    first: int
    last: int
    q: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    reduced_chi2: float | None
    quality: str
    warnings: tuple[str, ...]

    @property
    def reach(self) -> tuple[float, float]:
        """Smallest and largest q Rg of the points used."""
        return tuple(float(q) * self.radius_of_gyration for q in (self.q[0], self.q[-1]))

    def __str__(self) -> str:
        low, high = self.reach
        rg = value_with_error(self.radius_of_gyration, self.radius_of_gyration_sigma)
        forward = value_with_error(self.forward_intensity, self.forward_intensity_sigma)
        lines = [
            f"Guinier fit of {self.quality} quality",
            f"  Rg    {rg} nm",
            f"  I(0)  {forward}",
            f"  points {self.first} to {self.last}, q Rg {low:.2f} to {high:.2f}",
        ]
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


@jax.jit
def guinier_line(
    q: ArrayLike, intensity: ArrayLike, sigma: ArrayLike, used: ArrayLike
) -> tuple[Array, Array, Array]:
    """Return Rg (nm), I(0) and the covariance of (Rg, I(0)) of the points used.

    The weighted straight line through ln I against q^2, differentiable in the data.

    Args:
        q, intensity, sigma: the curve. Shape ``(m,)``.
        used: weight of each point, 1 or 0; intensities at or below 0 never count. ``(m,)``.

    Returns:
        NaN for Rg where the line does not fall.
    """
    q, intensity, sigma = (jnp.asarray(a, float) for a in (q, intensity, sigma))
    good = intensity > 0
    value = jnp.where(good, intensity, 1.0)
    weight = jnp.where(good, used * (value / sigma) ** 2, 0.0)
    x, y = q * q, jnp.log(value)
    total = weight.sum()
    centre = weight @ x / total
    spread = weight @ (x - centre) ** 2
    slope = weight @ ((x - centre) * y) / spread
    level = weight @ y / total - slope * centre
    of_slope, of_level, both = 1 / spread, 1 / total + centre**2 / spread, -centre / spread
    radius, forward = jnp.sqrt(-3 * slope), jnp.exp(level)
    # d(Rg)/d(slope) = -3 / (2 Rg), d(I0)/d(level) = I0.
    turn = jnp.stack([-1.5 / radius, forward])
    covariance = jnp.stack([jnp.stack([of_slope, both]), jnp.stack([both, of_level])])
    return radius, forward, turn[:, None] * covariance * turn


def fit_guinier(curve: Curve, *, points: tuple[int, int] | None = None) -> Guinier:
    """Find the Guinier region of a curve and fit it.

    Every range that starts within the lowest q and ends at :math:`q R_g \\le 1.3` is fitted
    (all at once, from running sums). A range is refused whose Rg is uncertain by more than
    15 %, which is shorter than a factor of 1.5 in q, or in which a quadratic term is
    significant. Of the rest the best has the smallest relative error of Rg, charged for each
    point it leaves out at low q and for a poor fit.

    Args:
        curve: what was measured.
        points: indices of the first and the last point, instead of the search.

    Raises:
        ValueError: where no range passes, in words that say what stands against it.
    """
    q, data = (check_finite(n, v) for n, v in (("q", curve.q), ("intensity", curve.intensity)))
    if q is None or data is None:
        raise ValueError("fit_guinier works on concrete curves; guinier_line can be traced")
    q, data = q.astype(float), data.astype(float)
    known = curve.sigma is not None
    sigma = np.asarray(curve.sigma if known else scatter_sigma(data), float)
    if (sigma <= 0).any():
        raise ValueError(f"curve.sigma must be above 0, got {sigma.min():g}")
    if points is None:
        first, last = _search(q, data, sigma, known)
    else:
        first, last = points
        if not 0 <= first < last < q.size or last - first < 2:
            raise ValueError(
                f"points must be two indices from 0 to {q.size - 1}, at least 2 apart, "
                f"got {points}"
            )
    used = np.zeros(q.size)
    used[first : last + 1] = 1
    radius, forward, covariance = (
        np.asarray(a, float) for a in guinier_line(q, data, sigma, used)
    )
    if not np.isfinite(radius):
        raise ValueError(
            f"ln I does not fall with q^2 between points {first} and {last}: no Guinier region"
        )
    part = slice(first, last + 1)
    good = data[part] > 0
    fitted = forward * np.exp(-((q[part] * radius) ** 2) / 3)
    logs = np.log(np.where(good, data[part], 1.0) / fitted)
    residuals = np.where(good, logs * data[part] / sigma[part], 0.0)
    reduced = float(residuals @ residuals) / max(int(good.sum()) - 2, 1)
    if not known:
        covariance = covariance * reduced
    errors = np.sqrt(np.diag(covariance))
    quality, remarks = _judged(
        q[part] * radius, float(errors[0] / radius), reduced if known else None, first
    )
    return Guinier(
        radius_of_gyration=float(radius),
        radius_of_gyration_sigma=float(errors[0]),
        forward_intensity=float(forward),
        forward_intensity_sigma=float(errors[1]),
        first=int(first),
        last=int(last),
        q=q[part],
        fitted=fitted,
        residuals=residuals,
        reduced_chi2=reduced if known else None,
        quality=quality,
        warnings=remarks,
    )


def _search(q: np.ndarray, data: np.ndarray, sigma: np.ndarray, known: bool) -> tuple[int, int]:
    """Return the first and the last point of the best range."""
    good = data > 0
    value = np.where(good, data, 1.0)
    # A scale of its own for x keeps the sums of its powers within double precision.
    weight = np.where(good, (value / sigma) ** 2, 0.0)
    x, y = (q / q[-1]) ** 2, np.log(value)
    sums = {
        (i, j): np.concatenate([[0.0], np.cumsum(weight * x**i * y**j)])
        for i, j in ((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (1, 1), (2, 1), (0, 2))
    }
    starts = np.arange(max(1, min(q.size // 4, 60)))
    first, last = np.meshgrid(starts, np.arange(q.size), indexing="ij")
    long = (last - first + 1 >= _FEWEST) & (q[last] >= _SHORTEST * q[first])
    first, last = first[long], last[long]
    if not first.size:
        raise ValueError(
            f"no Guinier region: {q.size} points between {q[0]:.4g} and {q[-1]:.4g} 1/nm are "
            "too few, or too close together"
        )
    s = {key: values[last + 1] - values[first] for key, values in sums.items()}
    with np.errstate(all="ignore"):
        centre, mean = s[1, 0] / s[0, 0], s[0, 1] / s[0, 0]
        spread = s[2, 0] - centre * s[1, 0]
        slope = (s[1, 1] - centre * s[0, 1]) / spread
        radius = np.sqrt(-3 * slope) / q[-1]
        relative = 1.5 / (radius * q[-1]) ** 2 / np.sqrt(spread)
        chi2 = np.maximum(s[0, 2] - mean * s[0, 1] - slope**2 * spread, 0.0)
        reduced = chi2 / np.maximum(last - first - 1, 1)
        scatter = np.sqrt(np.maximum(reduced, 1.0)) if known else np.sqrt(reduced)
        bend = _bend(s, mean, slope, centre, spread) / scatter
        relative = relative * scatter
    falls = np.isfinite(radius) & (radius > 0)
    within = falls & (q[last] * radius <= _REACH)
    sharp = within & (relative <= _WEAK)
    straight = sharp & (np.abs(bend) < _CURVED)
    if not straight.any():
        raise ValueError(
            "no Guinier region: " + _refusal(q, last, falls, within, sharp, radius)
        )
    # Points left out at low q cost as much as the beam stop's usual shadow forgives.
    lost = np.maximum(first - 2, 0) * 0.005 + np.maximum(q[first] * radius - 0.8, 0.0)
    cost = relative * (1 + lost) * np.sqrt(np.maximum(reduced if known else 1.0, 1.0))
    best = int(np.argmin(np.where(straight, cost, np.inf)))
    return int(first[best]), int(last[best])


def _bend(s, mean, slope, centre, spread) -> np.ndarray:
    """Return the quadratic term of ln I in q^2 over its standard deviation."""
    # The part of (x - centre)^2 that no straight line explains: z = u^2 - a - b u, u = x - c.
    second = spread / s[0, 0]
    third = (
        s[3, 0]
        - 3 * centre * s[2, 0]
        + 2 * centre**2 * s[1, 0]
        + centre**2 * (s[1, 0] - centre * s[0, 0])
    )
    fourth = (
        s[4, 0] - 4 * centre * s[3, 0] + 6 * centre**2 * s[2, 0] - 4 * centre**3 * s[1, 0]
    ) + centre**4 * s[0, 0]
    length = fourth - second * spread - third**2 / spread
    with_data = s[2, 1] - 2 * centre * s[1, 1] + centre**2 * s[0, 1]
    with_data = with_data - second * s[0, 1] - third * slope
    # z has no overlap with 1 and u, so that its overlap with ln I is that with the residuals.
    return with_data / np.sqrt(np.maximum(length, 1e-300))


def _refusal(q, last, falls, within, sharp, radius) -> str:
    if not falls.any():
        return "ln I does not fall with q^2 anywhere at low q; it is flat or rises"
    if not within.any():
        least = np.min((q[last] * radius)[falls])
        return (
            f"no range of {_FEWEST} points ends below q Rg = {_REACH}, the lowest ends at "
            f"{least:.3g}: measure at smaller angles"
        )
    if not sharp.any():
        return f"every Rg is uncertain by more than {_WEAK:.0%}: the data are too noisy there"
    return (
        "ln I against q^2 is curved wherever it is well enough known: aggregates, repulsion or "
        "a size distribution"
    )


def _judged(
    reach: np.ndarray, relative: float, reduced: float | None, first: int
) -> tuple[str, tuple[str, ...]]:
    """Return the quality in a word, and what stands against better."""
    remarks = []
    if reach[0] > 0.65:
        remarks.append(f"the range starts at q Rg = {reach[0]:.2f}: little is known below")
    if reach[-1] > _REACH * 1.001:
        remarks.append(f"the range ends at q Rg = {reach[-1]:.2f}, above {_REACH}")
    if first > 10:
        remarks.append(f"the first {first} points are left out: aggregates or repulsion?")
    if relative > 0.03:
        remarks.append(f"Rg is uncertain by {relative:.1%}")
    if reduced is None:
        remarks.append("no errors in the data: equal relative errors assumed")
    elif reduced > 1 + 5 * np.sqrt(2 / max(reach.size - 2, 1)):
        remarks.append(f"the scatter exceeds the errors: reduced chi2 {reduced:.3g}")
    return ("good", "fair", "poor")[min(len(remarks), 2)], tuple(remarks)
