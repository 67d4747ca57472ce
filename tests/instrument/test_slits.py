"""Slit smearing against closed forms, nested adaptive quadrature and sasmodels."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import dblquad, quad
from scipy.special import erf

from diffscatter.core.data import Curve
from diffscatter.core.special import sphere_kernel
from diffscatter.instrument import pinhole, slit, smear_of

Q = np.geomspace(0.03, 2.0, 30)
LENGTH, WIDTH = 0.7, 0.05
A = 4.0  # nm^2
SIGMA = 0.02 + 0.05 * Q
FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "curves" / "sasdata"


def sphere(q, radius=8.0):
    return sphere_kernel(q * radius) ** 2


def numpy_sphere(q, radius=8.0):
    x = q * radius
    return (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2


def gaussian(q):
    return jnp.exp(-A * q**2)


def smeared_gaussian(q, length, width, sigma):
    """exp(-A q^2) along an infinite Gaussian, a box and a slit: all three separate."""
    b = A / (1 + 2 * A * sigma**2)
    root = np.sqrt(b)
    value = np.exp(-b * q**2)
    if width:
        box = erf(root * (q + width)) - erf(root * (q - width))
        value = np.sqrt(np.pi) / root * box / (4 * width)
    along = np.sqrt(np.pi / A) / 2 * erf(length * np.sqrt(A)) / length if length else 1.0
    return value * along / np.sqrt(1 + 2 * A * sigma**2)


def smeared(curve, *arguments, **options):
    with jax.enable_x64(True):
        return np.asarray(slit(*arguments, **options)(curve))


@pytest.mark.parametrize(
    ("length", "width", "rtol"),
    # The length alone is exact; a box's panels carry a Gaussian of this width to 1e-8.
    [(LENGTH, 0.0, 1e-13), (20.0, 0.0, 1e-13), (0.0, WIDTH, 1e-8), (LENGTH, WIDTH, 1e-8)],
)
def test_a_gaussian_has_a_closed_form(length, width, rtol):
    got = smeared(gaussian, Q, length, width)
    np.testing.assert_allclose(got, smeared_gaussian(Q, length, width, 0.0), rtol=rtol)


@pytest.mark.parametrize(("length", "width"), [(LENGTH, 0.0), (0.0, WIDTH), (LENGTH, WIDTH)])
def test_beside_a_pinhole_too(monkeypatch, length, width):
    """Without its cut and about q itself, the pinhole's Gaussian has a closed form as well."""
    monkeypatch.setattr("diffscatter.instrument.slits._WINDOW", (7.0, 7.0))
    monkeypatch.setattr("diffscatter.instrument.slits.mean_q", lambda q, sigma: q)
    got = smeared(gaussian, Q, length, width, resolution=SIGMA)
    # 7 standard deviations leave 2e-12 of the weight, at small q under a curve 1e4 higher.
    np.testing.assert_allclose(got, smeared_gaussian(Q, length, width, SIGMA), rtol=1e-7)


@pytest.mark.parametrize("q", [[0.0, 0.1, 0.2], [0.3], [0.0], [0.5, 0.1, 0.3]])
def test_any_axis(q):
    """With 0 on it, of one point, unsorted."""
    q = np.array(q)
    for length, width in ((LENGTH, 0.0), (0.0, WIDTH), (LENGTH, WIDTH)):
        expected = smeared_gaussian(q, length, width, 0.0)
        np.testing.assert_allclose(smeared(gaussian, q, length, width), expected, rtol=1e-8)


def test_an_infinite_slit():
    """Length times the mean has a limit, exp(-A q^2) sqrt(pi / A) / 2."""
    long = 30.0
    got = long * smeared(gaussian, Q, long)
    np.testing.assert_allclose(got, np.exp(-A * Q**2) * np.sqrt(np.pi / A) / 2, rtol=1e-13)


def test_matches_adaptive_quadrature_of_fringes():
    """Length alone, by scipy; spheres of 16 nm have a fringe each 0.39 1/nm."""
    got = smeared(sphere, Q, LENGTH, size=20.0)
    settings = {"epsabs": 0, "epsrel": 1e-11, "limit": 400}
    along = lambda q: lambda u: numpy_sphere(np.hypot(q, u))
    exact = [quad(along(q), 0, LENGTH, **settings)[0] / LENGTH for q in Q]
    # Panels of 16 rad carry a fringe to 1e-7 of it, and minima are lower than that.
    np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_matches_double_quadrature():
    q = np.array([0.03, 0.2, 0.9])  # the first sees q below 0
    got = smeared(sphere, q, LENGTH, WIDTH, size=20.0)
    value = lambda u, v, q: numpy_sphere(np.hypot(q + v, u))
    settings = {"epsabs": 1e-11, "epsrel": 1e-9}
    exact = [
        dblquad(value, -WIDTH, WIDTH, 0, LENGTH, args=(x,), **settings)[0]
        / (2 * WIDTH * LENGTH)
        for x in q
    ]
    np.testing.assert_allclose(got, exact, rtol=1e-7)


def test_an_even_polynomial_is_exact():
    """q^2 gains length^2 / 3 and width^2 / 3."""
    got = smeared(lambda q: q**2, Q, LENGTH, WIDTH)
    np.testing.assert_allclose(got, Q**2 + LENGTH**2 / 3 + WIDTH**2 / 3, rtol=1e-12)


def test_without_a_slit_it_is_the_pinhole():
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            slit(Q, resolution=SIGMA, size=20.0)(sphere),
            pinhole(Q, SIGMA, size=20.0)(sphere),
            rtol=1e-12,
        )
        np.testing.assert_allclose(slit(Q)(sphere), sphere(Q), rtol=1e-12)


