"""Structure factors against their direct correlation functions, limits and derivatives."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference
from scipy.integrate import quad

from diffscatter.analytic import HardSphere, ScreenedCoulomb, StickyHardSphere

RADIUS = 3.0
Q = np.array([0.0, 1e-6, 1e-3, 0.05, 0.2, 0.7, 2.0, 9.0])
HARD = {"volume_fraction": 0.3}
STICKY = {"volume_fraction": 0.15, "perturbation": 0.06, "stickiness": 0.3}
# A fluid that is taken as it is, and one whose diameter has to grow; with and without salt.
WEAK = {"volume_fraction": 0.2, "charge": 2.0, "salt": 0.01}
STRONG = {"volume_fraction": 0.04, "charge": 25.0, "salt": 0.003}
BARE = {"volume_fraction": 0.1, "charge": 15.0, "salt": 0.0}
FLUIDS = {
    "hard": (HardSphere, HARD),
    "sticky": (StickyHardSphere, STICKY),
    "weak": (ScreenedCoulomb, WEAK),
    "strong": (ScreenedCoulomb, STRONG),
    "bare": (ScreenedCoulomb, BARE),
}
# One shape of arguments for each class, so that its cases share a compilation.
NAMES = {
    HardSphere: ("radius", "volume_fraction"),
    StickyHardSphere: ("radius", *STICKY),
    ScreenedCoulomb: ("radius", *WEAK, "temperature", "permittivity"),
}
DEFAULTS = {"radius": RADIUS, "temperature": 300.0, "permittivity": 78.0}


def arguments(kind, changes):
    return [jnp.asarray(float((DEFAULTS | changes)[name])) for name in NAMES[kind]]


def curve(kind):
    """Return S at Q as a function of the fluid's parameters."""
    return lambda *values: kind(**dict(zip(NAMES[kind], values, strict=True)))(Q)


@cache
def value(kind):
    return jax.jit(curve(kind))


@cache
def slopes(kind):
    """Return the derivatives by every parameter, compiled once for all tests."""
    return jax.jit(jax.jacfwd(curve(kind), tuple(range(len(NAMES[kind])))))


def percus_yevick(q, radius, eta):
    """1/(1 - n c(q)) from the direct correlation function of Wertheim and Thiele."""
    a = (1 + 2 * eta) ** 2 / (1 - eta) ** 4
    b = -6 * eta * (1 + eta / 2) ** 2 / (1 - eta) ** 4
    correlation = lambda r: -(a + b * r + eta * a / 2 * r**3)
    x = 2 * q * radius
    wave = lambda r: np.sinc(x * r / np.pi) * r**2
    integral = quad(lambda r: correlation(r) * wave(r), 0, 1, epsabs=1e-13, limit=200)[0]
    return 1 / (1 - 24 * eta * integral)


@pytest.mark.parametrize("eta", [0.0, 1e-9, 0.02, 0.3, 0.6])
def test_hard_spheres(eta):
    expected = [percus_yevick(q, RADIUS, eta) for q in Q]
    with jax.enable_x64(True):
        got = HardSphere(radius=RADIUS, volume_fraction=eta)(Q)
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    np.testing.assert_allclose(got[0], (1 - eta) ** 4 / (1 + 2 * eta) ** 2, rtol=1e-13)


SMOOTHING, STEP = 0.02, 0.02
X = np.arange(STEP / 2, 7 / SMOOTHING, STEP)


def correlations(structure, density):
    """Return h(r) and c(r), r times either smoothed by a Gaussian, r in diameters."""
    values = np.asarray(structure(X / (2 * RADIUS)))
    weight = STEP / (2 * np.pi**2) * np.exp(-((X * SMOOTHING) ** 2) / 2) * X / density
    total = lambda f: lambda r: np.sum(weight * np.sin(X * r) * f) / r
    return total(values - 1), total(1 - 1 / values)


