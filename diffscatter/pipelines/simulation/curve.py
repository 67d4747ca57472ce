"""The small-angle curve of a simulation: a closed form, or the body on its grid."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from diffscatter import analytic
from diffscatter.core.data import Curve, checked_curve
from diffscatter.core.units import CM_PER_NM, parse_quantity
from diffscatter.instrument import pinhole
from diffscatter.operators import saxs
from diffscatter.pipelines.simulation.body import Grid

__all__ = ["simulated_curve"]

_OF_BODY = {"contrast", "volume_fraction", "background"}
_OF_MODEL = {"model", "set", "polydispersity"}


def simulated_curve(
    settings: Mapping[str, Any], grid: Grid | None, *, key: jax.Array, name: str
) -> tuple[Curve, np.ndarray]:
    """Return the curve that ``[curve]`` describes, and its intensity without noise (1/cm).

    Raises:
        ValueError: if keys are missing or do not belong together, q ends before it begins or
            goes beyond what the voxels carry, or as the models.
    """
    low, high, count = (settings[name] for name in ("q_min", "q_max", "points"))
    if not low < high:
        raise ValueError(f"[curve] q_max must be above q_min = {low:g} 1/nm, got {high:g}")
    spaced = np.geomspace if settings["spacing"] == "log" else np.linspace
    q = spaced(low, high, count)
    model = _model(settings) if "model" in settings else _of_body(settings, grid)
    width = settings.get("resolution", 0.0)
    exact = pinhole(q, width * q)(model) if width else model(q)
    exact = np.asarray(exact, float)
    sigma = np.hypot(
        settings["relative_error"] * np.abs(exact), settings["error_floor"] * exact.max()
    )
    noisy = sigma.any()
    drawn = np.asarray(jax.random.normal(key, q.shape)) if noisy else 0.0
    curve = checked_curve(
        q,
        exact + sigma * drawn,
        sigma if noisy else None,
        width * q if width else None,
        name=name,
        source="simulated",
    )
    return curve, exact


def _model(settings: Mapping[str, Any]):
    others = sorted(_OF_BODY & set(settings))
    if others:
        raise ValueError(
            f"[curve] {', '.join(others)} cannot be given with model; "
            "put the model's own parameters into set"
        )
    name, units = settings["model"], _units(settings["model"])
    values = {
        key: parse_quantity(value, units.get(key.partition("[")[0], ""), f"[curve] set {key}")
        if isinstance(value, str)
        else value
        for key, value in settings.get("set", {}).items()
    }
    return analytic.named(name, values, polydispersity=settings.get("polydispersity"))


def _units(model: str) -> dict[str, str]:
    """Return the unit of every parameter, in whichever vocabulary."""
    found: dict[str, str] = {}
    for vocabulary in ("sasmodels", "ours"):
        try:
            table = analytic.named(model, vocabulary=vocabulary).parameters
        except ValueError:
            if vocabulary == "ours" and not found:
                raise
            continue
        found |= {name: parameter.unit for name, parameter in table.items()}
    return found


def _of_body(settings: Mapping[str, Any], grid: Grid | None):
    others = sorted((_OF_MODEL - {"model"}) & set(settings))
    if others:
        raise ValueError(f'[curve] {", ".join(others)} needs model, as "sphere"')
    if grid is None:
        raise ValueError('[curve] needs model, as "sphere", or a [body] to scatter')
    if "contrast" not in settings:
        raise ValueError('[curve] of a [body] needs contrast, in 1/nm^2 or as "4e-6/A^2"')
    fraction, level = settings.get("volume_fraction", 0.01), settings.get("background", 0.0)
    values, pitch, options = grid.low_passed()
    scale = fraction * settings["contrast"] ** 2 * CM_PER_NM
    volume = float(np.sum(np.asarray(values))) * pitch**3

    def intensity(q):
        limit, n = np.pi / pitch, values.shape[0]
        if np.max(q) > limit:
            need = int(np.ceil(n * float(np.max(q)) / limit)) + 1
            raise ValueError(
                f"[curve] needs q to {np.max(q):.4g} 1/nm, and {n} voxels carry {limit:.4g}; "
                f"give [body] voxels = {need} or more, or a lower q_max"
            )
        return scale * saxs.intensity(values, pitch, q, **options) / volume + level

    return intensity
