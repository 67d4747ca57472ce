"""Populations against direct quadrature, moments in closed form, and their derivatives."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference, number_mean, sphere_square

from diffscatter.analytic import (
    Boltzmann,
    CoreShellSphere,
    Cylinder,
    Ellipsoid,
    Gaussian,
    Lognormal,
    Polydisperse,
    Rectangle,
    Sample,
    Schulz,
    Sphere,
    Uniform,
    named_distribution,
    parameter_of,
    with_parameter,
)

RADIUS = 12.0
Q = np.array([0.0, 0.01, 0.1, 0.4, 1.0, 3.0, 8.0])


def spheres(distribution, radius=RADIUS, **options):
    return Polydisperse(
        model=Sphere(radius=radius, contrast=1.0), distribution=distribution, **options
    )


# Density of x and where it ends: 1e-12 of its sixth moment, or its own ends.
DENSITIES = {
    Gaussian: lambda w: (lambda x: np.exp(-(((x - 1) / w) ** 2) / 2), 1 - 9 * w, 1 + 10 * w),
    Lognormal: lambda w: (
        lambda x: np.exp(-((np.log(x) / w) ** 2) / 2) / x,
        np.exp(-8 * w),
        np.exp(8 * w + 6 * w**2),
    ),
    Schulz: lambda w: (
        lambda x: np.exp((np.log(x) - x + 1) / w**2) / x,
        1e-9,
        1 + 12 * w + 40 * w**2,
    ),
    Uniform: lambda w: (np.ones_like, 1 - w, 1 + w),
    Rectangle: lambda w: (np.ones_like, 1 - 3**0.5 * w, 1 + 3**0.5 * w),
    Boltzmann: lambda w: (lambda x: np.exp(-np.abs(x - 1) / w), 1 - 27 * w, 1 + 40 * w),
}


@pytest.mark.parametrize("width", [0.004, 0.08, 0.17, 0.45])
@pytest.mark.parametrize("kind", DENSITIES)
def test_matches_direct_quadrature(kind, width):
    density, low, high = DENSITIES[kind](width)
    square = lambda x: sphere_square(Q[:, None], RADIUS * x)
    expected = number_mean(square, density, max(low, 1e-9), high)
    with jax.enable_x64(True):
        got = spheres(kind(width=width)).intensity(Q)
    # Normal tails end at 6.5 widths: 1e-10, of moments up to the sixth a little more.
    np.testing.assert_allclose(got, expected, rtol=3e-9)


@pytest.mark.parametrize("width", [1e-3, 0.1, 0.3])
def test_mean_volume_in_closed_form(width):
    ball = 4 / 3 * np.pi * RADIUS**3
    w2 = width**2
    moments = {
        Gaussian: 1 + 3 * w2,
        Lognormal: np.exp(4.5 * w2),
        Schulz: (1 + w2) * (1 + 2 * w2),
        Uniform: 1 + w2,
        Rectangle: 1 + 3 * w2,
        Boltzmann: _laplace_third_moment(width),
    }
    with jax.enable_x64(True):
        for kind, moment in moments.items():
            # Cutting the normal law at 0 takes e^(-1/2w^2)-ish of its mass away: 4e-4 at 0.3.
            rtol = 1e-3 if kind is Gaussian and width > 0.2 else 1e-9
            volume = spheres(kind(width=width)).volume
            np.testing.assert_allclose(volume, ball * moment, rtol=rtol)


def _laplace_third_moment(width):
    """Both sides by parts, the left one as far as x = 0."""
    left = mass = 1 - np.exp(-1 / width)
    for n in (1, 2, 3):
        left = 1 - n * width * left
    return (1 + 3 * width + 6 * width**2 + 6 * width**3 + left) / (1 + mass)


@pytest.mark.parametrize("kind", [Lognormal, Schulz])
def test_broad_distributions_over_many_decades_of_q(kind):
    """Moments at rest, Porod's law far out: I q^4 is 2 pi drho^2 times the mean surface."""
    width = 0.6
    with jax.enable_x64(True):
        got = [spheres(kind(width=width)).intensity(q) for q in (0.0, 20.0)]
    x = lambda n: np.exp(n * n * width**2 / 2)  # noqa: E731
    if kind is Schulz:
        x = lambda n: np.prod([1 + k * width**2 for k in range(n)])  # noqa: E731
    ball = 4 / 3 * np.pi * RADIUS**3
    np.testing.assert_allclose(got[0], ball**2 * x(6), rtol=1e-8)
    # F^2 averages to 8 pi^2 (r^2 + 1/q^2)/q^4 once the fringes have gone.
    porod = 8 * np.pi**2 * (RADIUS**2 * x(2) + 1 / 20.0**2) / 20.0**4
    np.testing.assert_allclose(got[1], porod, rtol=1e-7)


