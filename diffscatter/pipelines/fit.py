"""Fit a curve with a named model: sample, size distribution and resolution put together."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import numpy as np
from jax import Array

from diffscatter.analytic import Polydisperse, Sample, registry
from diffscatter.analytic.distributions import DISTRIBUTIONS, Distribution
from diffscatter.core.data import Curve
from diffscatter.core.pytree import replace
from diffscatter.fitting import Bounds, FitResult, Loss, fit_curve
from diffscatter.instrument import smear_of

__all__ = ["fit"]

# A fringe has a period of 2 pi/size, and the Guinier region ends near pi/size: sizes beyond
# these leave no mark between the first and the last q, not even through their resolution.
_SMALLEST, _LARGEST = 0.3, 5.0
_WIDTHS, _START_WIDTH = (0.005, 0.5), 0.1
# The scale is solved for, not searched: its bounds only keep it positive and finite.
_SCALES = 1e9


def fit(
    curve: Curve,
    model: Any,
    *,
    set: Mapping[str, float] | None = None,
    vary: Mapping[str, Any] | Iterable[str] | None = None,
    polydispersity: Mapping[str, Any] | None = None,
    resolution: Any = "auto",
    starts: int = 32,
    draws: int = 32,
    key: Array | None = None,
    loss: str | Loss = "chi2",
    max_steps: int = 60,
) -> FitResult:
    r"""Fit ``model`` to ``curve``: resolution, size distribution and background included.

    The curve is that of a dilute sample,
    :math:`I(q) = \phi\,\langle F^2\rangle/\langle V\rangle + b`, with ``scale`` the volume
    fraction and ``background`` in 1/cm, seen through the curve's resolution.

    Names are the model's own, ``scale``, ``background``, and ``radius_width`` for the relative
    width of the distribution of ``radius``. Bounds that are not given follow from the curve:
    lengths from 0.3 pi over its largest q to 5 pi over its smallest, widths from 0.005 to 0.5,
    the background up to twice the lowest intensities, of either sign.

    Args:
        curve: q in 1/nm, intensity in 1/cm.
        model: a name from the registry (``"sphere"``) or a particle of ``analytic``. Any other
            pytree callable on q (1/nm) is fitted as it stands; ``vary`` then gives the bounds.
        set: values, nm and 1/nm^2. What is set stays fixed unless ``vary`` names it.
        vary: the free parameters: names, or name to ``(low, high)`` (None: from the curve).
            Without it, lengths and widths that are not set. ``scale`` and ``background`` are
            free in any case unless they are set. Contrasts are free only by name: one alone
            cannot be told from the scale.
        polydispersity: parameter to ``"gaussian"``, ``"lognormal:0.1"`` (with the width to
            start from) or a distribution of ``analytic``. Distributions are by number.
        resolution: ``"auto"``: what the curve itself carries, pinhole, slit or both; None:
            none; or a callable such as :func:`~diffscatter.instrument.pinhole` returns.
        starts, draws, key, loss, max_steps: as in :func:`~diffscatter.fitting.fit_curve`.

    Returns:
        A :class:`~diffscatter.fitting.FitResult`; its ``model`` is callable on q.

    Raises:
        ValueError: for unknown names, values outside a model's limits, and what
            :func:`~diffscatter.fitting.fit_curve` refuses.

    Example:
        >>> fit(load_sample("latex_sans"), "sphere", polydispersity={"radius": "gaussian"})
    """
    curve, smear, notes = _resolved(curve, resolution)
    options = dict(
        smear=smear, starts=starts, draws=draws, key=key, loss=loss, max_steps=max_steps
    )
    asked, given, spread = _asked(vary), dict(set or {}), dict(polydispersity or {})
    described = _described(model)
    if described is None:
        if given or spread or not asked or None in asked.values():
            raise ValueError(
                f"{type(model).__name__} is not a particle of the registry and is fitted as it "
                "stands: give vary={name: (low, high)}, and neither set nor polydispersity"
            )
        return _noted(fit_curve(model, curve, free=asked, **options), notes)

    plain = _parameters(described, model, spread)
    for name in [*given, *(asked or {})]:
        if name not in plain:
            raise ValueError(f"{name!r} is not a parameter here; there are {', '.join(plain)}")
    parameters = {
        name: _settled(parameter, given.get(name), asked, curve, positive=loss != "chi2")
        for name, parameter in plain.items()
    }
    sample = _sample(described, parameters, spread)
    if parameters["scale"].bounds is not None and "scale" not in given:
        parameters["scale"] = _scaled(parameters["scale"], asked, sample, curve, smear)
        sample = replace(sample, scale=parameters["scale"].value)
    for name, p in parameters.items():
        if p.bounds is None and name not in given and p.default is not None:
            note = f"{name} was not given, {p.value:g} {p.unit} is assumed"
            if p.unit == "1/nm^2":
                note += ": scale is a volume fraction only if that is right"
            notes.append(note)
    free = {
        p.path: changed(p.bounds, label=name)
        for name, p in parameters.items()
        if p.bounds is not None
    }
    return _noted(fit_curve(sample, curve, free=free, **options), notes)


def _resolved(curve: Curve, resolution: Any) -> tuple[Curve, Callable | None, list[str]]:
    """Return the curve, what smears a model onto it, and what a reader should know of it."""
    if callable(resolution):
        return curve, resolution, []
    if resolution == "auto":
        return curve, smear_of(curve), []
    if resolution is not None:
        raise ValueError(f'resolution must be "auto", None or a callable, got {resolution!r}')
    sharp = replace(curve, resolution=None, slit_length=None, slit_width=None)
    same = sharp.columns.keys() == curve.columns.keys()
    return sharp, None, [] if same else ["the curve's resolution is left out, as asked"]


def _asked(vary: Any) -> dict[str, Any] | None:
    if vary is None or isinstance(vary, Mapping):
        return None if vary is None else dict(vary)
    return dict.fromkeys([vary] if isinstance(vary, str) else vary)


def _described(model: Any) -> Any:
    """Return the registry's description of a name or a particle, None for anything else."""
    if isinstance(model, str):
        return registry.get(model)
    return next((m for m in registry.MODELS.values() if type(model) is m.constructor), None)


