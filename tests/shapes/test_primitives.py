"""Distances, normals and curvatures against automatic differentiation and exact fields."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter import shapes
from diffscatter.core.pytree import replace
from diffscatter.core.rotations import from_rotation_vector
from tests.shapes import closed_forms

BODIES = {
    "sphere": lambda: shapes.Sphere(radius=3.0),
    "ellipsoid": lambda: shapes.Ellipsoid(semi_axes=[4.0, 3.0, 2.5]),
    "cylinder": lambda: shapes.Cylinder(radius=3.0, length=5.0),
    "box": lambda: shapes.Box(sides=[4.0, 5.0, 6.0]),
    "planes": lambda: shapes.HalfSpaces(
        normals=[[1.0, 2, 3], [0.0, -1, 1]], offsets=[1.0, 2.0]
    ),
}


def points(seed=0, n=40):
    return jnp.asarray(np.random.default_rng(seed).uniform(-3, 3, (n, 3)))


@pytest.mark.parametrize("name", [name for name in BODIES if name != "ellipsoid"])
def test_normals_and_curvatures_are_those_of_the_surface(name):
    with jax.enable_x64(True):
        body = BODIES[name]()
        for k in range(len(body.faces((1.0, 1.0, 1.0)))):
            face = lambda p, k=k: body.faces(tuple(p))[k]

            @jax.jit
            @jax.vmap
            def seen(p, face=face):
                distance, normal, curvature = face(p)
                slope = jax.grad(lambda p: face(p).distance)
                # The divergence of the normal, half-way to the surface.
                exact = jnp.trace(jax.jacfwd(slope)(p - distance / 2 * slope(p)))
                normal = jnp.stack(jnp.broadcast_arrays(*normal))
                return distance, curvature, exact, normal, slope(p)

            distance, curvature, exact, outward, slope = seen(points())
            near = np.abs(distance) < 1.5
            assert near.sum() > 10
            close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
            close(curvature[near], exact[near])
            close(np.linalg.norm(outward, axis=1), 1)
            close(slope, outward)


def test_an_ellipsoid_from_points_with_a_known_foot():
    """Steps from the surface along its normal; automatic differentiation knows the rest."""
    with jax.enable_x64(True):
        body = shapes.Ellipsoid(semi_axes=[4.0, 3.0, 2.0])
        direction = points(3) / jnp.linalg.norm(points(3), axis=1, keepdims=True)
        foot = direction * body.semi_axes
        implicit = lambda p: jnp.sqrt(jnp.sum((p / body.semi_axes) ** 2)) - 1
        unit = lambda p: jax.grad(implicit)(p) / jnp.linalg.norm(jax.grad(implicit)(p))
        normal = jax.vmap(unit)(foot)
        shape = np.asarray(jax.vmap(jax.jacfwd(unit))(foot))

        def errors(step):
            (face,) = body.faces(tuple((foot + step * normal).T))
            total = np.einsum("nii->n", shape)
            squares = np.einsum("nij,nji->n", shape, shape)
            halfway = total - squares * step / 2
            turned = jnp.stack(face.normal, axis=1) - normal
            distance = np.abs(np.asarray(face.distance) - step).max()
            return distance, np.abs(face.curvature - halfway).max(), np.abs(turned).max()

        for sign in (1, -1):
            coarse, fine = errors(sign * 0.08), errors(sign * 0.04)
            # Fourth order falls sixteenfold; second order, the foot's, fourfold.
            assert fine[0] < coarse[0] / 13
            assert fine[1] < coarse[1] / 3.3
            assert fine[2] < coarse[2] / 3.3


SIGMA = 0.15


def test_smoothed_sphere_is_the_exact_field():
    with jax.enable_x64(True):
        r = np.linspace(2.2, 3.8, 33)
        got = BODIES["sphere"]().smoothed((r / 3, -2 * r / 3, 2 * r / 3), SIGMA).value
    # What is left out is of third order in sigma times curvature.
    exact = closed_forms.smoothed_ball(r, 3.0, SIGMA)
    np.testing.assert_allclose(got, exact, rtol=0, atol=(SIGMA / 3) ** 3)


def test_smoothed_cylinder_is_the_exact_field():
    with jax.enable_x64(True):
        r = np.linspace(2.2, 3.8, 33)
        got = BODIES["cylinder"]().smoothed((0.6 * r, 0.8 * r, 0 * r + 2.4), SIGMA).value
        plane = shapes.HalfSpaces(normals=[[0.0, 0.0, 1.0]], offsets=[2.5])
        end = plane.smoothed((0.0, 0.0, 2.4), SIGMA).value
    exact = closed_forms.smoothed_ball(r, 3.0, SIGMA, dimensions=2) * float(end)
    np.testing.assert_allclose(got, exact, rtol=0, atol=(SIGMA / 3) ** 3)


def test_smoothed_ellipsoid_is_right_to_second_order():
    axes = np.array([4.0, 3.0, 2.5])
    end = np.array([0.8, -0.5, 2.5 * np.sqrt(1 - 0.8**2 / 16 - 0.5**2 / 9)])

    def error(sigma):
        p = end + np.linspace(-3, 3, 31)[:, None] * sigma * np.array([0, 0, 1])
        with jax.enable_x64(True):
            got = shapes.Ellipsoid(semi_axes=axes).smoothed(tuple(p.T), sigma).value
        exact = [closed_forms.smoothed_ellipsoid(point, axes, sigma) for point in p]
        return np.abs(np.asarray(got) - exact).max()

    coarse, fine = error(0.2), error(0.1)
    # Third order falls eightfold; the curvature per nm at this end is below 0.35.
    assert fine < coarse / 6.5
    assert coarse < (0.2 * 0.35) ** 3


@pytest.mark.parametrize(
    ("name", "curvature"),
    [("sphere", 1 / 3), ("ellipsoid", 0.64), ("cylinder", 1 / 3), ("box", 0)],
)
def test_field_gradient_is_the_derivative_of_the_value(name, curvature):
    with jax.enable_x64(True):
        body = placed(BODIES[name](), centre=(0.2, -0.1, 0.3))
        at = points(1, 200)
        field = body.smoothed(tuple(at.T), SIGMA)
        value = lambda p: body.smoothed(tuple(p), SIGMA).value
        slope = jax.vmap(jax.grad(value))(at).T
        assert (np.abs(slope).max(axis=0) > 1e-3).sum() > 20
        # How the curvature and the distance's third order change within 3 sigma is left out.
        atol = ((3 * SIGMA * curvature) ** 2 + 1e-12) * float(jnp.abs(slope).max())
        np.testing.assert_allclose(jnp.stack(field.gradient), slope, rtol=0, atol=atol)


def placed(body, centre):
    turned = {} if isinstance(body, shapes.Sphere) else {"rotation": (0.3, 0.4, -0.5)}
    return replace(body, centre=centre, **turned)


@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "cylinder", "box"])
def test_bounds_touch_the_body_and_the_margin_never_exceeds_the_distance(name):
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        body = placed(BODIES[name](), centre=(1.0, 2.0, -3.0))
        at = rng.uniform(-6, 6, (200_000, 3)) + (1.0, 2.0, -3.0)
        margin = np.asarray(body.margin(tuple(at.T)))
        inside = at[margin < 0]
        low, high = (np.asarray(b) for b in body.bounds())
        assert (inside > low).all() and (inside < high).all()
        # 12^3 nm^3 hold 2e5 points: none misses the extreme by more than a nm.
        assert (inside.min(axis=0) < low + 1).all() and (inside.max(axis=0) > high - 1).all()
        # Points inside and outside are at least as far apart as their margins say.
        near = at[:3000], margin[:3000]
        apart = np.linalg.norm(near[0][:, None] - near[0], axis=-1)
        assert (np.abs(near[1][:, None] - near[1]) <= apart + 1e-9).all()
        share = (margin < 0).mean() * 12**3
        # Monte Carlo: six standard deviations of a count.
        assert abs(share / body.volume - 1) < 6 / np.sqrt(inside.shape[0])


def test_a_matrix_and_a_rotation_vector_say_the_same():
    with jax.enable_x64(True):
        vector = jnp.array([0.3, -1.1, 0.7])
        at = tuple(points(2).T)
        bodies = [
            shapes.Box(sides=[2.0, 3.0, 4.0], rotation=r)
            for r in (vector, from_rotation_vector(vector))
        ]
        a, b = (body.smoothed(at, SIGMA).value for body in bodies)
        np.testing.assert_allclose(a, b, atol=1e-14)
        # The body's own x axis is the first column of the matrix.
        tip = from_rotation_vector(vector)[:, 0]
        rod = shapes.Box(sides=[6.0, 1.0, 1.0], rotation=vector)
        assert rod.hard(tuple(2.9 * tip)) == 1 and rod.hard(tuple(3.1 * tip)) == 0


@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "cylinder", "box"])
def test_derivatives_are_finite_at_the_centre(name):
    with jax.enable_x64(True):
        value = lambda p: BODIES[name]().smoothed(tuple(p), SIGMA).value
        origin = jnp.zeros(3)
        np.testing.assert_allclose(value(origin), 1, rtol=1e-12)
        assert np.isfinite(jax.jit(jax.hessian(value))(origin)).all()
    single = jax.jit(jax.grad(lambda body: body.smoothed((0.0, 0.0, 0.0), SIGMA).value))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(single(BODIES[name]())))


BAD = {
    "radius must be above 0 nm, got -1.0": lambda: shapes.Sphere(radius=-1.0),
    r"radius must be a scalar, got shape \(2,\)": lambda: shapes.Sphere(radius=[1.0, 2.0]),
    "radius must be finite": lambda: shapes.Sphere(radius=np.nan),
    r"centre must be \(x, y, z\), got shape \(2,\)": lambda: shapes.Sphere(
        radius=1.0, centre=(0.0, 1.0)
    ),
    "semi_axes must be above 0": lambda: shapes.Ellipsoid(semi_axes=[1.0, 0.0, 2.0]),
    r"semi_axes must be \(x, y, z\)": lambda: shapes.Ellipsoid(semi_axes=2.0),
    "length must be above 0": lambda: shapes.Cylinder(radius=1.0, length=0.0),
    "sides must be above 0": lambda: shapes.Box(sides=[1.0, -2.0, 3.0]),
    r"rotation must be .* got shape \(4,\)": lambda: shapes.Box(
        sides=[1.0, 2.0, 3.0], rotation=(1.0, 0.0, 0.0, 0.0)
    ),
    "rotation must be orthogonal": lambda: shapes.Box(
        sides=[1.0, 2.0, 3.0], rotation=2 * np.eye(3)
    ),
    r"normals must be \(m, 3\)": lambda: shapes.HalfSpaces(normals=[1.0, 2.0], offsets=[1.0]),
    "offsets must be one a normal": lambda: shapes.HalfSpaces(
        normals=[[1.0, 0.0, 0.0]], offsets=[1.0, 2.0]
    ),
    "normals must not be zero": lambda: shapes.HalfSpaces(
        normals=[[0.0, 0.0, 0.0]], offsets=[1.0]
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_names_what_is_no_body(message):
    with pytest.raises(ValueError, match=message):
        shapes.rasterise(BAD[message](), 16, 1.0)
    with pytest.raises(ValueError, match=message):
        shapes.cell_averages(1.0 * BAD[message](), 16, 1.0)