BOTH_GRIDS = [(kind, "converged") for kind in DENSITIES]
BOTH_GRIDS += [(Lognormal, "sasmodels"), (Schulz, "sasmodels")]


@pytest.mark.parametrize(("kind", "grid"), BOTH_GRIDS)
def test_width_zero_is_one_size(kind, grid):
    with jax.enable_x64(True):
        one = Sphere(radius=RADIUS, contrast=1.0)
        many = spheres(kind(width=0.0), grid=grid)
        np.testing.assert_allclose(many.intensity(Q), one.intensity(Q), rtol=1e-12)
        np.testing.assert_allclose(many.volume, one.volume, rtol=1e-12)
        # An even function of the width: no slope at 0, and a finite one.
        slope = jax.jacfwd(lambda w: spheres(kind(width=w), grid=grid).intensity(Q))(0.0)
        np.testing.assert_allclose(slope, 0, atol=1e-10 * float(one.intensity(0.0)))


@pytest.mark.parametrize(("kind", "grid"), BOTH_GRIDS)
def test_derivatives_equal_central_differences(kind, grid):
    q = np.array([0.0, 0.2, 1.0, 4.0])
    width = 0.13
    with jax.enable_x64(True):
        curve = lambda w, r: spheres(kind(width=w), r, grid=grid).intensity(q)
        exact = jax.jacfwd(curve, (0, 1))(width, RADIUS)
        by_width = central_difference(lambda w: curve(w, RADIUS), width, 2e-4 * width)
        by_radius = central_difference(lambda r: curve(width, r), RADIUS, 2e-4 * RADIUS)
    # Fourth order in q dr = 0.01: 1e-8; rounding 1e-14/2e-4.
    np.testing.assert_allclose(exact[0], by_width, rtol=1e-6)
    np.testing.assert_allclose(exact[1], by_radius, rtol=1e-6)
    if kind is Gaussian:
        with jax.enable_x64(True):
            backward = jax.jacrev(curve, (0, 1))(width, RADIUS)
        np.testing.assert_allclose(backward[0], exact[0], rtol=1e-9)
        np.testing.assert_allclose(backward[1], exact[1], rtol=1e-9)


def test_gradient_with_the_width_is_that_of_the_integral():
    """Nodes that did not move with the width would fail this by per cents."""
    width, q = 0.1, np.array([0.3, 1.0])
    square = lambda x: sphere_square(q[:, None], RADIUS * x)

    def mean(w):
        density, low, high = DENSITIES[Lognormal](w)
        return number_mean(square, density, low, high)

    with jax.enable_x64(True):
        slope = jax.jacfwd(lambda w: spheres(Lognormal(width=w)).intensity(q))(width)
    np.testing.assert_allclose(slope, central_difference(mean, width, 1e-3), rtol=1e-6)


def test_sasmodels_grid_written_out():
    x = RADIUS * (1 + 0.4 * np.linspace(-3, 3, 35))
    x = x[x >= 0]
    weight = np.exp(-(((x - RADIUS) / (0.4 * RADIUS)) ** 2) / 2)
    expected = sphere_square(Q[:, None], x) @ weight / weight.sum()
    with jax.enable_x64(True):
        model = spheres(Gaussian(width=0.4), grid="sasmodels")
        np.testing.assert_allclose(model.intensity(Q), expected, rtol=1e-11)
        assert model.node_count(Q) == 35
        other = spheres(Gaussian(width=0.1), grid="sasmodels", nodes=7, extent=2.0)
        x = RADIUS * (1 + 0.1 * np.linspace(-2, 2, 7))
        weight = np.exp(-(np.linspace(-2, 2, 7) ** 2) / 2)
        expected = sphere_square(Q[:, None], x) @ weight / weight.sum()
        np.testing.assert_allclose(other.intensity(Q), expected, rtol=1e-11)


def test_nested_populations_are_a_double_sum():
    q = np.array([0.0, 0.1, 0.9])
    rod = Cylinder(radius=3.0, length=20.0, contrast=1.0)
    with jax.enable_x64(True):
        inner = Polydisperse(model=rod, distribution=Gaussian(width=0.2), parameter="radius")
        both = Polydisperse(model=inner, distribution=Schulz(width=0.3), parameter="length")
        got = both.intensity(q)
        # 120 lengths summed here, each of them a population of radii.
        density, low, high = DENSITIES[Schulz](0.3)
        at = jax.jit(jax.vmap(lambda x: with_parameter(inner, "length", 20 * x).intensity(q)))
        mean = number_mean(lambda x: np.asarray(at(x)).T, density, low, high, panels=4)
        np.testing.assert_allclose(got, mean, rtol=1e-6)
        moment = 20 * np.pi * 9 * (1 + 0.2**2)
        # The normal law of width 0.2 has 3e-7 of its mass below 0.
        np.testing.assert_allclose(both.volume, moment, rtol=1e-6)
    assert float(parameter_of(both, "length")) == 20.0


