r"""Evidence and posterior by importance sampling, with proposals that learn where to draw.

.. math::
    Z = \int p(z)\,dz \approx \frac1n \sum_i w_i,\qquad
    w_i = p(z_i) \Big/ \frac1R \sum_{r=1}^R q_r(z_i)

Each of R rounds draws from a mixture of multivariate t laws, all of equal weight, each as wide
as the curvature *at its own centre* allows. The first centres are the ends of descents, as many
of each as Laplace's evidence says; those of a later round are draws of the round before, chosen
by their weights. So several optima are kept, and a curved ridge is covered by short pieces of
its own direction. In the end all draws are weighed by the mean of all proposals, which leaves a
bad first round without harm.

O. Cappé et al., J. Comput. Graph. Stat. 13 (2004) 907; J.-M. Cornuet et al., Scand. J. Stat. 39
(2012) 798.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from diffscatter.core.pytree import struct

__all__ = ["WeightedDraws", "importance_draws"]

# Of the t laws. A chi-squared number of 4 degrees is the logarithm of two uniform ones.
_TAIL = 4.0
# Later centres are draws themselves: laws narrower than the curvature's keep the sum near it.
_WIDTH = 0.8
# Part of the first centres that goes to all ends alike.
_EVEN = 0.1
# Weights are raised to the first of these powers that leaves a few draws to choose from.
_POWERS = tuple(0.5**k for k in range(12))


@struct
class WeightedDraws:
    """Draws that stand for a density with their weights.

    Attributes:
        places: shape ``(n, d)``.
        log_weights: with a sum of weights of 1. Shape ``(n,)``.
        log_density: of the places, as given. Shape ``(n,)``.
        log_evidence: logarithm of the density's integral.
        effective: number of independent draws that these are worth.
    """

    places: Array
    log_weights: Array
    log_density: Array
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
        ends: where descents ended, any number of them in one optimum. Shape ``(k, d)``.
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
    densities = lambda z: _never_nan(jax.vmap(log_density)(z))
    roots = jax.vmap(lambda z: jnp.linalg.cholesky(curvature(z)))
    key_ends, key = jax.random.split(key)
    laplace = densities(ends) - _log_roots(roots(ends))
    first = _systematic(key_ends, _evened(laplace), components)

    def turn(centres: Array, given: tuple[Array, Array]):
        key, width = given
        key_draw, key_choice = jax.random.split(key)
        proposal = _Proposal(centres=centres, roots=roots(centres) / width)
        z = _draws(key_draw, proposal, draws // components)
        density = densities(z)
        weights = density - _log_mixture(z, proposal)
        chosen = _systematic(key_choice, _tempered(weights, components), components)
        return z[chosen], (z, density, proposal)

    widths = jnp.full(rounds, _WIDTH).at[0].set(1.0).astype(ends.dtype)
    keys = jax.random.split(key, rounds)
    _, (z, density, proposals) = jax.lax.scan(turn, ends[first], (keys, widths))
    # Round by round: all laws at all draws at once would be most of the memory.
    by_all = lambda some: logsumexp(jax.lax.map(partial(_log_mixture, some), proposals), axis=0)
    weights = (density - jax.lax.map(by_all, z)).ravel() + jnp.log(rounds)
    total = logsumexp(weights)
    logs = weights - total
    return WeightedDraws(
        places=z.reshape(-1, z.shape[-1]),
        log_weights=logs,
        log_density=density.ravel(),
        log_evidence=total - jnp.log(density.size),
        effective=jnp.exp(-logsumexp(2 * logs)),
    )


def _draws(key: Array, proposal: _Proposal, each: int) -> Array:
    """Return ``each`` draws of every law, ``(m * each, d)``."""
    key_normal, key_tail = jax.random.split(key)
    count, size = proposal.centres.shape
    dtype = proposal.centres.dtype
    normal = jax.random.normal(key_normal, (count, size, each), dtype)
    uniform = jax.random.uniform(key_tail, (2, count, 1, each), dtype, minval=1e-30)
    spread = jnp.sqrt(_TAIL / (-2 * jnp.log(uniform).sum(axis=0)))
    away = solve_triangular(proposal.roots, normal * spread, trans=1, lower=True)
    return (proposal.centres[:, None] + away.swapaxes(1, 2)).reshape(-1, size)


def _log_mixture(z: Array, proposal: _Proposal) -> Array:
    """Return the logarithm of a proposal's density at places ``(n, d)``."""
    size = z.shape[1]
    away = z - proposal.centres[:, None]
    apart = jnp.einsum("mji,mnj->mni", proposal.roots, away, precision="highest")
    far = jnp.sum(apart**2, axis=-1)
    gamma = jax.lax.lgamma
    half = jnp.asarray(_TAIL / 2, z.dtype)
    constant = gamma(half + size / 2) - gamma(half) - size / 2 * jnp.log(_TAIL * jnp.pi)
    logs = constant + _log_roots(proposal.roots)[:, None]
    logs = logs - (_TAIL + size) / 2 * jnp.log1p(far / _TAIL)
    return logsumexp(logs, axis=0) - jnp.log(logs.shape[0])


def _log_roots(roots: Array) -> Array:
    """Return half the logarithm of the determinants of precisions."""
    return jnp.log(jnp.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)


def _never_nan(logs: Array) -> Array:
    return jnp.where(jnp.isfinite(logs), logs, -jnp.inf)


def _evened(logs: Array) -> Array:
    """Return logarithms of normalised weights, a part of them shared out evenly."""
    share = jax.nn.softmax(_never_nan(logs))
    return jnp.log((1 - _EVEN) * share + _EVEN / logs.size)


def _tempered(logs: Array, least: int) -> Array:
    """Return weights of which at least half of ``least`` count, if any power leaves so many."""
    powers = jnp.asarray(_POWERS, logs.dtype)
    shares = jax.nn.softmax(powers[:, None] * _never_nan(logs), axis=1)
    effective = 1 / jnp.sum(shares**2, axis=1)
    chosen = jnp.argmax(effective >= least / 2)  # the first that holds
    return jnp.log(shares[chosen])


def _systematic(key: Array, logs: Array, count: int) -> Array:
    """Return ``count`` indices in proportion to weights, each within one of its share."""
    ends = jnp.cumsum(jnp.exp(logs))
    at = (jnp.arange(count) + jax.random.uniform(key, (), logs.dtype)) / count
    return jnp.minimum(jnp.searchsorted(ends, at * ends[-1]), logs.size - 1)