@dataclass(frozen=True)
class _Parameter:
    """A parameter of the sample.

    Attributes:
        name, path: how users and how the sample's tree call it.
        unit: ``"nm"``, ``"1/nm^2"``, or what it is: ``"width"``, ``"scale"``, ``"background"``.
        value: where it starts or stays; None: nobody chose one.
        limits: what means something.
        default: the registry's, for what nobody chose.
        bounds: where it is free, or None.
    """

    name: str
    path: str
    unit: str
    value: float | None
    limits: tuple[float, float] = (-math.inf, math.inf)
    default: float | None = None
    bounds: Bounds | None = None


def _parameters(
    described: Any, model: Any, polydispersity: Mapping[str, Any]
) -> dict[str, _Parameter]:
    """Return the parameters of the sample that :func:`_sample` makes, by name."""
    named = isinstance(model, str)
    inner = "model." * (1 + len(polydispersity))
    found = []
    for p in described.parameters:
        value, default = (None, p.default) if named else (float(getattr(model, p.name)), None)
        found.append(_Parameter(p.name, inner + p.name, p.unit, value, p.limits, default))
    lengths = [p.name for p in found if p.unit == "nm"]
    for depth, (name, kind) in enumerate(polydispersity.items(), start=1):
        if name not in lengths:
            raise ValueError(
                f"{described.name} cannot be polydisperse in {name!r}; "
                f"it can in {', '.join(lengths)}"
            )
        path, width = "model." * depth + "distribution.width", _distribution(kind)[1]
        found.append(_Parameter(f"{name}_width", path, "width", width, (0.0, math.inf)))
    found.append(_Parameter("scale", "scale", "scale", 1.0, (0.0, math.inf)))
    found.append(_Parameter("background", "background", "background", 0.0))
    return {p.name: p for p in found}


def _settled(
    parameter: _Parameter,
    given: float | None,
    asked: dict[str, Any] | None,
    curve: Curve,
    *,
    positive: bool,
) -> _Parameter:
    """Decide whether a parameter is free, between which bounds, and where it starts."""
    name, unit, (low, high) = parameter.name, parameter.unit, parameter.limits
    value = parameter.value if given is None else float(given)
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be finite and in [{low:g}, {high:g}], got {value:g}")
    if asked is not None and name in asked:
        free = True
    elif given is not None:
        free = False
    else:
        free = unit in ("scale", "background") or (asked is None and unit in ("nm", "width"))
    if not free:
        return changed(parameter, value=parameter.default if value is None else value)
    if unit != "nm" and value is None:
        value = parameter.default
    pair = (asked or {}).get(name)
    bounds = (
        _from_curve(parameter, value, curve, positive) if pair is None else _pair(name, pair)
    )
    if given is None and not (value is not None and bounds.low <= value <= bounds.high):
        # A length that nobody chose starts between its bounds, not at the registry's default.
        value = (bounds.low + bounds.high) / 2
        value = math.sqrt(bounds.low * bounds.high) if bounds.log else value
    return changed(parameter, value=value, bounds=bounds)


