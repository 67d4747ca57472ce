"""Absolute units, and that a sample is all that a fit needs: a tree that is callable on q."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.analytic import Cylinder, Gaussian, Polydisperse, Sample, Sphere


def test_absolute_intensity_of_a_dilute_sample():
    # 1 % of 5 nm spheres, contrast 1e-4 1/nm^2: phi V drho^2 = 5.236e-8 1/nm = 0.5236 1/cm.
    sample = Sample(model=Sphere(radius=5.0, contrast=1e-4), scale=0.01, background=0.02)
    np.testing.assert_allclose(sample(0.0), 0.01 * 4 / 3 * np.pi * 125 * 1e-8 * 1e7 + 0.02)


def test_mean_square_over_mean_volume():
    many = Polydisperse(
        model=Sphere(radius=5.0, contrast=1e-4), distribution=Gaussian(width=0.1)
    )
    with jax.enable_x64(True):
        expected = 0.3 * 1e7 * many.intensity(0.2) / many.volume + 0.1
        got = Sample(model=many, scale=0.3, background=0.1)(0.2)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_derivatives_with_respect_to_the_whole_tree():
    q = np.array([0.0, 0.3])
    with jax.enable_x64(True):
        sample = Sample(model=Cylinder(radius=2.0, length=9.0, contrast=1e-4), scale=0.1)
        slope = jax.jacfwd(lambda s: s(q))(sample)
        assert jax.tree.structure(slope) == jax.tree.structure(sample)
        np.testing.assert_allclose(slope.background, 1.0)
        np.testing.assert_allclose(slope.scale * 0.1, sample(q), rtol=1e-12)
        np.testing.assert_allclose(slope.model.contrast * 1e-4 / 2, sample(q), rtol=1e-12)


def test_integers_are_sizes_too():
    large = Sample(model=Sphere(radius=3000, contrast=1e-4))
    expected = Sample(model=Sphere(radius=3000.0, contrast=1e-4))
    np.testing.assert_array_equal(large(1e-4), expected(1e-4))


def test_batches_and_scans():
    q = jnp.linspace(0.1, 1, 5)
    curve = lambda r: Sample(model=Sphere(radius=r, contrast=1e-4))(q)
    radii = jnp.array([2.0, 3.0])
    np.testing.assert_allclose(jax.vmap(curve)(radii), jax.lax.map(curve, radii), rtol=1e-5)


def test_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="model.radius must be finite"):
        Sample(model=Sphere(radius=np.inf, contrast=1e-4))([0.1])
    with pytest.raises(ValueError, match="scale must be finite"):
        Sample(model=Sphere(radius=1.0, contrast=1e-4), scale=np.nan)([0.1])
