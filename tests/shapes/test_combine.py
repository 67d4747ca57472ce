"""Unions, intersections, differences and sums against exact fields and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from diffscatter import shapes
from diffscatter.core.pytree import struct
from diffscatter.operators import saxs
from tests.shapes import closed_forms

SIGMA = 0.2


def half_space(angle, offset=0.0):
    return shapes.HalfSpaces(normals=[[np.cos(angle), np.sin(angle), 0.0]], offsets=[offset])


def test_a_body_that_lacks_a_part_is_refused_when_it_is_made():
    @struct
    class Everywhere(shapes.Body):
        radius: jax.Array

        def smoothed(self, at, sigma):
            return at[0] * 0 + 1

    with pytest.raises(TypeError, match="bounds.*check.*margin"):
        Everywhere(radius=1.0)


def test_smoothed_wedge_loses_no_volume():
    """Two half-spaces at any angle: their smoothed product is a bivariate normal integral."""
    x = np.linspace(-1.6, 1.6, 65)
    at = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    for correlation in (0.3, -0.3):
        angle = np.arccos(correlation)
        with jax.enable_x64(True):
            wedge = half_space(0.0) & half_space(angle)
            got = np.asarray(wedge.smoothed((at[:, 0], at[:, 1], 0.0), SIGMA).value)
            bare = np.asarray(
                half_space(0.0).smoothed((at[:, 0], at[:, 1], 0.0), SIGMA).value
                * half_space(angle).smoothed((at[:, 0], at[:, 1], 0.0), SIGMA).value
            )
        across = at @ [np.cos(angle), np.sin(angle)]
        joint = multivariate_normal(cov=[[1, correlation], [correlation, 1]])
        exact = joint.cdf(-np.stack([at[:, 0], across], -1) / SIGMA)
        # Pointwise the next term is rho^2/2 times at most max(t phi(t))^2 = 0.059.
        assert np.abs(got - exact).max() < 0.06 * correlation**2 / 2 + 1e-3 * abs(correlation)
        # Its integral vanishes: the volume is right where the bare product's is not.
        assert abs(np.sum(got - exact)) < 0.02 * abs(np.sum(bare - exact))


def test_algebra_of_sets():
    rng = np.random.default_rng(0)
    at = tuple(rng.uniform(-3, 3, (3, 500)))
    with jax.enable_x64(True):
        a = shapes.Sphere(radius=2.0)
        b = shapes.Box(sides=[2.0, 3.0, 4.0], centre=(1.0, 0.0, 0.0))
        c = shapes.Cylinder(radius=1.0, length=2.0, centre=(0.0, 1.0, 0.0))
        value = lambda body: np.asarray(body.smoothed(at, SIGMA).value)
        close = lambda x, y: np.testing.assert_allclose(x, y, atol=1e-14)
        close(value(a | b), value(a) + value(b) - value(a & b))
        close(value(a - b), value(a) - value(a & b))
        close(value(shapes.union(a, b)), value(b | a))
        close(value(shapes.intersection(a)), value(a))
        hard = lambda body: np.asarray(body.hard(at)) > 0
        assert (hard(a & b & c) == (hard(a) & hard(b) & hard(c))).all()
        assert (hard(a | b | c) == (hard(a) | hard(b) | hard(c))).all()
        assert (hard(shapes.difference(a, b)) == (hard(a) & ~hard(b))).all()
        low, high = (a | b).bounds()
        np.testing.assert_allclose([low, high], [[-2, -2, -2], [2, 2, 2]])
        low, high = (a & b).bounds()
        np.testing.assert_allclose([low, high], [[0, -1.5, -2], [2, 1.5, 2]])


def test_contrasts_of_any_scalar_type_make_a_composite():
    body = shapes.Sphere(radius=2.0)
    for contrast in (2, 2.0, np.float64(2.0), np.float32(2.0), np.array(2.0), jnp.array(2.0)):
        for product in (contrast * body, body * contrast):
            assert isinstance(product, shapes.Composite)
            np.testing.assert_allclose(product.density((0.0, 0.0, 0.5), SIGMA), 2.0, rtol=1e-6)
    with pytest.raises(TypeError):
        body + body
    with pytest.raises(TypeError):
        body * body
    with pytest.raises(ValueError, match="contrast must be a scalar"):
        shapes.rasterise(jnp.ones(2) * body, 16, 1.0)
    with pytest.raises(ValueError, match="union takes bodies, got Composite"):
        shapes.union(body, 2.0 * body)
    with pytest.raises(ValueError, match="at least one body"):
        shapes.intersection()


def test_a_shell_is_a_difference_and_a_sum():
    with jax.enable_x64(True):
        centre = (0.1, -0.2, 0.3)
        outer = shapes.Sphere(radius=8.0, centre=centre)
        inner = shapes.Sphere(radius=5.0, centre=centre)
        hollow = shapes.rasterise(outer - inner, 28, 1.0).values
        summed = shapes.rasterise(1.0 * outer + (-1.0) * inner, 28, 1.0).values
    # Surfaces 3 nm apart, 15 standard deviations of the smoothing: the same to rounding.
    np.testing.assert_allclose(hollow, summed, atol=1e-13)


def test_two_spheres_interfere():
    q = np.linspace(0.05, np.pi / 2, 50)
    with jax.enable_x64(True):
        pair = shapes.union(
            shapes.Sphere(radius=5.0, centre=(0.2, 5.8, -2.3)),
            shapes.Sphere(radius=5.0, centre=(-0.3, -5.6, 2.4)),
        )
        soft = shapes.rasterise(pair, (26, 36, 24), 1.0)
        got = saxs.intensity(soft.values, 1.0, q, voxel="point", blur=soft.blur)
    apart = np.linalg.norm([0.5, 11.4, 4.7])
    exact = 2 * closed_forms.sphere_amplitude(q, 5.0) ** 2 * (1 + np.sinc(q * apart / np.pi))
    bright = exact > 1e-5 * exact.max()
    assert bright.sum() > 20
    np.testing.assert_allclose(got[bright], exact[bright], rtol=1e-3)


def test_a_lens_has_the_volume_of_two_caps():
    """Two spheres of radius 6, centres 6 apart: curved faces that meet at 120 degrees."""
    with jax.enable_x64(True):
        a = shapes.Sphere(radius=6.0, centre=(3.0, 0.1, 0.2))
        b = shapes.Sphere(radius=6.0, centre=(-3.0, 0.1, 0.2))
        lens = shapes.rasterise(a & b, 24, 1.0).values.sum()
        both = shapes.rasterise(a | b, 30, 1.0).values.sum()
        whole = float(2 * a.volume)
    cap = np.pi * 3**2 * (6 - 1)
    # The bare product of the two fields would lose cos(60) sigma^2 / sin(60) along the edge,
    # a circle of radius sqrt(27); one per cent of that may remain.
    edge = 0.01 * 2 * np.pi * np.sqrt(27) * SIGMA**2 / np.tan(np.pi / 3)
    np.testing.assert_allclose(lens, 2 * cap, rtol=0, atol=edge)
    np.testing.assert_allclose(both, whole - 2 * cap, rtol=0, atol=edge)
