"""Detector geometry against rotation matrices in numpy, and solid angles against the sphere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from differences import assert_gradient

from diffscatter.core.pytree import replace
from diffscatter.instrument import EwaldDetector, FlatDetector, SphericalDetector
from diffscatter.instrument.geometry import Detector

WAVELENGTH = 13.5
K = 2 * np.pi / WAVELENGTH
FLAT = dict(distance=50.0, pixel=1.5, centre=(10.3, 14.2), tilt=(0.3, -0.2), shape=(29, 24))
SPHERICAL = dict(distance=50.0, pixel=2.5, centre=(10.3, 14.2), shape=(29, 24))
EWALD = dict(step=0.02, centre=(10.3, 14.2), shape=(29, 24))
KINDS = {
    "flat": (FlatDetector, FLAT),
    "spherical": (SphericalDetector, SPHERICAL),
    "ewald": (EwaldDetector, EWALD),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind, **changes):
    make, fields = KINDS[kind]
    return make(**fields | changes)


def positions(distance, pixel, centre, tilt, shape):
    """Turn a plane by explicit matrices: about x, then about y, at the beam's point."""
    a, b = tilt
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    row, column = np.indices(shape)
    flat = np.stack([column - centre[0], row - centre[1], 0 * row], -1) * pixel
    return flat @ (about_y @ about_x).T + [0, 0, distance], about_y @ about_x @ [0, 0, 1]


