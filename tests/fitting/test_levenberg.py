"""The solver on its own: against scipy, under vmap and map, and where it must stop."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Q, guinier, noisy
from scipy.optimize import least_squares

from diffscatter.fitting.levenberg import levenberg_marquardt

START = [4.0, 1.5, 0.8]


def model(values):
    q = jnp.asarray(Q, values.dtype)
    return jnp.exp(values[0] - (q * jnp.exp(values[1])) ** 2 / 3) + values[2]


def solve(function, residuals, start, size, max_steps=60, unpack=lambda z: z):
    linearise = lambda values: (function(values), jax.jacfwd(function)(values))
    return levenberg_marquardt(linearise, residuals, unpack, start, size, max_steps=max_steps)


def test_the_same_under_vmap_and_map_and_scipys():
    with jax.enable_x64(True):
        data = jnp.stack([noisy(guinier(), k).intensity for k in range(3)])
        fit = lambda y: solve(model, lambda p: (p - y) / (0.03 * y), jnp.array(START), Q.size)
        together = jax.jit(jax.vmap(chex.assert_max_traces(fit, n=1)))
        together(data)
        side_by_side, one_by_one = together(data), jax.lax.map(fit, data)
    # both take the same steps, up to rounding
    np.testing.assert_allclose(side_by_side.z, one_by_one.z, rtol=1e-9)
    assert np.asarray(one_by_one.converged).all()
    for y, end in zip(np.asarray(data), one_by_one.z, strict=True):
        shape = lambda z: np.exp(z[0] - (Q * np.exp(z[1])) ** 2 / 3) + z[2]
        residuals = lambda z, y=y, shape=shape: (shape(z) - y) / (0.03 * y)
        exact = least_squares(residuals, START, xtol=1e-14, ftol=1e-14).x
        # a thousandth of the standard deviations, 0.01 for a logarithm of either
        np.testing.assert_allclose(end, exact, atol=1e-5)


def rosenbrock(values):
    """A curved, narrow valley; as residuals of zero it ends at (1, 1)."""
    x, y = values
    return jnp.stack([100.0 * (y - x**2), 1 - x, jnp.zeros_like(x)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_follows_a_curved_valley(dtype):
    with jax.enable_x64(dtype == np.float64):
        end = solve(rosenbrock, lambda p: p, jnp.array([-1.2, 1.0], dtype), 3, 200)
    assert bool(end.converged) and end.z.dtype == dtype
    # the loss, a sum of squares of 100 times the variables, is lost in their rounding
    np.testing.assert_allclose(end.z, [1, 1], rtol=1e3 * np.finfo(dtype).eps)


def test_what_is_not_determined_stays_where_it_is():
    """Only x + y is seen, z not at all: rank one of three."""
    with jax.enable_x64(True):
        function = lambda v: jnp.exp((v[0] + v[1]) * jnp.linspace(0, 1, 9))
        data = np.exp(3 * np.linspace(0, 1, 9))
        end = solve(function, lambda p: p - data, jnp.array([0.5, 1.5, 7.0]), 9)
    assert bool(end.converged)
    np.testing.assert_allclose(np.asarray(end.z), [1.0, 2.0, 7.0], rtol=1e-6)


def test_steps_onto_what_is_no_number_are_taken_back():
    with jax.enable_x64(True):
        # one undamped step from here goes to about 60, where the root is NaN
        function = lambda v: jnp.stack([jnp.sqrt(4 - v[0]), v[0] / 100, v[0] * 0])
        end = solve(function, lambda p: p - jnp.array([0.3, 0, 0]), jnp.array([3.99]), 3)
        lost = solve(function, lambda p: p, jnp.array([5.0]), 3)
    exact = least_squares(
        lambda v: [np.sqrt(4 - v[0]) - 0.3, v[0] / 100], [3.9], xtol=1e-14, ftol=1e-14
    ).x
    assert bool(end.converged)
    np.testing.assert_allclose(end.z, exact, rtol=1e-5)
    assert np.isinf(lost.loss) and not bool(lost.converged) and int(lost.steps) == 0


def test_runs_out_of_steps():
    end = solve(rosenbrock, lambda p: p, jnp.array([-1.2, 1.0]), 3, 3)
    assert int(end.steps) == 3 and not bool(end.converged)
