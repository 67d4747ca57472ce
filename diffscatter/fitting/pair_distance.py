r"""Pair distance distribution of a body without a model: the indirect transform.

.. math:: I(q) = 4\pi \int_0^D p(r)\, \frac{\sin qr}{qr}\, dr + b

p is continuous and linear between equally spaced nodes, and zero at 0 and at D (Glatter,
*J. Appl. Cryst.* 10 (1977) 415). Its prior is normal with the penalty
:math:`\tfrac{\alpha}{2}\int p''^2 dr`; then everything has a closed form, the evidence of
:math:`\alpha` and of D included (Hansen, *J. Appl. Cryst.* 33 (2000) 1415). No one D or
strength is picked: results are averages over all of them, weighted by their evidence, so the
errors hold the uncertainty of the choice too.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve
from diffscatter.core.special import sinc
from diffscatter.fitting.guinier import fit_guinier
from diffscatter.fitting.losses import scatter_sigma
from diffscatter.fitting.posterior import quantile
from diffscatter.fitting.result import value_with_error

__all__ = ["PairDistances", "fit_pair_distances", "pair_distances"]

# In units of the data's variance over (I(0)/D)^2: from a parabola to a ripple at each node.
_STRENGTHS = 10.0 ** np.arange(2.0, -10.1, -0.5)
_NODES = (50, 200)
_TURN = 0.8  # rad of q r from node to node at most
_DIAMETERS = 41
_NEGATIVE, _FIRM = 1.0, 1e4  # standard deviations of p below 0 that are no matter; and beyond
_RANGE = (2.0, 6.0)  # of D over Rg: a ball has 2.6, a thin rod 3.5


@dataclass(frozen=True, eq=False)
class PairDistances:
    """A pair distance distribution, as plain numbers and numpy arrays.

    Attributes:
        r: distances, nm. Shape ``(n,)``.
        p, p_low, p_high, p_sigma: density, its band and standard deviation; 4 pi times the
            integral of p is I(0).
        level: probability of the band.
        radius_of_gyration, radius_of_gyration_sigma: of p, nm.
        forward_intensity, forward_intensity_sigma: I(0), in the curve's unit.
        largest, largest_sigma: the largest distance D, nm.
        background, background_sigma: None where none was solved for.
        diameters, probabilities: the values of D tried, and how probable each is.
        q, fitted, residuals: axis, fitted curve, (data - fit) / sigma.
        reduced_chi2: over points less effective parameters; None without errors.
        effective_parameters: how many the data determine.
        warnings: what a reader should know.
    """

    r: np.ndarray
    p: np.ndarray
    p_low: np.ndarray
    p_high: np.ndarray
    p_sigma: np.ndarray
    level: float
    radius_of_gyration: float
    radius_of_gyration_sigma: float
    forward_intensity: float
    forward_intensity_sigma: float
    largest: float
    largest_sigma: float
    background: float | None
    background_sigma: float | None
    diameters: np.ndarray
    probabilities: np.ndarray
    q: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    reduced_chi2: float | None
    effective_parameters: float
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        rg = value_with_error(self.radius_of_gyration, self.radius_of_gyration_sigma)
        forward = value_with_error(self.forward_intensity, self.forward_intensity_sigma)
        largest = value_with_error(self.largest, self.largest_sigma)
        quality = "" if self.reduced_chi2 is None else f", reduced chi2 {self.reduced_chi2:.4g}"
        lines = [
            f"p(r) with {self.effective_parameters:.1f} effective parameters{quality}",
            f"  Rg       {rg} nm",
            f"  I(0)     {forward}",
            f"  largest  {largest} nm",
        ]
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


@partial(jax.jit, static_argnames=("nodes", "background", "positive"))
def pair_distances(
    q: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike,
    diameters: ArrayLike,
    *,
    nodes: int = 50,
    background: bool = False,
    positive: bool = True,
    transform: ArrayLike | None = None,
) -> dict[str, Array]:
    """Return the averages over all largest distances and strengths, differentiable throughout.

    Args:
        q, intensity, sigma: the curve. Shape ``(m,)``; with ``transform``, q has its columns.
        diameters: largest distances to try, nm. Shape ``(d,)``.
        nodes: intervals of each p(r).
        background: whether a flat background of any sign is solved for.
        positive: whether a p(r) that is negative by more than two of its standard deviations
            counts against its D and strength.
        transform: takes a curve on q to the points measured (resolution). Shape ``(m, k)``.

    Returns:
        ``r``, ``p``, ``p_sigma`` on ``2 nodes + 1`` distances up to the largest diameter;
        ``rg``, ``forward`` and ``background`` with ``..._sigma``; ``fitted``, ``effective``;
        ``probabilities``, ``(d,)``.
    """
    q, intensity, sigma, diameters = (
        jnp.asarray(a, float) for a in (q, intensity, sigma, diameters)
    )
    transform = None if transform is None else jnp.asarray(transform, float)
    r = jnp.linspace(0.0, diameters.max(), 2 * nodes + 1)
    data = intensity / sigma
    strengths = jnp.asarray(_STRENGTHS, float)
    basis = jnp.linspace(0.0, 1.0, nodes + 1)[1:-1]
    # Rows of second differences, p = 0 at both ends: an invertible, tridiagonal root.
    inner = nodes - 1
    root = (jnp.eye(inner, k=1) + jnp.eye(inner, k=-1) - 2 * jnp.eye(inner)) * nodes**1.5
    smooth = jnp.linalg.inv(root)

    # A flat prior of the background is what is left after its column is projected out.
    flat = jnp.where(background, 1.0, 0.0) / sigma
    length = jnp.where(background, flat @ flat, 1.0)
    without = lambda a: a - jnp.multiply.outer(flat, flat @ a) / length
    unit = jnp.max(intensity)
    hidden = max(inner - data.size, 0)

    def one(diameter):
        step, distance = diameter / nodes, basis * diameter
        matrix = _transform(q, distance, step)
        matrix = matrix if transform is None else _times(transform, matrix)
        # p in units of the highest intensity over D: the coefficients of all D are alike.
        to_p = smooth / diameter
        whole = _times(matrix / sigma[:, None], to_p)
        left, s, right = jnp.linalg.svd(
            jnp.pad(without(whole), ((0, hidden), (0, 0))), full_matrices=False
        )
        # Outside the decomposition, so that its derivatives are not needed.
        left, s = left[: data.size], unit * s
        seen = left.T @ without(data)
        profile = unit * to_p @ right.T  # p of each singular direction
        # Moments of p exactly: of hat functions of width ``step``.
        second = step * (distance**2 + step**2 / 6)
        hats = _hats(r, diameter, nodes)[:, 1:-1] @ profile
        shadow = unit * (flat @ _times(whole, right.T)) / length

        def at(strength):
            variance = 1 / (s**2 + strength)
            mean = s * seen * variance
            gain = s**2 * variance
            evidence = jnp.log(strength * variance).sum() + gain @ seen**2
            spread = lambda slope: slope**2 @ variance
            values = profile @ mean
            total, moment = step * values.sum(), second @ values
            # A strength of no weight may give moments of opposite signs.
            fair = moment * total > 0
            moment, total = jnp.where(fair, moment, 1.0), jnp.where(fair, total, 1.0)
            rg = jnp.sqrt(moment / (2 * total))
            of_total, of_moment = step * profile.sum(axis=0), second @ profile
            of_rg = rg / 2 * (of_moment / moment - of_total / total)
            fitted = unit * _times(whole, right.T @ mean)
            level = flat @ (data - fitted) / length
            nothing = jnp.zeros_like(strength)
            p, p_variance = hats @ mean, hats**2 @ variance
            if positive:
                sigmas = jnp.sqrt(jnp.where(p_variance > 0, p_variance, 1.0))
                below = jnp.max(-p / sigmas) - _NEGATIVE
                evidence = evidence - _FIRM * jnp.maximum(below, 0.0) ** 2
            return evidence / 2, {
                "p": (p, p_variance),
                "rg": (rg, spread(of_rg)),
                "forward": (4 * jnp.pi * total, (4 * jnp.pi) ** 2 * spread(of_total)),
                "background": (level, jnp.where(background, 1 / length, 0) + spread(shadow)),
                "largest": (diameter, nothing),
                "fitted": (fitted + level * flat, jnp.zeros_like(data)),
                "effective": (gain.sum() + jnp.where(background, 1.0, 0.0), nothing),
            }

        return jax.lax.map(at, strengths)

    evidence, found = jax.lax.map(one, diameters)
    weight = jax.nn.softmax(evidence.ravel()).reshape(evidence.shape)
    result = {"r": r, "probabilities": weight.sum(axis=1)}
    for name, (mean, variance) in found.items():
        column = weight.reshape(weight.shape + (1,) * (mean.ndim - 2))
        centre = jnp.sum(column * mean, axis=(0, 1))
        result[name] = centre
        total = jnp.sum(column * (variance + (mean - centre) ** 2), axis=(0, 1))
        result[f"{name}_sigma"] = jnp.sqrt(jnp.maximum(total, jnp.finfo(total.dtype).tiny))
    result["fitted"] = result["fitted"] * sigma
    return result


def _transform(q: Array, r: Array, step: Array) -> Array:
    """Return 4 pi times the integrals of sin(qr)/(qr) over the hats at ``r``, ``(m, n)``."""
    x, w = np.polynomial.legendre.leggauss(6)
    x, w = jnp.asarray(x, r.dtype), jnp.asarray(w, r.dtype)
    near = (x + 1) / 2  # the hat falls from 1 to 0 on both sides
    weight = w / 2 * (1 - near)
    at = lambda side: sinc(q[:, None, None] * (r[:, None] + side * step * near))
    return 4 * jnp.pi * step * ((at(1.0) + at(-1.0)) @ weight)


def _hats(r: Array, diameter: Array, nodes: int) -> Array:
    """Return the hat functions of a grid up to ``diameter`` at ``r``; 0 beyond it."""
    place = r / diameter * nodes
    return jnp.maximum(1 - jnp.abs(place[:, None] - jnp.arange(nodes + 1)), 0.0)


def _times(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision="highest")


def fit_pair_distances(
    curve: Curve,
    *,
    largest: float | tuple[float, float] | None = None,
    background: bool = False,
    positive: bool = True,
    level: float = 0.9,
    smear: object = None,
) -> PairDistances:
    """Find p(r), Rg, I(0) and the largest distance of a body from its curve.

    Args:
        curve: what was measured, of one kind of body, dilute.
        largest: the largest distance, nm, where it is known, or a range to search; by default
            from 2 to 6 times the Rg of :func:`~diffscatter.fitting.fit_guinier`, whose first
            point is then the first used here.
        background: whether a flat background is solved for; it trades with the small r.
        positive: whether p(r) is known not to be negative, as for a body of one contrast.
        level: probability of the band.
        smear: the resolution, with ``q`` and ``matrix`` as a ``Smear`` of ``instrument``.

    Raises:
        ValueError: without a Guinier region and without ``largest``; for errors not above 0.
    """
    q, data = (check_finite(n, v) for n, v in (("q", curve.q), ("intensity", curve.intensity)))
    if q is None or data is None:
        raise ValueError("fit_pair_distances works on concrete curves; trace pair_distances")
    known = curve.sigma is not None
    sigma = np.asarray(curve.sigma if known else scatter_sigma(data), float)
    if (sigma <= 0).any():
        raise ValueError(f"curve.sigma must be above 0, got {sigma.min():g}")
    low, high, first = _range(curve, largest)
    q, data, sigma = q[first:], data[first:], sigma[first:]
    reach = quantile(level, None)
    diameters = np.linspace(low, high, _DIAMETERS if high > low else 1)
    nodes = int(np.clip(10 * np.ceil(q.max() * high / _TURN / 10), *_NODES))
    axis, transform = (q, None) if smear is None else (smear.q, smear.matrix[first:])
    found = pair_distances(
        axis,
        data,
        sigma,
        diameters,
        nodes=nodes,
        background=background,
        positive=positive,
        transform=transform,
    )
    found = {name: np.asarray(value, float) for name, value in found.items()}
    residuals = (data - found["fitted"]) / sigma
    effective = float(found["effective"])
    reduced = float(residuals @ residuals) / max(q.size - effective, 1.0)
    inflate = 1.0 if known else np.sqrt(reduced)
    p, p_sigma = found["p"], found["p_sigma"] * inflate
    number = lambda name: float(found[name])
    error = lambda name: float(found[f"{name}_sigma"]) * inflate
    remarks = []
    if first:
        remarks.append(f"the first {first} points are left out, as the Guinier fit does")
    if not known:
        remarks.append("no errors in the data: equal relative errors assumed, no reduced chi2")
    elif reduced > 1 + 5 * np.sqrt(2 / q.size):
        remarks.append(f"p(r) does not describe the data: reduced chi2 is {reduced:.4g}")
    if high > low and max(found["probabilities"][0], found["probabilities"][-1]) > 0.1:
        remarks.append(
            f"the largest distance is at an end of its range, {low:.3g} to {high:.3g} nm"
        )
    if (p + 3 * p_sigma < 0).any():
        remarks.append("p(r) is negative somewhere: repulsion, or contrasts of both signs")
    if nodes == _NODES[1] and q.max() * high / nodes > 2 * _TURN:
        remarks.append("the grid is coarse for the largest q: select a smaller q range")
    return PairDistances(
        r=found["r"],
        p=p,
        p_low=p - reach * p_sigma,
        p_high=p + reach * p_sigma,
        p_sigma=p_sigma,
        level=level,
        radius_of_gyration=number("rg"),
        radius_of_gyration_sigma=error("rg"),
        forward_intensity=number("forward"),
        forward_intensity_sigma=error("forward"),
        largest=number("largest"),
        largest_sigma=float(found["largest_sigma"]) if high > low else 0.0,
        background=number("background") if background else None,
        background_sigma=error("background") if background else None,
        diameters=diameters,
        probabilities=found["probabilities"],
        q=q,
        fitted=found["fitted"],
        residuals=residuals,
        reduced_chi2=reduced if known else None,
        effective_parameters=effective,
        warnings=tuple(remarks),
    )


def _range(
    curve: Curve, largest: float | tuple[float, float] | None
) -> tuple[float, float, int]:
    """Return the largest distances to try, from and to, and the first point to use."""
    if largest is None:
        try:
            found = fit_guinier(curve)
        except ValueError as error:
            raise ValueError(
                f"{error}; or give the largest distance, largest=(low, high)"
            ) from None
        radius = found.radius_of_gyration
        return _RANGE[0] * radius, _RANGE[1] * radius, found.first
    low, high = (largest, largest) if np.ndim(largest) == 0 else largest
    if not (np.isfinite(high) and 0 < low <= high):
        raise ValueError(f"largest must be above 0 nm, one value or (low, high), got {largest}")
    return float(low), float(high), 0