@pytest.mark.parametrize("fluid", FLUIDS)
def test_nothing_inside_the_core_and_the_potential_outside(fluid):
    """What defines these fluids: g = 0 inside, c = -u/kT outside."""
    kind, changes = FLUIDS[fluid]
    packing = changes["volume_fraction"] / (1 - changes.get("perturbation", 0.0)) ** 3
    scale = 1 - changes.get("perturbation", 0.0)
    with jax.enable_x64(True):
        fluid = kind(radius=RADIUS, **changes)
        h, c = correlations(fluid, 6 * changes["volume_fraction"] / np.pi)
    for r in (0.2, 0.5, 0.8):
        np.testing.assert_allclose(h(r), -1, atol=1e-10)
    if kind is not ScreenedCoulomb:
        for r in (1.3, 1.7):
            np.testing.assert_allclose(c(r / scale), 0, atol=1e-9 / packing)
        return
    diameter, bjerrum = 2 * RADIUS, 16710.0947 / 298.15 / 78.4
    density = changes["volume_fraction"] / (np.pi / 6 * diameter**3)
    ions = changes["charge"] * density + 2 * 0.602214 * changes["salt"]
    z = np.sqrt(4 * np.pi * bjerrum * ions) * diameter
    contact = 4 * changes["charge"] ** 2 * bjerrum / diameter / (2 + z) ** 2
    # Smoothed, exp(-zr) grows by exp((z w)^2/2); grown cores end before 2.
    for r in (2.2, 2.8):
        potential = contact * np.exp(-z * (r - 1)) / r * np.exp((z * SMOOTHING) ** 2 / 2)
        np.testing.assert_allclose(c(r), -potential, rtol=2e-6)


def test_contact_value_decides_whether_the_diameter_grows():
    for changes, grows in ((WEAK, False), (STRONG, True)):
        with jax.enable_x64(True):
            fluid = ScreenedCoulomb(radius=RADIUS, **changes)
            h, _ = correlations(fluid, 6 * changes["volume_fraction"] / np.pi)
        # Just outside the nominal core there is either something or still nothing.
        assert (h(1 + 5 * SMOOTHING) < -1 + 1e-6) == grows


def test_limits_are_other_fluids():
    with jax.enable_x64(True):
        hard = np.asarray(HardSphere(radius=RADIUS, **HARD)(Q))
        tame = ScreenedCoulomb(radius=RADIUS, **HARD, charge=0.0)
        np.testing.assert_allclose(tame(Q), hard, rtol=1e-12)
        salty = ScreenedCoulomb(radius=RADIUS, **HARD, charge=1e-3, salt=1.0)
        np.testing.assert_allclose(salty(Q), hard, rtol=1e-7)
        dry = StickyHardSphere(radius=RADIUS, **HARD, perturbation=0.01, stickiness=1e9)
        swollen = HardSphere(radius=RADIUS / 0.99, volume_fraction=0.3 / 0.99**3)
        np.testing.assert_allclose(dry(Q), swollen(Q), rtol=1e-7)
        # Without salt the counterions alone make S(0) = 1/(1 + Z) as the fluid gets dilute.
        thin = ScreenedCoulomb(radius=RADIUS, volume_fraction=1e-12, charge=20.0)
        np.testing.assert_allclose(thin(0.0), 1 / 21, rtol=1e-3)
        np.testing.assert_allclose(thin(0.5), 1.0, rtol=1e-7)


@pytest.mark.parametrize("kind", NAMES)
def test_derivatives(kind):
    """Every parameter, at all q with 0 among them."""
    cases = [changes for fluid, changes in FLUIDS.values() if fluid is kind]
    with jax.enable_x64(True):
        for changes in cases:
            start = arguments(kind, changes)
            for i, slope in enumerate(slopes(kind)(*start)):
                if start[i] == 0:
                    continue
                moved = lambda x, i=i, p=start: np.asarray(
                    value(kind)(*p[:i], jnp.asarray(x), *p[i + 1 :])
                )
                other = central_difference(moved, float(start[i]), 1e-3 * float(start[i]))
                atol = 1e-8 * np.abs(other).max()
                np.testing.assert_allclose(slope, other, rtol=1e-6, atol=atol)


