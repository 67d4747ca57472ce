"""From where the starts ended to a result with errors, a verdict and warnings."""

from collections.abc import Sequence

import jax
import numpy as np

from diffscatter.fitting.fisher import combinations_of, undetermined_in_words
from diffscatter.fitting.multistart import Runs
from diffscatter.fitting.parameters import parameter_values
from diffscatter.fitting.posterior import agreeing, bounds_hit, covariance_of
from diffscatter.fitting.priors import GaussianPrior, LognormalPrior
from diffscatter.fitting.problem import CurveProblem
from diffscatter.fitting.result import CurveFit, FitResult, value_with_error

__all__ = ["outcome"]

# A second optimum fits as well within two standard deviations of a parameter; it is another
# one beyond five.
_AS_WELL, _ELSEWHERE = 4.0, 25.0


def outcome(
    problem: CurveProblem,
    runs: Runs,
    *,
    names: Sequence[str],
    known: bool,
    scale_errors: bool,
    notes: list[str],
) -> FitResult:
    """Return the result of a search.

    Args:
        problem: what was fitted.
        runs: where its starts ended.
        names: of the curves.
        known: whether the errors of the data are known.
        scale_errors: multiply the covariance by chi2/dof.
        notes: what the reader should know beside what is found here.
    """
    parameters = problem.parameters
    values, losses = (np.asarray(a, dtype=float) for a in (runs.values, runs.losses))
    best = int(np.argmin(losses))
    chi2, dof = float(losses[best]), problem.data.size - len(parameters.names)
    jacobian = np.asarray(runs.jacobian, dtype=float)
    eps = float(np.finfo(runs.jacobian.dtype).eps)
    covariance, undetermined = covariance_of(jacobian, eps)
    plain = np.sqrt(np.diag(covariance))
    curves = _curves(problem, runs, best, names, known)
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

    scatter = np.sqrt(chi2 / dof) if scale_errors else 1.0
    space = jacobian, values[best], low, high, parameters.names, scatter
    others = _alternatives(values, losses, runs.converged, jacobian, unit)

    reduced = chi2 / dof if known else None
    converged = bool(runs.converged[best])
    verdicts = _verdicts(reduced, dof, curves)
    remarks = _remarks(problem, values[best], sigma, undetermined, hit)
    notes = [*verdicts, *notes, *remarks, *undetermined_in_words(*space)]
    named = lambda numbers: dict(zip(parameters.names, map(float, numbers), strict=True))
    alternatives = tuple(named(other) for other in others)
    notes.extend(_differs(named(values[best]), named(sigma), other) for other in alternatives)
    if runs.asked > len(losses):
        notes.append(f"interrupted after {len(losses)} of {runs.asked} starts")
    if len(losses) > 1 and agreed < 2:
        notes.append(
            "only one start came to this optimum: there may be a better one; use more starts"
        )
    priors = problem.priors
    prior_names = [parameters.names[i] for i in priors.index]
    distances = np.asarray(runs.residuals, float)[sum(problem.lengths) :]
    return FitResult(
        curves=curves,
        parameters=named(values[best]),
        uncertainties=named(sigma),
        covariance=covariance,
        fixed=_fixed(problem, names),
        bounds=dict(
            zip(parameters.names, zip(low.tolist(), high.tolist(), strict=True), strict=True)
        ),
        at_bound={n: side for n, side in zip(parameters.names, hit, strict=True) if side},
        priors=dict(zip(prior_names, _priors(problem), strict=True)),
        prior_residuals=dict(zip(prior_names, distances.tolist(), strict=True)),
        chi2=chi2,
        dof=dof,
        reduced_chi2=reduced,
        errors_scaled=scale_errors,
        status=_status(converged, verdicts, int(runs.steps[best])),
        converged=converged,
        starts_agreed=agreed,
        start_parameters=values,
        start_losses=losses,
        combinations=combinations_of(*space),
        alternatives=alternatives,
        loss=", ".join(dict.fromkeys(loss.name for loss in problem.losses)),
        warnings=tuple(notes),
        problem=problem,
    )


