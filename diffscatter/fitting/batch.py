"""Fit thousands of curves on one axis with one model, in one compiled call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve
from diffscatter.core.pytree import replace, struct
from diffscatter.fitting.curve import checked_steps, starting_places
from diffscatter.fitting.linear import linear_basis
from diffscatter.fitting.losses import Loss, assumed_sigma, loss_named
from diffscatter.fitting.multistart import best_of_groups, descend, improved, over
from diffscatter.fitting.parameters import Parameters
from diffscatter.fitting.posterior import agreeing, covariance_of, quantile
from diffscatter.fitting.problem import CurveProblem, curve_problem

__all__ = ["BatchResult", "fit_batch"]

# Numbers in the Jacobians of the curves that an accelerator takes side by side.
_SIDE_BY_SIDE = 2**26


@dataclass(frozen=True, eq=False)
class BatchResult:
    """The outcome of a batch of fits; the leading axis is the curves'.

    Attributes:
        names: of the free parameters.
        values, uncertainties: shape ``(curves, n)``. An error is infinite where the data do not
            determine a parameter. A curve without any finite fit has NaN throughout.
        covariance: shape ``(curves, n, n)``.
        chi2: sum of squared residuals, those of the priors included.
        dof: points and priors less free parameters.
        reduced_chi2: chi2 / dof, or None where the errors of the data are not known.
        errors_scaled: whether each covariance was multiplied by its chi2 / dof.
        converged: whether the best start converged.
        starts_agreed: how many starts came to the best one's optimum.
        steps: evaluations of the Jacobian that it took.
        fitted: computed intensities. Shape ``(curves, m)``.
    """

    names: tuple[str, ...]
    values: np.ndarray
    uncertainties: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    dof: int
    reduced_chi2: np.ndarray | None
    errors_scaled: bool
    converged: np.ndarray
    starts_agreed: np.ndarray
    steps: np.ndarray
    fitted: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Values by name, one a curve."""
        return dict(zip(self.names, self.values.T, strict=True))

    def interval(self, level: float = 0.95) -> np.ndarray:
        """Return both ends of each central interval, ``(curves, n, 2)``.

        From the covariance, as :meth:`FitResult.interval`.
        """
        reach = quantile(level, self.dof if self.errors_scaled else None)
        away = reach * self.uncertainties
        return np.stack([self.values - away, self.values + away], axis=-1)

    def __str__(self) -> str:
        sound = np.isfinite(self.chi2)
        failed = len(self) - int(sound.sum())
        lines = [f"{len(self)} curves, {int(self.converged.sum())} converged"]
        if failed:
            lines[0] += f", {failed} without a finite fit"
        if failed == len(self):
            return lines[0]
        if self.reduced_chi2 is not None:
            low, middle, high = np.quantile(self.reduced_chi2[sound], [0.05, 0.5, 0.95])
            spread = f"5 % to 95 % {low:.4g} to {high:.4g}"
            lines.append(f"reduced chi2: median {middle:.4g}, {spread}")
        columns = zip(
            self.names, self.values[sound].T, self.uncertainties[sound].T, strict=True
        )
        for name, values, sigma in columns:
            lines.append(
                f"  {name}: median {np.median(values):.6g}, {values.min():.6g} to "
                f"{values.max():.6g}, median error {np.median(sigma):.2g}"
            )
        return "\n".join(lines)


def fit_batch(
    model: Any,
    q: Any,
    intensities: Any,
    sigmas: Any | None = None,
    *,
    free: Mapping[str, Any],
    initial: Mapping[str, Any] | None = None,
    smear: Callable | None = None,
    priors: Mapping[str, Any] | None = None,
    starts: int = 8,
    draws: int = 32,
    key: Array | None = None,
    loss: str | Loss = "chi2",
    scale_errors: bool | None = None,
    method: str = "lm",
    max_steps: int | None = None,
) -> BatchResult:
    r"""Fit each curve of a stack on its own, in one compiled call.

    What comes out for a curve is what :func:`fit_curve` gives for it with the same options:
    the same draws, the same solver, from the same starts. The curves of the draws do not
    depend on the data and are computed once for all.

    Args:
        model: as in :func:`fit_curve`.
        q: common axis, 1/nm. Shape ``(m,)``.
        intensities: shape ``(curves, m)``.
        sigmas: their errors, of the same shape or ``(m,)``; None: equal relative errors are
            assumed.
        free, smear, priors, draws, key, loss, scale_errors, method, max_steps: as in
            :func:`fit_curve`.
        initial: name to one value a curve: where start 0 begins, instead of the model's value.
        starts: random starts a curve, beside start 0.

    Returns:
        A :class:`BatchResult`. A curve without any finite fit is marked in it, not raised.

    Raises:
        ValueError: as :func:`fit_curve`, and for shapes that do not fit.
    """
    max_steps = checked_steps(starts, draws, method, max_steps)
    loss = loss_named(loss)
    data, sigma = _stacked(q, intensities, sigmas, loss)
    first = Curve(q=q, intensity=data[0], sigma=sigma[0])
    problem = curve_problem([model], [first], [free], [smear], [loss], priors=priors)
    start, places, linear = starting_places(problem, starts, draws, key)
    begin = _beginnings(problem.parameters, start, initial, len(data))
    known = sigmas is not None or loss.absolute
    scale_errors = (not known) if scale_errors is None else scale_errors
    tail = np.asarray(problem.data)[data.shape[1] :], np.asarray(problem.sigma)[data.shape[1] :]
    rows = [
        jnp.asarray(np.hstack([values, np.broadcast_to(end, (len(data), end.size))]), float)
        for values, end in zip((data, sigma), tail, strict=True)
    ]
    how = {"linear": linear, "method": method, "max_steps": max_steps}
    found = _fit_rows(problem, *rows, begin, places, **how)
    return _result(problem, found, data.shape[1], known=known, scale_errors=scale_errors)


