"""Structure factors against their direct correlation functions, limits and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference
from scipy.integrate import quad

from diffscatter.analytic import HardSphere

RADIUS = 3.0
Q = np.array([0.0, 1e-6, 1e-3, 0.05, 0.2, 0.7, 2.0, 9.0])


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


def test_hard_sphere_derivatives():
    """Both parameters and q, at q = 0 and at no volume fraction too."""
    ours = lambda r, p: HardSphere(radius=r, volume_fraction=p)(Q)
    shifted = lambda r, p: np.array([percus_yevick(q, r, p) for q in Q])
    with jax.enable_x64(True):
        slopes = jax.jit(jax.jacfwd(ours, (0, 1)))
        for eta in (0.0, 0.3):
            others = (
                central_difference(lambda r, eta=eta: shifted(r, eta), RADIUS, 3e-3),
                central_difference(lambda p: shifted(RADIUS, p), eta, 1e-3),
            )
            for exact, other in zip(slopes(RADIUS, eta), others, strict=True):
                # Fourth order in a step of 1e-3, rounding 1e-13/1e-3.
                atol = 1e-9 * max(np.abs(other).max(), 1)
                np.testing.assert_allclose(exact, other, rtol=1e-6, atol=atol)
        curvature = jax.grad(jax.grad(HardSphere(radius=RADIUS, volume_fraction=0.2)))
        assert np.isfinite(curvature(0.0)) and curvature(0.0) > 0


def test_precision_batches_and_shapes():
    q = np.linspace(0, 3, 60)
    for eta in (0.0, 0.3, 0.5):
        with jax.enable_x64(True):
            exact = HardSphere(radius=RADIUS, volume_fraction=eta)(q)
        single = HardSphere(radius=RADIUS, volume_fraction=eta)(q.astype(np.float32))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, exact, rtol=1e-4)
    with jax.enable_x64(True):
        curve = lambda p: HardSphere(radius=RADIUS, volume_fraction=p)(q)
        fractions = jnp.array([0.0, 0.1, 0.4])
        single = jnp.stack([curve(p) for p in fractions])
        np.testing.assert_allclose(jax.vmap(curve)(fractions), single, rtol=1e-13)
        np.testing.assert_array_equal(
            curve(0.2).reshape(6, 10),
            HardSphere(radius=RADIUS, volume_fraction=0.2)(q.reshape(6, 10)),
        )


def test_refuses_what_cannot_be():
    with pytest.raises(ValueError, match=r"must be in \[0, 1\), got 1.2"):
        HardSphere(radius=1.0, volume_fraction=1.2)(Q)
    with pytest.raises(ValueError, match="HardSphere needs a radius"):
        HardSphere(radius=None, volume_fraction=0.1)(Q)
    with pytest.raises(ValueError, match="volume_fraction must be finite, got nan"):
        HardSphere(radius=1.0, volume_fraction=np.nan)(Q)
