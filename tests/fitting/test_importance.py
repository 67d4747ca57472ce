"""Weighted draws against densities whose integral and moments are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.fitting.importance import importance_draws

KEY = jax.random.key(4)


def weighed(draws, values):
    weights = np.exp(np.asarray(draws.log_weights))
    return weights @ np.asarray(values)


def test_a_normal_density_of_six_numbers():
    root = np.tril(np.random.default_rng(1).normal(size=(6, 6))) + 3 * np.eye(6)
    centre, height = np.arange(6.0), 2.5
    precision = root @ root.T
    with jax.enable_x64(True):
        density = lambda z: height - (z - centre) @ precision @ (z - centre) / 2
        run = jax.jit(
            lambda key: importance_draws(
                density, lambda z: jnp.asarray(precision), jnp.asarray(centre[None]), key
            )
        )
        found = run(KEY)
        exact = height + 3 * np.log(2 * np.pi) - np.log(np.diag(root)).sum()
        # Of 1536 draws at least a third count: an error of the integral of 1/sqrt(500).
        assert found.effective > 500
        assert abs(found.log_evidence - exact) < 4 / np.sqrt(500)
        covariance = np.linalg.inv(precision)
        away = np.asarray(found.places) - centre
        error = weighed(found, away) / np.sqrt(np.diag(covariance) / 500)
        assert np.abs(error).max() < 4.5
        spread = weighed(found, away**2) / np.diag(covariance)
        assert np.abs(spread - 1).max() < 4.5 * np.sqrt(2 / 500)


def test_two_optima_and_a_curved_ridge():
    # Two thin ridges of unequal weight, bent by many times their width.
    width = 0.05
    log_third = np.log(1 / 3)

    def density(z):
        x, y = z
        ridge = lambda side: -(((y - side * (2 + x**2 / 10)) / width) ** 2) / 2
        return -(x**2) / 2 + jnp.logaddexp(ridge(1.0), log_third + ridge(-1.0))

    def curvature(z):
        x, y = z
        side = jnp.where(y > 0, 1.0, -1.0)
        slope = jnp.stack([-side * x / 5, 1.0])
        return jnp.outer(slope, slope) / width**2 + jnp.diag(jnp.array([1.0, 0.0]))

    ends = np.array([[0.0, 2.0], [0.0, -2.0], [0.0, 2.0]])
    with jax.enable_x64(True):
        run = jax.jit(lambda key: importance_draws(density, curvature, jnp.asarray(ends), key))
        found = run(KEY)
    exact = np.log(2 * np.pi * width * 4 / 3)
    effective = float(found.effective)
    assert effective > 200
    assert abs(float(found.log_evidence) - exact) < 4 / np.sqrt(effective)
    places = np.asarray(found.places)
    below = weighed(found, places[:, 1] < 0)
    assert abs(below - 0.25) < 4 * np.sqrt(0.25 * 0.75 / effective)
    # Along the ridges x is a normal number.
    assert abs(weighed(found, places[:, 0] ** 2) - 1) < 4 * np.sqrt(2 / effective)


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of components, got 3, 100, 64"):
        importance_draws(None, None, jnp.zeros((1, 2)), KEY, draws=100)