def _pair(name: str, given: Any) -> Bounds:
    if isinstance(given, Bounds):
        return given
    try:
        low, high = given
        return Bounds(low, high)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds of {name} must be (low, high), got {given!r}: {error}"
        ) from None


def _from_curve(
    parameter: _Parameter, value: float | None, curve: Curve, positive: bool
) -> Bounds:
    """Return the bounds that a curve implies, widened to hold a value that was chosen."""
    q, intensity = np.asarray(curve.q, float), np.asarray(curve.intensity, float)
    size = abs(value or 0.0)
    if parameter.unit == "nm":
        low, high = _SMALLEST * np.pi / q.max(), _LARGEST * np.pi / q[q > 0].min()
        low, high = max(low, parameter.limits[0]), min(high, parameter.limits[1])
        return Bounds(min(low, size / 10) if size else low, max(high, 10 * size))
    if parameter.unit == "width":
        return Bounds(min(_WIDTHS[0], size / 2) if size else 0.0, max(_WIDTHS[1], 2 * size))
    if parameter.unit == "background":
        level = 2 * float(np.quantile(np.abs(intensity), 0.1)) or float(np.abs(intensity).max())
        level = max(level, 2 * size, -2 * float(intensity.min()))
        return Bounds(0.0 if positive else -level, level)
    if parameter.unit == "scale":
        return Bounds(size / _SCALES, size * _SCALES)
    reach = 10 * (size or 1e-3)
    return Bounds(-reach, reach)


def _scaled(
    scale: _Parameter,
    asked: dict[str, Any] | None,
    sample: Sample,
    curve: Curve,
    smear: Callable | None,
) -> _Parameter:
    """Return the scale at which the first model is as high as the data, and its bounds."""
    unit = replace(sample, scale=1.0, background=0.0)
    values = np.asarray(unit(curve.q) if smear is None else smear(unit))
    ratio = float(np.max(np.abs(curve.intensity)) / np.max(values)) if values.max() > 0 else 0.0
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(
            "the model's intensity is zero or not finite at its start; "
            "set a contrast other than 0"
        )
    bounds = scale.bounds
    if (asked or {}).get("scale") is None:
        bounds = Bounds(ratio / _SCALES, ratio * _SCALES)
    return changed(scale, value=float(np.clip(ratio, bounds.low, bounds.high)), bounds=bounds)


def _sample(
    described: Any, parameters: Mapping[str, _Parameter], polydispersity: Mapping[str, Any]
) -> Sample:
    own = {p.name: parameters[p.name].value for p in described.parameters}
    model = registry.build(described.name, **own)
    # The outermost distribution is the first named, as in :func:`_parameters`.
    for name, kind in reversed(polydispersity.items()):
        distribution = _distribution(kind)[0](width=parameters[f"{name}_width"].value)
        model = Polydisperse(model=model, parameter=name, distribution=distribution)
    return Sample(
        model=model, scale=parameters["scale"].value, background=parameters["background"].value
    )


def _distribution(kind: Any) -> tuple[type[Distribution], float]:
    """Return the class and the width of ``"gaussian"``, ``"lognormal:0.1"`` or an instance."""
    if isinstance(kind, Distribution):
        return type(kind), float(kind.width)
    name, _, width = str(kind).partition(":")
    if name not in DISTRIBUTIONS:
        raise ValueError(
            f"a distribution is one of {', '.join(DISTRIBUTIONS)}, or with a width as "
            f"'lognormal:0.1'; got {kind!r}"
        )
    try:
        return DISTRIBUTIONS[name], float(width or _START_WIDTH)
    except ValueError:
        raise ValueError(
            f"the width in {kind!r} must be a number, as 'lognormal:0.1'"
        ) from None


def _noted(result: FitResult, notes: list[str]) -> FitResult:
    return changed(result, warnings=(*result.warnings, *notes))
