r"""Free-form size distributions: positive, as smooth as the data allow, with bands.

.. math:: I(q) = \int \varphi(\ln s)\, K(q, s)\, d\ln s + b

K is the curve of a unit volume fraction of bodies of size s, :math:`\varphi` their volume
fraction per unit of ln s. The prior, the choice of its strength and the bands are those of
:mod:`diffscatter.fitting.smooth`; where there is material, smoothness counts most: the
strength at a node goes with the square of the density found in a first pass, down to a
thousandth.
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
from diffscatter.fitting.populations import Population, extents, moments, peaks
from diffscatter.fitting.posterior import quantile
from diffscatter.fitting.result import value_with_error
from diffscatter.fitting.smooth import STRENGTHS, Smooth, Solution, differences, scan, solve

__all__ = ["SizeDistribution", "density_of_data", "fit_distribution"]

_FLOOR = 1e-3  # of the smoothness in the gaps, against that at the highest peak
_SURE = 0.25  # a population's amount is known to this part of itself
_BUMP = 1e-2  # maxima below this part of the highest are not spoken of
_LEAST = 1e-3  # of all the material, for a population


@dataclass(frozen=True, eq=False)
class SizeDistribution:
    """What a curve says about the sizes in a sample, as plain numbers and numpy arrays.

    Densities are per nm and integrate to 1 over the populations; a band holds the density at
    each size with the probability ``level``.

    Attributes:
        sizes: nodes, equally spaced in the logarithm, nm. Shape ``(n,)``.
        by_volume, by_volume_low, by_volume_high: volume-weighted density and its band, 1/nm.
        by_number, by_number_low, by_number_high: number-weighted density and its band, 1/nm.
        level: of the bands.
        populations: peaks that stand above their own band, so that every curve within it has
            them, and whose amount is known to a quarter and above a thousandth of the whole.
        bumps: sizes (nm) of further maxima above a hundredth of the highest; the data do not
            ask for them.
        number_mean, volume_mean: of all populations, nm.
        volume_fraction: total, and its ``volume_fraction_sigma``; one only where the
            intensities are absolute and the contrast is right.
        background: 1/cm, and its ``background_sigma``; None where there is none.
        strength: of the smoothness; ``strengths`` and ``log_evidence``: those tried.
        q, fitted, residuals: axis, fitted curve, (data - fit) / sigma.
        chi2: sum of squared residuals. reduced_chi2: over points less effective parameters,
            None without errors.
        effective_parameters: how many the data determine.
        status: one readable line. warnings: what a reader should know.
    """

    sizes: np.ndarray
    by_volume: np.ndarray
    by_volume_low: np.ndarray
    by_volume_high: np.ndarray
    by_number: np.ndarray
    by_number_low: np.ndarray
    by_number_high: np.ndarray
    level: float
    populations: tuple[Population, ...]
    bumps: tuple[float, ...]
    number_mean: float
    volume_mean: float
    volume_fraction: float
    volume_fraction_sigma: float
    background: float | None
    background_sigma: float | None
    strength: float
    strengths: np.ndarray
    log_evidence: np.ndarray
    q: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    chi2: float
    reduced_chi2: float | None
    effective_parameters: float
    status: str
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        quality = "no errors in the data: no reduced chi2"
        if self.reduced_chi2 is not None:
            quality = f"reduced chi2 {self.reduced_chi2:.4g}"
        lines = [
            self.status,
            f"{quality}, {self.q.size} points, {self.effective_parameters:.1f} effective "
            "parameters",
        ]
        for i, p in enumerate(self.populations, 1):
            mean = value_with_error(p.number_mean, p.sigma["number_mean"])
            width = value_with_error(100 * p.number_width, 100 * p.sigma["number_width"])
            lines.append(
                f"  population {i}: mean by number {mean} nm, width {width} %, "
                f"by volume {p.volume_mean:.4g} nm, {p.number_share:.1%} of the number, "
                f"{p.volume_share:.1%} of the volume"
            )
        lines.append(
            f"  all: mean by number {self.number_mean:.4g} nm, "
            f"by volume {self.volume_mean:.4g} nm"
        )
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


def fit_distribution(
    kernel: ArrayLike,
    sizes: ArrayLike,
    volumes: ArrayLike,
    curve: Curve,
    *,
    background: bool = True,
    level: float = 0.9,
    strength: float | None = None,
) -> SizeDistribution:
    """Find the distribution of sizes that a curve asks for.

    One compiled call a pass scans the strengths; two passes. Everything is computed in the
    precision that JAX is set to (``jax.enable_x64``).

    Args:
        kernel: what a unit of volume fraction per unit of ln(size) at each node adds to the
            curve, in the curve's units, resolution included: column j is the integral of
            K(q, s) times the hat function of node j over ln s. Shape ``(m, n)``.
        sizes: the nodes, equally spaced in the logarithm, nm. Shape ``(n,)``.
        volumes: of the body at each node, nm^3. Shape ``(n,)``.
        curve: what was measured.
        background: whether a flat background of any sign is solved for.
        level: probability of the bands.
        strength: of the smoothness, instead of the one of the greatest evidence.

    Raises:
        ValueError: for shapes that do not fit, sizes not equally spaced in the logarithm,
            values that are not finite, errors not above 0.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    if strength is not None and not (np.isfinite(strength) and strength > 0):
        raise ValueError(f"strength must be above 0, got {strength}")
    kernel, sizes, volumes, data, sigma = _checked(kernel, sizes, volumes, curve)
    tried = STRENGTHS if strength is None else np.array([float(strength)])
    reach = quantile(level, None)
    weights = np.ones_like(sizes)
    for _ in range(2):
        problem = _problem(kernel, sizes, data, sigma, weights, background)
        found = scan(problem, jnp.asarray(tried, float), reach)
        u = np.asarray(found.z[: sizes.size], float)
        weights = np.maximum(np.exp(2 * (u - u.max())), _FLOOR)
    return _result(problem, found, kernel, sizes, volumes, curve, sigma, tried, level)


