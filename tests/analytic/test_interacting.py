"""Particles with a structure factor, mixtures and products, put together by hand."""

import jax
import numpy as np
import pytest
from numerics import phi

from diffscatter.analytic import (
    CoreShellSphere,
    Gaussian,
    HardSphere,
    Interacting,
    Mixture,
    Polydisperse,
    Product,
    Sample,
    Sphere,
)

Q = np.array([0.0, 0.1, 0.5, 1.5])
BALL = dict(radius=4.0, contrast=2e-4)


def spheres(width=None):
    ball = Sphere(**BALL)
    return (
        ball if width is None else Polydisperse(model=ball, distribution=Gaussian(width=width))
    )


def test_product_of_form_and_structure_factor():
    with jax.enable_x64(True):
        hard = HardSphere(radius=5.0, volume_fraction=0.2)
        got = Sample(model=Interacting(particle=spheres(), structure=hard), background=0.1)(Q)
        volume = 4 / 3 * np.pi * 4.0**3
        single = (2e-4 * volume * phi(4.0 * Q)) ** 2
        np.testing.assert_allclose(got, 0.1 + 0.2e7 * single / volume * hard(Q), rtol=1e-12)


def test_decoupling_approximation():
    with jax.enable_x64(True):
        many, hard = spheres(0.15), HardSphere(radius=None, volume_fraction=0.3)
        model = Interacting(
            particle=many, structure=hard, decoupled=True, effective_radius="radius"
        )
        mean = np.asarray(many.average_amplitude(Q))
        square = np.asarray(many.average_square(Q))
        factor = np.asarray(HardSphere(radius=4.0, volume_fraction=0.3)(Q))
        expected = 0.3e7 / many.volume * (square + mean**2 * (factor - 1))
        np.testing.assert_allclose(Sample(model=model)(Q), expected, rtol=1e-10)
        # One size: both approximations are the same.
        alone = lambda decoupled: Interacting(
            particle=spheres(), structure=hard, decoupled=decoupled, effective_radius="radius"
        )
        plain, same = (Sample(model=alone(d))(Q) for d in (False, True))
        np.testing.assert_allclose(plain, same, rtol=1e-12)


def test_radius_of_the_population():
    shell = dict(thickness=1.0, core_contrast=1e-4, shell_contrast=2e-4)
    many = Polydisperse(
        model=CoreShellSphere(radius=4.0, **shell), distribution=Gaussian(width=0.1)
    )
    hard = HardSphere(radius=None, volume_fraction=0.1)
    with jax.enable_x64(True):
        outer = Interacting(particle=many, structure=hard, effective_radius="outer radius")
        # The mean of R + t over a normal law of R that ends far from 0.
        np.testing.assert_allclose(outer.at_particle().radius, 5.0, rtol=1e-10)
        core = Interacting(particle=many, structure=hard, effective_radius="core radius")
        np.testing.assert_allclose(core.at_particle().radius, 4.0, rtol=1e-10)


def test_dilute_limit_and_its_slope():
    with jax.enable_x64(True):

        def curve(fraction):
            hard = HardSphere(radius=4.0, volume_fraction=fraction)
            return Sample(model=Interacting(particle=spheres(), structure=hard))(Q)

        value, slope = curve(0.0), jax.jacfwd(curve)(0.0)
        np.testing.assert_array_equal(value, 0.0)
        np.testing.assert_allclose(slope, Sample(model=spheres())(Q), rtol=1e-12)


def test_sums_and_products():
    with jax.enable_x64(True):
        small, large = Sphere(**BALL), Sphere(radius=9.0, contrast=1e-4)
        alone = [np.asarray(Sample(model=model)(Q)) for model in (small, large)]
        both = Mixture(models=(small, large), scales=(0.3, 0.05))
        got = Sample(model=both, scale=0.5, background=0.1)(Q)
        expected = 0.5 * (0.3 * alone[0] + 0.05 * alone[1]) + 0.1
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        got = Sample(model=Product(models=(small, large)), scale=0.5)(Q)
        np.testing.assert_allclose(got, 0.5 * alone[0] * alone[1], rtol=1e-12)
        slopes = jax.jacfwd(lambda m: Sample(model=m)(Q))(both)
        np.testing.assert_allclose(slopes.scales.T, alone, rtol=1e-12)


def test_refuses():
    hard = HardSphere(radius=1.0, volume_fraction=0.1)
    with pytest.raises(ValueError, match="Sphere has no effective radius 'outer'"):
        Sample(model=Interacting(particle=spheres(), structure=hard, effective_radius="outer"))(
            Q
        )
    with pytest.raises(ValueError, match="HardSphere needs a radius"):
        unknown = HardSphere(radius=None, volume_fraction=0.1)
        Sample(model=Interacting(particle=spheres(), structure=unknown))(Q)
    with pytest.raises(ValueError, match="HardSphere is no particle with an amplitude"):
        Sample(model=Interacting(particle=hard, structure=hard, decoupled=True))(Q)
    with pytest.raises(ValueError, match="2 models need as many scales, got 1"):
        Sample(model=Mixture(models=(spheres(), spheres()), scales=(1.0,)))(Q)
