"""Fit curves with a named model: sample, size distribution and resolution put together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
from jax import Array

from diffscatter.analytic import Named, named, registry
from diffscatter.core.data import Curve
from diffscatter.core.pytree import replace
from diffscatter.fitting import Bounds, CurveProblem, FitResult, Loss, fit_curve, fit_curves
from diffscatter.fitting.curve import curve_names, predicted
from diffscatter.fitting.losses import loss_named
from diffscatter.fitting.problem import curve_problem
from diffscatter.instrument import smear_of
from diffscatter.pipelines.choices import SCALES, Choice, amplitudes, choose

__all__ = ["fit"]

_VOCABULARIES = ("ours", "sasmodels")
_WIDTH_ENDS = ("_width", "_pd")


def fit(
    curves: Curve | Sequence[Curve],
    model: Any,
    *,
    set: Mapping[str, Any] | None = None,
    vary: Mapping[str, Any] | Iterable[str] | None = None,
    polydispersity: Mapping[str, Any] | None = None,
    shared: Iterable[str] | None = None,
    each: Sequence[Mapping[str, Any]] | None = None,
    priors: Mapping[str, Any] | None = None,
    resolution: Any = "auto",
    starts: int = 32,
    draws: int = 32,
    key: Array | None = None,
    loss: str | Loss = "chi2",
    max_steps: int | None = None,
) -> FitResult:
    r"""Fit ``model`` to a curve, or to several at once: resolution and background included.

    The curve is that of a sample seen through the curve's resolution,
    :math:`I(q) = \phi\,\langle F^2\rangle S(q)/\langle V\rangle + b`, with ``scale`` the volume
    fraction of dilute particles and ``background`` in 1/cm.

    Names are those of our registry or of sasmodels, for models and for parameters:
    ``"core_shell_sphere"``, ``"sphere@hardsphere"``, ``"sphere+cylinder"``; ``contrast`` or
    ``sld`` and ``sld_solvent``; ``radius_width`` or ``radius_pd``. Values are in nm, 1/nm and
    1/nm^2 whatever the names are. :func:`~diffscatter.analytic.named` has the details.

    Bounds that are not given follow from the curves: lengths from 0.3 pi over the largest q to
    5 pi over the smallest, widths from 0.005 to 0.5, the background up to twice the lowest
    intensities, of either sign.

    Args:
        curves: q in 1/nm, intensity in 1/cm. A list is fitted at once.
        model: a name, a particle of ``analytic``, or what ``analytic.named`` returns. Any other
            pytree callable on q (1/nm) is fitted as it stands; ``vary`` then gives the bounds.
        set: values. What is set stays fixed unless ``vary`` names it.
        vary: the free parameters: names, or name to ``(low, high)`` (None: from the curves).
            Without it, all that is not set except contrasts and slds, of which one alone
            cannot be told from the scale, and what surrounds the particles. ``scale``,
            ``background`` and widths are free in any case unless they are set; ``scale`` stays
            1 where the model has amplitudes of its own.
        polydispersity: parameter to ``"gaussian"``, ``"lognormal:0.1"`` (with the width to
            start from) or a distribution of ``analytic``. Distributions are by number.
        shared: of several curves, the free parameters that have one value in all of them. By
            default all but ``scale`` and ``background`` and what ``each`` names. The others
            have a value in each curve: ``scale[name of the curve]``.
        each: of several curves, the values that are set in each, one mapping a curve, as
            ``[{"sld_solvent": 6.3e-4}, {"sld_solvent": -0.5e-4}]``. As with ``set``, ``vary``
            makes them starts.
        priors: name to a prior of ``fitting``.
        resolution: ``"auto"``: what the curves themselves carry, pinhole, slit or both; None:
            none; or a callable such as :func:`~diffscatter.instrument.pinhole` returns, or a
            list of them.
        starts, draws, key, loss, max_steps: as in :func:`~diffscatter.fitting.fit_curve`.

    Returns:
        A :class:`~diffscatter.fitting.FitResult`; its ``model`` is callable on q.

    Raises:
        ValueError: for unknown names, values outside a model's limits, and what
            :func:`~diffscatter.fitting.fit_curve` refuses.

    Example:
        >>> fit(load_sample("latex_sans"), "sphere", polydispersity={"radius": "gaussian"})
        >>> fit([sans, usans], "sphere", vary={"radius": (100, 400)})  # one radius
    """
    alone = isinstance(curves, Curve)
    curves = [curves] if alone or isinstance(curves, str | Path) else list(curves)
    if not curves:
        raise ValueError("curves must hold at least one curve, got none")
    for curve in curves:
        if not isinstance(curve, Curve):
            kind = type(curve).__name__
            raise ValueError(f"curves must be what io.load_curve returns, got {kind}")
    curves, smears, notes = _resolved(curves, resolution)
    options = dict(
        priors=priors, starts=starts, draws=draws, key=key, loss=loss, max_steps=max_steps
    )
    given, spread, asked = dict(set or {}), dict(polydispersity or {}), _asked(vary)
    own = _own(each, len(curves))
    start = _start(model)
    if start is None:
        if given or spread or any(own) or not asked or None in asked.values():
            raise ValueError(
                f"{type(model).__name__} is not a particle of the registry and is fitted as it "
                "stands: give vary={name: (low, high)}, and neither set nor polydispersity"
            )
        if alone:
            return _noted(
                fit_curve(model, curves[0], free=asked, smear=smears[0], **options), notes
            )
        options |= dict(free=asked, smear=smears, shared=list(shared or ()))
        return _noted(fit_curves(model, curves, **options), notes)

    models, free, chosen = [], [], []
    own = [given | mine for mine in own]
    for curve, values in zip(curves, own, strict=True):
        built = _model(start, values, spread, [*values, *(asked or ())])
        choices = choose(
            built,
            curve,
            curves,
            values,
            asked,
            chosen=not isinstance(model, str),
            positive=loss != "chi2",
        )
        models.append(built.with_values(**{name: c.value for name, c in choices.items()}))
        bounds = {name: c.bounds for name, c in choices.items() if c.bounds is not None}
        # What a reader looks for first stands first.
        last = [name for name in ("scale", "background") if name in bounds]
        free.append(bounds | {name: bounds.pop(name) for name in last})
        chosen.append(choices)
    notes += _assumptions(models[0], chosen[0])
    local = {name for one in each or () for name in one}
    together = _shared(shared, models[0], free, local)
    problem = curve_problem(
        models,
        curves,
        free,
        smears,
        [loss_named(loss)] * len(curves),
        shared=together,
        names=curve_names(curves),
        priors=priors,
    )
    models = _amplified(models, free, asked, own, problem)
    result = fit_curves(models, curves, free=free, smear=smears, shared=together, **options)
    return _noted(result, notes)


def _resolved(
    curves: list[Curve], resolution: Any
) -> tuple[list[Curve], list[Callable | None], list[str]]:
    """Return the curves, what smears a model onto each, and what a reader should know."""
    if isinstance(resolution, Sequence) and not isinstance(resolution, str):
        if len(resolution) != len(curves) or not all(map(callable, resolution)):
            raise ValueError(
                f"resolution must be one callable for each of {len(curves)} curves"
            )
        return curves, list(resolution), []
    if callable(resolution):
        return curves, [resolution] * len(curves), []
    if resolution == "auto":
        return curves, [smear_of(curve) for curve in curves], []
    if resolution is not None:
        raise ValueError(f'resolution must be "auto", None or a callable, got {resolution!r}')
    bare = dict(resolution=None, slit_length=None, slit_width=None)
    sharp = [replace(curve, **bare) for curve in curves]
    same = all(s.columns.keys() == c.columns.keys() for s, c in zip(sharp, curves, strict=True))
    notes = [] if same else ["the curve's resolution is left out, as asked"]
    return sharp, [None] * len(curves), notes


def _asked(vary: Any) -> dict[str, Any] | None:
    if vary is None or isinstance(vary, Mapping):
        return None if vary is None else dict(vary)
    return dict.fromkeys([vary] if isinstance(vary, str) else vary)


def _own(each: Sequence[Mapping[str, Any]] | None, count: int) -> list[dict[str, Any]]:
    if each is None:
        return [{}] * count
    if len(each) != count:
        raise ValueError(f"each has {len(each)} entries for {count} curves; give one a curve")
    return [dict(one) for one in each]


def _start(model: Any) -> tuple[str, dict[str, Any]] | Named | None:
    """Return a model's name and the values it brings, or None if it stands for itself."""
    if isinstance(model, Named):
        return model
    if isinstance(model, str):
        return model, {}
    for described in registry.MODELS.values():
        if type(model) is described.constructor:
            return described.name, {
                p.name: getattr(model, p.name) for p in described.parameters
            }
    return None