def density_of_data(
    kernel: ArrayLike,
    sizes: ArrayLike,
    data: Array,
    sigma: Array,
    *,
    strength: ArrayLike,
    weights: ArrayLike | None = None,
    background: bool = True,
) -> Array:
    """Return the volume fraction per unit of ln(size), differentiable in the data.

    The density of a given strength: its derivatives with respect to ``data``, ``sigma``,
    ``kernel`` and ``strength`` follow from the implicit function theorem, forwards and
    backwards, one linear system each. All arguments but ``sizes`` may be traced.

    Args:
        kernel, sizes, background: as in :func:`fit_distribution`.
        data, sigma: the curve and its errors. Shape ``(m,)``.
        strength: of the smoothness, as a :class:`SizeDistribution` records it.
        weights: of the smoothness at each node, ``(n,)``; 1 by default.
    """
    kernel, data, sigma = (jnp.asarray(a, float) for a in (kernel, data, sigma))
    weights = np.ones(len(sizes)) if weights is None else weights
    problem = _problem(kernel, sizes, data, sigma, weights, background)
    z = solve(problem, jnp.asarray(strength, float))
    return problem.amounts(z)[: len(sizes)] * _unit(kernel, data, sigma)


def _checked(kernel, sizes, volumes, curve) -> list[np.ndarray]:
    sigma = scatter_sigma(curve.intensity) if curve.sigma is None else curve.sigma
    named = {
        "kernel": kernel,
        "sizes": sizes,
        "volumes": volumes,
        "curve.intensity": curve.intensity,
        "curve.sigma": sigma,
    }
    arrays = {name: check_finite(name, value) for name, value in named.items()}
    if any(array is None for array in arrays.values()):
        raise ValueError("fit_distribution works on concrete arrays; call it outside jit")
    kernel, sizes, volumes, data, sigma = (a.astype(float) for a in arrays.values())
    if sizes.ndim != 1 or sizes.size < 8:
        raise ValueError(f"sizes must be one axis of at least 8, got shape {sizes.shape}")
    if kernel.shape != (data.size, sizes.size) or volumes.shape != sizes.shape:
        raise ValueError(
            f"kernel must be ({data.size}, {sizes.size}), a row a point and a column a size, "
            f"and volumes ({sizes.size},), got {kernel.shape} and {volumes.shape}"
        )
    if not (sizes > 0).all() or not (volumes > 0).all():
        raise ValueError("sizes and volumes must be above 0 nm and nm^3")
    steps = np.diff(np.log(sizes))
    if not np.allclose(steps, steps.mean(), rtol=1e-3) or steps[0] <= 0:
        raise ValueError(
            "sizes must ascend in equal steps of the logarithm, as numpy.geomspace gives them"
        )
    if (sigma <= 0).any():
        raise ValueError(f"curve.sigma must be above 0, got {sigma.min():g}")
    if not (kernel > 0).any(axis=0).all():
        raise ValueError(
            "kernel has a size that does not scatter; leave it out, or give a contrast"
        )
    return [kernel, sizes, volumes, data, sigma]


def _problem(kernel, sizes, data, sigma, weights, background: bool) -> Smooth:
    """Return the problem in units in which density and background are about 1."""
    kernel, data, sigma = (jnp.asarray(a, float) for a in (kernel, data, sigma))
    rows = differences(len(sizes), float(np.log(sizes[1] / sizes[0])), weights)
    columns = [_unit(kernel, data, sigma) * kernel]
    if background:
        columns.append(jnp.full((data.size, 1), _background_unit(sigma)))
    matrix = jnp.concatenate(columns, axis=1) / sigma[:, None]
    rows = jnp.asarray(rows, float)
    return Smooth(matrix=matrix, data=data / sigma, differences=rows, size=len(sizes))


