"""Sums of a length decided at run time: values, derivatives, batches."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.analytic.quadrature import in_blocks, run_time_count, streamed_sum


def powers(x):
    return lambda j: {"sum": x**j, "one": jnp.ones(3)}


@pytest.mark.parametrize("count", [0, 1, 2, 31, 32, 33, 64, 100])
def test_adds_as_many_terms_as_asked(count):
    found = jax.jit(lambda n: streamed_sum(powers(0.9), n, 100))(count)
    np.testing.assert_allclose(found["sum"], sum(0.9**j for j in range(count)), rtol=1e-5)
    np.testing.assert_array_equal(found["one"], count)
    if count:
        fixed = streamed_sum(powers(0.9), count)
        np.testing.assert_allclose(fixed["sum"], found["sum"], rtol=1e-6)


def test_leaves_out_what_is_beyond_the_limit():
    assert streamed_sum(lambda j: jnp.ones(()), jnp.int32(70), 50) >= 50
    assert streamed_sum(lambda j: jnp.ones(()), jnp.int32(10**6), 49) == 49


def test_derivatives_in_both_modes():
    with jax.enable_x64(True):
        total = lambda x: streamed_sum(lambda j: jnp.sin(x * j), jnp.int32(37), 64)
        check_grads(total, (0.3,), order=1, modes=("fwd", "rev"), rtol=1e-5)
        exact = -np.sum(np.arange(37) ** 2 * np.sin(0.3 * np.arange(37)))
        np.testing.assert_allclose(jax.hessian(total)(0.3), exact, rtol=1e-12)


def test_one_count_serves_a_batch():
    blocks = jnp.array([2.1, 7.9, 0.2])
    np.testing.assert_array_equal(jax.vmap(run_time_count)(blocks), [8, 8, 8])
    twice = jax.vmap(jax.vmap(run_time_count))(blocks[:, None] * jnp.array([1.0, 3.0]))
    assert (np.asarray(twice) == 24).all()


def test_a_batch_does_not_evaluate_what_it_skips():
    # Were the skipped branch evaluated and then discarded, its NaN would poison the gradient.
    def total(x):
        return streamed_sum(lambda j: jnp.sqrt(x - j), run_time_count(x), 64)

    slopes = jax.vmap(jax.grad(total))(jnp.array([5.0, 5.0]) + 1e-3)
    assert np.isfinite(slopes).all()


def test_counts_of_nonsense():
    assert run_time_count(jnp.nan) == 1
    assert run_time_count(jnp.array(0.0)) == 1
    assert run_time_count(jnp.inf) > 10**6


@pytest.mark.parametrize("shape", [(), (1,), (64,), (65,), (1000,), (7, 30)])
def test_blocks_of_q_are_invisible(shape):
    q = jnp.linspace(0, 3, int(np.prod(shape)) or 1).reshape(shape)
    np.testing.assert_allclose(in_blocks(jnp.cos, q), np.cos(q), atol=1e-6)


def test_values_do_not_retrace():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def f(x):
        return streamed_sum(lambda j: x * j, run_time_count(x), 64)

    assert f(3.0) == 9.0 and f(5.0) == 50.0
