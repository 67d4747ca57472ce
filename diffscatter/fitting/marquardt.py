r"""Levenberg-Marquardt from the host, for models whose Jacobian costs far more than a value.

.. math:: (J^T J + \lambda D)\,s = -J^T r,\qquad D = \mathrm{diag}(J^T J)

:mod:`.levenberg` takes a Jacobian with every value, in one compiled loop. Here a trial step
costs a value alone, and the caller compiles value and Jacobian, once for many descents.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Minimum", "marquardt"]

_FIRST_DAMPING, _LEAST_DAMPING = 1e-2, 1e-6
_RAISED, _LOWERED, _TRIALS = 5.0, 4.0, 6
# Variables that hardly matter are held back as if they mattered this part of the mean.
_LEAST_SHARE = 1e-3


class Minimum(NamedTuple):
    """Where a descent ended: the variables ``(n,)`` and the sum of squared residuals."""

    x: np.ndarray
    loss: float


def marquardt(
    residuals: Callable[[np.ndarray], np.ndarray],
    linearise: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    *,
    steps: int,
    tolerance: float = 1e-3,
) -> Minimum:
    """Minimise a sum of squares from one start.

    Args:
        residuals: variables ``(n,)`` to residuals ``(m,)``; NaN where there are none.
        linearise: variables to residuals and the transposed Jacobian ``(n, m)``.
        start: ``(n,)``, each variable of the order of 1.
        steps: Jacobians at most.
        tolerance: ends after a step that lowers the loss by less than this part of it.
    """
    x, damping = np.asarray(start, np.float64), _FIRST_DAMPING
    loss = np.inf
    for _ in range(steps):
        r, jacobian = linearise(x)
        loss = float(np.sum(r * r, dtype=np.float64))
        normal = (jacobian @ jacobian.T).astype(np.float64)
        slope = (jacobian @ r).astype(np.float64)
        if not (np.isfinite(loss) and np.isfinite(normal).all() and np.isfinite(slope).all()):
            return Minimum(x, np.inf)
        diagonal = np.diag(normal)
        hold = diagonal + _LEAST_SHARE * diagonal.mean() + 1e-30
        for _ in range(_TRIALS):
            trial = x - np.linalg.solve(normal + damping * np.diag(hold), slope)
            r = residuals(trial)
            lower = float(np.sum(r * r, dtype=np.float64))
            if lower < loss:
                break
            damping *= _RAISED
        else:
            return Minimum(x, loss)
        gain, x, loss = loss - lower, trial, lower
        damping = max(damping / _LOWERED, _LEAST_DAMPING)
        if gain < tolerance * (loss + gain):
            break
    return Minimum(x, loss)
