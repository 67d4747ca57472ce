"""What a fit found, and how sure it is of it."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffscatter.fitting.fisher import Combination
from diffscatter.fitting.posterior import correlations, quantile
from diffscatter.fitting.problem import CurveProblem

__all__ = ["CurveFit", "FitResult", "value_with_error"]

_STRONG = 0.9


@dataclass(frozen=True, eq=False)
class CurveFit:
    """One curve of a fit, and what the fit makes of it.

    Attributes:
        name: of the curve.
        model: its model at the optimum.
        q, fitted, residuals: axis, computed intensity, and residuals in standard deviations
            (the loss's own; see :mod:`diffscatter.fitting.losses`).
        chi2: sum of squared residuals.
        dof: points less the part of the free parameters that this curve determines: the trace
            of its hat matrix, so that the curves' shares (and the priors') sum to them all.
        reduced_chi2: chi2 / dof, or None where the errors of the data are not known.
    """

    name: str
    model: Any
    q: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    chi2: float
    dof: float
    reduced_chi2: float | None


@dataclass(frozen=True, eq=False)
class FitResult:
    """The outcome of a fit of one curve or of several, as plain numbers and numpy arrays.

    Attributes:
        curves: one :class:`CurveFit` a curve.
        parameters: free parameters, name to value, in the model's units.
        uncertainties: their standard deviations; infinite where the data do not determine one.
        covariance: in the order of ``parameters``, ``(n, n)``.
        fixed: every other parameter of the models.
        bounds: name to ``(low, high)``.
        at_bound: name to ``"lower"`` or ``"upper"``, for those that ended there.
        priors: name to prior, for those that have one.
        prior_residuals: name to distance from the prior's centre in its standard deviations.
        chi2: sum of squared residuals, those of the priors included: what was minimised.
        dof: points and priors less free parameters.
        reduced_chi2: chi2 / dof, or None where the errors of the data are not known.
        errors_scaled: whether the covariance was multiplied by chi2 / dof.
        status: one readable line.
        converged: whether the best start converged.
        starts_agreed: how many starts, the best included, came to the same optimum.
        start_parameters: where each start ended, ``(starts, n)``; start 0 is the given model.
        start_losses: sum of squared residuals there, ``(starts,)``.
        combinations: what the data determine, as combinations of the parameters, best first;
            see :mod:`diffscatter.fitting.fisher`.
        alternatives: parameters of another optimum that fits as well, if a start found one.
        loss: name of the loss, or names.
        warnings: what a reader should know before using the numbers.
        problem: what was fitted, for what goes on from here.
    """

    curves: tuple[CurveFit, ...]
    parameters: dict[str, float]
    uncertainties: dict[str, float]
    covariance: np.ndarray
    fixed: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    at_bound: dict[str, str]
    priors: dict[str, Any]
    prior_residuals: dict[str, float]
    chi2: float
    dof: int
    reduced_chi2: float | None
    errors_scaled: bool
    status: str
    converged: bool
    starts_agreed: int
    start_parameters: np.ndarray
    start_losses: np.ndarray
    combinations: tuple[Combination, ...]
    alternatives: tuple[dict[str, float], ...]
    loss: str
    warnings: tuple[str, ...]
    problem: CurveProblem = field(repr=False)

    @property
    def model(self) -> Any:
        """The model at the optimum; of several curves a tuple."""
        models = tuple(curve.model for curve in self.curves)
        return models[0] if len(models) == 1 else models

    @property
    def q(self) -> np.ndarray:
        """Axis; of several curves one after the other, as ``fitted`` and ``residuals``."""
        return np.concatenate([curve.q for curve in self.curves])

    @property
    def fitted(self) -> np.ndarray:
        """Computed intensity."""
        return np.concatenate([curve.fitted for curve in self.curves])

    @property
    def residuals(self) -> np.ndarray:
        """Residuals in standard deviations, without those of the priors."""
        return np.concatenate([curve.residuals for curve in self.curves])

    @property
    def correlations(self) -> np.ndarray:
        """Correlation matrix of the free parameters, ``(n, n)``."""
        return correlations(self.covariance)

    @property
    def starts(self) -> int:
        """Number of starts, the given model included."""
        return self.start_losses.size

    def interval(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return the central interval of each parameter that holds ``level`` of probability.

        From the covariance: symmetric, not cut at the bounds. Student's t where the scale of
        the errors was estimated from the fit.
        """
        reach = quantile(level, self.dof if self.errors_scaled else None)
        return {
            name: (value - reach * sigma, value + reach * sigma)
            for (name, value), sigma in zip(
                self.parameters.items(), self.uncertainties.values(), strict=True
            )
        }

    def strong_correlations(self, above: float = _STRONG) -> list[tuple[str, str, float]]:
        """Return the pairs whose correlation exceeds ``above`` in modulus, strongest first."""
        names, matrix = list(self.parameters), self.correlations
        pairs = [
            (names[i], names[j], float(matrix[i, j]))
            for i in range(len(names))
            for j in range(i + 1, len(names))
            if abs(matrix[i, j]) > above
        ]
        return sorted(pairs, key=lambda pair: -abs(pair[2]))

    def __str__(self) -> str:
        quality = (
            f"reduced chi2 {self.reduced_chi2:.4g}"
            if self.reduced_chi2 is not None
            else f"sum of squares {self.chi2:.4g} (no reduced chi2: data without errors)"
        )
        lines = [
            self.status,
            f"{quality}, {self.residuals.size} points, {self.dof} degrees of freedom, "
            f"{self.starts_agreed} of {self.starts} starts agree",
        ]
        width = max(len(name) for name in self.parameters)
        for name, value in self.parameters.items():
            note = f"  at its {self.at_bound[name]} bound" if name in self.at_bound else ""
            shown = value_with_error(value, self.uncertainties[name])
            lines.append(f"  {name:<{width}}  {shown}{note}")
        if len(self.curves) > 1:
            lines.extend(f"  {_curve_line(curve)}" for curve in self.curves)
        for name, prior in self.priors.items():
            distance = f"{self.prior_residuals[name]:+.2f} of its sigma away"
            lines.append(f"  prior of {name}: {prior}, {distance}")
        for first, second, value in self.strong_correlations():
            lines.append(f"  correlation of {first} and {second}: {value:+.3f}")
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


