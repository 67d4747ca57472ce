"""Finding the parameters in which a curve is linear, and their best values."""

import jax
import jax.numpy as jnp
import numpy as np
from curves import Q, ball
from scipy.optimize import lsq_linear

from diffscatter.core.pytree import struct
from diffscatter.fitting import free_parameters
from diffscatter.fitting.linear import best_linear, linear_basis, linear_parameters


@struct
class Product:
    """a b exp(-q) + c^2 + 0 d"""

    b: object
    c: object
    d: object

    def __call__(self, q):
        return self.b * jnp.exp(-q) + self.c**2 + 0 * self.d


@struct
class Top:
    inner: object
    a: object

    def __call__(self, q):
        return self.a * self.inner(q)


def found(model, bounds):
    plan = free_parameters(model, bounds)
    q = jnp.array(Q, float)
    linear = linear_parameters(lambda values: plan.insert(model, values)(q), plan)
    return [plan.names[i] for i in linear]


def test_scale_and_background_are_found():
    bounds = {"radius": (1, 300), "scale": (1e-9, 1e9), "background": (-1, 10)}
    with jax.enable_x64(True):
        assert found(ball(), bounds) == ["scale", "background"]
    assert found(ball(), bounds) == ["scale", "background"]  # in float32 too


def test_of_a_product_the_factor_at_the_top_is_taken():
    model = Top(inner=Product(b=1.0, c=1.0, d=1.0), a=1.0)
    bounds = {name: (0.1, 5) for name in "bcda"}
    # c enters squared, d has no effect, b and a are linear alone but not together
    assert found(model, bounds) == ["a"]
    del bounds["a"]
    assert found(model, bounds) == ["b"]


def solved(values, bounds, data, weights, linear=(1, 2)):
    model = ball(*values)
    plan = free_parameters(model, bounds)
    q = jnp.array(Q, float)
    predict = lambda values: plan.insert(model, values)(q)
    values = jnp.asarray(values)
    basis = linear_basis(predict, linear, values)
    best, curve = best_linear(basis, plan, linear, values, data, jnp.asarray(weights))
    np.testing.assert_allclose(curve, predict(best), rtol=1e-5)
    return np.asarray(best)


def test_best_values_are_the_bounded_optimum():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        shape = np.asarray(ball(4.0, 1.0, 0.0)(jnp.array(Q, float)))
        matrix = np.stack([shape, np.ones_like(Q)], 1)
        for low in (-5.0, 0.0):
            # with the true background at -1, a bound of 0 is met
            data = 3 * shape - 1 + 0.01 * rng.normal(size=Q.size)
            weights = rng.uniform(10, 100, Q.size)
            got = solved(
                [4.0, 1.0, 0.5],
                {"radius": (1, 9), "scale": (1e-3, 1e3), "background": (low, 9)},
                data,
                weights,
            )
            exact = lsq_linear(
                matrix * weights[:, None], data * weights, ([1e-3, low], [1e3, 9]), tol=1e-14
            )
            # the normal equations square a condition number of about 10
            np.testing.assert_allclose(got, [4.0, *exact.x], rtol=1e-9, atol=1e-9)


def test_nothing_linear_changes_nothing():
    bounds = {"radius": (1, 9), "scale": (1e-3, 1e3), "background": (0, 9)}
    got = solved([4.0, 1.0, 0.5], bounds, np.ones_like(Q), np.ones_like(Q), linear=())
    np.testing.assert_array_equal(got, np.float32([4.0, 1.0, 0.5]))


def test_the_model_is_evaluated_once_for_all_linear_parameters():
    """Only what depends on them is batched: the form factor appears once, for one radius."""
    plan = free_parameters(ball(), {"radius": (1, 9), "scale": (1, 1e3), "background": (0, 9)})
    q = jnp.array(Q, float)
    predict = lambda values: plan.insert(ball(), values)(q)
    run = lambda v: linear_basis(predict, (1, 2), v)
    jaxpr = str(jax.make_jaxpr(run)(jnp.array([5.0, 1.0, 1.0])))
    sines = [line for line in jaxpr.splitlines() if "= sin " in line]
    assert len(sines) == 1 and f"f32[{Q.size}]" in sines[0]
