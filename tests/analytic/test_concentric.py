"""The closed form of Gaussian spheres against Gauss-Hermite sums and the nodes it replaces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.analytic import CoreShellSphere, Gaussian, Polydisperse, Sphere
from diffscatter.analytic.concentric import WIDEST, mean_amplitude, mean_square

Q = np.array([0.0, 1e-4, 0.02, 0.17, 0.1749, 0.1751, 0.18, 0.5, 1.0, 3.0])
BODIES = {
    "sphere": ((8.0,), (2.0,)),
    "core and shell": ((6.0, 8.0), (-1.0, 2.0)),
    "matched at q = 0": ((6.0, 8.0), (-2.0, 2.0 * 27 / 64)),
    "thin shell": ((7.9, 8.0), (-2.0, 2.0)),
}


def amplitude(q, radius):
    """4 pi/q^3 (sin x - x cos x), by its series below x = 0.5."""
    x = np.multiply.outer(q, radius)
    safe = np.where(x < 0.5, 1.0, x)
    series = 1 / 3 - x**2 / 30 + x**4 / 840 - x**6 / 45360 + x**8 / 3991680 - x**10 / 518918400
    closed = (np.sin(safe) - safe * np.cos(safe)) / safe**3
    return 4 * np.pi * np.asarray(radius) ** 3 * np.where(x < 0.5, series, closed)


@pytest.mark.parametrize("body", BODIES)
def test_means_over_a_normal_law(body):
    radii, steps = BODIES[body]
    deviation = 0.9
    t, w = np.polynomial.hermite_e.hermegauss(60)
    f = sum(a * amplitude(Q, r + deviation * t) for r, a in zip(radii, steps, strict=True))
    with jax.enable_x64(True):
        given = jnp.array(radii), jnp.array(steps), deviation, jnp.array(Q)
        square, mean = (np.asarray(f(*given)) for f in (mean_square, mean_amplitude))
    expected = f**2 @ w / w.sum()
    # What cancels is of the order of each ball's own F^2: the reference's own rounding too.
    scale = sum(
        a**2 * amplitude(Q, np.array([r]))[:, 0] ** 2 for r, a in zip(radii, steps, strict=True)
    )
    np.testing.assert_array_less(np.abs(square - expected), 1e-10 * expected + 1e-13 * scale)
    expected = f @ w / w.sum()
    np.testing.assert_array_less(
        np.abs(mean - expected), 1e-10 * np.abs(expected) + 1e-13 * np.sqrt(scale) + 1e-13
    )


@pytest.mark.parametrize("shell", [False, True])
def test_equals_the_nodes_on_both_sides_of_its_widest(shell):
    q = np.array([0.0, 0.1, 0.7, 2.0])
    core = {"radius": 6.0, "thickness": 2.0, "core_contrast": 1.0, "shell_contrast": 2.0}
    body = CoreShellSphere(**core) if shell else Sphere(radius=6.0, contrast=1.0)
    with jax.enable_x64(True):
        for width in (0.02, WIDEST, WIDEST * (1 + 1e-9)):
            many = lambda n, w=width: Polydisperse(
                model=body, distribution=Gaussian(width=w), nodes=n
            )
            # Nodes end at 6.5 widths.
            np.testing.assert_allclose(
                many(None).intensity(q), many(256).intensity(q), rtol=1e-9
            )
            for method in ("average_amplitude",):
                got, expected = (getattr(many(n), method)(jnp.array(q)) for n in (None, 256))
                np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


def test_derivatives_and_batches():
    q = jnp.array([0.0, 0.05, 0.3, 1.0])

    def curve(p):
        body = CoreShellSphere(
            radius=p[0], thickness=p[1], core_contrast=p[2], shell_contrast=p[3]
        )
        many = Polydisperse(model=body, distribution=Gaussian(width=p[4]))
        return many.intensity(q) / 1e6

    with jax.enable_x64(True):
        p = jnp.array([6.0, 2.0, 1.0, 2.0, 0.1])
        check_grads(curve, (p,), order=1, modes=("fwd", "rev"), rtol=1e-6, eps=1e-5)
        # One wide member: the whole batch then takes nodes.
        batch = jnp.stack([p, p.at[4].set(0.3)])
        single = jnp.stack([curve(x) for x in batch])
        np.testing.assert_allclose(jax.vmap(curve)(batch), single, rtol=1e-8)
        slope = jax.jacfwd(curve)(p.at[4].set(0.0))
        assert np.isfinite(slope).all()
        np.testing.assert_allclose(slope[:, 4], 0, atol=1e-12)


def test_single_precision():
    q = np.linspace(0, 2, 60).astype(np.float32)
    many = lambda: Polydisperse(
        model=Sphere(radius=6.0, contrast=1.0), distribution=Gaussian(width=0.1)
    )
    with jax.enable_x64(True):
        exact = np.asarray(many().intensity(q.astype(float)))
    got = many().intensity(q)
    assert got.dtype == jnp.float32
    bright = exact > 1e-6 * exact[0]
    np.testing.assert_allclose(got[bright], exact[bright], rtol=1e-3)
