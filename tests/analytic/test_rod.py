"""Populations of rods, by two tables, against sums over every body."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from numerics import central_difference
from scipy.special import j1

from diffscatter.analytic import Boltzmann, Cylinder, Gaussian, HollowCylinder, Polydisperse
from diffscatter.analytic.tabulated import tabulated

Q = np.array([0.0, 0.02, 0.3, 1.0, 2.5])


def rods(radius, length, widths, body=None, **options):
    model = body or Cylinder(radius=radius, length=length, contrast=1.0)
    for name, width in widths.items():
        model = Polydisperse(
            model=model, distribution=Gaussian(width=width), parameter=name, **options
        )
    return model


def sizes(centre, width, grid):
    t, w = np.polynomial.legendre.leggauss(120)
    t, w = (8 * t, w) if grid == "converged" else (np.linspace(-3, 3, 35), np.ones(35))
    w = w * np.exp(-t * t / 2)
    return centre * (1 + width * t), w / w.sum()


def brute_force(section, radii, lengths):
    """Return <F^2> and <F> of rods of unit contrast; radii and lengths with their weights."""
    x, w = np.polynomial.legendre.leggauss(600)
    theta, w = (x + 1) * np.pi / 4, w * np.pi / 4
    across = section(np.multiply.outer(Q, np.sin(theta))[..., None], radii[0])
    along = np.multiply.outer(Q, np.cos(theta))[..., None] * lengths[0] / 2
    along = lengths[0] * np.sinc(along / np.pi)
    average = lambda n: (across**n @ radii[1]) * (along**n @ lengths[1]) @ (w * np.sin(theta))
    return average(2), average(1)


def disc(k, radius):
    x = k * radius
    safe = np.where(x > 0, x, 1.0)
    return np.pi * radius**2 * np.where(x > 0, 2 * j1(safe) / safe, 1.0)


@pytest.mark.parametrize("grid", ["converged", "sasmodels"])
@pytest.mark.parametrize("shape", [(2.0, 20.0), (15.0, 3.0)], ids=["rod", "disc"])
def test_radius_and_length(shape, grid):
    square, amplitude = brute_force(
        disc, sizes(shape[0], 0.1, grid), sizes(shape[1], 0.15, grid)
    )
    with jax.enable_x64(True):
        both = rods(*shape, {"radius": 0.1, "length": 0.15}, grid=grid)
        np.testing.assert_allclose(both.intensity(Q), square, rtol=1e-9)
        got = np.asarray(both.average_amplitude(jnp.asarray(Q)))
        # F changes sign: its own scale is that of its square.
        np.testing.assert_array_less(np.abs(got - amplitude), 1e-9 * np.sqrt(square))


def test_one_of_them_and_a_tube():
    one, some = np.ones(1), {"radius": 0.1}
    wall = lambda k, r: disc(k, r + 1.0) - disc(k, r)
    radii, lengths = sizes(2.0, 0.1, "converged"), sizes(20.0, 0.1, "converged")
    with jax.enable_x64(True):
        tube = HollowCylinder(radius=3.0, thickness=1.0, length=20.0, contrast=1.0)
        cases = [
            (rods(2.0, 20.0, some), disc, radii, (20 * one, one)),
            (rods(2.0, 20.0, {"length": 0.1}), disc, (2 * one, one), lengths),
            (rods(0, 0, some, tube), wall, sizes(3.0, 0.1, "converged"), (20 * one, one)),
        ]
        for model, section, radii, lengths in cases:
            expected = brute_force(section, radii, lengths)[0]
            np.testing.assert_allclose(model.intensity(Q), expected, rtol=1e-9)


def test_derivatives_and_batches():
    def curve(p):
        return rods(p[0], p[1], {"radius": p[2], "length": p[3]}).intensity(Q) / 1e4

    def exact(p):
        laws = sizes(p[0], p[2], "converged"), sizes(p[1], p[3], "converged")
        return brute_force(disc, *laws)[0] / 1e4

    with jax.enable_x64(True):
        curve = jax.jit(curve)
        p = np.array([2.0, 20.0, 0.1, 0.15])
        slopes = np.asarray(jax.jit(jax.jacrev(curve))(p))
        for i in range(4):
            along = lambda x, i=i: exact(np.where(np.arange(4) == i, x, p))
            slope = central_difference(along, p[i], 3e-4 * p[i])
            # The tails beyond 6.5 widths: where a slope crosses 0, what they hold of I is left.
            bound = 1e-6 * np.abs(slope) + 1e-8 * exact(p) / p[i]
            np.testing.assert_array_less(np.abs(slopes[:, i] - slope), bound)
        flat = np.asarray(jax.jit(jax.jacfwd(curve))(p * np.array([1, 1, 0, 0])))
        assert np.isfinite(flat).all()
        np.testing.assert_allclose(flat[:, 2:], 0, atol=1e-8 * np.abs(flat).max())
        batch = p * np.array([[1.0], [1.7]])
        mapped = jax.vmap(curve)(batch)
        np.testing.assert_allclose(mapped, [curve(x) for x in batch], rtol=1e-9)


def test_single_precision():
    both = lambda: rods(2.0, 20.0, {"radius": 0.1, "length": 0.1})
    with jax.enable_x64(True):
        exact = np.asarray(both().intensity(Q))
    got = both().intensity(Q.astype(np.float32))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, exact, rtol=1e-3)


def test_tables():
    k = np.linspace(0, 3, 301)
    with jax.enable_x64(True):
        for reach in (1.0, 40.0, 5000.0):  # the last does not fit and is computed directly
            square = lambda k, r=reach: jnp.cos(k * r) ** 2
            look_up = tabulated(square, jnp.asarray(3.0), jnp.asarray(reach))
            np.testing.assert_allclose(look_up(k), np.cos(k * reach) ** 2, atol=1e-9)
        wave = lambda reach, k: tabulated(lambda k: jnp.cos(k * reach) ** 2, 3.0, 40.0)(k)
        check_grads(wave, (39.0, jnp.array([0.3, 2.9])), order=1, modes=("fwd",), rtol=1e-6)
        nothing = tabulated(jnp.cos, jnp.asarray(0.0), jnp.asarray(1e4))
        np.testing.assert_allclose(nothing(jnp.zeros(2)), 1, rtol=1e-12)


def test_sharp_distributions_of_length():
    """A kink at the mean; what does not fit the length's law by Gauss-Legendre panels."""
    with jax.enable_x64(True):
        model = Polydisperse(
            model=Cylinder(radius=2.0, length=20.0, contrast=1.0),
            distribution=Boltzmann(width=0.05),
            parameter="length",
        )
        t, w = np.polynomial.legendre.leggauss(200)
        t, w = 15 * (t + 1), 15 * w * np.exp(-15 * (t + 1))
        lengths = np.concatenate([20 * (1 - 0.05 * t), 20 * (1 + 0.05 * t)])
        keep = np.concatenate([t < 20, t < 30])  # positive lengths
        weights = np.where(keep, np.concatenate([w, w]), 0)
        expected = brute_force(
            disc, (np.array([2.0]), np.ones(1)), (lengths, weights / weights.sum())
        )[0]
        np.testing.assert_allclose(model.intensity(Q), expected, rtol=1e-8)
