"""From coarse to fine: the sights of a descent, and what becomes of starts on their way.

At small q a pattern has few fringes and a descent few traps; details come with wider angles.
Starts are fitted where they are told apart, and only the better half goes on.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from diffscatter.pipelines.bodies.convex import NoBody, half_turned, recentred
from diffscatter.pipelines.bodies.descent import Trial, by_facets, by_linear_map
from diffscatter.pipelines.bodies.display import Display
from diffscatter.pipelines.bodies.sight import MOST_FACETS, Sight, unit_length

__all__ = ["Stages", "attempt", "best_of", "finished", "passed"]

# Width of the grid of columns over that of the body: while it still grows, and at the end.
GROWING, SETTLED = 1.3, 1.15
_FEWEST_PIXELS = 100  # at the first stage
_LARGEST = 1.2  # radius over 1/pixel: five pixels on two fringes
_SMALLEST = 0.135  # radius over the largest
_LEAST_DEPTH = 0.5  # rad between the front and the back of the largest


@dataclass(frozen=True, eq=False)
class Stages:
    """The sights of one pattern.

    Attributes:
        display: the pattern.
        wavelength: nm.
        chi: n - 1.
    """

    display: Display
    wavelength: float
    chi: complex

    @cached_property
    def reach(self) -> float:
        """Largest transverse wave vector that both axes record, 1/nm."""
        k = 2 * np.pi / self.wavelength
        axes = (self.display.kx, self.display.ky)
        return float(min(k, max(abs(axis).max() for axis in axes)))

    @cached_property
    def largest(self) -> float:
        """Radius of the largest body whose fringes the pixels resolve, nm."""
        pixel = max(np.diff(axis).max() for axis in (self.display.kx, self.display.ky))
        return _LARGEST / float(pixel)

    @property
    def smallest(self) -> float:
        return _SMALLEST * self.largest

    def check(self) -> None:
        r"""Refuse, before anything is computed, a pattern that holds no body.

        Depth shows by the phase :math:`D\,(k - \sqrt{k^2 - q^2})` between the front and the
        back, at the largest q and for the largest D that the pixels resolve.

        Raises:
            ValueError: where that phase is hardly any, or hardly a pixel counts.
        """
        k, reach, depth = 2 * np.pi / self.wavelength, self.reach, 2 * self.largest
        phase = depth * reach**2 / (k + np.sqrt(k**2 - reach**2))
        if phase < _LEAST_DEPTH:
            degrees = np.rad2deg(np.arcsin(reach / k))
            raise ValueError(
                f"the pattern ends at {reach:.3g} 1/nm, {degrees:.2g} degrees: no depth shows "
                f"there, {phase:.2g} rad between front and back of the largest body that its "
                f"pixels resolve ({depth:.3g} nm); check wavelength and q_max (1/nm), or "
                "distance and pixel"
            )
        if self._transverse.size < _FEWEST_PIXELS:
            raise ValueError(
                f"only {self._transverse.size} pixels count: a body needs {_FEWEST_PIXELS} or "
                "more"
            )

    @cached_property
    def unit_length(self) -> float:
        """As of :func:`.sight.unit_length`."""
        return unit_length(self.display, self.wavelength)

    @cached_property
    def _transverse(self) -> np.ndarray:
        """Transverse wave vectors of the pixels that count, 1/nm."""
        display = self.display
        return np.hypot(display.ky[:, None], display.kx)[display.weight > 0]

    @cached_property
    def _reaches(self) -> tuple[float, float, float, float]:
        """Transverse wave vectors up to which the four stages before all pixels look."""
        # Few or masked pixels about the beam: the first stage looks farther.
        least = np.partition(self._transverse, _FEWEST_PIXELS - 1)[_FEWEST_PIXELS - 1]
        first = max(0.127 * self.reach, float(least) * (1 + 1e-9))
        second = max(0.254 * self.reach, 1.5 * first)
        fourth = max(0.587 * self.reach, 1.4 * second)
        return first, second, 0.703 * fourth, fourth

    @cached_property
    def first(self) -> Sight:
        first, second, *_ = self._reaches
        return self._sight(second, 41, part=first / second)

    @cached_property
    def second(self) -> Sight:
        return self._sight(self._reaches[1], 41)

    @cached_property
    def third(self) -> Sight:
        return self._sight(self._reaches[3], 49, part=0.703)

    @cached_property
    def fourth(self) -> Sight:
        return self._sight(self._reaches[3], 49)

    def full(self, radius: float, *, fine: bool = False) -> Sight:
        """Return the sight of all pixels, for a body of a radius in nm."""
        part = radius / self.largest
        # Three depths, so that there are few programs.
        level = 0 if part < 0.34 else 1 if part < 0.59 else 2
        key = (level, fine)
        with self._lock:
            if key not in self._full:
                self._full[key] = self._sight(
                    self.reach,
                    97 if fine else 65,
                    depth=(0.375, 0.625, 1.0)[level] * self.largest,
                    step=1 if level == 2 else 2,
                )
            return self._full[key]

    @cached_property
    def _lock(self) -> threading.Lock:
        return threading.Lock()

    @cached_property
    def _full(self) -> dict:
        return {}

    def _sight(self, reach: float, columns: int, *, depth=None, **options) -> Sight:
        depth = self.largest if depth is None else depth
        return Sight(
            self.display,
            self.wavelength,
            self.chi,
            reach=min(reach, self.reach),
            columns=columns,
            depth=depth,
            **options,
        )


def attempt(fit: Callable[..., Trial], *arguments, **options) -> list[Trial]:
    """Return what a fit finds, or nothing where it leaves the bodies."""
    try:
        return [fit(*arguments, **options)]
    except (NoBody, np.linalg.LinAlgError):
        return []


def best_of(trials: Sequence[Trial], count: int) -> list[Trial]:
    """Return those with the lowest rms, the best first."""
    return sorted(trials, key=lambda trial: trial.rms)[:count]


def passed(
    sight: Sight, trials: Sequence[Trial], *, steps: int, keep: int, turns: bool = False
) -> list[Trial]:
    """Fit the facets of each start at a sight and return the best.

    ``turns`` tries half a turn about the beam of each too, to which small q are blind.
    """
    found = []
    for trial in trials:
        starts = [trial]
        if turns:
            turned = half_turned(trial.polar)
            starts.append(replace(trial, polar=turned, label=trial.label + ", turned"))
        for start in starts:
            found += attempt(by_facets, sight, start, steps=steps, margin=GROWING)
    return best_of(found, keep)


def finished(
    stages: Stages, trial: Trial, *, steps: int, facets: bool, fine: bool = True
) -> list[Trial]:
    """Fit a body to all pixels, at last with fine columns; nothing where that fails."""
    fit = by_facets if facets else by_linear_map
    if facets and len(trial.polar) > MOST_FACETS:
        raise ValueError(f"at most {MOST_FACETS} facets are fitted, got {len(trial.polar)}")
    # The linear map has few numbers: fine columns cost it next to nothing.
    for last in (False, True)[: 1 + fine]:
        try:
            radius = SETTLED * float(recentred(trial.polar)[1][:2].max())
        except NoBody:
            return []
        sight = stages.full(radius, fine=last)
        found = attempt(fit, sight, trial, steps=4 if last else steps, margin=SETTLED)
        if not found:
            return []
        trial = found[0]
    return [trial]
