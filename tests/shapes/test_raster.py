"""From shapes to intensities: closed forms, gradients, streaming and what is refused."""

from functools import lru_cache

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter import shapes
from diffscatter.analysis import away_from_minima, curve_error
from diffscatter.core.pytree import replace
from diffscatter.operators import saxs
from diffscatter.shapes import raster
from tests.shapes import closed_forms

M, Q = 50, np.linspace(0.02, np.pi / 2, 120) * (1 - 1e-9)


def anywhere(seed):
    """A position off the lattice and a rotation by up to half a turn."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    turn = rng.uniform(0, np.pi) * axis / np.linalg.norm(axis)
    return {"centre": rng.uniform(-0.5, 0.5, 3), "rotation": turn}


def sphere(radius, seed):
    return shapes.Sphere(radius=radius, centre=anywhere(seed)["centre"])


BODIES = {
    "sphere": lambda seed: sphere(18.0, seed),
    "core-shell": lambda seed: 1.0 * sphere(18.0, seed) + (-1.5) * sphere(13.0, seed),
    "oblate": lambda seed: shapes.Ellipsoid(semi_axes=[18.0, 18.0, 9.0], **anywhere(seed)),
    "triaxial": lambda seed: shapes.Ellipsoid(semi_axes=[9.0, 13.0, 18.0], **anywhere(seed)),
    "cylinder": lambda seed: shapes.Cylinder(radius=9.0, length=24.0, **anywhere(seed)),
    "box": lambda seed: shapes.Box(sides=[12.0, 17.0, 24.0], **anywhere(seed)),
}


@lru_cache
def closed_form(name):
    ball = lambda radius: closed_forms.sphere_amplitude(Q, radius)
    return {
        "sphere": lambda: ball(18.0) ** 2,
        "core-shell": lambda: (ball(18.0) - 1.5 * ball(13.0)) ** 2,
        "oblate": lambda: closed_forms.ellipsoid(Q, [18.0, 18.0, 9.0]),
        "triaxial": lambda: closed_forms.ellipsoid(Q, [9.0, 13.0, 18.0]),
        "cylinder": lambda: closed_forms.cylinder(Q, 9.0, 24.0),
        "box": lambda: closed_forms.box(Q, [12.0, 17.0, 24.0]),
    }[name]()


@pytest.mark.parametrize("name", BODIES)
def test_intensity_is_the_closed_form(name):
    with jax.enable_x64(True):
        for seed in range(3):
            soft = shapes.rasterise(BODIES[name](seed), M, 1.0)
            got = saxs.intensity(soft.values, 1.0, Q, voxel="point", blur=soft.blur)
            error = curve_error(got, closed_form(name))
            # What the method promises of any position and orientation is 6e-5 / 5e-4.
            assert error["median"] < 1e-4 and error["max"] < 1e-3


@pytest.mark.parametrize("name", ["sphere", "box"])
def test_cell_averages_scatter_like_the_body(name):
    with jax.enable_x64(True):
        body = BODIES[name](1)  # seed 0 turns the box by 3 degrees only: its faces alias
        cells = shapes.cell_averages(body, M, 1.0)
        got = saxs.intensity(cells, 1.0, Q, voxel="average")
        cells, volume = np.asarray(cells), float(body.volume)
    error = curve_error(got, closed_form(name))
    # A box filter lets the lattice alias, as exact averages do too: far from the low-pass.
    assert error["median"] < 3e-4 and error["max"] < 3e-2
    assert cells.min() >= 0 and cells.max() <= 1 + 1e-12
    np.testing.assert_allclose(cells.sum(), volume, rtol=1e-5)


def test_cell_averages_are_averages():
    with jax.enable_x64(True):
        body = shapes.Box(sides=[5.0, 3.5, 4.25], centre=(0.25, 0.5, -0.125))
        got = np.asarray(shapes.cell_averages(body, (9, 10, 11), 1.0, oversampling=16))
    overlap = lambda n, low, high: np.clip(
        np.minimum(np.arange(n) - n // 2 + 0.5, high)
        - np.maximum(np.arange(n) - n // 2 - 0.5, low),
        0,
        1,
    )
    z, y, x = overlap(9, -2.25, 2), overlap(10, -1.25, 2.25), overlap(11, -2.25, 2.75)
    # A flat face is smoothed by 1/sqrt(12) of a sixteenth cell: at worst 0.4 of that moves to
    # the neighbour, on each of three axes.
    exact = z[:, None, None] * y[:, None] * x
    np.testing.assert_allclose(got, exact, rtol=0, atol=3 * 0.4 / (16 * np.sqrt(12)))
    np.testing.assert_allclose(got.sum(), 5 * 3.5 * 4.25, rtol=1e-12)


@pytest.mark.parametrize("n", [24, (25, 22, 28)])
def test_the_field_is_the_body_after_the_gaussian(n):
    centre, pitch = np.array([0.13, -0.21, 0.37]), 0.7
    with jax.enable_x64(True):
        body = shapes.Sphere(radius=4.0, centre=centre)
        soft = shapes.rasterise(body, n, pitch)
    nz, ny, nx = (n, n, n) if isinstance(n, int) else n
    z, y, x = np.meshgrid(
        *(pitch * (np.arange(m) - m // 2) for m in (nz, ny, nx)), indexing="ij"
    )
    r = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    exact = closed_forms.smoothed_ball(r, 4.0, 0.9 * pitch)
    # Third order of the narrow smoothing (0.2 pitch over 4 nm) and aliasing of the fine grid,
    # exp(-2 pi^2 0.6^2) = 8e-4 of a face, of which the decimation averages some fifty.
    np.testing.assert_allclose(soft.values, exact, rtol=0, atol=3e-5)
    np.testing.assert_allclose(soft.blur, 0.9 * pitch, rtol=1e-12)
    mass = np.asarray(soft.values)
    for axis, c in zip((x, y, z), centre, strict=True):
        np.testing.assert_allclose((axis * mass).sum() / mass.sum(), c, atol=1e-5)


def test_gradient_of_a_radius_is_the_closed_form():
    slope = 2 * closed_forms.sphere_amplitude(Q, 18.0) * closed_forms.sphere_slope(Q, 18.0)

    def curve(radius, x):
        body = shapes.Sphere(radius=radius, centre=jnp.stack([x, -0.21, 0.37]))
        soft = shapes.rasterise(body, M, 1.0)
        return saxs.intensity(soft.values, 1.0, Q, voxel="point", blur=soft.blur)

    with jax.enable_x64(True):
        slopes = jax.jacfwd(curve, argnums=(0, 1))(18.0, 0.13)
    by_radius, by_position = (np.asarray(s) for s in slopes)
    away = away_from_minima(np.abs(slope))
    assert away.sum() > 60
    np.testing.assert_allclose(by_radius[away], slope[away], rtol=1e-4)
    # Where a sphere stands does not matter; aliasing alone makes it.
    assert np.abs(by_position[away] / slope[away]).max() < 1e-3


PLACE = {"centre": [0.2, -0.3, 0.1], "rotation": [0.3, -0.2, 0.5]}


def combination():
    """Curved and flat faces that meet at any angle, contrasts of both signs."""
    plane = shapes.HalfSpaces(normals=[[0.1, 0.2, 1.0]], offsets=[0.8])
    ball = shapes.Sphere(radius=2.3, centre=[0.2, -0.3, 0.1])
    small = shapes.Sphere(radius=1.4, centre=[0.0, 1.1, 0.4])
    return 1.3 * ((ball & plane) - small) + (-0.7) * small


SMALL = {
    "sphere": lambda: shapes.Sphere(radius=2.3, centre=PLACE["centre"]),
    "cylinder": lambda: shapes.Cylinder(radius=1.6, length=3.2, **PLACE),
    "box": lambda: shapes.Box(sides=[2.3, 2.7, 3.1], **PLACE),
    "ellipsoid": lambda: shapes.Ellipsoid(semi_axes=[2.3, 1.9, 2.6], **PLACE),
    "planes": lambda: shapes.HalfSpaces(
        normals=[[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]],
        offsets=[1.1, 1.2, 1.0, 1.15],
        **PLACE,
    ),
}


def check_slope(loss, *start, seed=0):
    """Compare one directional derivative with a central difference of fourth order."""
    rng = np.random.default_rng(seed)
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), start)
    along = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), start)
    both = jax.jit(jax.value_and_grad(loss, argnums=tuple(range(len(start)))))
    value = lambda step: both(*jax.tree.map(lambda a, d: a + step * d, start, along))[0]
    step = 1e-4
    near, far = (float(value(k * step) - value(-k * step)) for k in (1, 2))
    slope = jax.tree.map(jnp.vdot, both(*start)[1], along)
    # Truncation is (step/0.1 nm)^4 = 1e-12 of the slope, rounding 1e-13/step of the value.
    atol = 1e-8 * max(abs(float(value(0.0))), 1.0)
    difference = (8 * near - far) / (12 * step)
    np.testing.assert_allclose(sum(jax.tree.leaves(slope)), difference, rtol=1e-6, atol=atol)


def test_gradients_of_a_raster():
    weights = np.random.default_rng(0).normal(size=(14, 14, 14))

    def loss(body, pitch, blur):
        soft = shapes.rasterise(body, 14, pitch, oversampling=2, blur=blur)
        return jnp.sum(weights * soft.values) + jnp.sum(soft.values**2)

    with jax.enable_x64(True):
        check_slope(loss, combination(), 1.0, 0.9)


def test_gradients_to_second_order():
    q = np.linspace(0.1, np.pi / 2, 5)

    @jax.jit
    def loss(radius, centre):
        soft = shapes.rasterise(shapes.Sphere(radius=radius, centre=centre), 14, 1.0)
        curve = saxs.intensity(soft.values, 1.0, q, voxel="point", blur=soft.blur)
        return jnp.sum(jnp.log(curve + 1.0))

    with jax.enable_x64(True):
        check_grads(loss, (2.3, jnp.array([0.2, -0.3, 0.1])), order=2, modes=["rev"], rtol=1e-5)


def field(body):
    """The smoothed field at many points: what a raster is made of, as a smaller program."""
    rng = np.random.default_rng(1)
    at = tuple(rng.uniform(-3, 3, (3, 300)))
    return jnp.sum(body.density(at, 0.3) * rng.normal(size=300))


@pytest.mark.parametrize("name", ["ellipsoid", "box", "planes"])
def test_gradients_of_the_field(name):
    with jax.enable_x64(True):
        check_slope(field, SMALL[name]())


@pytest.mark.parametrize("name", ["cylinder", "ellipsoid"])
def test_second_gradients_of_the_field(name):
    with jax.enable_x64(True):
        body = replace(SMALL[name](), rotation=None)
        ones = jax.tree.map(jnp.ones_like, body)
        check_slope(lambda body: jax.jvp(field, (body,), (ones,))[1], body)


def test_cell_averages_differentiate():
    weights = np.random.default_rng(0).normal(size=(8, 8, 8))
    loss = lambda body: jnp.sum(weights * shapes.cell_averages(body, 8, 1.0, oversampling=4))
    with jax.enable_x64(True):
        check_slope(loss, SMALL["cylinder"]())


def test_intensity_does_not_depend_on_the_orientation():
    q = np.linspace(0.1, np.pi / 2, 12)

    def curve(turn, length):
        body = shapes.Cylinder(radius=3.0, length=length, centre=(0.1, 0.2, 0.3), rotation=turn)
        soft = shapes.rasterise(body, 22, 1.0)
        return jnp.log(saxs.intensity(soft.values, 1.0, q, voxel="point", blur=soft.blur))

    with jax.enable_x64(True):
        start = jnp.array([0.4, -0.7, 0.3]), jnp.array(7.0)
        slope = jax.jit(lambda *tangent: jax.jvp(curve, start, tangent)[1])
        by_turn = slope(jnp.array([0.5, 0.6, -0.6]), jnp.array(0.0))
        by_length = slope(jnp.zeros(3), jnp.array(1.0))
    # A radian moves the ends by about as much as 7 nm of length would; errors of 5e-4 remain.
    assert np.abs(by_turn).max() < 5e-4 * 7 * np.abs(by_length).max()


@pytest.mark.parametrize("draw", [shapes.rasterise, shapes.cell_averages])
def test_skipping_changes_nothing(draw, monkeypatch):
    with jax.enable_x64(True):
        body = SMALL["sphere"]() - SMALL["box"]()
        skipped = draw(body, 16, 1.0, oversampling=4)
        monkeypatch.setattr(raster, "_at_once", lambda: True)
        full = draw(body, 16, 1.0, oversampling=4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), skipped, full)


def test_float32_follows_float64():
    body = lambda: shapes.Cylinder(radius=4.0, length=9.0, centre=(0.1, 0.2, 0.3))
    with jax.enable_x64(True):
        exact = shapes.rasterise(body(), 24, 1.0).values
        assert exact.dtype == np.float64
        single = shapes.Sphere(radius=np.float32(4))
        assert shapes.rasterise(single, 20, 1.0).values.dtype == np.float32
    got = shapes.rasterise(body(), 24, 1.0).values
    assert got.dtype == np.float32
    # Positions up to 12 nm round by 7e-7 nm, four roundings deep; the steepest face rises by
    # 0.4/0.2 per nm; products and sums of some hundred terms add 1e-6.
    np.testing.assert_allclose(got, exact, rtol=0, atol=4 * 7e-7 * 2 + 1e-6)


def test_integers_are_lengths_too():
    whole = shapes.rasterise(shapes.Sphere(radius=4), 20, 1)
    np.testing.assert_array_equal(
        whole.values, shapes.rasterise(shapes.Sphere(radius=4.0), 20, 1.0).values
    )


def test_many_radii_at_once():
    radii = np.array([2.0, 2.5, 3.1])
    one = lambda radius: shapes.rasterise(shapes.Sphere(radius=radius), 18, 1.0).values
    with jax.enable_x64(True):
        single = jnp.stack([one(r) for r in radii])
        np.testing.assert_allclose(jax.vmap(one)(radii), single, atol=1e-14)
        np.testing.assert_allclose(jax.lax.map(one, jnp.asarray(radii)), single, atol=1e-14)


def test_one_trace_a_shape():
    draw = lambda body: shapes.rasterise(body, 15, 1.0).values
    traced = jax.jit(chex.assert_max_traces(draw, n=1))
    with jax.enable_x64(True):
        for radius in (2.0, 2.5):
            traced(shapes.Sphere(radius=radius, centre=(0.1, 0.0, 0.2)))
        draw(shapes.Sphere(radius=2.0, centre=(0.1, 0.0, 0.2)))
        before = raster._low_passed._cache_size()
        # A strongly typed radius, another pitch and another blur are the same program.
        strong = shapes.Sphere(radius=jnp.array(2.4), centre=np.array([0.1, 0.0, 0.3]))
        shapes.rasterise(strong, 15, 1.1, blur=0.8)
        assert raster._low_passed._cache_size() == before


def test_the_box_must_hold_the_body_and_its_blur():
    ball = shapes.Sphere(radius=3.0, centre=(0.0, 0.0, 4.0))
    with pytest.raises(ValueError, match=r"z = -3.5 to 11.5 .*use n >= 24 along z"):
        shapes.rasterise(ball, 16, 1.0)
    assert shapes.rasterise(ball, (24, 16, 16), 1.0).values.shape == (24, 16, 16)
    with pytest.raises(ValueError, match="x = -6.9 to 6.9"):
        shapes.rasterise(shapes.Sphere(radius=3.0), (24, 16, 10), 1.0, blur=0.78)
    # Exact averages need no margin.
    cube = shapes.Box(sides=[7.0, 7.0, 7.0])
    assert shapes.cell_averages(cube, 7, 1.0).shape == (7, 7, 7)
    with pytest.raises(ValueError, match="use n >= 9"):
        shapes.cell_averages(shapes.Box(sides=[7.0, 7.0, 7.1]), 7, 1.0)
    # Tracers have no values to check.
    jax.jit(lambda r: shapes.rasterise(shapes.Sphere(radius=r), 8, 1.0).values)(18.0)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((16, 0.0), {}, "pitch must be above 0 nm, got 0.0"),
        ((16, np.nan), {}, "pitch must be finite"),
        ((16, [1.0, 1.0]), {}, "pitch must be a scalar"),
        ((0, 1.0), {}, "n must be a whole number above 0"),
        (((16, 16), 1.0), {}, "n must be a whole number above 0 or"),
        ((16.0, 1.0), {}, "n must be a whole number"),
        ((16, 1.0), {"oversampling": 0}, "oversampling must be a whole number"),
        ((16, 1.0), {"blur": 0.3}, "blur must be at least 0.5 pitch"),
        ((16, 1.0), {"blur": 0.6, "oversampling": 1}, "blur must be at least 0.72 pitch"),
        ((16, 1.0), {"blur": -1.0}, "blur must be above 0"),
    ],
)
def test_names_what_is_wrong(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        shapes.rasterise(shapes.Sphere(radius=2.0), *arguments, **keywords)


def test_only_bodies_are_drawn():
    with pytest.raises(ValueError, match="body must be a shape or a sum of them, got float"):
        shapes.rasterise(3.0, 16, 1.0)
