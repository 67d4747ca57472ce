"""Fit one curve with any model: bounded, from many starts, with errors and warnings."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve
from diffscatter.core.pytree import static, struct
from diffscatter.fitting.linear import linear_parameters
from diffscatter.fitting.losses import Loss, assumed_sigma, loss_named
from diffscatter.fitting.multistart import Runs, search
from diffscatter.fitting.parameters import Parameters, free_parameters, parameter_values
from diffscatter.fitting.posterior import agreeing, bounds_hit, covariance_of
from diffscatter.fitting.problem import as_pytree
from diffscatter.fitting.result import FitResult, value_with_error

__all__ = ["CurveProblem", "fit_curve"]


@struct
class CurveProblem:
    """One curve and the model that is to describe it; a problem for the search.

    Attributes:
        model: pytree, callable on q (1/nm).
        parameters: which of its leaves are free.
        q, data, sigma: the curve. Shape ``(m,)``.
        smear: takes a callable on q and returns its values on the curve's q as the instrument
            would record them, or None; from :func:`~diffscatter.fitting.problem.as_pytree`.
        loss: what is minimised.
    """

    model: Any
    parameters: Parameters
    q: Array
    data: Array
    sigma: Array
    smear: Any
    loss: Loss = static()

    def predict(self, values: Array | list[Array]) -> Array:
        """Return the intensity at given values of the free parameters, shape ``(m,)``."""
        model = self.parameters.insert(self.model, values)
        curve = model(self.q) if self.smear is None else self.smear(model)
        return curve.astype(self.data.dtype)


_predict = jax.jit(lambda problem, values: problem.predict(values))


def fit_curve(
    model: Any,
    curve: Curve,
    *,
    free: Mapping[str, Any],
    smear: Callable | None = None,
    starts: int = 32,
    draws: int = 32,
    key: Array | None = None,
    loss: str | Loss = "chi2",
    scale_errors: bool | None = None,
    max_steps: int = 60,
) -> FitResult:
    r"""Fit the ``free`` parameters of ``model`` to ``curve`` and say how sure they are.

    Levenberg-Marquardt from the given model and from ``starts`` random points between the
    bounds (uniform on each parameter's axis, linear or logarithmic), each the best of
    ``draws``. Parameters in which the curve is linear, as a scale and a background, are found
    out and solved for before each start, so only the others need searching. Compiled once for
    a model's structure, the number of points and of starts. Everything is computed in the
    precision that JAX is set to (``jax.enable_x64``), whatever the data's.

    Args:
        model: any pytree, callable on q (1/nm), as ``analytic.Sample``. Its values are the
            first start, and those not in ``free`` stay as they are.
        curve: what was measured.
        free: name to ``(low, high)`` or :class:`~diffscatter.fitting.Bounds`. Names are the
            ends of dotted paths: ``"radius"``, ``"distribution.width"``, ``"thickness[1]"``.
        smear: the instrument's resolution: takes the model, returns its recorded values on
            ``curve.q``.
        starts: number of random starts; 0 fits from the given model alone.
        draws: random points tried for each of them.
        key: typed random key; ``jax.random.key(0)`` if None.
        loss: ``"chi2"``, ``"poisson"`` (the intensities are counts, and the model gives
            expected counts), ``"log"``, or a :class:`~diffscatter.fitting.Loss`.
        scale_errors: multiply the covariance by chi2/dof. None: only where the errors of the
            data are not known. Without ``curve.sigma`` equal relative errors are assumed, see
            :func:`~diffscatter.fitting.assumed_sigma`.
        max_steps: evaluations of the Jacobian that a start may use.

    Returns:
        A :class:`FitResult`; ``print`` it.

    Raises:
        ValueError: for unknown names, a start outside its bounds, fewer points than free
            parameters, data that the loss cannot take, a model that gives no finite values.

    Warns:
        UserWarning: if the curve carries a resolution or a slit and ``smear`` is not given.
    """
    loss = loss_named(loss)
    if starts < 0 or draws < 1 or max_steps < 1:
        raise ValueError(
            f"starts must be >= 0, draws and max_steps >= 1, got {starts}, {draws}, {max_steps}"
        )
    notes = []
    if smear is None and {"resolution", "slit_length", "slit_width"} & curve.columns.keys():
        warnings.warn(
            f"{curve.name} carries a resolution that is not applied; pass smear=, or use "
            "pipelines.fit, which applies it",
            UserWarning,
            stacklevel=2,
        )
        notes.append("the curve's resolution was not applied")
    problem = _problem(model, curve, free, smear, loss)
    known = curve.sigma is not None or loss.absolute
    if not known:
        notes.append("no errors in the data: equal relative errors assumed, no reduced chi2")

    parameters = problem.parameters
    start = parameters.values(problem.model)
    first = np.asarray(_predict(problem, start))
    if first.shape != problem.data.shape:
        raise ValueError(
            f"the model gives shape {first.shape} for {problem.data.shape[0]} points; it must "
            "return one value a point"
        )
    linear = linear_parameters(lambda values: _predict(problem, values), parameters)
    key = jax.random.key(0) if key is None else key
    # A little away from the bounds, where a logistic has no slope to leave by.
    places = jax.random.uniform(
        key, (starts, draws, start.size), start.dtype, minval=0.01, maxval=0.99
    )
    runs = search(problem, start, places, linear=linear, max_steps=max_steps)
    if not np.isfinite(runs.losses).any():
        raise ValueError(
            "the model gives no finite intensity at any start; check its values and bounds"
        )
    scale_errors = (not known) if scale_errors is None else scale_errors
    return _result(problem, runs, known=known, scale_errors=scale_errors, notes=notes)


def _problem(
    model: Any, curve: Curve, free: Mapping[str, Any], smear: Callable | None, loss: Loss
) -> CurveProblem:
    data = check_finite("curve.intensity", curve.intensity)
    q = check_finite("curve.q", curve.q)
    if data is None or q is None:
        raise ValueError("fit_curve works on concrete curves; call it outside jit and vmap")
    sigma = assumed_sigma(data)
    if curve.sigma is not None:
        sigma = check_finite("curve.sigma", curve.sigma)
        if (sigma <= 0).any():
            raise ValueError(
                f"curve.sigma must be above 0, got {sigma.min():g}; a zero weighs infinitely"
            )
    if not data.shape == q.shape == sigma.shape or data.ndim != 1:
        raise ValueError(
            f"q, intensity and sigma must be one axis of equal length, got {q.shape}, "
            f"{data.shape}, {sigma.shape}"
        )
    loss.check(data, curve.sigma)
    parameters = free_parameters(model, free)
    if data.size <= len(parameters.names):
        raise ValueError(
            f"{data.size} points cannot determine {len(parameters.names)} parameters; "
            "free fewer or give more points"
        )
    # In the precision that JAX is set to: the solver's own numbers are of no other.
    cast = lambda array: jnp.asarray(array, float)
    return CurveProblem(
        model=model,
        parameters=jax.tree.map(cast, parameters),
        q=cast(q),
        data=cast(data),
        sigma=cast(sigma),
        smear=as_pytree(smear),
        loss=loss,
    )


def _result(
    problem: CurveProblem, runs: Runs, *, known: bool, scale_errors: bool, notes: list[str]
) -> FitResult:
    parameters, names = problem.parameters, problem.parameters.names
    values, losses = (np.asarray(a, dtype=float) for a in (runs.values, runs.losses))
    best = int(np.argmin(losses))
    chi2, dof = float(losses[best]), problem.data.size - len(names)
    jacobian = np.asarray(runs.jacobian, dtype=float)
    eps = float(np.finfo(runs.jacobian.dtype).eps)
    covariance, undetermined = covariance_of(jacobian, eps)
    plain = np.sqrt(np.diag(covariance))
    if scale_errors:
        covariance = covariance * (chi2 / dof)
    sigma = np.sqrt(np.diag(covariance))
    fractions = np.asarray(parameters.fractions(runs.values[best]))
    low, high = np.asarray(parameters.low, float), np.asarray(parameters.high, float)
    hit = bounds_hit(fractions, values[best], low, high, sigma)

    # In units of the fit's own scatter, so that a poor fit's starts can agree too; assumed
    # errors have no unit, but the solver does not resolve a thousandth of them.
    unit = max(chi2 / dof, 1.0 if known else 1e-6)
    agreed = int(agreeing(values, losses, plain, unit, eps).sum())

    reduced = chi2 / dof if known else None
    converged = bool(runs.converged[best])
    notes = notes + _remarks(problem, values[best], sigma, undetermined, hit)
    verdict = _verdict(reduced, dof)
    if verdict:
        notes.insert(0, verdict)
    if len(losses) > 1 and agreed < 2:
        notes.append(
            "only one start came to this optimum: there may be a better one; use more starts"
        )
    return FitResult(
        model=parameters.insert(problem.model, runs.values[best]),
        parameters=dict(zip(names, map(float, values[best]), strict=True)),
        uncertainties=dict(zip(names, map(float, sigma), strict=True)),
        covariance=covariance,
        fixed=parameter_values(problem.model, without=parameters),
        bounds=dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
        at_bound={name: side for name, side in zip(names, hit, strict=True) if side},
        q=np.asarray(problem.q),
        fitted=np.asarray(runs.fitted),
        residuals=np.asarray(runs.residuals),
        chi2=chi2,
        dof=dof,
        reduced_chi2=reduced,
        errors_scaled=scale_errors,
        status=_status(converged, verdict, int(runs.steps[best])),
        converged=converged,
        starts_agreed=agreed,
        start_parameters=values,
        start_losses=losses,
        loss=problem.loss.name,
        warnings=tuple(notes),
    )


def _status(converged: bool, verdict: str, steps: int) -> str:
    if not converged:
        return f"not converged after {steps} steps: more max_steps may help"
    return "converged, but " + verdict if verdict else "converged"


def _verdict(reduced: float | None, dof: int) -> str:
    """Say in words where the model does not describe the data; empty where it may."""
    if reduced is None or reduced <= 1 + 5 * np.sqrt(2 / dof):
        return ""
    if reduced > 10:
        return f"the model does not describe the data: reduced chi2 is {reduced:.4g}"
    return f"residuals exceed the data's errors: reduced chi2 is {reduced:.4g}"


def _remarks(
    problem: CurveProblem,
    values: np.ndarray,
    sigma: np.ndarray,
    undetermined: np.ndarray,
    hit: list[str],
) -> list[str]:
    parameters, remarks = problem.parameters, []
    for i, name in enumerate(parameters.names):
        low, high = float(parameters.low[i]), float(parameters.high[i])
        if hit[i]:
            bound = low if hit[i] == "lower" else high
            remarks.append(f"{name} ended at its {hit[i]} bound, {bound:g}")
        if undetermined[i]:
            remarks.append(f"the data do not determine {name}")
        elif sigma[i] > (high - low) / 2:
            shown = value_with_error(values[i], sigma[i])
            remarks.append(f"{name} is hardly determined: {shown} in ({low:g}, {high:g})")
    return remarks