def test_flat_detector_is_the_turned_plane():
    with jax.enable_x64(True):
        found = made("flat").pixels(WAVELENGTH)
        modulus, theta = found.q, found.theta
    at, normal = positions(**FLAT)
    r = np.linalg.norm(at, axis=-1, keepdims=True)
    waves = np.stack([found.kx, found.ky, found.kz], -1)
    np.testing.assert_allclose(waves, K * at / r, rtol=0, atol=1e-14)
    facing = at @ normal / r[..., 0]
    np.testing.assert_allclose(
        found.solid_angle, FLAT["pixel"] ** 2 * facing / r[..., 0] ** 2, rtol=1e-13
    )
    q = K * (at / r - [0, 0, 1])
    np.testing.assert_allclose(modulus, np.linalg.norm(q, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(np.cos(theta), (at / r)[..., 2], rtol=1e-13)


def test_untilted_is_the_textbook():
    with jax.enable_x64(True):
        found = FlatDetector(distance=40.0, pixel=2.0, shape=(20, 30)).pixels(WAVELENGTH)
        factor = {state: found.polarisation(state) for state in ("unpolarised", "x", "y")}
    y, x = 2.0 * (np.indices((20, 30)) - np.array([10, 15])[:, None, None])
    r = np.sqrt(x**2 + y**2 + 40.0**2)
    np.testing.assert_allclose(found.kx, K * x / r, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(found.ky, K * y / r, rtol=1e-13, atol=1e-16)
    cosine = 40.0 / r
    np.testing.assert_allclose(found.solid_angle, 2.0**2 * cosine**3 / 40.0**2, rtol=1e-13)
    np.testing.assert_allclose(factor["unpolarised"], (1 + cosine**2) / 2, rtol=1e-13)
    np.testing.assert_allclose(factor["x"], 1 - (x / r) ** 2, rtol=1e-13)
    np.testing.assert_allclose(factor["y"], 1 - (y / r) ** 2, rtol=1e-13)
    np.testing.assert_array_equal(found.polarisation(), 1)


@each_kind
def test_solid_angle_is_the_area_on_the_unit_sphere(kind):
    # Moving the centre moves every pixel: dOmega = |ds/du x ds/dv|, by other derivatives.
    def direction(centre):
        found = made(kind, centre=centre).pixels(WAVELENGTH)
        return jnp.stack([found.kx, found.ky, found.kz], -1) / K

    with jax.enable_x64(True):
        slopes = jax.jit(jax.jacfwd(direction))(jnp.array(FLAT["centre"]))
        found = made(kind).pixels(WAVELENGTH)
    area = np.linalg.norm(np.cross(slopes[..., 0], slopes[..., 1]), axis=-1)
    inside = np.asarray(found.inside)
    assert inside.any()
    np.testing.assert_allclose(found.solid_angle[inside], area[inside], rtol=1e-10)


@each_kind
def test_every_detector_counts_the_same_photons(kind):
    # cos(theta) exp(-k_perp^2 / s^2) integrates to pi s^2 / k^2 over the sphere. A sum over
    # equal steps of a smooth function that ends inside is exact but for exp(-(pi s/dk)^2).
    width = 0.07
    fine = {
        "flat": dict(distance=50.0, pixel=1.0, tilt=(0.1, -0.15), centre=None),
        "spherical": dict(distance=50.0, pixel=1.0, centre=None),
        "ewald": dict(step=0.02, centre=None),
    }[kind]
    with jax.enable_x64(True):
        found = made(kind, **fine | {"shape": (130, 140)}).pixels(WAVELENGTH)
        scattered = found.kz / K * jnp.exp(-(found.kx**2 + found.ky**2) / width**2)
        total = float(jnp.sum(scattered * found.solid_angle))
    assert total == pytest.approx(np.pi * width**2 / K**2, rel=1e-9)


def test_a_flat_detector_spans_its_rectangle():
    # A rectangle at distance 1 spans 4 asin(a b / sqrt((1 + a^2)(1 + b^2))), half sides a, b.
    # The middle of a pixel stands for it to second order: extrapolated over three sizes.
    a, b = 0.75, 0.5
    exact = 4 * np.arcsin(a * b / np.sqrt((1 + a**2) * (1 + b**2)))
    sums = []
    with jax.enable_x64(True):
        for n in (16, 32, 64):
            shape, centre = (2 * n, 3 * n), ((3 * n - 1) / 2, (2 * n - 1) / 2)
            detector = FlatDetector(distance=1.0, pixel=0.5 / n, centre=centre, shape=shape)
            sums.append(float(jnp.sum(detector.pixels(1.0).solid_angle)))
    first = [(4 * fine - coarse) / 3 for coarse, fine in zip(sums, sums[1:], strict=False)]
    assert (16 * first[1] - first[0]) / 15 == pytest.approx(exact, rel=1e-10)
    assert sums[0] != pytest.approx(exact, rel=1e-5)


@each_kind
def test_locate_finds_the_pixels_again(kind):
    with jax.enable_x64(True):
        detector = made(kind)
        found = detector.pixels(WAVELENGTH)
        row, column, seen = detector.locate(found.kx, found.ky, WAVELENGTH)
    inside = np.asarray(found.inside)
    rows, columns = np.indices(detector.shape)
    assert np.asarray(seen)[inside].all()
    np.testing.assert_allclose(row[inside], rows[inside], atol=1e-10)
    np.testing.assert_allclose(column[inside], columns[inside], atol=1e-10)


@each_kind
def test_gradients_also_beyond_the_ewald_circle(kind):
    make, fields = KINDS[kind]
    floats = {name: value for name, value in fields.items() if name != "shape"}
    wide = {"flat": {"pixel": 6.0, "tilt": (1.2, -0.2)}, "spherical": {"pixel": 6.0}}
    wide = floats | wide.get(kind, {"step": 0.06})

    def total(floats, wavelength):
        found = make(**floats, shape=fields["shape"]).pixels(wavelength)
        weight = jnp.cos(jnp.arange(found.kx.size).reshape(found.kx.shape) * 1.0)
        parts = found.kx, found.ky, found.kz, 10 * found.solid_angle, found.q, found.theta
        return sum(jnp.sum(weight * part) for part in (*parts, found.polarisation("x")))

    with jax.enable_x64(True):
        as_arrays = lambda values: {k: jnp.asarray(v, float) for k, v in values.items()}
        at = jnp.asarray(WAVELENGTH)
        gradient = assert_gradient(total, (as_arrays(floats), at))
        slopes = gradient((as_arrays(wide), at))
        found = make(**wide, shape=fields["shape"]).pixels(WAVELENGTH)
        parts = found.kx, found.ky, found.kz, found.solid_angle, found.q, found.theta
        hidden = ~np.asarray(found.inside)
        assert hidden.any() and not hidden.all()
        assert not any(np.asarray(part)[hidden].any() for part in parts)
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_follows_float32_and_vmaps():
    found = made("flat").pixels(WAVELENGTH)
    assert found.kx.dtype == found.solid_angle.dtype == jnp.float32
    with jax.enable_x64(True):
        exact = made("flat").pixels(WAVELENGTH).q
    np.testing.assert_allclose(found.q, exact, rtol=1e-5, atol=1e-7)
    at = lambda distance: made("flat", distance=distance).pixels(WAVELENGTH).kx
    many = jax.vmap(at)(jnp.array([50.0, 60.0]))
    np.testing.assert_allclose(many[0], found.kx, rtol=1e-5, atol=1e-8)
    assert many.shape == (2, 29, 24)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"distance": 0.0}, "distance must be above 0 nm, got 0"),
        ({"pixel": -1.0}, "pixel must be above 0 nm, got -1"),
        ({"distance": np.nan}, "distance must be finite"),
        ({"tilt": (0.0, 1.6)}, "tilt must be below pi/2"),
        ({"tilt": 0.1}, "tilt must be two numbers"),
        ({"centre": (1.0, 2.0, 3.0)}, r"centre must be two numbers \(column, row\)"),
        ({"shape": (0, 4)}, r"shape must be two whole numbers .* got \(0, 4\)"),
        ({"centre": (-1e9, 0.0), "tilt": (0.0, 1.5)}, "no pixel lies inside the Ewald circle"),
    ],
)
def test_refuses_by_name(change, words):
    with pytest.raises(ValueError, match=words):
        made("flat", **change).pixels(WAVELENGTH)


def test_a_detector_without_directions_is_refused_when_it_is_made():
    with pytest.raises(TypeError, match="_arrival.*_direction"):
        Detector()


def test_refuses_other_things_by_name():
    with pytest.raises(ValueError, match="step must be above 0 1/nm"):
        made("ewald", step=0.0).pixels(WAVELENGTH)
    with pytest.raises(ValueError, match="wavelength must be above 0 nm"):
        made("flat").pixels(0.0)
    with pytest.raises(ValueError, match="no pixel lies inside"):
        made("ewald", centre=(500.0, 0.0)).pixels(WAVELENGTH)
    with pytest.raises(ValueError, match="none, x, y, unpolarised, got 'z'"):
        made("flat").pixels(WAVELENGTH).polarisation("z")
    assert replace(made("flat"), tilt=None).pixels(WAVELENGTH).inside.all()
