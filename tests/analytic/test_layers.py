"""Balls, shells and sheets against numerical integrals of their density profiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference, number_mean
from scipy.special import erf

from diffscatter.analytic import (
    CoreMultiShell,
    CoreShellSphere,
    FuzzySphere,
    Gaussian,
    Lamellar,
    Polydisperse,
    Sample,
    Sphere,
    Vesicle,
    from_sasmodels,
    parameter_of,
    with_parameter,
)

Q = np.array([0.0, 1e-6, 0.01, 0.1, 0.4, 1.0, 3.0])
_X, _W = np.polynomial.legendre.leggauss(200)


def layer(q, low, high, density=1.0):
    """Return 4 pi times the integral of density(r) r sin(qr)/q from ``low`` to ``high``."""
    r, w = (low + high) / 2 + (high - low) / 2 * _X, (high - low) / 2 * _W
    wave = np.sinc(np.multiply.outer(q, r) / np.pi)
    return 4 * np.pi * wave @ (w * r**2 * (density(r) if callable(density) else density))


def onion(q, radius, thickness, contrasts):
    edges = np.concatenate([[0, radius], radius + np.cumsum(thickness)])
    layers = zip(edges, edges[1:], contrasts, strict=False)
    return sum(layer(q, low, high, contrast) for low, high, contrast in layers)


ONION = {
    "radius": 4.0,
    "thickness": np.array([1.0, 0.3, 2.5]),
    "core_contrast": 1e-4,
    "shell_contrast": np.array([-2e-4, 3e-4, 0.5e-4]),
}


def test_onion_is_the_integral_of_its_profile():
    contrasts = [ONION["core_contrast"], *ONION["shell_contrast"]]
    expected = onion(Q, ONION["radius"], ONION["thickness"], contrasts)
    with jax.enable_x64(True):
        body = CoreMultiShell(**ONION)
        np.testing.assert_allclose(body.average_amplitude(Q), expected, rtol=1e-11)
        np.testing.assert_allclose(body.intensity(Q), expected**2, rtol=1e-10)
        np.testing.assert_allclose(body.volume, 4 / 3 * np.pi * 7.8**3, rtol=1e-14)
        assert tuple(body.EFFECTIVE_RADII) == ("outer radius", "core radius")
        np.testing.assert_allclose(body.effective_radius("outer radius"), 7.8)
        np.testing.assert_allclose(body.effective_radius("core radius"), 4.0)


def test_onions_that_are_simpler_than_they_look():
    ball = (Sphere, {"contrast": 1e-4})
    coated = {"thickness": 2.0, "core_contrast": 1e-4, "shell_contrast": -3e-4}
    shell = (CoreShellSphere, coated)
    cases = [
        (*ball, [], []),
        (*ball, [0.0], [5e-4]),
        (*shell, [2.0], [-3e-4]),
        (*shell, [0.5, 0.0, 1.5], [-3e-4, 9e-4, -3e-4]),
    ]
    with jax.enable_x64(True):
        for form, keywords, thickness, contrast in cases:
            simple = form(radius=4.0, **keywords)
            body = CoreMultiShell(
                radius=4.0,
                thickness=np.array(thickness),
                core_contrast=1e-4,
                shell_contrast=np.array(contrast),
            )
            # At a sphere's zeros its own closed form loses some digits.
            atol = 1e-12 * float(simple.intensity(0.0))
            np.testing.assert_allclose(body.intensity(Q), simple.intensity(Q), 1e-9, atol)


def test_vesicle_is_the_integral_of_its_profile():
    expected = layer(Q, 9.0, 12.5, -6e-4)
    with jax.enable_x64(True):
        body = Vesicle(radius=9.0, thickness=3.5, contrast=-6e-4)
        np.testing.assert_allclose(body.average_amplitude(Q), expected, rtol=1e-11)
        shell = 4 / 3 * np.pi * (12.5**3 - 9.0**3)
        np.testing.assert_allclose(body.volume, shell, rtol=1e-14)
        np.testing.assert_allclose(body.form_volume, 4 / 3 * np.pi * 12.5**3, rtol=1e-14)
        absolute = Sample(model=body, scale=0.02)(Q)
        np.testing.assert_allclose(absolute, 0.02e7 * expected**2 / shell, rtol=1e-10)
        np.testing.assert_allclose(body.effective_radius("outer radius"), 12.5)


@pytest.mark.parametrize("thickness", [1e-3, 1e-9, 0.0])
def test_vesicle_of_no_thickness_is_a_surface(thickness):
    """The slope of I at thickness 0 is that of a surface, where F^2/V is 0/0."""
    intensity = lambda t: Vesicle(radius=20.0, thickness=t, contrast=1e-4).specific_intensity(Q)
    surface = 1e7 * 1e-8 * 4 * np.pi * 20.0**2 * np.sinc(Q * 20.0 / np.pi) ** 2
    with jax.enable_x64(True):
        value, slope = jax.jvp(intensity, (jnp.float64(thickness),), (jnp.float64(1.0),))
    bound = 1e-9 + 10 * thickness  # q t, t/R and the zeros of the surface's sinc
    np.testing.assert_allclose(value, surface * thickness, rtol=0, atol=bound * thickness * 5)
    np.testing.assert_allclose(slope, surface, rtol=bound, atol=bound * surface[0])


def test_thin_shells_keep_their_digits_in_single_precision():
    """As the difference of two balls, 1e-3 of the radius would leave four digits."""
    q = np.linspace(0, 0.5, 40)
    shape = {"radius": 60.0, "thickness": 0.06, "contrast": 1e-4}
    with jax.enable_x64(True):
        exact = np.asarray(Vesicle(**shape).specific_intensity(q))
    got = np.asarray(Vesicle(**shape).specific_intensity(jnp.asarray(q, jnp.float32)))
    bright = exact > 1e-3 * exact[0]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[bright], exact[bright], rtol=2e-5)


def test_fuzzy_sphere_is_a_ball_convolved_with_a_gaussian():
    radius, edge, q = 6.0, 0.8, np.array([0.0, 0.1, 0.4, 1.0, 2.0])

    def density(r):
        inner, outer = (radius - r) / edge / 2**0.5, (radius + r) / edge / 2**0.5
        step = (erf(inner) + erf(outer)) / 2
        return step - edge / (2 * np.pi) ** 0.5 / r * (
            np.exp(-(inner**2)) - np.exp(-(outer**2))
        )

    expected = layer(q, 0.0, 14.0, density)
    with jax.enable_x64(True):
        body = FuzzySphere(radius=radius, fuzziness=edge, contrast=1.0)
        atol = 1e-13 * float(body.volume)
        np.testing.assert_allclose(body.average_amplitude(q), expected, 1e-9, atol)
        np.testing.assert_allclose(body.volume, 4 / 3 * np.pi * radius**3, rtol=1e-14)
        assert tuple(body.EFFECTIVE_RADII) == ("radius", "radius + fuzziness")
        np.testing.assert_allclose(body.effective_radius("radius + fuzziness"), 6.8)
        sharp = FuzzySphere(radius=radius, fuzziness=0.0, contrast=1.0)
        ball = Sphere(radius=radius, contrast=1.0)
        np.testing.assert_allclose(sharp.intensity(Q), ball.intensity(Q), rtol=1e-14)


def sheet(q, thickness, contrast):
    """Return 2 pi |integral of the profile|^2 / (thickness q^2), 1/cm."""
    z, w = thickness / 2 * _X, thickness / 2 * _W
    amplitude = contrast * np.cos(np.multiply.outer(q, z)) @ w
    return 1e7 * 2 * np.pi * amplitude**2 / (thickness * q**2)


def test_lamellar_is_the_integral_of_its_profile():
    with jax.enable_x64(True):
        got = Sample(model=Lamellar(thickness=4.0, contrast=-5e-4), scale=0.1)(Q[1:])
    np.testing.assert_allclose(got, 0.1 * sheet(Q[1:], 4.0, -5e-4), rtol=1e-12)


def test_a_very_large_vesicle_is_a_sheet():
    """The fringes of the radius averaged away: 4 pi R^2 t per shell."""
    q = 0.8 + np.linspace(0, 2 * np.pi / 1000.0, 400, endpoint=False)
    with jax.enable_x64(True):
        vesicle = Vesicle(radius=1000.0, thickness=4.0, contrast=1e-4).specific_intensity(q)
        flat = Lamellar(thickness=4.0, contrast=1e-4).specific_intensity(jnp.asarray(q))
    # Corrections go with (t/R)^2 and 1/(q R); the mean of sin^2 is exact over its period.
    np.testing.assert_allclose(np.asarray(vesicle).mean(), np.asarray(flat).mean(), rtol=5e-3)


def test_population_of_one_shell():
    """One element of an array is distributed: against a direct sum over its thicknesses."""
    contrasts = [ONION["core_contrast"], *ONION["shell_contrast"]]
    q, width = Q[[0, 3, 5]], 0.15

    def square(x):
        values = []
        for scale in x:
            thickness = ONION["thickness"] * [1.0, 1.0, scale]
            values.append(onion(q, ONION["radius"], thickness, contrasts) ** 2)
        return np.transpose(values)

    density = lambda x: np.exp(-(((x - 1) / width) ** 2) / 2)
    expected = number_mean(square, density, 1e-9, 2.2, panels=4)
    with jax.enable_x64(True):
        many = Polydisperse(
            model=CoreMultiShell(**ONION),
            distribution=Gaussian(width=width),
            parameter="thickness[2]",
        )
        np.testing.assert_allclose(many.intensity(q), expected, rtol=1e-8)
        assert float(parameter_of(many, "thickness[2]")) == 2.5
        other = with_parameter(many, "thickness[0]", 9.0)
        np.testing.assert_array_equal(parameter_of(other, "thickness"), [9.0, 0.3, 2.5])
        # Its derivative with respect to the distribution's centre, an element of the array.
        curve = lambda t: with_parameter(many, "thickness[2]", t).intensity(q)
        slope = jax.jacfwd(curve)(2.5)
        np.testing.assert_allclose(slope, central_difference(curve, 2.5, 1e-3), rtol=1e-6)


@pytest.mark.parametrize("shells", [1, 3])
def test_populations_in_closed_form(shells):
    """Normal radii of the core under constant shells, against a sum over them."""
    q, width = Q[[0, 2, 4, 5, 6]], 0.12
    thickness, contrasts = [2.0, 0.3, 2.5][:shells], [0.0, 2e-4, -1e-4, 3e-4][: shells + 1]
    square = lambda x: np.transpose([onion(q, 6.0 * s, thickness, contrasts) ** 2 for s in x])
    density = lambda x: np.exp(-(((x - 1) / width) ** 2) / 2)
    expected = number_mean(square, density, 0.1, 1.9, panels=4)
    with jax.enable_x64(True):
        body = CoreMultiShell(
            radius=6.0,
            thickness=np.array(thickness),
            core_contrast=0.0,
            shell_contrast=np.array(contrasts[1:]),
        )
        if shells == 1:
            body = Vesicle(radius=6.0, thickness=2.0, contrast=2e-4)
        many = Polydisperse(model=body, distribution=Gaussian(width=width))
        np.testing.assert_allclose(many.intensity(q), expected, rtol=1e-8)
        assert many.node_count(q) == 1


def test_population_of_sheets_averages_the_intensity_itself():
    q, width = Q[[3, 4, 5]], 0.2
    density = lambda x: np.exp(-(((x - 1) / width) ** 2) / 2)
    mean = lambda x: np.transpose([sheet(q, 4.0 * s, 1e-4) for s in x])
    expected = number_mean(mean, density, 1e-9, 2.8, panels=4)
    with jax.enable_x64(True):
        many = Polydisperse(
            model=Lamellar(thickness=4.0, contrast=1e-4),
            distribution=Gaussian(width=width),
            parameter="thickness",
        )
        # A width of 0.2 has 3e-7 of its weight below zero.
        np.testing.assert_allclose(many.specific_intensity(jnp.asarray(q)), expected, rtol=1e-6)


def test_refuses_by_name():
    body = CoreMultiShell(**ONION)
    with pytest.raises(ValueError, match=r"no parameter 'thickness\[3\]'; it has .*ness\[2\]$"):
        parameter_of(body, "thickness[3]")
    with pytest.raises(ValueError, match=r"no parameter 'radius\[0\]'; it has .*radius"):
        with_parameter(body, "radius[0]", 1.0)
    many = Polydisperse(model=body, distribution=Gaussian(width=0.1), parameter="thickness")
    with pytest.raises(ValueError, match=r"is an array; .*parameter='thickness\[0\]'"):
        many.intensity(Q)
    with pytest.raises(
        ValueError, match=r"one value for each shell, got shapes \(\) and \(2,\)"
    ):
        CoreMultiShell(
            radius=1.0, thickness=1.0, core_contrast=1e-4, shell_contrast=[1e-4, 0.0]
        ).intensity(Q)
    with pytest.raises(ValueError, match=r"n must be in \[0, 10\], got 11"):
        from_sasmodels("core_multi_shell", {"n": 11})
