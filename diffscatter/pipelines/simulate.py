"""From a described body to what instruments record of it: patterns and curves, with noise."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from diffscatter.core.data import Curve
from diffscatter.pipelines.simulation.body import Grid, body_on_grid
from diffscatter.pipelines.simulation.curve import simulated_curve
from diffscatter.pipelines.simulation.pattern import (
    Recorded,
    check_noise,
    chi_of,
    detector_of,
    recorded_pattern,
    wavelength_of,
)
from diffscatter.pipelines.simulation.settings import checked_settings

__all__ = ["Simulation", "read_settings", "simulate"]


@dataclass(frozen=True)
class Simulation:
    """What was simulated.

    Attributes:
        name: of it.
        body: on its grid, or None where a model alone made a curve.
        recorded: the pattern, or None.
        curve: with noise, or None.
        exact: its intensity without noise, 1/cm.
        chi: n - 1 of the body, or None.
        facts: in numbers and words: wavelength, pitch, photons, ...
        warnings: what a reader should know.
    """

    name: str
    body: Grid | None
    recorded: Recorded | None
    curve: Curve | None
    exact: np.ndarray | None
    chi: complex | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_settings(path: str | Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ValueError: if it is not TOML, naming the file.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def simulate(settings: Mapping[str, Any], *, folder: str | Path = ".") -> Simulation:
    """Simulate what tables describe: a body, its pattern on a detector, its curve.

    The keys are those of ``diffscatter simulate --help``:
    :data:`~diffscatter.pipelines.simulation.settings.TABLES` holds them with their units.
    Numbers are in the precision of the session; the same seed gives the same counts.

    Args:
        settings: tables of keys, as a TOML file holds them.
        folder: that relative files are in.

    Returns:
        A :class:`Simulation`.

    Raises:
        ValueError: in one line that names table, key, value and mend.

    Example:
        >>> found = simulate({
        ...     "body": {"shape": "cube", "size": 50.0},
        ...     "pattern": {"wavelength": 13.5, "material": "Ag"},
        ...     "detector": {"kind": "ewald", "q_max": 0.3},
        ... })
        >>> found.recorded.pattern.image.shape
        (128, 128)
    """
    tables, folder = checked_settings(settings), Path(folder)
    for name in ("detector", "noise"):
        if name not in tables and "pattern" in tables:
            tables |= {name: checked_settings({"pattern": {}, name: {}})[name]}
    for name in ("detector", "mask", "noise"):
        if name in tables and "pattern" not in tables:
            raise ValueError(f"[{name}] belongs to a [pattern], which is not there")
    seed = tables[""]["seed"]
    counts, points = jax.random.split(jax.random.key(seed))
    if "pattern" in tables:
        if "body" not in tables:
            raise ValueError('[pattern] needs a [body], as shape = "cube" with size = 50')
        # What is refused is refused before anything takes time.
        wavelength = wavelength_of(tables["pattern"])
        chi, source = chi_of(tables["pattern"], wavelength)
        check_noise(tables["noise"], tables["pattern"]["physics"])
        detector = detector_of(tables["detector"], wavelength)
    grid = None
    if "body" in tables:
        grid = body_on_grid(tables["body"], seed=seed, folder=folder)
    name = tables[""].get("name") or (grid.name if grid else tables["curve"].get("model", ""))
    facts: dict[str, Any] = {}
    if grid is not None:
        facts |= {"pitch": grid.pitch, "volume": float(grid.density.sum() * grid.pitch**3)}
    recorded, warnings = None, []
    if "pattern" in tables:
        recorded = recorded_pattern(
            tables, grid, chi, wavelength, detector, key=counts, folder=folder, name=name
        )
        facts |= _facts(recorded, tables["pattern"]["physics"], chi, source, wavelength)
        warnings = _warnings(recorded)
    curve = exact = None
    if "curve" in tables:
        curve, exact = simulated_curve(tables["curve"], grid, key=points, name=name)
    return Simulation(
        name=name,
        body=grid,
        recorded=recorded,
        curve=curve,
        exact=exact,
        chi=chi if recorded else None,
        facts=facts,
        warnings=tuple(warnings),
    )


def _facts(recorded: Recorded, physics: str, chi, source: str, wavelength: float) -> dict:
    counts = recorded.pattern.counts
    theta = np.degrees(np.asarray(recorded.pixels.theta)[counts])
    facts = {
        "wavelength": wavelength,
        "physics": physics,
        "optical_constants": source,
        "counts": float(recorded.pattern.image[counts].sum()),
        "mean_photons": float(recorded.expected[counts].sum()),
        "mean_background": float(recorded.background[counts].sum()),
        "brightest_pixel": float(recorded.pattern.image[counts].max()),
        "pixels_that_count": int(counts.sum()),
        "theta_max": float(theta.max()),
    }
    if chi is not None:
        facts |= {"delta": -chi.real, "beta": chi.imag}
    if recorded.fluence is not None:
        facts["fluence"] = recorded.fluence
    return facts


def _warnings(recorded: Recorded) -> list[str]:
    found = []
    inside, counts = np.asarray(recorded.pixels.inside), recorded.pattern.counts
    beyond = int((~inside).sum())
    if beyond:
        found.append(f"{beyond} pixels lie beyond the Ewald circle: they are 0 and masked")
    under = recorded.background[counts].sum()
    if under > recorded.expected[counts].sum():
        found.append(
            f"the background holds {under:.4g} counts, more than the body scatters "
            f"({recorded.expected[counts].sum():.4g})"
        )
    return found