def _unit(kernel: Array, data: Array, sigma: Array) -> Array:
    unit = jnp.abs(data / sigma).sum() / jnp.abs(kernel / sigma[:, None]).sum()
    return jax.lax.stop_gradient(unit)


def _background_unit(sigma: Array) -> Array:
    return jax.lax.stop_gradient(jnp.median(sigma))


def _result(
    problem: Smooth,
    found: Solution,
    kernel: np.ndarray,
    sizes: np.ndarray,
    volumes: np.ndarray,
    curve: Curve,
    sigma: np.ndarray,
    strengths: np.ndarray,
    level: float,
) -> SizeDistribution:
    n = sizes.size
    z, covariance, matrix, data, rows = (
        np.asarray(a, float)
        for a in (found.z, found.covariance, problem.matrix, problem.data, problem.differences)
    )
    f, low, high = (np.exp(np.asarray(u, float)) for u in (z[:n], found.low, found.high))
    fitted = matrix @ np.append(f, z[n:])
    chi2 = float(np.sum((data - fitted) ** 2))
    penalty = float(found.strength) * rows.T @ rows
    effective = z.size - float(np.sum(covariance[:n, :n] * penalty))
    dof = max(data.size - effective, 1.0)
    known = curve.sigma is not None
    if not known:
        covariance = covariance * (chi2 / dof)
    errors = covariance[:n, :n]

    clear, others = peaks(f, low, high)
    unsure = [
        i
        for i, part in zip(clear, extents(f, f / volumes, clear), strict=True)
        if f[part].sum() < _LEAST * f.sum()
        or np.sqrt(f[part] @ errors[part, part] @ f[part]) > _SURE * f[part].sum()
    ]
    clear = [i for i in clear if i not in unsure]
    others = [i for i in (*others, *unsure) if f[i] > _BUMP * f.max()]
    at = clear or [int(np.argmax(f))]
    parts = extents(f, f / volumes, at)
    kept = np.concatenate([np.arange(n)[part] for part in parts])
    step = float(np.log(sizes[1] / sizes[0]))
    densities, means = {}, {}
    for name, weight in (("volume", np.ones(n)), ("number", 1 / volumes)):
        amount = (f * weight)[kept]
        means[f"{name}_mean"] = float(amount @ sizes[kept] / amount.sum())
        for end, values in (("", f), ("_low", low), ("_high", high)):
            densities[f"by_{name}{end}"] = values * weight / sizes / (step * amount.sum())
    scale = float(_unit(*(jnp.asarray(a, float) for a in (kernel, curve.intensity, sigma))))
    total = scale * step * f.sum()
    flat = float(_background_unit(jnp.asarray(sigma, float))) if z.size > n else None
    converged = bool(found.converged)
    return SizeDistribution(
        sizes=sizes,
        **densities,
        level=level,
        populations=moments(f, sizes, volumes, parts, errors),
        bumps=tuple(float(sizes[i]) for i in sorted(others) if i not in at),
        **means,
        volume_fraction=total,
        volume_fraction_sigma=total * float(np.sqrt(f @ errors @ f)) / f.sum(),
        background=None if flat is None else flat * float(z[n]),
        background_sigma=None if flat is None else flat * float(np.sqrt(covariance[n, n])),
        strength=float(found.strength),
        strengths=strengths,
        log_evidence=np.asarray(found.log_evidence, float),
        q=np.asarray(curve.q, float),
        fitted=fitted * sigma,
        residuals=data - fitted,
        chi2=chi2,
        reduced_chi2=chi2 / dof if known else None,
        effective_parameters=effective,
        status="converged" if converged else "not converged: the numbers are approximate",
        warnings=_remarks(f, clear, found, strengths, chi2 / dof if known else None, dof),
    )


def _remarks(
    f: np.ndarray,
    clear: list[int],
    found: Solution,
    strengths: np.ndarray,
    reduced: float | None,
    dof: float,
) -> tuple[str, ...]:
    remarks = []
    if reduced is None:
        remarks.append("no errors in the data: equal relative errors assumed, no reduced chi2")
    elif reduced > 1 + 5 * np.sqrt(2 / dof):
        remarks.append(
            f"no distribution of these bodies describes the data: reduced chi2 is {reduced:.4g}"
        )
    if not clear:
        remarks.append("no peak stands above its own band: the data do not resolve the sizes")
    for end, index in (("smallest", 0), ("largest", -1)):
        if f[index] > 0.05 * f.max():
            remarks.append(
                f"the distribution reaches the {end} size: the q range does not bound it there"
            )
    if strengths.size > 1 and float(found.strength) == strengths[-1]:
        remarks.append("the smoothness is at its weakest: structure finer than the sizes' grid")
    return tuple(remarks)
