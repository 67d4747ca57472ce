"""The four particles against scipy's quadrature, their limits, and their derivatives."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference, cylinder_square, ellipsoid_square, phi, sphere_square

from diffscatter.analytic import CoreShellSphere, Cylinder, Ellipsoid, Sphere
from diffscatter.analytic.axial import Axial
from diffscatter.analytic.distributions import Distribution
from diffscatter.core.pytree import struct

Q = np.array([0.0, 1e-6, 1e-3, 0.03, 0.2, 0.7, 2.0, 6.0])
CASES = {
    "sphere": (Sphere, {"radius": 4.0, "contrast": 2e-4}),
    "core_shell_sphere": (
        CoreShellSphere,
        {"radius": 4.0, "thickness": 1.5, "core_contrast": -1e-4, "shell_contrast": 3e-4},
    ),
    "prolate": (Ellipsoid, {"radius_polar": 9.0, "radius_equatorial": 2.0, "contrast": 1e-4}),
    "oblate": (Ellipsoid, {"radius_polar": 1.0, "radius_equatorial": 30.0, "contrast": 1e-4}),
    "rod": (Cylinder, {"radius": 2.0, "length": 150.0, "contrast": 1e-4}),
    "disc": (Cylinder, {"radius": 40.0, "length": 1.0, "contrast": 1e-4}),
}


def independent(name, p, q):
    if name == "sphere":
        return sphere_square(q, p["radius"], p["contrast"])
    if name == "core_shell_sphere":
        outer = p["radius"] + p["thickness"]
        ball = lambda r: 4 / 3 * np.pi * r**3 * phi(q * r)
        step = p["core_contrast"] - p["shell_contrast"]
        return (step * ball(p["radius"]) + p["shell_contrast"] * ball(outer)) ** 2
    if name in ("prolate", "oblate"):
        return ellipsoid_square(q, p["radius_polar"], p["radius_equatorial"], p["contrast"])
    return cylinder_square(q, p["radius"], p["length"], p["contrast"])


@pytest.mark.parametrize("name", CASES)
def test_matches_independent_quadrature(name):
    model, p = CASES[name]
    expected = [independent(name, p, q) for q in Q]
    with jax.enable_x64(True):
        got = model(**p).intensity(Q)
    # Both sides claim 1e-10; near a sphere's zeros the closed form itself cancels a little.
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_at_rest_it_is_the_squared_excess(name):
    model, p = CASES[name]
    with jax.enable_x64(True):
        body = model(**p)
        excess = body.volume * p.get("contrast", 0.0)
        if name == "core_shell_sphere":
            core = 4 / 3 * np.pi * 4.0**3
            excess = core * -1e-4 + (body.volume - core) * 3e-4
        np.testing.assert_allclose(body.intensity(0.0), excess**2, rtol=1e-12)


def test_limits_of_shape():
    with jax.enable_x64(True):
        ball = Sphere(radius=3.0, contrast=1e-4)
        round_one = Ellipsoid(radius_polar=3.0, radius_equatorial=3.0, contrast=1e-4)
        bare = CoreShellSphere(
            radius=3.0, thickness=0.0, core_contrast=1e-4, shell_contrast=7e-4
        )
        for other in (round_one, bare):
            np.testing.assert_allclose(other.intensity(Q), ball.intensity(Q), rtol=1e-9)
            np.testing.assert_allclose(other.volume, ball.volume, rtol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    """Every parameter against central differences of the independent value, q = 0 included."""
    model, p = CASES[name]
    q = np.array([0.0, 0.03, 0.7])
    with jax.enable_x64(True):
        forward = jax.jacfwd(lambda p: model(**p).intensity(q))(p)
        backward = jax.jacrev(lambda p: model(**p).intensity(q))(p) if name == "rod" else None
    for key, value in p.items():
        shifted = lambda x, key=key: np.array([independent(name, p | {key: x}, k) for k in q])
        expected = central_difference(shifted, value, 1e-3 * abs(value))
        # Fourth order in a step of 1e-3 (times q R up to 100), rounding 1e-13/1e-3.
        scale = np.abs(independent(name, p, 0.0)) / abs(value)
        np.testing.assert_allclose(forward[key], expected, rtol=1e-6, atol=1e-9 * scale)
        if backward is not None:
            np.testing.assert_allclose(backward[key], forward[key], rtol=1e-9)


@pytest.mark.parametrize("name", ["core_shell_sphere", "prolate"])
def test_curvature_at_rest(name):
    """Second derivatives are finite and symmetric where every kernel is at its removable 0."""
    model, p = CASES[name]
    with jax.enable_x64(True):
        hessian = jax.hessian(lambda p: model(**p).intensity(jnp.array([0.0, 0.4])).sum())(p)
    for a in p:
        for b in p:
            assert np.isfinite(hessian[a][b])
            np.testing.assert_allclose(hessian[a][b], hessian[b][a], rtol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_single_precision(name):
    model, p = CASES[name]
    q = np.linspace(0, 3, 200)
    with jax.enable_x64(True):
        exact = np.asarray(model(**p).intensity(q))
    got = model(**p).intensity(q.astype(np.float32))
    assert got.dtype == jnp.float32
    bright = exact > 1e-6 * exact[0]
    np.testing.assert_allclose(np.asarray(got)[bright], exact[bright], rtol=1e-3)


def test_dtype_follows_q_in_double_precision_too():
    with jax.enable_x64(True):
        for model, p in CASES.values():
            assert model(**p).intensity(jnp.float32(0.1)).dtype == jnp.float32
            assert model(**p).intensity(0.1).dtype == jnp.float64


@pytest.mark.parametrize("name", ["sphere", "prolate", "rod"])
def test_batches_equal_single_calls(name):
    model, p = CASES[name]
    q = np.linspace(0.01, 2, 90)
    with jax.enable_x64(True):
        key = next(iter(p))
        values = p[key] * jnp.array([0.3, 1.0, 4.0])
        curve = lambda value: model(**(p | {key: value})).intensity(q)
        single = jnp.stack([curve(value) for value in values])
        # One plan, that of the largest, serves a batch: equal to the quadrature's 1e-10.
        np.testing.assert_allclose(jax.vmap(curve)(values), single, rtol=1e-9)
        np.testing.assert_allclose(jax.lax.map(curve, values), single, rtol=1e-12)


def test_any_shape_of_q():
    rod = Cylinder(radius=2.0, length=30.0, contrast=1e-4)
    q = np.linspace(0.1, 1.0, 12, dtype=np.float32)
    flat = rod.intensity(q)
    np.testing.assert_allclose(rod.intensity(q.reshape(3, 4)), flat.reshape(3, 4), rtol=1e-6)
    np.testing.assert_allclose(rod.intensity(q[5]), flat[5], rtol=1e-6)


def test_sizes_may_grow_under_jit_without_a_new_trace():
    q = np.linspace(0.01, 3, 40)
    with jax.enable_x64(True):

        @jax.jit
        @chex.assert_max_traces(n=1)
        def curve(length):
            return Cylinder(radius=2.0, length=length, contrast=1.0).intensity(q)

        for length in (3.0, 100.0, 2000.0):
            expected = [cylinder_square(k, 2.0, length) for k in q[::13]]
            np.testing.assert_allclose(curve(length)[::13], expected, rtol=1e-8)


def test_nodes_are_reported_and_may_be_fixed():
    rod = Cylinder(radius=2.0, length=300.0, contrast=1.0)
    few, many = rod.node_count(0.01), rod.node_count(np.array([0.01, 3.0]))
    assert few == 32 and many > 600
    q = np.array([0.5, 3.0])
    with jax.enable_x64(True):
        fixed = Cylinder(radius=2.0, length=300.0, contrast=1.0, nodes=2 * many).intensity(q)
        np.testing.assert_allclose(fixed, rod.intensity(q), rtol=1e-9)
        coarse = Cylinder(radius=2.0, length=300.0, contrast=1.0, nodes=32).intensity(q)
        assert abs(coarse[1] / fixed[1] - 1) > 1e-3


@pytest.mark.parametrize(
    ("base", "words"),
    [(Axial, "oriented_amplitude.*strength.*variation"), (Distribution, "block.*largest")],
)
def test_a_model_that_lacks_a_part_is_refused_when_it_is_made(base, words):
    incomplete = struct(type("Incomplete", (base,), {"__annotations__": {"radius": jax.Array}}))
    with pytest.raises(TypeError, match=words):
        incomplete(radius=1.0)


def test_refuses_what_it_cannot_compute():
    with pytest.raises(ValueError, match="q must be finite"):
        Sphere(radius=1.0, contrast=1.0).intensity([0.1, np.nan])
    with pytest.raises(ValueError, match="radius must be finite, got nan"):
        Sphere(radius=np.nan, contrast=1.0).intensity([0.1])
    with pytest.raises(ValueError, match="orientations needs more than 32768 nodes"):
        Cylinder(radius=1.0, length=1e6, contrast=1.0).intensity([1.0])
    # Under jit the check is skipped, and NaN goes through as NaN.
    assert np.isnan(jax.jit(lambda r: Sphere(radius=r, contrast=1.0).intensity(0.1))(np.nan))
    rod = lambda r: Cylinder(radius=r, length=1.0, contrast=1.0).intensity(jnp.array([0.1]))
    assert np.isnan(jax.jit(rod)(np.nan)).all()
