"""What measured curves tell of lipid nanoparticles: a network first, then a fit from there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from diffscatter.core.data import Curve
from diffscatter.core.pytree import replace
from diffscatter.datasets import lnp
from diffscatter.pipelines.mixtures import Starts, fit_mixtures
from diffscatter.pipelines.particles import ParticleModel, load_measured, read_particles

__all__ = ["AnalysedParticles", "analyse_particles", "usable"]

_LEAST = 32  # points: a fit has up to seven unknowns
_LENGTHS = 128  # lengths of curves are rounded up to a multiple: each is a compilation
_EFFECTIVE = 100  # independent draws, below which a posterior is rough
_ACCIDENT = 5.0  # standard deviations that are no accident
# Correlation of neighbouring residuals of a curve that another body made, at least; parts of an
# intensity: what bodies like these may be off by, and the noise that hides any body.
_CORRELATED, _INEXACT, _NOISY = 0.5, 0.02, 0.5
_FAR = 3.0  # standard deviations
_NEAR_END = 0.1  # nm, of a range of mean sizes
_BETWEEN = 2e-3  # relative error of curves of sizes between those of the base


@dataclass(frozen=True, eq=False)
class AnalysedParticles:
    """What one curve tells of the lipid nanoparticles of types 3 and 4 in it.

    Attributes:
        curve: the points that were used.
        fitted: intensity of the best mixture on ``curve.q``. Shape ``(nq,)``.
        residuals: of the data, or of their logarithms where they have no errors, divided by
            their standard deviations. Shape ``(nq,)``.
        probabilities: of type 3 alone, type 4 alone, a mixture. Shape ``(3,)``.
        fraction, fraction_sigma: of type 3 by number, over all three.
        fraction_interval: holds the fraction with a probability of 90 %.
        means, means_sigma: mean sizes of the types, if they are there, nm. Shape ``(2,)``.
        deviations, deviations_sigma: standard deviations of the sizes, likewise.
        chi2: mean of the squared residuals.
        score, threshold: how unlike those of such particles the network finds the curve, and
            what few of theirs exceed.
        misfit: whether the best mixture leaves what is neither noise nor inexact curves of
            particles.
        read: what the network told: ``probabilities``, ``fraction``, ``fraction_sigma``,
            ``means``, ``means_sigma``.
        warnings: what a reader should know, one line each.
    """

    curve: Curve
    fitted: np.ndarray
    residuals: np.ndarray
    probabilities: np.ndarray
    fraction: float
    fraction_sigma: float
    fraction_interval: tuple[float, float]
    means: np.ndarray
    means_sigma: np.ndarray
    deviations: np.ndarray
    deviations_sigma: np.ndarray
    chi2: float
    score: float
    threshold: float
    misfit: bool
    read: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether the curve is unlike those of the particles that can be told."""
        return self.misfit or self.score > self.threshold

    @property
    def there(self) -> np.ndarray:
        """Probability that each type is there at all. Shape ``(2,)``."""
        return self.probabilities[:2] + self.probabilities[2]


def usable(curve: Curve) -> Curve:
    """Return the points of a curve that can be compared with those of particles.

    Errors that a file has are believed, and points below 0 then count as all others. Without
    errors logarithms are compared, and only points above 0 have one.

    Raises:
        ValueError: if q does not hold :data:`~diffscatter.datasets.lnp.WINDOW`, or too few
            points are left.
    """
    q, intensity = np.asarray(curve.q), np.asarray(curve.intensity)
    (first, last), (low, high) = lnp.WINDOW, lnp.Q[[0, -1]]
    if q[0] > first or q[-1] < last:
        raise ValueError(
            f"{curve.name}: q runs from {q[0]:.4g} to {q[-1]:.4g} 1/nm, and particles are told "
            f"from curves that hold {first:g} to {last:g} 1/nm; check the unit of q, or measure"
            " more"
        )
    inside = (q >= low) & (q <= high)
    keep = inside & (intensity > 0 if curve.sigma is None else True)
    if keep.sum() < _LEAST:
        raise ValueError(
            f"{curve.name}: {int(keep.sum())} points can be used between {low:g} and {high:g} "
            f"1/nm; give at least {_LEAST}"
        )
    notes = curve.notes
    for count, words in (
        ((~inside).sum(), f"outside {low:g} to {high:g} 1/nm"),
        ((inside & ~keep).sum(), "not above 0"),
    ):
        notes += (f"{count} points {words} left out",) if count else ()
    columns = {name: v[keep] for name, v in curve.columns.items()}
    return replace(curve, **columns, notes=notes)


