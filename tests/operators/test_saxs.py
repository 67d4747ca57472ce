"""The exact lattice average against brute force, and the published pipeline against itself."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.core.special import sphere_kernel
from diffscatter.operators import saxs
from tests.operators.averages import PITCH, brute_force, by_quadrature

RNG = np.random.default_rng(0)
BODY = RNG.normal(size=(7, 7, 7))  # contrasts of both signs
SLAB = RNG.normal(size=(3, 6, 5))


@pytest.mark.parametrize("density", [BODY, SLAB], ids=["cube", "slab"])
def test_points_match_every_pair(density):
    q = np.linspace(0.0, np.pi / PITCH, 41)
    with jax.enable_x64(True):
        got = saxs.intensity(density, PITCH, q, voxel="point")
    np.testing.assert_allclose(got, brute_force(density, q), rtol=1e-11)


@pytest.mark.parametrize("density", [BODY, SLAB], ids=["cube", "slab"])
@pytest.mark.parametrize(("voxel", "power"), [("average", -2), ("box", 2)])
@pytest.mark.parametrize("reach", [0.5, 0.8])
def test_voxels_match_a_sum_over_directions(density, voxel, power, reach):
    q = np.linspace(0.05, reach, 9) * np.pi / PITCH
    with jax.enable_x64(True):
        got = saxs.intensity(density, PITCH, q, voxel=voxel)
    np.testing.assert_allclose(got, by_quadrature(density, q, power), rtol=1e-6)


def test_blur_is_undone():
    q = np.linspace(0.1, 2.0, 7)
    with jax.enable_x64(True):
        plain, lifted = (np.asarray(saxs.intensity(BODY, PITCH, q, blur=s)) for s in (0, 0.6))
    np.testing.assert_allclose(lifted, plain * np.exp((0.6 * q) ** 2), rtol=1e-12)


def test_gradients_to_second_order():
    q = np.linspace(0.01, 0.7 * np.pi / PITCH, 6)

    def loss(density, pitch, q, blur):
        curve = saxs.intensity(density, pitch, q, blur=blur)
        return jnp.sum(jnp.log(curve + 1.0))

    with jax.enable_x64(True):
        check_grads(loss, (SLAB, PITCH, q, 0.3), order=2, rtol=1e-5)


def test_float32_floor_is_relative_to_forward_scattering():
    body = np.ones((6, 6, 6))
    q = np.linspace(0.0, 0.5 * np.pi / PITCH, 30)
    with jax.enable_x64(True):
        exact = np.asarray(saxs.intensity(body, PITCH, q))
    got = saxs.intensity(body.astype(np.float32), PITCH, q.astype(np.float32))
    assert got.dtype == jnp.float32
    # The documented floor: 1e-5 of I(0), however small I(q) is.
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-5 * exact[0])


def test_batches_give_the_same_numbers():
    q = np.linspace(0.1, 2.0, 5)
    with jax.enable_x64(True):
        bodies = jnp.asarray(RNG.normal(size=(3, 4, 4, 4)))
        one = lambda density: saxs.intensity(density, PITCH, q)
        expected = jnp.stack([one(b) for b in bodies])
        for batch in (jax.vmap(one)(bodies), jax.lax.map(one, bodies)):
            np.testing.assert_allclose(batch, expected, rtol=1e-11)


def test_compiled_once_a_shape():
    q = np.linspace(0.1, 1.7, 5)
    traced = jax.jit(chex.assert_max_traces(lambda d, p: saxs.intensity(d, p, q), n=1))
    for scale in (1.0, 2.0):
        traced(scale * BODY, PITCH)
        saxs.intensity(scale * BODY, PITCH, scale * q)
    before = saxs._intensity._cache_size()
    saxs.intensity(3 * BODY, PITCH / 2, 1.1 * q)
    assert saxs._intensity._cache_size() == before


def test_empty_volume_has_finite_gradients():
    curve = lambda density: saxs.intensity(density, PITCH, jnp.array([0.0, 1.0])).sum()
    assert np.isfinite(jax.grad(curve)(jnp.zeros((4, 4, 4)))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": np.ones((3, 3))}, r"density must be \(nz, ny, nx\), got shape \(3, 3\)"),
        ({"density": np.ones((0, 3, 3))}, r"must not be empty, got shape \(0, 3, 3\)"),
        ({"density": np.full((2, 2, 2), np.nan)}, r"density must be finite, got 8 of 8"),
        ({"density": np.ones((2, 2, 2)) + 1j}, "density must be real"),
        ({"pitch": np.inf}, "pitch must be finite, got inf"),
        ({"pitch": -1.0}, "pitch must be above 0 nm, got -1"),
        ({"q": np.array([0.1, 4.5])}, r"q reaches 4\.5 1/nm.*Nyquist.*at most 0\.6981 nm"),
        ({"q": np.array([-0.1])}, "q must be >= 0"),
        ({"q": 0.3}, "q must be one non-empty axis"),
        ({"voxel": "cube"}, "voxel must be one of average, box, point, got 'cube'"),
        ({"blur": -0.1}, "blur must be one sigma >= 0 nm"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"density": BODY, "pitch": PITCH, "q": np.array([0.1, 1.0])} | change
    with pytest.raises(ValueError, match=message):
        saxs.intensity(**arguments)


def test_value_checks_are_skipped_under_jit():
    got = jax.jit(lambda d, q: saxs.intensity(d, PITCH, q))(BODY, np.array([0.1, 9.0]))
    assert got.shape == (2,)


def numpy_pipeline(density, pitch, ratio, normalization):
    """The published listing in plain numpy: one padded cube, every point, two channels."""
    n = ratio * max(density.shape)
    power = np.abs(np.fft.fftn(density, (n,) * 3, axes=(0, 1, 2))) ** 2
    k = np.fft.fftfreq(n, 1 / n)
    box = np.sinc(k / n) ** 2
    power *= box[:, None, None] * box[:, None] * box
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2).ravel()
    low = radius.astype(int)
    share = lambda v: (
        np.bincount(low, v * (1 - radius + low), n)[:n]
        + np.bincount(low + 1, v * (radius - low), n)[:n]
    )
    channel = np.arange(1, n // 2)
    points = (
        share(np.ones(n**3)) if normalization == "counts" else 4 * np.pi * np.arange(n) ** 2
    )
    curve = share(power.ravel())[1 : n // 2] / points[1 : n // 2]
    return 2 * np.pi * channel / (n * pitch), pitch**6 * curve


@pytest.mark.parametrize("normalization", ["counts", "q2"])
@pytest.mark.parametrize("density", [BODY, SLAB], ids=["cube", "slab"])
def test_binned_pipeline_is_the_published_one(density, normalization):
    q, curve = numpy_pipeline(density, PITCH, 4, normalization)
    with jax.enable_x64(True):
        got = saxs.binned_intensity(density, PITCH, pad_ratio=4, normalization=normalization)
    np.testing.assert_allclose(got[0], q, rtol=1e-13)
    np.testing.assert_allclose(got[1], curve, rtol=1e-10)


def test_binned_pipeline_has_the_published_errors():
    """A hard-voxel sphere of R = 25 in 50 voxels, padded sixfold, against its form factor."""
    radius, m = 25.0, 50
    x = np.arange(m) - m // 2
    inside = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 <= radius**2
    with jax.enable_x64(True):
        q, curve = map(np.asarray, saxs.binned_intensity(inside.astype(float), 1.0))
        exact = (4 / 3 * np.pi * radius**3 * np.asarray(sphere_kernel(q * radius))) ** 2
    error = np.abs(curve / exact - 1)
    # Median errors by range of qR: a third of the value either way still is the same pipeline.
    known = {(0.0, 1.2): 0.045, (1.2, 4.0): 0.045, (10.0, 30.0): 0.11, (30.0, 80.0): 0.25}
    for (low, high), expected in known.items():
        within = (q * radius >= low) & (q * radius < high)
        assert np.median(error[within]) == pytest.approx(expected, rel=1 / 3)
    assert np.log10(curve / exact).max() > 2  # minima are filled by decades


def test_binned_pipeline_differentiates():
    loss = lambda density, pitch: jnp.sum(
        jnp.log(saxs.binned_intensity(density, pitch, pad_ratio=3)[1])
    )
    with jax.enable_x64(True):
        check_grads(loss, (SLAB, PITCH), order=1, rtol=1e-5)


def test_binned_pipeline_names_bad_input():
    with pytest.raises(ValueError, match="pad_ratio must be a whole number >= 2, got 1"):
        saxs.binned_intensity(BODY, PITCH, pad_ratio=1)
    with pytest.raises(ValueError, match="normalization must be counts or q2, got 'none'"):
        saxs.binned_intensity(BODY, PITCH, normalization="none")
