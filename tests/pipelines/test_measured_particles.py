"""Measured curves on any scale and axis, what is asked of them, and the packaged network."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from diffscatter import networks
from diffscatter.core.data import checked_curve
from diffscatter.datasets import lnp
from diffscatter.pipelines import particles
from diffscatter.pipelines.tasks import TASKS
from tests.shapes import closed_forms

Q = np.linspace(0.04, 3.0, 150)
SIZES = np.arange(20.0, 101.0, 8.0)
KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def base():
    ball = lambda size, sld: (sld * closed_forms.sphere_amplitude(Q, size / 2)) ** 2
    curves = [[ball(s * size, sld) for size in SIZES] for s, sld in ((0.7, 14.0), (1.0, 9.0))]
    return lnp.Base(kinds=(3, 4), sizes=SIZES, q=Q, intensity=np.array(curves))


@pytest.fixture(scope="module")
def sample(base):
    return lnp.measured_sampler(base)


@pytest.fixture(scope="module")
def model(base, sample):
    """An untrained narrow network over balls: answers of no worth, but answers."""
    with pytest.MonkeyPatch.context() as patch:
        narrow = partial(networks.CurveNet, widths=(8, 12), features=16)
        patch.setattr(networks, "CurveNet", narrow)
        network = TASKS["lnp-measured"].plans["ours"].build(Q.size, jax.random.key(0))
        network.standardise.fit(particles._batch(sample, KEY).curves)
        network.eval()
        task = replace(TASKS["lnp-measured"], sampler=lambda *_: sample)
        patch.setattr(particles, "_TASK", task)  # one compilation for all draws
        patch.setattr(particles, "_REFERENCE", 200)
        patch.setattr(particles, "_CALIBRATION", 800)
        made = {"seed": 0}
        yield particles.calibrated(network, (base, base), key=jax.random.key(2), made=made)


def curve(size=50.0, low=0.05, high=2.5, points=240, scale=1.0, **columns):
    q = np.geomspace(low, high, points)
    intensity = scale * closed_forms.sphere_amplitude(q, size / 2) ** 2
    return checked_curve(q, intensity + 1e-6 * intensity.max(), name="ball.dat", **columns)


def test_a_scale_and_a_finer_axis_change_nothing(model):
    told = particles.read_particles(
        [curve(), curve(scale=1e-9), curve(points=2000), curve(high=1.0)], model
    )
    assert told.probabilities.shape == (4, 3) and told.curves.shape == (4, 150)
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(told.fraction[1], told.fraction[0], atol=1e-3)
    there = (Q > 0.07) & (Q < 2.4)
    # float32 integrals of about 5, differences over bins of 0.02/q and more in ln q.
    np.testing.assert_allclose((told.curves[1] - told.curves[0])[there], -9, atol=1e-3)
    # Straight lines over the points of one axis and of the other, 1.6 % apart in q: away from
    # minima a relative (q D/2)^2 (1.6 %)^2 / 8, of 0.002 at 0.3 1/nm.
    smooth = (Q > 0.07) & (Q < 0.3)
    assert np.median(np.abs(told.curves[2] - told.curves[0])[smooth]) < 0.002
    assert np.isnan(told.curves[3][Q > 1.0]).all()
    assert told.mean_sizes.shape == told.mean_sizes_sigma.shape == (4, 2)
    assert ((0 < told.fraction) & (told.fraction < 1)).all() and (told.fraction_sigma > 0).all()
    one = particles.read_particles([curve(high=1.0)], model)  # alone as among others
    np.testing.assert_allclose(one.fraction[0], told.fraction[3], atol=1e-5)
    assert particles.read_particles([], model).fraction.shape == (0,)


def test_false_alarms_are_as_many_as_said(model, sample):
    curves = particles.known_mixtures(sample, jax.random.key(5), 1500).curves
    told = particles.read_curves(curves, model)
    share = told.out_of_distribution.mean()
    # Thresholds from 800 curves, the share from 1500.
    error = np.sqrt(particles.FALSE_ALARMS * (1 / 800 + 1 / 800 + 1 / 1500))
    assert abs(share - particles.FALSE_ALARMS) < 4 * error


def test_a_model_survives_its_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    particles.save_measured(path, model)
    narrow = partial(networks.CurveNet, widths=(8, 12), features=16)
    monkeypatch.setattr(networks, "CurveNet", narrow)
    found = particles.load_measured(path)
    assert found.made == {"seed": 0} and found.threshold == model.threshold
    for one, other in zip(
        vars(particles.read_particles([curve()], found)).values(),
        vars(particles.read_particles([curve()], model)).values(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_points_without_photons():
    counts = np.array([40.0, 9.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    got = particles._above_nothing(counts)
    np.testing.assert_array_equal(got, [40, 9, 0.5, 1, 0.5, 1, 1, 0.5])
    np.testing.assert_array_equal(particles._above_nothing(np.array([2.0, 3.0])), [2, 3])


def test_refuses_a_window_that_tells_too_little(model):
    for ends, words in (
        ({"low": 0.2}, r"ball.dat: q runs from 0.2 to 2.5 1/nm, .* hold 0.14 to 0.8 1/nm"),
        ({"high": 0.3}, r"from 0.05 to 0.3 1/nm, .*; check the unit of q, or measure more"),
    ):
        with pytest.raises(ValueError, match=words):
            particles.read_particles([curve(**ends)], model)
