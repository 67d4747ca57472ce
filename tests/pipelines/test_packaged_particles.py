"""The packaged network is small, says how it came to be, and knows particles from cylinders."""

import numpy as np
import pytest

from diffscatter import analytic
from diffscatter.core.data import checked_curve
from diffscatter.pipelines import particles


@pytest.fixture(scope="module")
def model():
    return particles.load_measured()


def noisy(q, intensity, name, strength=1e5, scale=1e-9):
    """Return a curve with the published noise in points of its own, on another scale."""
    at = np.geomspace(0.06, 2.5, 300)
    clean = np.exp(np.interp(at, q, np.log(intensity)))
    variance = np.log1p(strength / clean)
    normal = np.random.default_rng(1).normal(size=at.size)
    return checked_curve(
        at, scale * clean * np.exp(np.sqrt(variance) * normal - variance / 2), name=name
    )


def test_it_is_small_and_says_how_it_came_to_be(model):
    assert particles.PACKAGED.stat().st_size <= 5e6
    made = model.made
    assert made["command"].startswith("python benchmarks/lnp_training.py --tasks lnp-measured")
    assert made["task"] == "lnp-measured" and made["seed"] == 0 and made["steps"] > 0
    known = made["held_out"]["known particles"]
    assert known["false_alarms"] <= 0.05
    assert model.base.kinds == (3, 4) and model.base.intensity.shape == (2, 81, 500)


def test_it_tells_particles_and_flags_a_cylinder(model):
    q, sizes = (np.asarray(x, float) for x in (model.base.q, model.base.sizes))
    weights = np.exp(-((sizes - 60) ** 2) / (2 * 2.0**2))
    third, fourth = (
        np.asarray(weights @ np.asarray(model.base.intensity), float) / weights.sum()
    )
    rod = analytic.Cylinder(radius=12.0, length=60.0, contrast=9.0).average_square(q)
    curves = {
        "type 3": third,
        "type 4": fourth,
        "mixture": 0.5 * (third + fourth),
        "cylinder": np.asarray(rod, float),
    }
    told = particles.read_particles([noisy(q, c, n) for n, c in curves.items()], model)
    np.testing.assert_array_equal(told.probabilities[:3].argmax(axis=1), [0, 1, 2])
    np.testing.assert_array_equal(told.out_of_distribution, [False] * 3 + [True])
    sizes = told.mean_sizes[[0, 1, 2, 2], [0, 1, 0, 1]]
    sigmas = told.mean_sizes_sigma[[0, 1, 2, 2], [0, 1, 0, 1]]
    assert (np.abs(sizes - 60) < 4 * sigmas).all()
    assert abs(told.mixture_fraction[2] - 0.5) < 4 * told.mixture_fraction_sigma[2]
