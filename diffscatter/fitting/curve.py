"""Fit curves with any model: bounded, from many starts, with errors and warnings."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from diffscatter.core.data import Curve
from diffscatter.fitting.linear import linear_parameters
from diffscatter.fitting.losses import Loss, loss_named
from diffscatter.fitting.multistart import METHODS, search
from diffscatter.fitting.outcome import outcome
from diffscatter.fitting.problem import CurveProblem, curve_problem
from diffscatter.fitting.result import FitResult

__all__ = [
    "checked_steps",
    "curve_names",
    "fit_curve",
    "fit_curves",
    "predicted",
    "starting_places",
]

predicted = jax.jit(lambda problem, values: problem.predict(values))


def fit_curve(
    model: Any,
    curve: Curve,
    *,
    free: Mapping[str, Any],
    smear: Callable | None = None,
    priors: Mapping[str, Any] | None = None,
    starts: int = 32,
    draws: int = 32,
    key: Array | None = None,
    loss: str | Loss = "chi2",
    scale_errors: bool | None = None,
    method: str = "lm",
    max_steps: int | None = None,
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
        priors: name to :class:`~diffscatter.fitting.GaussianPrior` or
            :class:`~diffscatter.fitting.LognormalPrior`, for what is known beforehand: each
            is one more residual. Without one a parameter is uniform between its bounds.
        starts: number of random starts; 0 fits from the given model alone.
        draws: random points tried for each of them.
        key: typed random key; ``jax.random.key(0)`` if None.
        loss: ``"chi2"``, ``"poisson"`` (the intensities are counts, and the model gives
            expected counts), ``"log"``, or a :class:`~diffscatter.fitting.Loss`.
        scale_errors: multiply the covariance by chi2/dof. None: only where the errors of the
            data are not known. Without ``curve.sigma`` equal relative errors are assumed, see
            :func:`~diffscatter.fitting.assumed_sigma`.
        method: ``"lm"``, Levenberg-Marquardt, or ``"lbfgs"``, which needs gradients only: for
            many parameters, and more steps.
        max_steps: steps that a start may take; 100 and 1000 by default.

    Returns:
        A :class:`FitResult`; ``print`` it.

    Raises:
        ValueError: for unknown names, a start outside its bounds, fewer points than free
            parameters, data that the loss cannot take, a model that gives no finite values.

    Warns:
        UserWarning: if the curve carries a resolution or a slit and ``smear`` is not given.
    """
    return _fit(
        [model],
        [curve],
        [free],
        [smear],
        [loss_named(loss)],
        priors=priors,
        starts=starts,
        draws=draws,
        key=key,
        scale_errors=scale_errors,
        method=method,
        max_steps=max_steps,
    )


def fit_curves(
    models: Any | Sequence[Any],
    curves: Sequence[Curve],
    *,
    free: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    shared: Sequence[str] = (),
    smear: Callable | None | Sequence[Callable | None] = None,
    priors: Mapping[str, Any] | None = None,
    loss: str | Loss | Sequence[str | Loss] = "chi2",
    **options: Any,
) -> FitResult:
    r"""Fit several curves at once, with parameters that all of them share.

    The curves may differ in length, q, resolution, loss and model. A parameter named in
    ``shared`` has one value; every other one has a value in each curve that frees it and is
    called ``scale[name of the curve]`` (or ``scale[0]``, ``scale[1]`` where two curves have
    the same name). Each residual counts the same, from whichever curve.

    Args:
        models: a list or tuple with one a curve, or one for all. Of a shared parameter the
            first model's value is the start.
        curves: what was measured. All with errors, or none.
        free: as in :func:`fit_curve`, one for all curves or a list with one a curve. Where a
            shared parameter has a different place in two models, ``Bounds(..., label=name)``
            gives it one name.
        shared: names of the shared parameters.
        smear, loss: as in :func:`fit_curve`, one for all curves or a list with one a curve.
        priors: as in :func:`fit_curve`, by the names of the result; ``"scale"`` alone means
            the scale of each curve.
        options: ``starts``, ``draws``, ``key``, ``scale_errors``, ``method`` and
            ``max_steps`` of :func:`fit_curve`.

    Returns:
        A :class:`FitResult` with one covariance of all parameters; ``curves`` holds each
        curve's model, residuals and reduced chi-square.

    Raises:
        ValueError: as :func:`fit_curve`, and for lists of a length other than the curves'.

    Example:
        >>> fit_curves(
        ...     sphere, [dilute, dense], shared=["radius"],
        ...     free={"radius": (1, 50), "scale": (1e-6, 1)},
        ... )
    """
    curves = list(curves)
    if not curves:
        raise ValueError("give at least one curve")
    each = lambda name, given: _one_each(name, given, len(curves))
    return _fit(
        each("models", models),
        curves,
        each("free", free),
        each("smear", smear),
        [loss_named(one) for one in each("loss", loss)],
        shared=shared,
        priors=priors,
        **options,
    )


