"""Mixtures and noise against numpy, from a base of closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.datasets import lnp
from diffscatter.datasets.lnp import noise
from tests.shapes import closed_forms

Q = np.linspace(0.04, 3.0, 50)
SIZES = np.arange(20.0, 101.0)


def base():
    """Spheres for type 4, and smaller ones of lower density for the others."""
    ball = lambda size, sld: (sld * closed_forms.sphere_amplitude(Q, size / 2)) ** 2
    curves = [
        [ball(scale * size, sld) for size in SIZES]
        for scale, sld in ((0.7, 5.0), (0.75, 6.0), (0.8, 4.5), (1.0, 9.0))
    ]
    return lnp.Base(kinds=(1, 2, 3, 4), sizes=SIZES, q=Q, intensity=np.array(curves))


BASE = base()
KEY = jax.random.key(3)


def numpy_weights(mean, deviation):
    """The published listing, but that sizes at the limits stand for half cells."""
    mu = np.log(mean**2 / np.sqrt(mean**2 + deviation**2))
    tau = np.sqrt(np.log(1 + deviation**2 / mean**2))
    weights = np.exp(-((np.log(SIZES) - mu) ** 2) / (2 * tau**2)) / (SIZES * tau)
    weights[[0, -1]] /= 2
    return weights / weights.sum()


def test_size_weights_are_the_listing():
    for mean, deviation in ((40.3, 2.5), (25.0, 1.0), (94.7, 0.3)):
        with jax.enable_x64(True):
            got = lnp.size_weights(
                jnp.asarray(SIZES), jnp.asarray(mean), jnp.asarray(deviation)
            )
        np.testing.assert_allclose(got, numpy_weights(mean, deviation), rtol=1e-9, atol=1e-15)
    wide = numpy_weights(60.0, 4.0)  # the mean and the standard deviation are what they say
    np.testing.assert_allclose(wide @ SIZES, 60.0, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(wide @ (SIZES - 60) ** 2), 4.0, rtol=1e-9)


def test_bases_of_other_sizes_tell_of_the_same_law():
    """Also where the limits cut it: the mean of what is left, by a hundred times finer sums."""
    mean_of = lambda sizes, *law: lnp.size_weights(jnp.asarray(sizes), *law) @ sizes
    fine = np.linspace(*lnp.LIMITS, 8001)
    with jax.enable_x64(True):
        for law in ((26.0, 4.0), (60.0, 2.0), (94.0, 3.0)):
            told = [
                mean_of(sizes, *map(jnp.asarray, law))
                for sizes in (lnp.TRAINED, lnp.HELD_OUT, fine)
            ]
            np.testing.assert_allclose(told[:2], told[2], rtol=0, atol=0.02)
        beyond = lnp.size_weights(jnp.arange(90.0, 110.0), jnp.asarray(95.0), jnp.asarray(2.0))
    beyond = np.asarray(beyond)
    assert beyond[10] > 0 and not beyond[11:].any()


def test_size_weights_differentiate_and_stay_finite():
    weights = lambda m, s: lnp.size_weights(jnp.asarray(SIZES), m, s)
    with jax.enable_x64(True):
        slopes = jax.jit(jax.jacfwd(weights, argnums=(0, 1)))(40.3, 2.5)
        for slope, (m, s) in zip(slopes, ((1e-4, 0.0), (0.0, 1e-4)), strict=True):
            rise = numpy_weights(40.3 + m, 2.5 + s) - numpy_weights(40.3 - m, 2.5 - s)
            np.testing.assert_allclose(rise / 2e-4, slope, rtol=0, atol=1e-8)
    narrow = lnp.size_weights(
        jnp.asarray(SIZES, jnp.float32), jnp.float32(40.5), jnp.float32(0.01)
    )
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow.sum(), 1.0, rtol=1e-6)


@pytest.fixture(scope="module")
def drawn():
    """One large batch of three tasks; the test of ``drawer`` has the fourth."""
    draw = lambda task: jax.jit(lnp.sampler(BASE, task), static_argnums=1)(KEY, 1500)
    return {task: draw(task) for task in ("classify", "mixed", "weights")}


@pytest.mark.parametrize("task", ["classify", "mixed", "weights"])
def test_a_mixture_is_the_sum_of_its_populations(drawn, task):
    mixture, kinds = drawn[task], lnp.TASKS[task]
    curves = np.asarray(BASE.intensity, float)
    for i in range(5):
        expected = sum(
            float(mixture.fractions[i, k])
            * numpy_weights(float(mixture.means[i, k]), float(mixture.deviations[i, k]))
            @ curves[kind - 1]
            for k, kind in enumerate(kinds)
        )
        # float32: 81 products of weights whose exponents, up to 100, are right to 1e-5.
        np.testing.assert_allclose(mixture.intensity[i], expected, rtol=2e-3)
    assert mixture.curves.dtype == jnp.float32 and np.isfinite(mixture.curves).all()


def test_what_is_drawn_follows_the_priors(drawn):
    n = 1500
    for mixture in drawn.values():
        np.testing.assert_allclose(mixture.fractions.sum(1), 1.0, rtol=1e-5)
        assert mixture.means.min() >= 25 and mixture.means.max() <= 95
        assert mixture.deviations.min() >= 1 and mixture.deviations.max() <= 4
        # Uniform over 3.5 decades: the mean of log10 within 4 standard errors.
        alpha = np.log10(mixture.strength)
        assert 4 <= alpha.min() and alpha.max() <= 7.5 + 1e-5
        assert abs(alpha.mean() - 5.75) < 4 * 3.5 / np.sqrt(12 * n)
    classes = drawn["classify"]
    counts = np.bincount(classes.target, minlength=3)
    assert np.abs(counts - n / 3).max() < 4 * np.sqrt(n * 2 / 9)
    fraction = np.asarray(classes.fractions[:, 0])
    assert (fraction[classes.target == 0] == 1).all()
    assert (fraction[classes.target == 1] == 0).all()
    weights = np.asarray(drawn["weights"].target)
    # Dirichlet(1, 1, 1): means 1/3, variances 1/18.
    assert np.abs(weights.mean(0) - 1 / 3).max() < 4 / np.sqrt(18 * n)
    mixed = drawn["mixed"]
    pure = np.asarray(mixed.fractions).max(1) == 1
    np.testing.assert_array_equal(mixed.target, ~pure)
    assert abs(pure.mean() - 0.8) < 4 * np.sqrt(0.16 / n)


def test_a_draw_is_curves_and_target_and_its_key_alone(drawn):
    n = 1500
    draw = jax.jit(lnp.drawer(BASE, "fraction"), static_argnums=1)
    curves, alpha = map(np.asarray, draw(KEY, n))
    np.testing.assert_array_equal(curves, draw(KEY, n)[0])
    assert not np.isclose(draw(jax.random.fold_in(KEY, 1), n)[0], curves).all(axis=1).any()
    assert abs(alpha.mean() - 0.5) < 4 / np.sqrt(12 * n)
    assert abs(alpha.var() - 1 / 12) < 4 / np.sqrt(180 * n)
    # The same numbers are drawn for the same two types of another task: where that has a
    # mixture, it is this one, but for the rounding of another program.
    other = drawn["classify"]
    mixed = np.asarray(other.target) == 2
    np.testing.assert_allclose(alpha[mixed], other.fractions[mixed, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(curves[mixed], other.curves[mixed], rtol=0, atol=1e-3)


@pytest.mark.parametrize("law", [lnp.lognormal_noise, lnp.photon_noise])
def test_noise_has_the_mean_and_variance_it_says(law):
    n, strength = 40_000, 2.0
    intensity = jnp.asarray([0.5, 8.0, 300.0, 5e4, 1e9], jnp.float32)
    many = jnp.broadcast_to(intensity, (n, 5))
    noisy = jax.jit(law)(KEY, many, jnp.full(n, strength, jnp.float32))
    assert noisy.dtype == jnp.float32
    values = 10 ** np.asarray(noisy, float)
    if law is lnp.photon_noise:
        values[np.abs(values / strength - 0.5) < 1e-3] = 0.0  # half a photon stands for none
        counts = values / strength
        np.testing.assert_allclose(counts[:, :3], np.round(counts[:, :3]), atol=1e-2)
        assert abs((counts[:, 0] == 0).mean() - np.exp(-0.25)) < 4 * 0.5 / np.sqrt(n)
    variance = strength * np.asarray(intensity, float)
    error = np.abs(values.mean(0) - intensity) / np.sqrt(variance / n)
    assert error[:4].max() < 4.5
    # The fourth moment of the lognormal law at 0.5 is a hundred times the normal one's.
    np.testing.assert_allclose(values.var(0)[1:4], variance[1:4], rtol=0.06)
    np.testing.assert_allclose(values[:, 4], 1e9, rtol=1e-3)  # 6 float32 digits of a logarithm


def test_options_reach_the_sample(monkeypatch):
    called = lambda key, intensity, strength: jnp.log10(intensity) + strength[:, None]
    monkeypatch.setitem(noise.NOISES, "photons", called)
    options = {"spread": "listings", "noise": "photons", "strength": (1e5, 1e8)}
    mixture = jax.jit(lnp.sampler(BASE, "fraction", **options), static_argnums=1)(KEY, 64)
    assert 0.1 <= mixture.deviations.min() and mixture.deviations.max() <= 0.4
    assert 1e5 <= mixture.strength.min() * (1 + 1e-5)
    assert mixture.strength.max() <= 1e8 * (1 + 1e-5)
    np.testing.assert_array_equal(
        mixture.curves, called(None, mixture.intensity, mixture.strength)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"task": "sort"},
            "task must be one of classify, fraction, mixed, weights, got 'sort'",
        ),
        ({"spread": "wide"}, "spread must be one of text, listings"),
        ({"noise": "none"}, "noise must be one of lognormal, photons"),
        ({"strength": (1e5, 1e4)}, "strength must be a range"),
    ],
)
def test_bad_names_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        lnp.sampler(BASE, **({"task": "classify"} | arguments))


def test_a_base_without_the_types_is_refused():
    only = lnp.Base(kinds=(4,), sizes=SIZES, q=Q, intensity=BASE.intensity[3:])
    with pytest.raises(ValueError, match=r"base holds types \(4,\); classify needs \[3\] too"):
        lnp.sampler(only, "classify")