def test_other_parameters_and_models():
    with jax.enable_x64(True):
        shell = CoreShellSphere(
            radius=5.0, thickness=2.0, core_contrast=1e-4, shell_contrast=-2e-4
        )
        many = Polydisperse(
            model=shell, distribution=Gaussian(width=0.3), parameter="thickness"
        )
        t, w = np.polynomial.hermite_e.hermegauss(40)
        at = jax.vmap(lambda x: with_parameter(shell, "thickness", x).intensity(Q))
        expected = w @ np.asarray(at(2.0 * (1 + 0.3 * t))) / w.sum()
        # Gauss-Hermite has the whole line; the thickness is positive, 4e-4 of the mass missing.
        np.testing.assert_allclose(many.intensity(Q), expected, rtol=1e-2)
        flat = Polydisperse(
            model=Ellipsoid(radius_polar=2.0, radius_equatorial=6.0, contrast=1e-4),
            distribution=Gaussian(width=0.1),
            parameter="contrast",
        )
        # The mean of a squared contrast.
        expected = flat.model.intensity(Q) * (1 + 0.1**2)
        np.testing.assert_allclose(flat.intensity(Q), expected, rtol=1e-8)


def test_nodes_grow_with_q_size_and_width():
    assert spheres(Gaussian(width=0.1), 50.0).node_count(5.0) == 1  # a closed form
    count = lambda r, w, q: spheres(Lognormal(width=w), r).node_count(q)
    assert count(5.0, 0.1, 0.1) <= 32
    assert count(5.0, 0.1, 5.0) < count(50.0, 0.1, 5.0) < count(50.0, 0.3, 5.0) < 1000
    with jax.enable_x64(True):
        wide = spheres(Gaussian(width=0.3), 50.0)
        q = np.array([4.0, 5.0])
        fixed = spheres(Gaussian(width=0.3), 50.0, nodes=2 * wide.node_count(q))
        np.testing.assert_allclose(wide.intensity(q), fixed.intensity(q), rtol=1e-9)
        coarse = spheres(Gaussian(width=0.3), 50.0, nodes=32).intensity(q)
        assert np.abs(coarse / fixed.intensity(q) - 1).max() > 1e-3


def test_width_may_grow_under_jit_without_a_new_trace():
    with jax.enable_x64(True):

        @jax.jit
        @chex.assert_max_traces(n=1)
        def curve(width, radius):
            return spheres(Lognormal(width=width), radius).intensity(Q)

        for width, radius in ((0.02, 1.0), (0.3, 60.0)):
            eager = spheres(Lognormal(width=width), radius).intensity(Q)
            np.testing.assert_allclose(curve(width, radius), eager, rtol=1e-12)


def test_batches_equal_single_calls():
    with jax.enable_x64(True):
        curve = lambda w, r: spheres(Gaussian(width=w), r).intensity(Q)
        widths, radii = jnp.array([0.0, 0.1, 0.3]), jnp.array([30.0, 5.0, 1.0])
        single = jnp.stack([curve(w, r) for w, r in zip(widths, radii, strict=True)])
        np.testing.assert_allclose(jax.vmap(curve)(widths, radii), single, rtol=1e-8)
        mapped = jax.lax.map(lambda p: curve(*p), (widths, radii))
        np.testing.assert_allclose(mapped, single, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "grid"),
    [(Gaussian, "converged"), (Schulz, "converged"), (Schulz, "sasmodels")],
)
def test_single_precision(kind, grid):
    q = np.linspace(0, 1.5, 100)
    sample = lambda: Sample(model=spheres(kind(width=0.15), grid=grid))
    with jax.enable_x64(True):
        exact = np.asarray(sample()(q))
        asked = jax.eval_shape(sample(), jnp.asarray(q, jnp.float32))
        assert asked.dtype == jnp.float32
    got = np.asarray(sample()(q.astype(np.float32)))
    bright = exact > 1e-6 * exact[0]
    np.testing.assert_allclose(got[bright], exact[bright], rtol=1e-3)


def test_refuses_by_name():
    with pytest.raises(ValueError, match="Sphere has no parameter 'length'; it has radius"):
        spheres(Gaussian(width=0.1), parameter="length").intensity(Q)
    with pytest.raises(ValueError, match="grid must be one of converged, sasmodels"):
        spheres(Gaussian(width=0.1), grid="fine")
    with pytest.raises(ValueError, match="radius needs more than 16384 nodes"):
        spheres(Gaussian(width=0.3), 1e6).intensity([1.0])
    with pytest.raises(ValueError, match="one of gaussian, lognormal.*got 'normal'"):
        named_distribution("normal", 0.1)
    with pytest.raises(ValueError, match="width of a schulz distribution.*got -0.1"):
        named_distribution("schulz", -0.1)
    with pytest.raises(ValueError, match="distribution.width must be finite"):
        spheres(Gaussian(width=np.inf)).intensity(Q)
