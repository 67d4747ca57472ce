"""What a fit found, and how sure it is of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffscatter.fitting.posterior import correlations, quantile

__all__ = ["FitResult", "value_with_error"]

_STRONG = 0.9


@dataclass(frozen=True, eq=False)
class FitResult:
    """The outcome of a fit, as plain numbers and numpy arrays.

    Attributes:
        model: the model at the optimum.
        parameters: free parameters, name to value, in the model's units.
        uncertainties: their standard deviations; infinite where the data do not determine one.
        covariance: in the order of ``parameters``, ``(n, n)``.
        fixed: every other parameter of the model.
        bounds: name to ``(low, high)``.
        at_bound: name to ``"lower"`` or ``"upper"``, for those that ended there.
        q, fitted, residuals: axis, computed intensity, and residuals in standard deviations
            (the loss's own; see :mod:`diffscatter.fitting.losses`).
        chi2: sum of squared residuals.
        dof: points less free parameters.
        reduced_chi2: chi2 / dof, or None where the errors of the data are not known.
        errors_scaled: whether the covariance was multiplied by chi2 / dof.
        status: one readable line.
        converged: whether the best start converged.
        starts_agreed: how many starts, the best included, came to the same optimum.
        start_parameters: where each start ended, ``(starts, n)``; start 0 is the given model.
        start_losses: sum of squared residuals there, ``(starts,)``.
        loss: name of the loss.
        warnings: what a reader should know before using the numbers.
    """

    model: Any
    parameters: dict[str, float]
    uncertainties: dict[str, float]
    covariance: np.ndarray
    fixed: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    at_bound: dict[str, str]
    q: np.ndarray
    fitted: np.ndarray
    residuals: np.ndarray
    chi2: float
    dof: int
    reduced_chi2: float | None
    errors_scaled: bool
    status: str
    converged: bool
    starts_agreed: int
    start_parameters: np.ndarray
    start_losses: np.ndarray
    loss: str
    warnings: tuple[str, ...]

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
        for first, second, value in self.strong_correlations():
            lines.append(f"  correlation of {first} and {second}: {value:+.3f}")
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


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