def test_backwards_is_as_forwards():
    with jax.enable_x64(True):
        start = arguments(ScreenedCoulomb, STRONG)
        weighed = lambda charge: jnp.sum(
            curve(ScreenedCoulomb)(*start[:2], charge, *start[3:]) * Q
        )
        expected = np.sum(slopes(ScreenedCoulomb)(*start)[2] * Q)
        np.testing.assert_allclose(jax.jit(jax.grad(weighed))(start[2]), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", NAMES)
def test_derivatives_at_no_volume_fraction(kind):
    """One-sided, to second order in a step."""
    with jax.enable_x64(True):
        changes = STICKY if kind is StickyHardSphere else {"charge": 1.5, "salt": 0.02}
        start = arguments(kind, changes | {"volume_fraction": 0.0})
        at = lambda h: np.asarray(value(kind)(start[0], jnp.asarray(h), *start[2:]))
        np.testing.assert_array_equal(at(0.0), 1.0)
        step = 1e-5
        other = (4 * at(step) - at(2 * step) - 3) / (2 * step)
        np.testing.assert_allclose(slopes(kind)(*start)[1], other, rtol=1e-5, atol=1e-5)


def test_charged_spheres_without_ions_have_derivatives():
    """No salt: the screening goes as the root of volume fraction and charge."""
    with jax.enable_x64(True):
        bare = {"volume_fraction": 0.0, "charge": 1.0, "salt": 0.0}
        start = arguments(ScreenedCoulomb, bare)
        at = lambda h: np.asarray(value(ScreenedCoulomb)(start[0], jnp.asarray(h), *start[2:]))
        # Richardson in the root of the step, at q far above the screening.
        slope = lambda h: ((at(h) - 1) / h)[3:]
        other = 2 * slope(1e-8) - slope(4e-8)
        exact = slopes(ScreenedCoulomb)(*start)[1][3:]
        np.testing.assert_allclose(exact, other, rtol=1e-3)
        neutral = arguments(ScreenedCoulomb, bare | {"volume_fraction": 0.1, "charge": 0.0})
        assert np.isfinite(slopes(ScreenedCoulomb)(*neutral)).all()


def test_single_precision():
    q = np.linspace(0, 3, 60)
    for kind, changes in FLUIDS.values():
        with jax.enable_x64(True):
            exact = np.asarray(kind(radius=RADIUS, **changes)(q))
        single = kind(radius=RADIUS, **changes)(q.astype(np.float32))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, exact, rtol=1e-4)


def test_batches_and_shapes():
    with jax.enable_x64(True):
        fractions = jnp.array([0.0, 0.05, 0.3])
        start = arguments(ScreenedCoulomb, STRONG)
        at = lambda p: value(ScreenedCoulomb)(start[0], p, *start[2:])
        single = jnp.stack([at(p) for p in fractions])
        np.testing.assert_allclose(jax.vmap(at)(fractions), single, rtol=1e-9)
        hard = HardSphere(radius=RADIUS, **HARD)
        np.testing.assert_array_equal(hard(Q.reshape(2, 4)), hard(Q).reshape(2, 4))


def test_finite_everywhere_inside_the_limits():
    """Random fluids between the limits of the tables, far beyond what is ever measured."""
    draw = np.random.default_rng(0)
    with jax.enable_x64(True):
        for kind, ranges in {
            ScreenedCoulomb: [(-2, 4), (-12, -0.14), (-6, 3), (-6, 2), (2, 3), (0, 2.4)],
            StickyHardSphere: [(-2, 4), (-12, -0.3), (-2, -1), (-6, 3)],
        }.items():
            for _ in range(100):
                point = [jnp.asarray(10 ** draw.uniform(*r)) for r in ranges]
                got = np.asarray(value(kind)(*point))
                assert np.isfinite(got).all() and (got >= 0).all()
                assert all(np.isfinite(slope).all() for slope in slopes(kind)(*point))


def test_refuses_what_cannot_be():
    with pytest.raises(ValueError, match=r"must be in \[0, 1\), got 1.2"):
        HardSphere(radius=1.0, volume_fraction=1.2)(Q)
    with pytest.raises(ValueError, match="HardSphere needs a radius"):
        HardSphere(radius=None, volume_fraction=0.1)(Q)
    with pytest.raises(ValueError, match="volume_fraction must be finite, got nan"):
        HardSphere(radius=1.0, volume_fraction=np.nan)(Q)
    with pytest.raises(ValueError, match="has stickiness 0.01 at volume fraction 0.15.*raise"):
        StickyHardSphere(radius=1.0, **(STICKY | {"stickiness": 0.01}))(Q)
    # Under a trace, as in a fit, it is the fluid at the edge.
    sticky = lambda tau: StickyHardSphere(radius=1.0, **(STICKY | {"stickiness": tau}))(Q)
    with jax.enable_x64(True):
        assert np.isfinite(jax.jit(sticky)(0.01)).all()