def _curve_line(curve: CurveFit) -> str:
    quality = (
        f"reduced chi2 {curve.reduced_chi2:.4g}"
        if curve.reduced_chi2 is not None
        else f"sum of squares {curve.chi2:.4g}"
    )
    return f"{curve.name}: {quality}, {curve.q.size} points"


def value_with_error(value: float, sigma: float) -> str:
    """Return ``247.83(62)``: the value, and its error in units of its last two digits.

    Large and small values carry an exponent, ``1.234(56)e-05``. An infinite error reads
    ``(undetermined)``, one of zero or NaN is left out.
    """
    if math.isnan(sigma) or sigma <= 0 or not math.isfinite(value):
        return f"{value:.6g}"
    if math.isinf(sigma):
        return f"{value:.3g} (undetermined)"
    size = max(abs(value), sigma)
    exponent = math.floor(math.log10(size))
    power = exponent if not -3 <= exponent <= 5 else 0
    # Two digits of the error; rounding may carry 9.96 over to 10.
    last = math.floor(math.log10(float(f"{sigma:.1e}"))) - 1 - power
    step, decimals = 10.0**last, max(-last, 0)
    scaled = round(value / 10.0**power / step) * step
    digits = round(round(sigma / 10.0**power / step) * step * 10**decimals)
    tail = f"e{power:+03d}" if power else ""
    return f"{scaled:.{decimals}f}({digits}){tail}"