def _curves(
    problem: CurveProblem, runs: Runs, best: int, names: Sequence[str], known: bool
) -> tuple[CurveFit, ...]:
    """Return each curve's part, with its share of the degrees of freedom."""
    models = problem.parameters.insert(problem.models, runs.values[best])
    jacobian = np.nan_to_num(np.asarray(runs.jacobian, dtype=float))
    norm = np.linalg.norm(jacobian, axis=0)
    # Rows of an orthonormal basis of the columns: their squares are the hat matrix's diagonal.
    basis, singular, _ = np.linalg.svd(jacobian / np.where(norm > 0, norm, 1.0), False)
    rank = singular > singular.max() * np.sqrt(np.finfo(runs.jacobian.dtype).eps)
    shares = problem.split((basis[:, rank] ** 2).sum(axis=1))
    fitted, residuals = (problem.split(np.asarray(a)) for a in (runs.fitted, runs.residuals))
    curves = []
    for i, (name, model, q) in enumerate(zip(names, models, problem.q, strict=True)):
        chi2 = float(np.sum(residuals[i].astype(float) ** 2))
        dof = q.size - float(shares[i].sum())
        curves.append(
            CurveFit(
                name=name,
                model=model,
                q=np.asarray(q),
                fitted=fitted[i],
                residuals=residuals[i],
                chi2=chi2,
                dof=dof,
                reduced_chi2=chi2 / dof if known and dof > 0 else None,
            )
        )
    return tuple(curves)


def _alternatives(
    values: np.ndarray,
    losses: np.ndarray,
    converged: np.ndarray,
    jacobian: np.ndarray,
    unit: float,
) -> np.ndarray:
    """Return the best end that fits as well as the best of all from elsewhere, ``(0 or 1, n)``.

    Elsewhere is where the curvature at the optimum foretells a loss that is not there.
    """
    best = int(np.argmin(losses))
    foretold = np.sum(((values - values[best]) @ np.nan_to_num(jacobian).T) ** 2, axis=1)
    as_well = np.asarray(converged) & (losses < losses[best] + _AS_WELL * unit)
    others = np.flatnonzero(as_well & (foretold > _ELSEWHERE * unit))
    return values[others[np.argsort(losses[others])][:1]]


def _differs(best: dict[str, float], sigma: dict[str, float], other: dict[str, float]) -> str:
    moved = [n for n in best if abs(other[n] - best[n]) > 3 * sigma[n]] or list(best)
    there = ", ".join(f"{name} {other[name]:.4g}" for name in moved)
    return f"the data fit as well with {there}: they do not tell which it is"


def _fixed(problem: CurveProblem, names: Sequence[str]) -> dict[str, float]:
    """Return what stayed as it was; named after its curve where there are several."""
    fixed, first = {}, 0
    for name, model in zip(names, problem.models, strict=True):
        values = parameter_values(model, without=problem.parameters, first=first)
        own = f"[{name}]" if len(names) > 1 else ""
        fixed |= {key + own: value for key, value in values.items()}
        first += len(jax.tree.leaves(model))
    return fixed


def _priors(problem: CurveProblem) -> list[GaussianPrior | LognormalPrior]:
    priors = problem.priors
    rows = zip(priors.centre.tolist(), priors.sigma.tolist(), priors.logarithmic, strict=True)
    return [
        LognormalPrior(float(np.exp(centre)), sigma) if log else GaussianPrior(centre, sigma)
        for centre, sigma, log in rows
    ]


def _status(converged: bool, verdicts: list[str], steps: int) -> str:
    if not converged:
        return f"not converged after {steps} steps: more max_steps may help"
    return "converged, but " + verdicts[0] if verdicts else "converged"


def _verdicts(reduced: float | None, dof: float, curves: tuple[CurveFit, ...]) -> list[str]:
    """Say in words where the models do not describe the data."""
    if reduced is None:
        return []
    verdicts = [_verdict("the model does", "residuals", reduced, dof)]
    if len(curves) > 1:
        verdicts = [_verdict("the models do", "residuals", reduced, dof)]
        for curve in curves:
            whose, of = f"the model of {curve.name} does", f"residuals of {curve.name}"
            if curve.reduced_chi2 is not None:
                verdicts.append(_verdict(whose, of, curve.reduced_chi2, curve.dof))
    return [verdict for verdict in verdicts if verdict]


def _verdict(model_does: str, residuals: str, reduced: float, dof: float) -> str:
    if reduced <= 1 + 5 * np.sqrt(2 / dof):
        return ""
    if reduced > 10:
        return f"{model_does} not describe the data: reduced chi2 is {reduced:.4g}"
    return f"{residuals} exceed the data's errors: reduced chi2 is {reduced:.4g}"


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