def test_each_point_has_its_own_slit_and_zero_is_sharp():
    length = np.where(np.arange(Q.size) % 3 == 0, 0.0, LENGTH)
    length[1] = 2 * LENGTH
    with jax.enable_x64(True):
        operator = slit(Q, length, size=20.0)
        np.testing.assert_allclose(np.asarray(operator.matrix).sum(axis=1), 1, rtol=1e-12)
        got = np.asarray(operator(sphere))
        np.testing.assert_allclose(got[::3], np.asarray(sphere(Q))[::3], rtol=1e-12)
    one = smeared(sphere, Q, LENGTH, size=20.0)
    np.testing.assert_allclose(got[2::3], one[2::3], rtol=1e-6)
    alone = smeared(sphere, Q[1:2], 2 * LENGTH, size=20.0)
    np.testing.assert_allclose(got[1], alone[0], rtol=1e-6)


@pytest.mark.parametrize("width", [0.0, 0.004])
def test_sasmodels_convention_is_sasmodels(width):
    resolution = pytest.importorskip("sasmodels.resolution")
    theirs = resolution.Slit1D(Q / 10, LENGTH / 10, width / 10)
    curve = lambda q: 1 / (1 + (5 * q) ** 4)
    with jax.enable_x64(True):
        operator = slit(Q, LENGTH, width, convention="sasmodels")
        np.testing.assert_allclose(operator.q, 10 * theirs.q_calc, rtol=1e-12)
        got = np.asarray(operator(curve))
    # Square roots at the edge of a bin turn a last place into 1e-8 of that bin.
    np.testing.assert_allclose(got, theirs.apply(curve(10 * theirs.q_calc)), rtol=1e-8)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/data/curves is absent")
def test_a_published_simulation():
    """1 % of 1 um silica spheres behind a slit, simulated with sasmodels' mid-point sum."""
    table = np.loadtxt(FOLDER / "1umSlitSmearSphere.ABS", skiprows=12)
    q, published = 10 * table[::3, 0], table[::3, 1]
    volume = 4 / 3 * np.pi * 500.0**3
    spheres = lambda q: 0.01 * 2.2e-4**2 * volume * 1e7 * sphere(q, 500.0)
    exact = smeared(spheres, q, 1.17, size=1100.0)
    default = smeared(spheres, q, 1.17)
    np.testing.assert_allclose(default, exact, rtol=1e-3)  # as slit promises
    # Three digits of q are .5 % of it, and the curve falls as q^-3: 1.5 %, more on a fringe.
    theirs = smeared(spheres, 10 * table[:, 0], 1.17, convention="sasmodels")
    np.testing.assert_allclose(theirs, table[:, 1], rtol=0.03)
    # Their sum takes each fringe at one point of it: right where fringes are wider than the
    # data's spacing, 10 % off at the end.
    np.testing.assert_allclose(exact[q < 0.01], published[q < 0.01], rtol=0.03)
    assert 0.05 < np.abs(exact / published - 1).max() < 0.15


def test_gradient_passes_through():
    with jax.enable_x64(True):
        operator = slit(Q[::4], LENGTH, WIDTH, resolution=SIGMA[::4])
        loss = lambda radius: jnp.sum(jnp.log(operator(lambda q: sphere(q, radius))))
        check_grads(jax.jit(loss), (8.0,), order=1, rtol=1e-6)


def test_float32_and_batches():
    exact = smeared(sphere, Q, LENGTH, WIDTH)
    operator = slit(Q.astype(np.float32), LENGTH, WIDTH)
    got = operator(sphere)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, exact, rtol=1e-3)
    radii = jnp.array([6.0, 8.0])
    one = lambda radius: operator(lambda q: sphere(q, radius))
    stacked = np.stack([one(r) for r in radii])
    np.testing.assert_allclose(jax.vmap(one)(radii), stacked, rtol=1e-5)
    np.testing.assert_allclose(jax.lax.map(one, radii), stacked, rtol=1e-5)


def test_a_curve_says_what_smeared_it():
    ones = np.ones_like(Q)
    with jax.enable_x64(True):
        assert smear_of(Curve(q=Q, intensity=ones)) is None
        assert smear_of(Curve(q=Q, intensity=ones, resolution=0 * Q)) is None
        for fields in (
            {"resolution": SIGMA},
            {"slit_length": LENGTH * ones},
            {"slit_width": WIDTH * ones, "resolution": np.where(Q > 1, 0.0, SIGMA)},
        ):
            operator = smear_of(Curve(q=Q, intensity=ones, **fields), size=20.0)
            names = {"slit_length": "length", "slit_width": "width"}
            given = {names.get(key, key): value for key, value in fields.items()}
            np.testing.assert_array_equal(operator.matrix, slit(Q, **given, size=20.0).matrix)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": np.ones(3)}, r"length a scalar or as long, got shapes \(30,\) and \(3,\)"),
        ({"length": -1.0}, "length must be at least 0 1/nm, got -1"),
        ({"width": np.nan}, "width must be finite"),
        ({"resolution": -1.0}, "resolution must be at least 0"),
        ({"q": -Q}, "q must be at least 0 1/nm"),
        ({"q": Q[:, None]}, "q must be one axis"),
        ({"size": 0.0}, "size must be positive and finite, got 0.0 nm"),
        ({"convention": "mean"}, "convention must be one of exact, sasmodels, got 'mean'"),
        ({"convention": "sasmodels", "resolution": 0.1}, "resolution must be 0"),
        ({"convention": "sasmodels", "length": 0.0}, "length must be above 0"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        slit(**({"q": Q, "length": LENGTH} | change))


def test_plan_is_not_traced():
    with pytest.raises(ValueError, match="length must not be traced"):
        jax.jit(lambda length: slit(Q, length).matrix)(LENGTH)