def _stacked(
    q: Any, intensities: Any, sigmas: Any, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    data = check_finite("intensities", intensities)
    if data is None:
        raise ValueError("fits work on concrete curves; call them outside jit and vmap")
    if data.ndim != 2 or np.shape(q) != data.shape[1:] or len(data) == 0:
        raise ValueError(
            f"intensities must be (curves, points) on q of shape {np.shape(q)}, got "
            f"{data.shape}"
        )
    if sigmas is None:
        loss.check(data, None)
        return data, np.stack([assumed_sigma(row) for row in data])
    sigma = check_finite("sigmas", sigmas)
    if sigma.shape not in (data.shape, data.shape[1:]):
        raise ValueError(f"sigmas must have shape {data.shape}, got {sigma.shape}")
    if (sigma <= 0).any():
        raise ValueError(
            f"sigmas must be above 0, got {sigma.min():g}; a zero weighs infinitely"
        )
    sigma = np.broadcast_to(sigma, data.shape)
    loss.check(data, sigma)
    return data, sigma


def _beginnings(
    parameters: Parameters, start: Array, initial: Mapping[str, Any] | None, count: int
) -> Array:
    """Return where start 0 of each curve begins, ``(curves, n)``."""
    begin = np.tile(np.asarray(start), (count, 1))
    for name, values in (initial or {}).items():
        if name not in parameters.names:
            raise ValueError(
                f"initial {name!r} is not free; free are {', '.join(parameters.names)}"
            )
        i = parameters.names.index(name)
        values = np.asarray(values, float)
        if values.shape not in ((), (count,)):
            raise ValueError(f"initial {name} must have {count} values, got {values.shape}")
        low, high = float(parameters.low[i]), float(parameters.high[i])
        if not ((values >= low) & (values <= high)).all():
            raise ValueError(f"initial {name} must lie in its bounds ({low:g}, {high:g})")
        begin[:, i] = values
    return jnp.asarray(begin)


@struct
class _Row:
    """What is kept of one curve; ``triangle`` squares to what the best Jacobian does."""

    values: Array
    losses: Array
    best: Array
    steps: Array
    converged: Array
    fitted: Array
    triangle: Array


@partial(jax.jit, static_argnames=("linear", "method", "max_steps"))
def _fit_rows(
    problem: CurveProblem,
    data: Array,
    sigma: Array,
    begin: Array,
    draws: Array,
    *,
    linear: tuple[int, ...],
    method: str,
    max_steps: int,
) -> _Row:
    basis = lambda values: linear_basis(problem.predict, linear, values)
    trials = problem.parameters.at_fractions(draws.reshape(-1, draws.shape[-1]))
    # They depend on no data: once for all curves.
    bases = over(basis, trials) if len(trials) else None

    def row(given: tuple[Array, Array, Array]) -> _Row:
        values, errors, own = given
        here = replace(problem, data=values, sigma=errors)
        starts = improved(here, linear, own, basis(own))[0][None]
        if bases is not None:
            better = jax.vmap(partial(improved, here, linear))(trials, bases)
            starts = jnp.concatenate([starts, best_of_groups(*better, draws.shape[:2])])
        ends = descend(here, starts, method=method, max_steps=max_steps)
        best = jnp.argmin(ends.losses)
        jacobian = jnp.nan_to_num(ends.jacobian[best], nan=jnp.inf)
        return _Row(
            values=ends.values,
            losses=ends.losses,
            best=best,
            steps=ends.steps[best],
            converged=ends.converged[best],
            fitted=ends.fitted[best],
            triangle=jnp.linalg.qr(jacobian, mode="r"),
        )

    together = max(1, _SIDE_BY_SIDE // (data.shape[1] * draws.shape[-1] * (len(draws) + 1)))
    return over(row, (data, sigma, begin), together)


def _result(
    problem: CurveProblem, found: _Row, points: int, *, known: bool, scale_errors: bool
) -> BatchResult:
    names = problem.parameters.names
    eps = float(np.finfo(found.losses.dtype).eps)
    ends, losses = (np.asarray(a, float) for a in (found.values, found.losses))
    rows = np.arange(len(ends)), np.asarray(found.best)
    values, chi2 = ends[rows], losses[rows]
    dof = problem.data.size - len(names)
    failed = ~np.isfinite(chi2)
    covariance = np.stack([covariance_of(t, eps)[0] for t in np.asarray(found.triangle, float)])
    plain = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    unit = np.maximum(chi2 / dof, 1.0 if known else 1e-6)
    agreed = [
        0 if bad else int(agreeing(e, l, s, u, eps).sum())
        for e, l, s, u, bad in zip(ends, losses, plain, unit, failed, strict=True)
    ]
    if scale_errors:
        covariance = covariance * (chi2 / dof)[:, None, None]
    values[failed], covariance[failed], chi2[failed] = np.nan, np.nan, np.nan
    return BatchResult(
        names=names,
        values=values,
        uncertainties=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
        covariance=covariance,
        chi2=chi2,
        dof=dof,
        reduced_chi2=chi2 / dof if known else None,
        errors_scaled=scale_errors,
        converged=np.asarray(found.converged),
        starts_agreed=np.array(agreed),
        steps=np.asarray(found.steps),
        fitted=np.asarray(found.fitted)[:, :points],
    )
