"""A network's answer starts a fit of the points that can be used, on any scale and grid."""

import os
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from diffscatter.analytic import Cylinder
from diffscatter.core.data import checked_curve
from diffscatter.core.resampling import spline_matrix
from diffscatter.datasets import lnp
from diffscatter.pipelines import analyse_particles as pipeline

KEY = jax.random.key(0)


def curve(low=0.05, high=2.0, points=90, sigma=0.01, **columns):
    q = np.geomspace(low, high, points)
    intensity = (1 + q**2) ** -2
    errors = None if sigma is None else sigma * intensity
    return checked_curve(q, intensity, errors, name="a", **columns)


def told(n):
    """What a network might say of n curves."""
    return SimpleNamespace(
        probabilities=np.full((n, 3), 1 / 3),
        fraction=np.full(n, 0.5),
        fraction_sigma=np.full(n, 0.3),
        mixture_fraction=np.full(n, 0.4),
        mixture_fraction_sigma=np.full(n, 0.1),
        mean_sizes=np.tile([50.0, 30.0], (n, 1)),
        mean_sizes_sigma=np.tile([2.0, 1.0], (n, 1)),
        score=np.linspace(1.0, 3.0, n),
        threshold=2.0,
    )


@pytest.fixture
def fits(monkeypatch):
    """Stand in for network and fit; the arguments of each fit."""
    seen = []

    def fit(curves, base, **options):
        seen.append({"curves": curves} | options)
        there = np.isfinite(curves)
        pair = np.array([[1.0, 2.0]])
        return SimpleNamespace(
            curve=curves + 0.1,
            residuals=np.where(there, 1.5 * (-1.0) ** np.arange(there.size), np.nan),
            probabilities=np.array([[0.2, 0.0, 0.8]]),
            fraction=np.array([0.4]),
            fraction_sigma=np.array([0.1]),
            fraction_interval=np.array([[0.3, 0.6]]),
            chi2=np.array([2.25]),
            effective=np.array([50.0]),
            **dict.fromkeys(("means", "means_sigma", "deviations", "deviations_sigma"), pair),
        )

    monkeypatch.setattr(pipeline, "fit_mixtures", fit)
    monkeypatch.setattr(pipeline, "read_particles", lambda curves, model: told(len(curves)))
    return seen


def test_errors_are_used_where_there_are_some(fits):
    curves = curve(resolution=0.01), curve(low=0.03, high=4.0, points=120, sigma=None)
    ends = np.array([20.0, 100.0])
    base = lnp.Base(kinds=(3, 4), sizes=ends, q=lnp.Q, intensity=np.ones((2, 2, lnp.Q.size)))
    model = SimpleNamespace(base=base)
    sure, logs = pipeline.analyse_particles(curves, key=KEY, model=model, draws=64)
    first, second = fits
    for seen in fits:
        # One length for both, so that one program serves them.
        assert seen["curves"].shape == (1, 128) and seen["q"].shape == (128,)
        assert (np.diff(seen["q"]) >= 0).all() and seen["scale_free"] and seen["draws"] == 64
        np.testing.assert_allclose(seen["starts"].fractions, [[0.4, 0.6]])
        np.testing.assert_allclose(seen["starts"].means, [[50.0, 30.0]])
    assert first["linear"] and (first["sigma"] > 0).all()
    np.testing.assert_array_equal(first["curves"][0, :90], curves[0].intensity)
    assert np.isnan(first["curves"][0, 90:]).all()
    assert not second["linear"] and second["sigma"] is None
    np.testing.assert_allclose(10 ** second["curves"][0, :9], logs.curve.intensity[:9])
    np.testing.assert_allclose(logs.fitted, logs.curve.intensity * 10**0.1)
    np.testing.assert_allclose(sure.fitted, curves[0].intensity + 0.1)
    assert sure.residuals.shape == (90,) and sure.fraction_interval == (0.3, 0.6)
    np.testing.assert_allclose(sure.there, [1.0, 0.8])
    assert not sure.unknown and logs.unknown
    q = logs.curve.q
    assert (
        q[0] >= lnp.Q[0] and q[-1] <= lnp.Q[-1] and "outside 0.04 to 3" in logs.curve.notes[0]
    )
    # Squares of 2.25 with errors of the file; without, the noise is fitted.
    said = " ".join(sure.warnings)
    assert "mean squared residual is 2.25" in said and "resolution" in said
    assert [w.split()[:2] for w in logs.warnings] == [["the", "posterior"]]