def checked_steps(starts: int, draws: int, method: str, max_steps: int | None) -> int:
    """Return how many steps a start may take; refuse counts that make no search."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    steps = METHODS[method] if max_steps is None else max_steps
    if starts < 0 or draws < 1 or steps < 1:
        raise ValueError(
            f"starts must be >= 0, draws and max_steps >= 1, got {starts}, {draws}, {steps}"
        )
    return steps


def starting_places(
    problem: CurveProblem, starts: int, draws: int, key: Array | None
) -> tuple[Array, Array, tuple[int, ...]]:
    """Return the given values, random places between the bounds, and what enters linearly.

    Raises:
        ValueError: for a model that returns something other than one value a point.
    """
    start = problem.parameters.values(problem.models)
    shape = jax.eval_shape(predicted, problem, start).shape
    if shape != problem.data.shape:
        priors = len(problem.priors.index)
        raise ValueError(
            f"the model gives shape {(shape[0] - priors, *shape[1:])} for "
            f"{problem.data.shape[0] - priors} points; it must return one value a point"
        )
    linear = linear_parameters(lambda values: predicted(problem, values), problem.parameters)
    # By numpy, seeded by the key: compiling JAX's generator takes longer than a small fit. A
    # little away from the bounds, where a logistic has no slope to leave by.
    seed = [0, 0] if key is None else np.ravel(jax.random.key_data(key)).tolist()
    places = np.random.default_rng(seed).uniform(0.01, 0.99, (starts, draws, start.size))
    return start, places.astype(start.dtype), linear


def curve_names(curves: Sequence[Curve]) -> list[str]:
    """Return what a fit calls each curve: its name, or its number where two have the same."""
    names = [curve.name for curve in curves]
    return names if len(set(names)) == len(names) else [str(i) for i in range(len(curves))]


def _one_each(name: str, given: Any, count: int) -> list:
    if not isinstance(given, list | tuple):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"{name} has {len(given)} entries for {count} curves; give one each")
    return list(given)


def _fit(
    models: Sequence[Any],
    curves: Sequence[Curve],
    free: Sequence[Mapping[str, Any]],
    smears: Sequence[Callable | None],
    losses: Sequence[Loss],
    *,
    shared: Sequence[str] = (),
    priors: Mapping[str, Any] | None = None,
    starts: int = 32,
    draws: int = 32,
    key: Array | None = None,
    scale_errors: bool | None = None,
    method: str = "lm",
    max_steps: int | None = None,
) -> FitResult:
    max_steps = checked_steps(starts, draws, method, max_steps)
    names = curve_names(curves)
    notes = []
    for name, curve, smear in zip(names, curves, smears, strict=True):
        if smear is None and {"resolution", "slit_length", "slit_width"} & curve.columns.keys():
            warnings.warn(
                f"{curve.name} carries a resolution that is not applied; pass smear=, or use "
                "pipelines.fit, which applies it",
                UserWarning,
                stacklevel=3,
            )
            which = "the curve's resolution" if len(curves) == 1 else f"{name}'s resolution"
            notes.append(f"{which} was not applied")
    known = [c.sigma is not None or l.absolute for c, l in zip(curves, losses, strict=True)]
    if not any(known):
        notes.append("no errors in the data: equal relative errors assumed, no reduced chi2")
    elif not all(known):
        raise ValueError(
            f"curve {names[known.index(False)]} has no errors and others have: they cannot be "
            "weighed against each other; give sigma to all"
        )
    problem = curve_problem(
        models, curves, free, smears, losses, shared=shared, names=names, priors=priors
    )
    start, places, linear = starting_places(problem, starts, draws, key)
    runs = search(problem, start, places, linear=linear, method=method, max_steps=max_steps)
    if not np.isfinite(runs.losses).any():
        raise ValueError(
            "the model gives no finite intensity at any start; check its values and bounds"
        )
    scale_errors = (not all(known)) if scale_errors is None else scale_errors
    return outcome(
        problem, runs, names=names, known=all(known), scale_errors=scale_errors, notes=notes
    )
