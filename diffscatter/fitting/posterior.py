r"""What the curvature at a fit's end says: covariance, intervals, correlations.

Near its optimum a fit is linear, :math:`I(\theta) \approx I_0 + J (\theta - \theta_0)`; with
residuals of unit variance its covariance is :math:`C = (J^T J)^{-1}`. J is taken in the
parameters' own units, whatever variables the solver moved.
"""

import numpy as np

__all__ = ["agreeing", "bounds_hit", "correlations", "covariance_of", "quantile"]

# A direction counts as undetermined below this singular value of the Jacobian with columns of
# unit length, per root of the machine precision: its variance would be rounding noise.
_RANK = 10.0
# Two ends are one optimum if a tenth of a standard deviation separates them, which costs a
# hundredth of a unit of the loss.
_SAME_PLACE, _SAME_LOSS = 0.1, 0.01
# Part of a parameter that may lie along undetermined directions before it is one itself.
_SHARE = 1e-3


def covariance_of(jacobian: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`(J^T J)^{-1}` and which parameters it does not determine.

    The inverse is a pseudo-inverse: directions along which nothing changes are left out, and
    the parameters that lie along them get an infinite variance and no covariance.

    Args:
        jacobian: of residuals of unit variance with respect to the parameters, ``(m, n)``.
        eps: machine precision of the numbers in it.

    Returns:
        Covariance ``(n, n)`` and a boolean array ``(n,)``.
    """
    jacobian = np.asarray(jacobian, dtype=float)
    if not np.isfinite(jacobian).all():
        n = jacobian.shape[1]
        return np.diag(np.full(n, np.inf)), np.ones(n, bool)
    norm = np.linalg.norm(jacobian, axis=0)
    used = np.where(norm > 0, norm, 1.0)
    _, singular, rows = np.linalg.svd(jacobian / used, full_matrices=True)
    singular = np.pad(singular, (0, rows.shape[0] - singular.size))
    weak = singular <= _RANK * np.sqrt(eps)
    inverse = np.where(weak, 0.0, 1 / np.where(weak, 1.0, singular))
    half = rows.T * inverse / used[:, None]
    covariance = half @ half.T
    undetermined = (norm == 0) | (np.linalg.norm(rows[weak], axis=0) > _SHARE)
    covariance[undetermined] = covariance[:, undetermined] = 0.0
    covariance[undetermined, undetermined] = np.inf
    return covariance, undetermined


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Return the correlation matrix; 0 beside what is not determined."""
    sigma = np.sqrt(np.diag(covariance))
    known = np.isfinite(sigma) & (sigma > 0)
    scale = np.where(known, 1 / np.where(known, sigma, 1.0), 0.0)
    finite = np.where(known[:, None] & known, covariance, 0.0)
    matrix = finite * scale[:, None] * scale
    np.fill_diagonal(matrix, 1.0)
    return matrix


def quantile(level: float, dof: int | None = None) -> float:
    """Return how many standard deviations hold ``level`` of the probability, both sides.

    Args:
        level: between 0 and 1.
        dof: degrees of freedom where the errors' scale was itself estimated (Student's t);
            None: a normal distribution.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    from scipy import special

    tail = (1 + level) / 2
    return float(special.ndtri(tail) if dof is None else special.stdtrit(dof, tail))


def bounds_hit(
    fractions: np.ndarray,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    sigma: np.ndarray,
) -> list[str]:
    """Return ``"lower"``, ``"upper"`` or ``""`` for each parameter.

    At a bound is what ends within a thousandth of the range *and* within its own error of it:
    a small value that is well determined is not at its bound of zero.
    """
    hit = []
    for part, x, a, b, s in zip(fractions, values, low, high, sigma, strict=True):
        near = s if np.isfinite(s) and s > 0 else np.inf
        if part < 1e-3 and x - a <= near:
            hit.append("lower")
        elif part > 1 - 1e-3 and b - x <= near:
            hit.append("upper")
        else:
            hit.append("")
    return hit


def agreeing(
    values: np.ndarray, losses: np.ndarray, sigma: np.ndarray, unit: float, eps: float
) -> np.ndarray:
    """Return which of several ends are the same optimum as the best of them.

    The same loss, and the same value of every parameter that the data determine: along what
    they do not, any two ends agree.

    Args:
        values, losses: where each start ended, ``(starts, n)`` and ``(starts,)``.
        sigma: errors of the parameters for residuals of unit variance, ``(n,)``.
        unit: variance of the residuals, to be expected or found.
        eps: machine precision of the losses.
    """
    best = int(np.argmin(losses))
    known = np.isfinite(sigma)
    moved = np.abs(values - values[best])[:, known] / np.maximum(
        sigma[known], np.finfo(float).tiny
    )
    near = (moved <= _SAME_PLACE * np.sqrt(unit)).all(axis=1)
    return near & (losses <= losses[best] * (1 + np.sqrt(eps)) + _SAME_LOSS * unit)
