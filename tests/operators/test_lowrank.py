"""The short sum for exp(-i q z), and the exponential of a voxel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.operators._emission import exp_minus_one
from diffscatter.operators._lowrank import chebyshev_expansion, chebyshev_terms, compress


def product(pairs):
    (even, even_basis), (odd, odd_basis) = pairs
    return even.T @ even_basis - 1j * odd.T @ odd_basis


@pytest.mark.parametrize("depth", [1.0, 40.0, 300.0, 2000.0])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-13])
def test_expansion_reaches_its_tolerance(depth, tolerance):
    half_band, z = 0.2, np.linspace(-depth / 2, depth / 2, 97)
    q = np.linspace(-2 * half_band, 0, 211)
    exact = np.exp(-1j * np.outer(q + half_band, z))
    terms = chebyshev_terms(half_band * depth / 2, tolerance)
    pairs = chebyshev_expansion(np, q, half_band, z, terms)
    # Phases and polynomials round in proportion to the order.
    floor = 4 * terms * np.finfo(float).eps
    assert np.abs(product(pairs) - exact).max() < tolerance + floor
    # Not many terms too many: four less are not enough.
    if terms > 6:
        fewer = chebyshev_expansion(np, q, half_band, z, terms - 4)
        assert np.abs(product(fewer) - exact).max() > tolerance

    short = [compress(*pair, tolerance) for pair in pairs]
    kept = sum(len(basis) for _, basis in short)
    assert kept <= terms
    # What is dropped adds at most its singular values, times polynomials below 1.
    assert np.abs(product(short) - exact).max() < 10 * tolerance + floor


def test_singular_values_shorten_deep_volumes():
    half_band, depth = 0.23, 319.0  # the whole hemisphere at 13.5 nm
    z = np.linspace(-depth / 2, depth / 2, 192)
    terms = chebyshev_terms(half_band * depth / 2, 1e-7)
    pairs = chebyshev_expansion(np, np.linspace(-2 * half_band, 0, 50), half_band, z, terms)
    kept = sum(len(compress(*pair, 1e-6)[1]) for pair in pairs)
    # Time times bandwidth, and a little: Slepian's count.
    assert kept < 2 * half_band * depth / (2 * np.pi) + 15 < terms - 10


def test_traced_expansion_is_the_same():
    q, z = np.linspace(-0.4, 0, 7), np.linspace(-20, 20, 9)
    with jax.enable_x64(True):
        traced = jax.jit(lambda q, h, z: chebyshev_expansion(jnp, q, h, z, 30))(q, 0.2, z)
        traced = jax.tree.map(np.asarray, traced)
    np.testing.assert_allclose(product(traced), np.exp(-1j * np.outer(q + 0.2, z)), atol=1e-14)


@pytest.mark.parametrize("x64", [False, True])
def test_exponential_minus_one(x64):
    rng = np.random.default_rng(2)
    size = 10.0 ** rng.uniform(-12, 0.5, (3, 400))
    phase = np.concatenate([size[0], -size[1], 1j * size[2], size[0] + 1j * size[1]])
    with jax.enable_x64(x64):
        phase = np.asarray(phase, "c16" if x64 else "c8")
        found = np.asarray(exp_minus_one(jnp.asarray(phase)))
    exact = np.expm1(1j * phase.astype("c16"))
    # Relative to itself, however small: a dozen operations.
    assert np.abs(found / exact - 1).max() < 12 * np.finfo(phase.dtype).eps


def test_exponential_of_many_turns():
    phase = np.array([1e3, -1e3 + 1j, 12345.678 + 2j, np.pi, -np.pi, 2 * np.pi])
    with jax.enable_x64(True):
        found = np.asarray(exp_minus_one(jnp.asarray(phase)))
        check_grads(exp_minus_one, (jnp.asarray(phase[:2]) / 300,), order=2, rtol=1e-6)
    exact = np.expm1(1j * phase)
    room = np.finfo(float).eps * (4 + np.abs(phase))
    assert (np.abs(found - exact) < room).all()
