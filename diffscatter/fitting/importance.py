r"""Evidence and posterior by importance sampling, with proposals that learn where to draw.

.. math::
    Z = \int p(z)\,dz \approx \frac1n \sum_i w_i,\qquad w_i = p(z_i) / q(z_i)

Each round draws from a mixture of multivariate t laws, all of equal weight, each as wide as the
curvature *at its own centre* allows. The first centres are the ends of descents; those of a
later round are draws of the round before, chosen by their weights. So several optima are kept,
and a curved ridge is covered by short pieces of its own direction. Rounds count in the result
as much as their draws are worth, so a bad first one does no harm. Draws are never weighed by a
later round's proposal: it has its peaks where their weights were large, and would take from
the tails.

O. Cappé et al., J. Comput. Graph. Stat. 13 (2004) 907.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from diffscatter.core.pytree import struct

__all__ = ["WeightedDraws", "importance_draws"]

_TAIL = 4  # degrees of freedom of the t laws
# Later centres are draws themselves: laws narrower than the curvature's keep the sum near it.
_WIDTH = 0.8
# Weights are raised to the first of these powers that leaves a few draws to choose from.
_POWERS = tuple(0.5**k for k in range(12))


@struct
class WeightedDraws:
    """Draws that stand for a density with their weights.

    Attributes:
        places: shape ``(n, d)``.
        log_weights: with a sum of weights of 1. Shape ``(n,)``.
        log_evidence: logarithm of the density's integral.
        effective: number of independent draws that these are worth.
    """

    places: Array
    log_weights: Array
    log_evidence: Array
    effective: Array


@struct
class _Proposal:
    """Laws of equal weight: centres ``(m, d)``, lower roots of precisions ``(m, d, d)``."""

    centres: Array
    roots: Array


def importance_draws(
    log_density: Callable[[Array], Array],
    curvature: Callable[[Array], Array],
    ends: Array,
    key: Array,
    *,
    draws: int = 512,
    rounds: int = 3,
    components: int = 64,
) -> WeightedDraws:
    """Return weighted draws of a density and its integral; for use inside ``jit``.

    Args:
        log_density: logarithm of the density, of one place ``(d,)``; need not be normalised.
        curvature: an estimate of minus its second derivative, ``(d, d)``, positive definite
            everywhere: a Fisher information and the prior's precision.
        ends: where descents ended, any number of them in one optimum; no more than
            ``components``. Shape ``(k, d)``.
        key: of the random numbers.
        draws: a round, a multiple of ``components``.
        rounds: at least 1.
        components: laws of a proposal.

    Raises:
        ValueError: for counts that do not fit.
    """
    if rounds < 1 or components < 1 or draws < components or draws % components:
        raise ValueError(
            "rounds must be at least 1 and draws a multiple of components, got "
            f"{rounds}, {draws}, {components}"
        )
    roots = jax.vmap(lambda z: jnp.linalg.cholesky(curvature(z)))

    def turn(centres: Array, given: tuple[Array, Array]):
        key, width = given
        proposal = _Proposal(centres=centres, roots=roots(centres) / width)
        z = _draws(key, proposal, draws // components)
        density = jax.vmap(log_density)(z)
        weights = density - _log_mixture(z, proposal)
        weights = jnp.where(jnp.isfinite(density), weights, -jnp.inf)
        return z[_systematic(_tempered(weights, components), components)], (z, weights)

    first = ends[jnp.arange(components) % len(ends)]
    widths = jnp.full(rounds, _WIDTH).at[0].set(1.0).astype(ends.dtype)
    _, (z, weights) = jax.lax.scan(turn, first, (jax.random.split(key, rounds), widths))
    total = logsumexp(weights, axis=1)
    worth = 2 * total - logsumexp(2 * weights, axis=1)
    # A round without any weight has no worth.
    worth = jax.nn.log_softmax(jnp.where(jnp.isfinite(worth), worth, -jnp.inf))
    logs = (
        weights - jnp.where(jnp.isfinite(total), total, 0.0)[:, None] + worth[:, None]
    ).ravel()
    return WeightedDraws(
        places=z.reshape(-1, z.shape[-1]),
        log_weights=logs,
        log_evidence=logsumexp(total + worth) - math.log(draws),
        effective=jnp.exp(-logsumexp(2 * logs)),
    )


def _draws(key: Array, proposal: _Proposal, each: int) -> Array:
    """Return ``each`` draws of every law, ``(m * each, d)``."""
    count, size = proposal.centres.shape
    normal = jax.random.normal(key, (count, size + _TAIL, each), proposal.centres.dtype)
    spread = jnp.sqrt(_TAIL / jnp.sum(normal[:, size:] ** 2, axis=1, keepdims=True))
    away = solve_triangular(proposal.roots, normal[:, :size] * spread, trans=1, lower=True)
    return (proposal.centres[:, None] + away.swapaxes(1, 2)).reshape(-1, size)


def _log_mixture(z: Array, proposal: _Proposal) -> Array:
    """Return the logarithm of a proposal's density at places ``(n, d)``."""
    size = z.shape[1]
    away = z - proposal.centres[:, None]
    apart = jnp.einsum("mji,mnj->mni", proposal.roots, away, precision="highest")
    far = jnp.sum(apart**2, axis=-1)
    constant = math.lgamma((_TAIL + size) / 2) - math.lgamma(_TAIL / 2)
    constant -= size / 2 * math.log(_TAIL * math.pi)
    logs = constant + _log_roots(proposal.roots)[:, None]
    logs = logs - (_TAIL + size) / 2 * jnp.log1p(far / _TAIL)
    # A law about a place that is none draws nothing that counts.
    return logsumexp(jnp.where(jnp.isnan(logs), -jnp.inf, logs), axis=0) - jnp.log(len(logs))


def _log_roots(roots: Array) -> Array:
    """Return half the logarithm of the determinants of precisions."""
    return jnp.log(jnp.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)


def _tempered(logs: Array, least: int) -> Array:
    """Return shares of which at least half of ``least`` count, if any power leaves so many."""
    powers = jnp.asarray(_POWERS, logs.dtype)
    shares = jax.nn.softmax(powers[:, None] * logs, axis=1)
    enough = 1 / jnp.sum(shares**2, axis=1) >= least / 2
    return shares[jnp.argmax(enough)]  # the first that holds


def _systematic(shares: Array, count: int) -> Array:
    """Return ``count`` indices in proportion to shares, each within one of its share."""
    at = (jnp.arange(count) + 0.5) / count
    reached = jnp.searchsorted(jnp.cumsum(shares), at, method="compare_all")
    return jnp.minimum(reached, shares.size - 1)
