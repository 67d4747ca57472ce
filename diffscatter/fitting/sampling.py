r"""Draws from the posterior by Hamiltonian Monte Carlo (NUTS), through blackjax.

.. math:: p(\theta \mid d) \propto e^{-\chi^2(\theta)/2}\, p(\theta)

Without a prior of its own a parameter is uniform between its bounds, on the axis it moves on: a
logarithmic one means that each factor is as probable as the next. The chains walk in variables
that the curvature at the optimum makes round, so that few steps reach across.

Hoffman and Gelman, JMLR 15 (2014) 1593; Vehtari et al., Bayesian Analysis 16 (2021) 667.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.fitting.multistart import over
from diffscatter.fitting.problem import CurveProblem
from diffscatter.fitting.result import FitResult, value_with_error

__all__ = ["Posterior", "sample_posterior"]

_MIXED, _FEWEST = 1.01, 400.0  # R-hat and effective draws that give steady quantiles


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of the free parameters.

    Attributes:
        names: of the parameters.
        draws: in the parameters' units. Shape ``(chains, draws, n)``.
        rhat: spread between chains over spread within, 1 where they agree. Shape ``(n,)``.
        effective: independent draws that these are worth. Shape ``(n,)``.
        divergences: draws at which the integrator lost the trajectory.
        acceptance: mean acceptance of each chain. Shape ``(chains,)``.
        warnings: what a reader should know before using the draws.
    """

    names: tuple[str, ...]
    draws: np.ndarray
    rhat: np.ndarray
    effective: np.ndarray
    divergences: int
    acceptance: np.ndarray
    warnings: tuple[str, ...]

    @property
    def flat(self) -> np.ndarray:
        """All draws of all chains, ``(chains * draws, n)``."""
        return self.draws.reshape(-1, self.draws.shape[-1])

    @property
    def mean(self) -> dict[str, float]:
        """Mean by name."""
        return dict(zip(self.names, self.flat.mean(axis=0).tolist(), strict=True))

    @property
    def uncertainties(self) -> dict[str, float]:
        """Standard deviation by name."""
        return dict(zip(self.names, self.flat.std(axis=0, ddof=1).tolist(), strict=True))

    def interval(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return the central interval of each parameter that holds ``level`` of the draws."""
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        ends = np.quantile(self.flat, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return dict(zip(self.names, map(tuple, ends.T.tolist()), strict=True))

    def __str__(self) -> str:
        chains, draws, _ = self.draws.shape
        lines = [f"{chains} chains of {draws} draws, {self.divergences} divergences"]
        width = max(map(len, self.names))
        spread, mean, ends = self.uncertainties, self.mean, self.interval()
        for i, name in enumerate(self.names):
            low, high = ends[name]
            lines.append(
                f"  {name:<{width}}  {value_with_error(mean[name], spread[name])}  95 % "
                f"{low:.6g} to {high:.6g}, R-hat {self.rhat[i]:.3f}, "
                f"{self.effective[i]:.0f} effective"
            )
        lines.extend(f"  warning: {text}" for text in self.warnings)
        return "\n".join(lines)


def sample_posterior(
    result: FitResult,
    *,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    key: Array | None = None,
) -> Posterior:
    """Draw from the posterior about a fit's optimum with several chains of NUTS.

    Each chain starts from a place of its own in the fit's covariance, adapts its step during
    ``warmup`` draws that are thrown away, and goes on alone: where chains agree, they have seen
    the same posterior. They do not jump to an optimum that the fit did not come to.

    Args:
        result: of :func:`fit_curve` or :func:`fit_curves`; where the errors' scale was
            estimated from the fit, it is kept at that.
        chains, draws, warmup: how many, and how long.
        key: typed random key; ``jax.random.key(0)`` if None.

    Returns:
        A :class:`Posterior`; ``print`` it.

    Raises:
        ValueError: for counts too small to judge the chains by.
        ImportError: without blackjax (``pip install 'diffscatter[bayes]'``).
    """
    if chains < 2 or draws < 4 or warmup < 1:
        raise ValueError(
            "chains must be >= 2, draws >= 4 and warmup >= 1, got "
            f"{chains}, {draws}, {warmup}: one chain cannot be checked"
        )
    blackjax = _blackjax()
    problem = result.problem
    unit = result.chi2 / result.dof if result.errors_scaled else 1.0
    values = jnp.asarray(list(result.parameters.values()), problem.data.dtype)
    centre, root = _rounded(problem, values, jnp.asarray(unit, values.dtype))
    key_start, key_run = jax.random.split(jax.random.key(0) if key is None else key)
    start = jax.random.normal(key_start, (chains, values.size), values.dtype)
    keys = jax.random.split(key_run, chains)
    found = _chains(problem, unit, centre, root, start, keys, warmup=warmup, draws=draws)
    samples, divergent, acceptance = (np.asarray(a) for a in found)
    diagnose = lambda statistic: np.asarray(statistic(jnp.asarray(samples)), float)
    rhat = diagnose(blackjax.diagnostics.potential_scale_reduction)
    effective = diagnose(blackjax.diagnostics.effective_sample_size)
    names = tuple(result.parameters)
    divergences = int(divergent.sum())
    return Posterior(
        names=names,
        draws=samples,
        rhat=rhat,
        effective=effective,
        divergences=divergences,
        acceptance=acceptance,
        warnings=tuple(_remarks(names, rhat, effective, divergences)),
    )


def _blackjax() -> Any:
    try:
        import blackjax
    except ImportError:
        raise ImportError(
            "sample_posterior needs blackjax: pip install 'diffscatter[bayes]'"
        ) from None
    return blackjax


@jax.jit
def _rounded(problem: CurveProblem, values: Array, unit: Array) -> tuple[Array, Array]:
    """Return the unbounded optimum, and the root of the covariance about it.

    With the curvature of the bounds' own law, which keeps what the data leave open finite.
    """
    z = problem.parameters.pack(values)
    values, stretch = jax.jvp(problem.parameters.unpack, (z,), (jnp.ones_like(z),))
    predicted, jacobian = problem.linearise(values)
    rows = problem.information(predicted)[:, None] * jacobian * stretch / jnp.sqrt(unit)
    inside = jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)
    stacked = jnp.concatenate([jnp.nan_to_num(rows), jnp.diag(jnp.sqrt(2 * inside))])
    triangle = jnp.linalg.qr(stacked, mode="r")
    return z, jax.scipy.linalg.solve_triangular(triangle, jnp.eye(z.size, dtype=z.dtype))


@partial(jax.jit, static_argnames=("warmup", "draws"))
def _chains(
    problem: CurveProblem,
    unit: Array,
    centre: Array,
    root: Array,
    start: Array,
    keys: Array,
    *,
    warmup: int,
    draws: int,
) -> tuple[Array, Array, Array]:
    """Return draws ``(chains, draws, n)``, divergences, and mean acceptances."""
    blackjax = _blackjax()
    unpack = problem.parameters.unpack

    def log_density(u: Array) -> Array:
        z = centre + jnp.matmul(root, u, precision="highest")
        misfit = jnp.sum(problem.residuals(problem.predict(unpack(z))) ** 2) / unit
        # Uniform between the bounds: the slope of the logistic that maps z onto them.
        uniform = jnp.sum(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z))
        density = uniform - misfit / 2
        return jnp.where(jnp.isfinite(density), density, -jnp.inf)

    def chain(task: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        u, key = task
        key_warmup, key_draws = jax.random.split(key)
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, tuned), _ = adaptation.run(key_warmup, u, num_steps=warmup)
        kernel = blackjax.nuts(log_density, **tuned)

        def step(state, key):
            state, info = kernel.step(key, state)
            return state, (state.position, info.is_divergent, info.acceptance_rate)

        _, found = jax.lax.scan(step, state, jax.random.split(key_draws, draws))
        position, divergent, acceptance = found
        values = jax.vmap(lambda u: unpack(centre + jnp.matmul(root, u)))(position)
        return values, divergent.sum(), acceptance.mean()

    return over(chain, (start, keys))


def _remarks(
    names: tuple[str, ...], rhat: np.ndarray, effective: np.ndarray, divergences: int
) -> list[str]:
    remarks = []
    for name, ratio, count in zip(names, rhat, effective, strict=True):
        if not ratio <= _MIXED:
            remarks.append(f"the chains do not agree on {name}: R-hat {ratio:.3f}; draw more")
        elif not count >= _FEWEST:
            remarks.append(f"{name} has {count:.0f} effective draws: its quantiles are rough")
    if divergences:
        remarks.append(f"{divergences} divergences: the draws may miss a narrow corner")
    return remarks