def _model(
    start: tuple[str, dict[str, Any]] | Named,
    values: Mapping[str, Any],
    spread: Mapping[str, Any],
    names: Iterable[str],
) -> Named:
    """Return the model in the vocabulary that has the names: ours, or else sasmodels'."""
    if isinstance(start, Named):
        if spread:
            raise ValueError("give the distributions to analytic.named, or name the model here")
        return start.with_values(**values)
    model, brought = start
    # A width that is named means a distribution.
    implied = {
        name.removesuffix(end): "gaussian"
        for name in names
        for end in _WIDTH_ENDS
        if name.endswith(end)
    }
    refusals = []
    for vocabulary in _VOCABULARIES:
        try:
            found = named(
                model,
                brought | dict(values),
                polydispersity=implied | dict(spread),
                vocabulary=vocabulary,
            )
            for name in names:
                if not (name in found.values or name.endswith("_mode")):
                    raise ValueError(
                        f"{name!r} is not a parameter here{registry.near(name, found.values)}; "
                        f"there are {', '.join(found.values)}"
                    )
            return found
        except ValueError as error:
            refusals.append(error)
    raise ValueError(str(refusals[0]))


def _amplified(
    models: list[Named],
    free: list[dict[str, Bounds]],
    asked: Mapping[str, Any] | None,
    own: Sequence[Mapping[str, Any]],
    problem: CurveProblem,
) -> list[Named]:
    """Return the models with amplitudes that meet the data, and set their bounds in ``free``.

    The problem's prediction is compiled here, and used again by the fit.
    """
    start = predicted(problem, problem.parameters.values(problem.models))
    parts = zip(problem.split(np.asarray(start)), problem.split(problem.data), strict=True)
    found = []
    for model, bounds, given, (values, data) in zip(models, free, own, parts, strict=False):
        names = [n for n in ("scale", *amplitudes(model)) if n in bounds and n not in given]
        top = float(np.max(values)) - float(model.values["background"])
        ratio = float(np.max(np.abs(data))) / top if top > 0 else 0.0
        if not (np.isfinite(ratio) and ratio > 0):
            raise ValueError(
                "the model's intensity is zero or not finite at its start; "
                "set a contrast other than 0"
            )
        for name in names:
            value = ratio * np.asarray(model.values[name])
            if (asked or {}).get(name) is None:
                middle = float(np.mean(value))
                bounds[name] = Bounds(middle / SCALES, middle * SCALES)
            value = np.clip(value, bounds[name].low, bounds[name].high)
            model = model.with_values(**{name: value})
        found.append(model)
    return found


def _shared(
    shared: Iterable[str] | None,
    model: Named,
    free: Sequence[Mapping[str, Any]],
    local: set[str],
) -> list[str]:
    """Return the names of what has one value in all curves."""
    if shared is not None:
        return [shared] if isinstance(shared, str) else list(shared)
    apart = {"scale", "background", *amplitudes(model), *local}
    return [name for name in free[0] if name not in apart]


def _assumptions(model: Named, chosen: Mapping[str, Choice]) -> list[str]:
    """Say which contrasts nobody gave."""
    table = model.parameters
    assumed = [n for n, c in chosen.items() if c.assumed and table[n].unit == "1/nm^2"]
    if not assumed:
        return []
    values = ", ".join(f"{name} = {np.ravel(chosen[name].value)[0]:g}" for name in assumed)
    return [
        f"{values} 1/nm^2 assumed, not given: scale is a volume fraction only if that is right"
    ]


def _noted(result: FitResult, notes: list[str]) -> FitResult:
    return changed(result, warnings=(*result.warnings, *notes))
