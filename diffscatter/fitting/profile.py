r"""Intervals from the profile of the likelihood: asymmetric, and inside the bounds.

A parameter is held, all others are fitted anew, and the interval ends where the loss has risen
by :math:`\Delta\chi^2` (Venzon and Moolgavkar, Applied Statistics 37 (1988) 87). Where the fit
is linear that is the covariance's interval; where it bends, or a bound is near, only this one
holds the truth as often as it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.pytree import struct
from diffscatter.fitting.levenberg import levenberg_marquardt
from diffscatter.fitting.multistart import over
from diffscatter.fitting.posterior import quantile
from diffscatter.fitting.problem import CurveProblem
from diffscatter.fitting.result import FitResult

__all__ = ["ProfileInterval", "profile_intervals"]

# An end is found where the root of the rise of the loss is right to this part of itself: the
# same part of the half width where the fit is nearly linear.
_TOLERANCE, _TRIALS = 1e-3, 30
_GROWTH = 3.0  # how much further than the last trial the next may go


@dataclass(frozen=True)
class ProfileInterval:
    """One parameter's interval.

    Attributes:
        low, high: its ends, in the parameter's unit.
        open_low, open_high: whether that end is the bound, where the loss has not yet risen
            enough: the data do not limit the parameter on this side.
        found: whether both ends were found to the tolerance.
        lowest: smallest loss met less that of the fit; well below 0, the fit missed the
            optimum.
    """

    low: float
    high: float
    open_low: bool
    open_high: bool
    found: bool
    lowest: float

    def __str__(self) -> str:
        side = lambda value, is_open: f"{value:.6g}" + " (its bound)" * is_open
        return f"{side(self.low, self.open_low)} to {side(self.high, self.open_high)}"


def profile_intervals(
    result: FitResult, level: float = 0.95, names: Sequence[str] | None = None
) -> dict[str, ProfileInterval]:
    """Return the profile-likelihood interval of each parameter, in one compiled call.

    Args:
        result: of :func:`fit_curve` or :func:`fit_curves`.
        level: probability that an interval holds the truth.
        names: of the parameters; all by default.

    Returns:
        Name to :class:`ProfileInterval`. Where the errors' scale was estimated from the fit,
        the rise is in its units, with Student's t.

    Raises:
        ValueError: for a level outside (0, 1) and names that are not free.
    """
    problem, parameters = result.problem, result.problem.parameters
    names = list(result.parameters) if names is None else list(names)
    for name in names:
        if name not in result.parameters:
            raise ValueError(
                f"{name!r} is not a free parameter; free are {', '.join(result.parameters)}"
            )
    unit = result.chi2 / result.dof if result.errors_scaled else 1.0
    reach = quantile(level, result.dof if result.errors_scaled else None)
    values = jnp.asarray(list(result.parameters.values()), problem.data.dtype)
    at = np.asarray(parameters.fractions(values), float)
    index = [list(result.parameters).index(name) for name in names]
    tasks = [(i, side) for i in index for side in (-1.0, 1.0)]
    sigma = np.array(list(result.uncertainties.values()))
    first = []
    for i, side in tasks:
        away = np.array(values, float)
        away[i] += side * reach * (sigma[i] if np.isfinite(sigma[i]) else np.inf)
        away = np.clip(away, np.asarray(parameters.low), np.asarray(parameters.high))
        first.append(np.asarray(parameters.fractions(jnp.asarray(away, values.dtype)))[i])
    cast = lambda a: jnp.asarray(a, values.dtype)
    ends = _ends(
        problem,
        values,
        cast(result.chi2),
        cast(reach**2 * unit),
        jnp.asarray([i for i, _ in tasks]),
        cast([side for _, side in tasks]),
        cast(at[[i for i, _ in tasks]]),
        cast(first),
    )
    value, is_open, found, lowest = (np.asarray(a) for a in ends)
    return {
        name: ProfileInterval(
            low=float(value[2 * k]),
            high=float(value[2 * k + 1]),
            open_low=bool(is_open[2 * k]),
            open_high=bool(is_open[2 * k + 1]),
            found=bool(found[2 * k : 2 * k + 2].all()),
            lowest=float(min(0.0, lowest[2 * k : 2 * k + 2].min() - result.chi2)),
        )
        for k, name in enumerate(names)
    }


@struct
class _Walk:
    """A walk from the optimum to one end; positions are fractions between the bounds.

    Attributes:
        inside, outside: nearest positions known to lie within and beyond the end.
        below, above: the root of the rise less its target at them; ``above`` is infinite until
            a position beyond the end is known.
        here: the next trial.
        z: of all parameters, fitted at ``inside``.
        lowest: smallest loss met.
        trials, found, open: how it goes.
    """

    inside: Array
    outside: Array
    below: Array
    above: Array
    here: Array
    z: Array
    lowest: Array
    trials: Array
    found: Array
    open: Array


@jax.jit
def _ends(
    problem: CurveProblem,
    values: Array,
    best: Array,
    rise: Array,
    index: Array,
    side: Array,
    start: Array,
    first: Array,
) -> tuple[Array, Array, Array, Array]:
    parameters = problem.parameters
    root = jnp.sqrt(rise)
    z_best = parameters.pack(values)

    def held(i: Array, position: Array, z: Array) -> Array:
        fixed = parameters.at_fractions(jnp.full(z.shape, position, z.dtype))
        return jnp.where(jnp.arange(z.size) == i, fixed, parameters.unpack(z))

    def end_of(task: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        i, side, start, first = task
        bound = jnp.where(side > 0, 1.0, 0.0).astype(z_best.dtype)

        def trial(at: _Walk) -> _Walk:
            fit = levenberg_marquardt(
                problem.linearise,
                problem.residuals,
                partial(held, i, at.here),
                at.z,
                problem.data.size,
                max_steps=50,
            )
            height = jnp.sqrt(jnp.maximum(fit.loss - best, 0.0)) - root
            within = height < 0
            keep = lambda new, old: jnp.where(within, new, old)
            inside, below = keep(at.here, at.inside), keep(height, at.below)
            outside = jnp.where(within, at.outside, at.here)
            above = jnp.where(within, at.above, height)
            at_bound = within & (at.here == bound)
            return _Walk(
                inside=inside,
                outside=outside,
                below=below,
                above=above,
                here=_next(start, inside, outside, below, above, root, bound, at.trials),
                z=keep(fit.z, at.z),
                lowest=jnp.minimum(at.lowest, fit.loss),
                trials=at.trials + 1,
                found=at_bound | (jnp.abs(height) < _TOLERANCE * root),
                open=at_bound,
            )

        begin = _Walk(
            inside=start,
            outside=bound,
            below=-root,
            above=jnp.full_like(root, jnp.inf),
            here=jnp.where(first == start, start + 1e-6 * side, first),
            z=z_best,
            lowest=best,
            trials=jnp.int32(0),
            found=start == bound,
            open=start == bound,
        )
        end = jax.lax.while_loop(lambda at: ~at.found & (at.trials < _TRIALS), trial, begin)
        # The last trial is the end: it is whichever of the two it has become.
        last = jnp.where(jnp.abs(end.above) < jnp.abs(end.below), end.outside, end.inside)
        value = parameters.at_fractions(jnp.full(z_best.shape, last, z_best.dtype))[i]
        return value, end.open, end.found, end.lowest

    return over(end_of, (index, side, start, first))


def _next(start, inside, outside, below, above, root, bound, trials) -> Array:
    """Return where the root of the rise, nearly linear in the position, should be enough."""
    beyond = jnp.isfinite(above)
    # Between two positions; every third time half way, so that a bend cannot hold it up.
    share = jnp.where(trials % 3 == 2, 0.5, -below / jnp.where(beyond, above - below, 1.0))
    between = inside + (outside - inside) * jnp.clip(share, 0.01, 0.99)
    # Or on the line from the optimum through the last one, a little further than it says.
    risen = jnp.maximum(below + root, 1e-3 * root)
    stretch = jnp.clip(1.05 * root / risen, 1.1, _GROWTH)
    further = start + (inside - start) * stretch
    further = jnp.where(inside == start, (start + bound) / 2, further)
    further = jnp.where((further - bound) * (start - bound) <= 0, bound, further)
    return jnp.where(beyond, between, further)