def test_a_misfit_is_neither_noise_nor_small():
    rng = np.random.default_rng(0)
    q = np.linspace(0.05, 2.0, 200)
    wave = np.sin(8 * q)
    for noise in (1e-4, 1e-2, 0.3):
        residuals = rng.normal(size=200)
        assert not pipeline._misfit(noise * residuals, residuals)
        for size, other_body in ((0.002, False), (3 * max(noise, 0.02), True)):
            relative = noise * residuals + size * wave
            assert pipeline._misfit(relative, relative / noise) == other_body
    # Errors that are fitted swallow the misfit, and it still goes together.
    assert pipeline._misfit(0.5 * wave, 1.4 * wave)
    # Where noise hides all there is, what goes together says nothing of the body.
    assert not pipeline._misfit(0.8 * wave, 1.4 * wave)
    # Data far above a fit, with errors of a fifth of them.
    fit = 10 ** (-2 * wave)
    data = 1 + 0.2 * rng.normal(size=200)
    assert pipeline._misfit(data / fit - 1, (data - fit) / 0.2)


def test_sizes_at_an_end_are_said_to_be():
    said = pipeline._at_the_end(np.array([60.0, 94.99]), np.array([0.01, 1e-3]), (3, 4))
    assert said == [
        "the mean size of type 4 is at an end of what is looked for, 25 to 95 nm: it may lie "
        "beyond"
    ]
    # A size that nothing is known of is not at an end.
    assert not pipeline._at_the_end(np.array([25.05, np.nan]), np.array([5.0, np.nan]), (3, 4))


def test_points_below_nothing():
    points = curve()
    intensity = np.array(points.intensity)
    intensity[-5:] *= -1
    with_errors = checked_curve(points.q, intensity, points.sigma)
    assert pipeline.usable(with_errors).q.size == 90
    without = pipeline.usable(checked_curve(points.q, intensity))
    assert without.q.size == 85 and without.notes == ("5 points not above 0 left out",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"low": 0.2},
            "a: q runs from 0.2 to 2 1/nm, .* hold 0.14 to 0.8 1/nm; check the",
        ),
        ({"high": 0.3}, "from 0.05 to 0.3 1/nm"),
        ({"points": 20}, "a: 20 points can be used between 0.04 and 3 1/nm; give at"),
    ],
)
def test_refusals(change, words):
    with pytest.raises(ValueError, match=words):
        pipeline.usable(curve(**change))


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("DIFFSCATTER_LONG_TESTS"),
    reason="compiles for a minute: set DIFFSCATTER_LONG_TESTS=1",
)
def test_the_packaged_network_and_a_fit():
    """Photons of a mixture and of a rod, on axes and scales of their own."""
    rng, q = np.random.default_rng(0), np.geomspace(0.05, 2.5, 180)
    model = pipeline.load_measured()
    truth, means, deviations = 0.4, np.array([55.0, 40.0]), np.array([2.0, 3.0])
    weights = np.asarray(lnp.size_weights(model.base.sizes, means, deviations))
    clean = np.einsum("k,ks,ksq->q", [truth, 1 - truth], weights, model.base.intensity)
    clean = spline_matrix(model.base.q, q) @ clean
    rod = np.asarray(Cylinder(radius=8.0, length=60.0, contrast=1.0).average_square(q))
    curves = []
    for intensity in (clean, rod):
        mean = 3e6 * intensity / intensity.max()
        counts, sigma = rng.poisson(mean), np.sqrt(np.maximum(mean, 1))
        curves.append(checked_curve(q, 1e-4 * counts, 1e-4 * sigma))
    found, odd = pipeline.analyse_particles(curves, key=KEY, model=model)
    assert odd.unknown and not found.unknown and not found.warnings
    assert found.probabilities[2] > 0.99
    assert abs(found.fraction - truth) < 4 * found.fraction_sigma < 0.1
    assert (np.abs(found.means - means) < 4 * found.means_sigma).all()
    assert (found.means_sigma < 1).all()
    assert abs(found.chi2 - 1) < 5 * np.sqrt(2 / 180)
