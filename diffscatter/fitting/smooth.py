r"""Positive densities as smooth as the data allow: the solver behind the size distributions.

A density :math:`f = e^{u} > 0` on an axis x has the curve
:math:`A f + B b`; b are further linear coefficients of any sign, as a background. With
Gaussian errors the posterior of u is

.. math:: -\ln p = \tfrac12 |W(A e^u + B b - d)|^2
                   + \tfrac{\alpha}{2} \int w(x)\, (u''')^2\, dx + \text{const}

The penalty on the *third* derivative of the logarithm (Silverman, *Ann. Statist.* 10 (1982)
795) knows the normal law on its axis as perfectly smooth: the stronger it is, the closer f
comes to one lognormal where x is a logarithm. It changes nothing to weight f by any power of
the size, so densities by number and by volume have the same prior. The strength
:math:`\alpha` maximises the evidence, the probability of the data at that strength, in
Laplace's approximation.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.pytree import static, struct

__all__ = ["STRENGTHS", "Smooth", "Solution", "differences", "scan", "solve"]

ORDER = 3
# Half decades, in units of x^5: from a single normal law to features of a hundredth.
STRENGTHS = 10.0 ** np.arange(0.0, -8.1, -0.5)
_LOWEST = -40.0  # u below which e^u is nothing; also keeps products of two out of denormals
_HIGHEST = 20.0  # nor is anything to be learnt above it: amounts are of the order of 1
_STEPS = 60  # and ten times as many where derivatives are taken
_UP, _DOWN, _NOTHING = 2.0, 30.0, -10.0  # longest steps of u, and where e^u may overshoot


@struct
class Smooth:
    """A smooth positive density, its data whitened and scaled.

    Attributes:
        matrix: takes (f, b) to the curve, both over sigma. Shape ``(m, n + k)``.
        data: over sigma. Shape ``(m,)``.
        differences: whose square is the penalty at a strength of 1. Shape ``(n - 3, n)``.
        size: n, the nodes of the density; the other k columns are the linear coefficients.
    """

    matrix: Array
    data: Array
    differences: Array
    size: int = static()

    def amounts(self, z: Array) -> Array:
        """Return (f, b) of the unknowns (u, b); any further axes."""
        f = jnp.exp(jnp.maximum(z[: self.size], _LOWEST))
        return jnp.concatenate([f, z[self.size :]])

    def loss(self, z: Array, strength: Array) -> Array:
        """Return half of chi-square plus the penalty."""
        misfit = _times(self.matrix, self.amounts(z)) - self.data
        rough = _times(self.differences, z[: self.size])
        return (misfit @ misfit + strength * (rough @ rough)) / 2


class Solution(NamedTuple):
    """Attributes: ``z``, unknowns (u, b); ``strength``, of the greatest evidence or as given;
    ``log_evidence`` of each strength; ``covariance`` of z; ``low`` and ``high``, the band of u;
    ``converged``."""

    z: Array
    strength: Array
    log_evidence: Array
    covariance: Array
    low: Array
    high: Array
    converged: Array


def differences(size: int, step: float, weights: Array | None = None) -> np.ndarray:
    """Return the rows whose squares sum to the integral of w u'''^2; ``weights`` on the nodes.

    A row's weight is the geometric mean of its four nodes'.
    """
    rows = np.diff(np.eye(size), ORDER, axis=0) * step ** (0.5 - ORDER)
    if weights is None:
        return rows
    logs = np.log(np.asarray(weights, float))
    mean = sum(logs[i : size - ORDER + i] for i in range(ORDER + 1)) / (ORDER + 1)
    return rows * np.exp(mean / 2)[:, None]


@partial(jax.jit, static_argnames="sharp")
def scan(problem: Smooth, strengths: Array, reach: Array, *, sharp: float = 1e-4) -> Solution:
    """Find the strength of the greatest evidence, the density there and its band.

    The optimum of each strength, from strong to weak, starts at the one before; the first at
    some multiplicative updates (Richardson and Lucy) of a flat density.

    Args:
        problem: what to solve.
        strengths: descending. Shape ``(s,)``.
        reach: of the band, in standard deviations.
        sharp: change of the loss at which the last solution counts as converged.
    """
    gram = _gram(problem)

    def step(z, strength):
        z, loss, _ = _newton(problem, gram, strength, z, 1e-2)
        root = jnp.linalg.cholesky(_curvature(problem, gram, strength, z)[0])
        n = problem.size - ORDER
        evidence = n * jnp.log(strength) / 2 - jnp.log(jnp.diagonal(root)).sum() - loss
        return z, (z, evidence)

    _, (found, evidence) = jax.lax.scan(step, _first(problem, gram), strengths)
    evidence = jnp.where(jnp.isnan(evidence), -jnp.inf, evidence)
    best = jnp.argmax(evidence)
    strength = strengths[best]
    z, _, converged = _newton(problem, gram, strength, found[best], sharp)
    covariance = jnp.linalg.inv(_curvature(problem, gram, strength, z)[0])
    low, high = _band(problem, gram, strength, z, covariance, reach)
    return Solution(z, strength, evidence, covariance, low, high, converged)


@jax.jit
def solve(problem: Smooth, strength: Array) -> Array:
    """Return the unknowns at one strength, differentiable in all of the problem and in it.

    By the implicit function theorem: what the search does has no derivative and needs none.
    """
    slope = jax.grad(problem.loss)
    fixed, weakest = jax.lax.stop_gradient((problem, strength))
    gram = _gram(fixed)
    # From strong to the wanted strength, as the scan goes.
    path = jnp.maximum(weakest, 1.0) * jnp.minimum(weakest, 1.0) ** jnp.linspace(0.0, 1.0, 9)
    rough = lambda z, strength: (_newton(fixed, gram, strength, z, 1e-2)[0], None)

    def search(_, z):
        z = jax.lax.scan(rough, z, path)[0]
        return _newton(fixed, gram, weakest, z, 0.0, 10 * _STEPS)[0]

    tangent = lambda linear, y: jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)
    return jax.lax.custom_root(
        lambda z: slope(z, strength), _first(fixed, gram), search, tangent
    )


def _gram(problem: Smooth) -> Array:
    return _times(problem.matrix.T, problem.matrix)


def _times(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision="highest")


def _first(problem: Smooth, gram: Array) -> Array:
    """Return a rough positive solution: that of 30 multiplicative updates."""
    target = jnp.maximum(_times(problem.matrix.T, jnp.maximum(problem.data, 0.0)), 0.0)
    flat = jnp.full(gram.shape[0], target.sum() / gram.sum(), gram.dtype)
    update = lambda _, x: x * target / (gram @ x)
    x = jax.lax.fori_loop(0, 30, update, flat)
    u = jnp.log(jnp.maximum(x[: problem.size], 1e-9 * x[: problem.size].max()))
    return jnp.concatenate([u, x[problem.size :]])


def _curvature(problem: Smooth, gram: Array, strength: Array, z: Array) -> tuple[Array, Array]:
    """Return the part of the loss's Hessian that is never negative, and its gradient."""
    n = problem.size
    x = problem.amounts(z)
    jacobian = jnp.where(jnp.arange(x.size) < n, x, 1.0)
    slope = _times(problem.matrix.T, _times(problem.matrix, x) - problem.data) * jacobian
    rough = strength * problem.differences
    hessian = (jacobian[:, None] * gram) * jacobian
    hessian = hessian.at[:n, :n].add(_times(problem.differences.T, rough))
    slope_u = slope[:n]
    slope = slope.at[:n].add(_times(rough.T, _times(problem.differences, z[:n])))
    # e^u bends upwards where the data push f down, and in the far tails nothing else does.
    bend = jnp.maximum(slope_u, 0.0) + 100 * jnp.finfo(x.dtype).eps
    return hessian.at[jnp.arange(n), jnp.arange(n)].add(bend), slope


def _newton(
    problem: Smooth,
    gram: Array,
    strength: Array,
    start: Array,
    sharp: float,
    steps: int = _STEPS,
) -> tuple[Array, Array, Array]:
    """Minimise the loss by damped Newton steps; return where, the loss, whether it ended."""
    n = problem.size
    # What is left of a loss after rounding.
    sharp = jnp.maximum(sharp, 4 * jnp.finfo(start.dtype).eps * problem.data.size)

    def body(state):
        z, loss, damping, k, _ = state
        hessian, slope = _curvature(problem, gram, strength, z)
        hessian = hessian.at[jnp.arange(n), jnp.arange(n)].add(damping)
        factor = jax.scipy.linalg.cho_factor(hessian)
        step = -jax.scipy.linalg.cho_solve(factor, slope)
        up = step[:n] / jnp.maximum(_UP, _NOTHING - z[:n])
        down = jnp.where(z[:n] > _LOWEST, -step[:n] / _DOWN, 0.0)
        step = step / jnp.maximum(jnp.maximum(up, down).max(), 1.0)
        tried = problem.loss(z + step, strength)
        better = tried <= loss  # False for NaN
        gain = jnp.where(better, loss - tried, jnp.inf)
        damping = jnp.where(better, damping / 10, jnp.maximum(10 * damping, 1e-3))
        z, loss = jnp.where(better, z + step, z), jnp.where(better, tried, loss)
        return z, loss, damping, k + 1, gain

    going = lambda state: (state[3] < steps) & (state[4] > sharp) & (state[2] < 1e9)
    dtype = start.dtype
    loss = problem.loss(start, strength)
    state = (start, loss, jnp.asarray(1e-6, dtype), 0, jnp.asarray(jnp.inf, dtype))
    z, loss, damping, k, gain = jax.lax.while_loop(going, body, state)
    # At the bottom no step is better, and the damping grows without end.
    return z, loss, (gain <= sharp) | (damping >= 1e9)


def _band(
    problem: Smooth, gram: Array, strength: Array, z: Array, covariance: Array, reach: Array
) -> tuple[Array, Array]:
    """Return where each u ends at which the loss has risen by reach^2/2, both sides.

    Along the direction in which the other unknowns follow it, by the covariance: the standard
    deviation where the posterior is normal. In a tail it is not: u may fall without end but
    rise only until the data object, which is what the loss along that line knows.
    """
    n = problem.size
    sigma = jnp.sqrt(jnp.diagonal(covariance)[:n])
    lines = covariance[:, :n] / sigma
    x = problem.amounts(z)
    slope = _times(problem.matrix.T, _times(problem.matrix, x) - problem.data)
    rough = _times(problem.differences, z[:n])
    along = _times(problem.differences, lines[:n])
    first, second = strength * (rough @ along), strength * jnp.sum(along**2, axis=0) / 2

    def rise(t):
        moved = z[:, None] + lines * t
        moved = moved.at[:n].min(_HIGHEST)
        change = problem.amounts(moved) - x[:, None]
        misfit = slope @ change + jnp.sum(change * _times(gram, change), axis=0) / 2
        return misfit + t * first + t**2 * second

    def end(sign):
        def halve(_, ends):
            middle = (ends[0] + ends[1]) / 2
            beyond = rise(sign * middle) > reach**2 / 2
            return jnp.where(beyond, ends[0], middle), jnp.where(beyond, middle, ends[1])

        ends = (jnp.zeros_like(sigma), jnp.full_like(sigma, 3 * reach))
        return z[:n] + sign * jax.lax.fori_loop(0, 12, halve, ends)[0] * sigma

    return end(-1.0), end(1.0)
