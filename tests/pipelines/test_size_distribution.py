"""Free-form size distributions of named bodies: kernels, resolution, two populations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.analytic import (
    Cylinder,
    Gaussian,
    Lognormal,
    Mixture,
    Polydisperse,
    Sample,
    Sphere,
)
from diffscatter.core.data import Curve
from diffscatter.fitting import fit_curve
from diffscatter.instrument import pinhole
from diffscatter.pipelines import size_distribution
from diffscatter.pipelines.distribution import size_kernel

Q = np.geomspace(0.02, 2.5, 300)
MEANS = (7.6, 11.8)  # radii, nm


def population(radius, kind=Gaussian):
    return Polydisperse(
        model=Sphere(radius=radius, contrast=1e-4), distribution=kind(width=0.08)
    )


def mixed(radii, scales):
    parts = [Sample(model=population(r), scale=s) for r, s in zip(radii, scales, strict=True)]
    return np.asarray(sum(part(Q) for part in parts))


def counted(intensity, seed):
    """Poisson counts, 1e5 expected at the lowest q."""
    expected = intensity * (1e5 / intensity[0])
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    return Curve(q=Q, intensity=counts, sigma=np.sqrt(np.maximum(counts, 1)))


@pytest.fixture(scope="module")
def bimodal():
    """Equal numbers: volume fractions as the cubes."""
    with jax.enable_x64(True):
        return mixed(MEANS, np.array(MEANS) ** 3)


@pytest.mark.parametrize("body", ["sphere", "cylinder"])
def test_the_kernel_sums_to_a_polydisperse_body(body):
    q, radii = Q[::20], np.geomspace(4.0, 14.0, 160)
    with jax.enable_x64(True):
        particle = Sphere(radius=7.6, contrast=1e-4)
        if body == "cylinder":
            particle = Cylinder(radius=7.6, length=20.0, contrast=1e-4)
        kernel = size_kernel(particle, "radius", radii, q)
        wide = Polydisperse(
            model=particle, parameter="radius", distribution=Lognormal(width=0.08)
        )
        expected = wide.specific_intensity(jnp.asarray(q))
        v = np.log(radii / 7.6) / 0.08
        volume = np.exp(-v * v / 2) * radii ** (3 if body == "sphere" else 2)
        step = np.log(radii[1] / radii[0])
        got = kernel @ (volume / (volume.sum() * step))
    # Between nodes the density is linear: variance h^2/6 is added to 0.08^2, 1.6e-3 of it.
    np.testing.assert_allclose(got, expected, rtol=0.01)


@pytest.mark.parametrize("seed", (1, 2))
def test_two_populations_without_a_form(bimodal, seed):
    with jax.enable_x64(True):
        found = size_distribution(counted(bimodal, seed))
    assert len(found.populations) == 2
    for one, radius in zip(found.populations, MEANS, strict=True):
        assert abs(one.number_mean - radius) < 0.15 and abs(one.number_mode - radius) < 0.15
        assert abs(one.number_width - 0.08) < 0.03
    assert found.populations[0].number_share == pytest.approx(0.5, abs=0.08)


@pytest.mark.slow
def test_two_populations_by_their_parameters(bimodal):
    with jax.enable_x64(True):
        parts = tuple(population(r) for r in (6.0, 14.0))
        model = Sample(model=Mixture(models=parts, scales=(1.0, 1.0)))
        free = {"background": (-10.0, 10.0)}
        for i, radii in enumerate(((3.0, 10.0), (8.0, 25.0))):
            free |= {f"{i}.model.radius": radii, f"{i}.distribution.width": (0.01, 0.3)}
            free |= {f"scales[{i}]": (1e-2, 1e5)}
        result = fit_curve(model, counted(bimodal, 1), free=free, starts=4)
    radii = sorted(v for k, v in result.parameters.items() if "radius" in k)
    np.testing.assert_allclose(radii, MEANS, rtol=0, atol=0.15)


def test_one_population_is_not_split(bimodal):
    with jax.enable_x64(True):
        one = mixed((9.0,), (1.0,))
        for seed in range(5):
            found = size_distribution(counted(one, seed))
            assert len(found.populations) == 1
            assert found.populations[0].number_mean == pytest.approx(9.0, abs=0.1)


@pytest.mark.slow
def test_the_resolution_is_applied():
    q = np.geomspace(0.05, 1.5, 120)
    with jax.enable_x64(True):
        smear = pinhole(q, 0.06 * q)
        clean = np.asarray(smear(Sample(model=population(9.0))))
    sigma = 0.01 * clean
    noise = np.random.default_rng(0).normal(size=q.size)
    curve = Curve(q=q, intensity=clean + sigma * noise, sigma=sigma, resolution=0.06 * q)
    with jax.enable_x64(True):
        smeared = size_distribution(curve, sizes=(3.0, 30.0))
        sharp = size_distribution(curve, sizes=(3.0, 30.0), resolution=None)
    (one,) = smeared.populations
    assert one.number_width == pytest.approx(0.08, abs=0.025)
    assert sharp.populations[0].number_width > one.number_width + 0.01


def test_bad_input():
    curve = Curve(q=Q, intensity=1 / Q, sigma=0.1 / Q)
    for match, options in {
        "no length 'girth'; it has radius": {"parameter": "girth"},
        "do not set it": {"set": {"radius": 3.0}},
        "0 < low < high": {"sizes": (5.0, 2.0)},
        "points must be at least 16": {"points": 4},
        "resolution must be": {"resolution": "none"},
        "needs a particle": {"model": 3.0},
        "no model is called": {"model": "spere"},
    }.items():
        with pytest.raises(ValueError, match=match):
            size_distribution(curve, **options)


@pytest.mark.slow
def test_fringes_tell_sizes_beyond_the_guinier_region():
    q = Q[(Q > 0.05) & (Q < 0.5)][::2]  # q R from 2
    with jax.enable_x64(True):
        intensity = np.asarray(Sample(model=population(40.0))(q))
        found = size_distribution(Curve(q=q, intensity=intensity, sigma=0.02 * intensity))
    (peak,) = (p for p in found.populations if p.volume_share > 0.5)
    assert abs(peak.number_mean - 40.0) < 0.5
    assert not any("largest size" in words for words in found.warnings)
