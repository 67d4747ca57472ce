"""A fit in one call: what is free, what is smeared, and what it recovers."""

import warnings

import jax
import numpy as np
import pytest

from diffscatter import analytic
from diffscatter.core.data import Curve
from diffscatter.instrument import pinhole
from diffscatter.pipelines import fit, size_means

Q = np.geomspace(0.05, 2.0, 120)
RADIUS, WIDTH, SCALE, BACKGROUND = 8.0, 0.1, 0.02, 0.05


def measured(seed, resolution=None):
    """A synthetic curve of polydisperse spheres with 2 % errors."""
    spheres = analytic.Polydisperse(
        model=analytic.Sphere(radius=RADIUS, contrast=3e-4),
        distribution=analytic.Gaussian(width=WIDTH),
    )
    sample = analytic.Sample(model=spheres, scale=SCALE, background=BACKGROUND)
    clean = sample(Q) if resolution is None else pinhole(Q, resolution)(sample)
    clean = np.asarray(clean)
    noise = np.random.default_rng(seed).normal(size=Q.size)
    sigma = 0.02 * clean
    return Curve(q=Q, intensity=clean + sigma * noise, sigma=sigma, resolution=resolution)


@pytest.mark.parametrize("resolution", [None, 0.05 * Q + 0.01], ids=["sharp", "smeared"])
def test_recovers_what_made_the_curve(resolution):
    with jax.enable_x64(True):
        result = fit(
            measured(1, resolution),
            "sphere",
            set={"contrast": 3e-4},
            polydispersity={"radius": "gaussian:0.2"},
            starts=8,
        )
    truth = {
        "radius": RADIUS,
        "radius_width": WIDTH,
        "scale": SCALE,
        "background": BACKGROUND,
    }
    assert set(result.parameters) == set(truth)
    for name, value in truth.items():
        # Four standard deviations: one false alarm in 4000 runs.
        assert abs(result.parameters[name] - value) < 4 * result.uncertainties[name]
        assert result.uncertainties[name] < 0.1 * value
    # 116 degrees of freedom: chi2/dof scatters by sqrt(2/116) = 0.13.
    assert result.reduced_chi2 == pytest.approx(1, abs=0.5)
    assert result.warnings == ()


def test_leaving_the_resolution_out_is_said_and_seen():
    curve = measured(1, 0.05 * Q + 0.02)
    with jax.enable_x64(True):
        result = fit(
            curve,
            "sphere",
            set={"contrast": 3e-4},
            vary={"radius": (4.0, 16.0)},
            resolution=None,
            starts=4,
        )
    assert any("resolution is left out" in warning for warning in result.warnings)
    assert result.reduced_chi2 > 3


def test_several_curves_share_one_size_under_the_names_of_sasmodels():
    curves, solvents = [], (1e-4, 5e-4)
    for seed, solvent in enumerate(solvents):
        sample = analytic.named(
            "sphere", {"radius": RADIUS, "sld": 3e-4, "sld_solvent": solvent, "scale": SCALE}
        )
        clean = np.asarray(sample(Q[::2]))
        noise = np.random.default_rng(seed).normal(size=clean.size)
        sigma = 0.02 * clean
        curves.append(Curve(q=Q[::2], intensity=clean + sigma * noise, sigma=sigma))
    with jax.enable_x64(True):
        result = fit(
            curves,
            "sphere",
            each=[{"sld_solvent": solvent} for solvent in solvents],
            set={"sld": 3e-4},
            vary={"radius": (2.0, 20.0)},
            shared=["radius", "scale"],
            starts=8,
        )
    assert set(result.parameters) == {"radius", "scale", "background[0]", "background[1]"}
    for name, value in (("radius", RADIUS), ("scale", SCALE)):
        assert abs(result.parameters[name] - value) < 4 * result.uncertainties[name]
    assert result.fixed["sld_solvent[1]"] == pytest.approx(5e-4)


def test_volume_means_of_gaussian_sizes():
    model = analytic.named(
        "sphere", {"radius": 10.0}, polydispersity={"radius": "gaussian:0.1"}
    )
    with jax.enable_x64(True):
        means = size_means(model)["radius"]
    # Moments of a Gaussian: <r^4>/<r^3> = (1 + 6 w^2 + 3 w^4) / (1 + 3 w^2) of the mean.
    assert means.number_mean == pytest.approx(10, rel=1e-6)
    assert means.deviation == pytest.approx(1, rel=1e-5)
    assert means.volume_mean == pytest.approx(10 * 1.0603 / 1.03, rel=1e-6)


def test_what_is_set_stays():
    with jax.enable_x64(True):
        result = fit(measured(2), "sphere", set={"radius": 8.0, "contrast": 3e-4}, starts=0)
    assert set(result.parameters) == {"scale", "background"}
    assert result.fixed["radius"] == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "sfere"}, "no model is called 'sfere'.*did you mean sphere"),
        ({"set": {"radius": -1.0}}, "radius must be finite and in"),
        ({"set": {"radius_width": 1.5}}, r"radius_width must be finite and in \[0, 1\]"),
        ({"vary": {"radius": (-5, 5)}}, r"bounds of radius must be in \[0, inf\], got -5"),
        ({"vary": ["length"]}, "'length' is not a parameter here; there are scale"),
        ({"polydispersity": {"radius": "cauchy"}}, "must be one of gaussian.*'cauchy'"),
        ({"polydispersity": {"length": "gaussian"}}, "no parameter 'length'.*are of radius"),
        ({"each": [{}, {}]}, "each has 2 entries for 1 curves; give one a curve"),
        ({"curve": []}, "at least one curve"),
        ({"curve": "a.dat"}, "curves must be .* io.load_curve returns, got str"),
        ({"resolution": "slit"}, 'resolution must be "auto", None or a callable'),
    ],
)
def test_bad_requests_are_named(options, message):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        options = {"curve": measured(1), "model": "sphere"} | options
        fit(options.pop("curve"), **options)
