"""Penalties against geometry, parametrisations against their inverses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.fitting import PARAMETRISATIONS, binary, total_variation


def test_total_variation_of_a_slab_is_its_two_faces():
    density = np.zeros((10, 12, 14))
    density[3:7, :, :] = 0.8
    with jax.enable_x64(True):
        got = total_variation(jnp.array(density), smoothing=1e-6)
    # each of the 2 * 12 * 14 faces costs its step less the smoothing, 1e-6
    np.testing.assert_allclose(got, 2 * 12 * 14 * (0.8 - 1e-6) / density.size, rtol=1e-9)


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (1, 2, 2)])
def test_total_variation_does_not_see_the_direction_of_a_slope(direction):
    axes = np.meshgrid(*[np.arange(16.0)] * 3, indexing="ij")
    unit = np.array(direction) / np.linalg.norm(direction)
    ramp = 0.01 * sum(n * x for n, x in zip(unit, axes, strict=True))
    with jax.enable_x64(True):
        slopes = total_variation(jnp.array(ramp), smoothing=1e-9) * ramp.size
    # the last layer of an axis lacks that difference, the last edges lack two
    faces = 15**2 * np.sqrt(np.clip(1 - unit**2, 0, None)).sum()
    expected = 0.01 * (15**3 + faces + 15 * unit.sum())
    # 1e-9 of smoothing against slopes of 0.01, linearly
    np.testing.assert_allclose(slopes, expected, rtol=1e-6)


def test_penalties_are_smooth_where_nothing_varies():
    with jax.enable_x64(True):
        flat = jnp.full((2, 3, 3), 0.3)
        np.testing.assert_array_equal(jax.grad(total_variation)(flat), 0)
        bumpy = flat + 0.1 * jax.random.normal(jax.random.key(0), flat.shape)
        check_grads(total_variation, (bumpy,), order=1, rtol=1e-5)
        check_grads(binary, (bumpy,), order=1, rtol=1e-6)
    tiny = 1e-7 * jax.random.normal(jax.random.key(0), (4, 5, 6))
    assert tiny.dtype == jnp.float32 and float(total_variation(tiny)) > 0


def test_binary_prefers_black_and_white():
    assert float(binary(jnp.array([0.0, 1.0, 1.0]))) == 0
    assert float(binary(jnp.array([0.5, 0.5]))) == 0.25


@pytest.mark.parametrize("name", list(PARAMETRISATIONS))
def test_parametrisations_invert_and_stay_in_range(name):
    transform = PARAMETRISATIONS[name]
    with jax.enable_x64(True):
        density = jnp.array([1e-6, 0.2, 0.7, 1 - 1e-6])
        back = transform.density(transform.variables(density))
        # 1 - p at p = 1 - 1e-6 keeps ten of sixteen digits
        np.testing.assert_allclose(back, density, rtol=1e-9)
        far = transform.density(jnp.array([-300.0, 300.0]))
        assert (far >= transform.low).all() and (far <= transform.high).all()
        assert np.isfinite(
            jax.vmap(jax.grad(transform.density))(jnp.array([-99.0, 99.0]))
        ).all()
    assert transform.density(jnp.float32(0.3)).dtype == jnp.float32
