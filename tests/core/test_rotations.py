"""Rotations against scipy's, at the origin, and their uniformity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.spatial.transform import Rotation

from diffscatter.core.rotations import from_quaternion, from_rotation_vector, random_rotation

VECTORS = [(0.3, -1.1, 0.7), (0, 0, 1e-5), (2e-4, 0, 0), (0, 3.0, 0), (1.9, 1.8, -2.2)]


@pytest.mark.parametrize("vector", VECTORS)
def test_rotation_vector(vector):
    with jax.enable_x64(True):
        got = from_rotation_vector(jnp.asarray(vector))
    np.testing.assert_allclose(got, Rotation.from_rotvec(vector).as_matrix(), atol=4e-15)


def test_quaternion_of_any_length():
    w, x, y, z = 0.5, -2.0, 1.0, 3.0
    with jax.enable_x64(True):
        got = from_quaternion((w, x, y, z))
    np.testing.assert_allclose(got, Rotation.from_quat((x, y, z, w)).as_matrix(), atol=4e-15)


def test_turns_x_towards_y_about_z():
    turned = from_rotation_vector((0.0, 0.0, np.pi / 2)) @ jnp.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-6)


def test_derivatives_at_rest_are_the_generators():
    with jax.enable_x64(True):
        slope = jax.jit(jax.jacfwd(from_rotation_vector))(jnp.zeros(3))
        curvature = jax.jit(jax.hessian(from_rotation_vector))(jnp.zeros(3))
    # dR/dv_k = K_k and d2R/dv_z2 = K_z^2, with K_k x = e_k cross x.
    generators = np.stack([np.cross(np.eye(3), e) for e in np.eye(3)])
    np.testing.assert_allclose(np.moveaxis(slope, -1, 0), generators, atol=1e-15)
    np.testing.assert_allclose(curvature[..., 2, 2], np.diag([-1.0, -1.0, 0.0]), atol=1e-15)


def test_gradients():
    weights = jnp.arange(9.0).reshape(3, 3)
    with jax.enable_x64(True):
        turned = jax.jit(jax.vmap(lambda v: jnp.sum(weights * from_rotation_vector(v))))
        check_grads(turned, (jnp.asarray(VECTORS, float),), order=2, rtol=1e-6, atol=1e-6)


def test_random_rotations_are_uniform():
    n = 4000
    keys = jax.random.split(jax.random.key(3), n)
    matrices = np.asarray(jax.vmap(lambda k: random_rotation(key=k))(keys))
    product = np.einsum("nij,nkj->nik", matrices, matrices)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-5)
    # Haar: every element has mean 0 and variance 1/3, its square the variance 4/45; 5 sigma
    # over 18 comparisons.
    assert np.abs(matrices.mean(0)).max() < 5 * np.sqrt(1 / 3 / n)
    assert np.abs((matrices**2).mean(0) - 1 / 3).max() < 5 * np.sqrt(4 / 45 / n)


def test_dtype_follows_the_input():
    with jax.enable_x64(True):
        assert from_rotation_vector(jnp.ones(3, jnp.float32)).dtype == jnp.float32
        assert from_quaternion(jnp.ones(4, jnp.float32)).dtype == jnp.float32
        assert random_rotation(key=jax.random.key(0), dtype=jnp.float32).dtype == jnp.float32