def analyse_particles(
    curves: Sequence[Curve],
    *,
    key: Array,
    model: ParticleModel | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[AnalysedParticles]:
    """Analyse measured curves of lipid nanoparticles, on any scale and any grid of q.

    A network reads each curve and says how odd it is. From its answer a fit starts through
    mixtures of the base curves, with a free scale and the curve's own errors, or else the
    published noise, and weighs the types by their likelihood. No resolution is applied.

    Args:
        curves: q in 1/nm.
        key: of starts and draws.
        model: network and base curves; None: the packaged ones.
        progress: called with the curves done and their number.
        options: of :func:`~diffscatter.pipelines.mixtures.fit_mixtures`, as ``draws``.

    Returns:
        One entry a curve.

    Raises:
        ValueError: for a curve that :func:`usable` refuses.

    Example:
        >>> (found,) = analyse_particles([curve], key=jax.random.key(0))
        >>> found.probabilities, found.fraction, found.unknown
    """
    model = load_measured() if model is None else model
    parts = [usable(curve) for curve in curves]
    base = lnp.finer(model.base)
    read = read_particles(curves, model)
    found = []
    for i, part in enumerate(parts):
        told = {
            "probabilities": read.probabilities[i],
            "fraction": float(read.fraction[i]),
            "fraction_sigma": float(read.fraction_sigma[i]),
            "means": read.mean_sizes[i],
            "means_sigma": read.mean_sizes_sigma[i],
        }
        one = slice(i, i + 1)
        starts = Starts.of_two(
            read.mixture_fraction[one],
            read.mixture_fraction_sigma[one],
            read.mean_sizes[one],
            read.mean_sizes_sigma[one],
        )
        fit = _fit(part, base, starts, jax.random.fold_in(key, i), options)
        score = {"score": float(read.score[i]), "threshold": float(read.threshold)}
        found.append(AnalysedParticles(curve=part, read=told, **score, **fit))
        if progress is not None:
            progress(i + 1, len(curves))
    return found


def _fit(
    curve: Curve, base: lnp.Base, starts: Starts, key: Array, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a fit from a start makes of one curve, as attributes of the result."""
    linear = curve.sigma is not None
    q, data = np.asarray(curve.q, float), np.asarray(curve.intensity, float)
    count = q.size
    more = -count % _LENGTHS
    padded = lambda values, fill: np.append(values, np.full(more, fill))[None]
    found = fit_mixtures(
        padded(data if linear else np.log10(data), np.nan),
        base,
        key=key,
        spread="all",
        strength=lnp.MEASURED_STRENGTH,
        starts=starts,
        q=padded(q, q[-1])[0],
        sigma=padded(np.asarray(curve.sigma, float), 1.0) if linear else None,
        linear=linear,
        scale_free=True,
        **{"model_error": _BETWEEN} | options,
    )
    fitted, residuals = found.curve[0, :count], found.residuals[0, :count]
    fitted = fitted if linear else 10**fitted
    return {
        "fitted": fitted,
        "residuals": residuals,
        "misfit": _misfit(data / fitted - 1, residuals),
        "probabilities": found.probabilities[0],
        "fraction": float(found.fraction[0]),
        "fraction_sigma": float(found.fraction_sigma[0]),
        "fraction_interval": tuple(map(float, found.fraction_interval[0])),
        "means": found.means[0],
        "means_sigma": found.means_sigma[0],
        "deviations": found.deviations[0],
        "deviations_sigma": found.deviations_sigma[0],
        "chi2": float(found.chi2[0]),
        "warnings": (
            *_warnings(curve, float(found.chi2[0]), float(found.effective[0])),
            *_at_the_end(found.means[0], found.means_sigma[0], base.kinds),
        ),
    }


def _misfit(relative: np.ndarray, residuals: np.ndarray) -> bool:
    r"""Return whether neighbouring residuals go together, and are of a size that matters.

    .. math:: \sum r_i r_{i+1} \Big/ \sum r_i^2

    is 0 for noise, with a standard deviation of 1/sqrt(n), and near 1 for the curve of another
    body. Points whose noise is half of the fit or more are left out unless they are far from
    it: where photons are few, logarithms of their counts do not follow a normal law.

    Args:
        relative: data less fit over fit. Shape ``(n,)``.
        residuals: in standard deviations of the noise. Shape ``(n,)``.
    """
    noise = np.abs(relative) / np.maximum(np.abs(residuals), 1e-9)
    # A point far beyond its noise is no noise, even where the fit has next to nothing.
    seen = (noise < _NOISY) | (np.abs(residuals) > _FAR)
    left = (residuals * noise / np.hypot(noise, _INEXACT))[seen]
    if left.size < 3:
        return False
    together = np.sum(left[1:] * left[:-1]) / np.sum(left**2)
    large = np.mean(left**2) > 0.25
    return bool(large and together > max(_CORRELATED, _ACCIDENT / np.sqrt(left.size)))


def _at_the_end(means: np.ndarray, sigma: np.ndarray, kinds: Sequence[int]) -> list[str]:
    """Return what to say of mean sizes that press against an end of their range."""
    low, high = lnp.MEANS
    pressed = (np.minimum(means - low, high - means) < _NEAR_END) & (sigma < _NEAR_END)
    return [
        f"the mean size of type {kind} is at an end of what is looked for, {low:g} to {high:g} "
        "nm: it may lie beyond"
        for kind, there in zip(kinds, pressed, strict=True)
        if there
    ]


def _warnings(curve: Curve, chi2: float, effective: float) -> tuple[str, ...]:
    said = []
    expected = 1 + _ACCIDENT * np.sqrt(2 / curve.q.size)
    if curve.sigma is not None and chi2 > expected:
        said.append(
            "the best mixture does not describe the curve within its errors: the mean squared "
            f"residual is {chi2:.3g}, where 1 is expected; the errors told are too small"
        )
    if effective < _EFFECTIVE:
        said.append(
            f"the posterior rests on {effective:.0f} independent draws: its errors are rough"
        )
    if curve.resolution is not None or curve.slit_length is not None:
        said.append("the curve's resolution is left out of account")
    return tuple(said)
