"""Every isotropic model and every law against the installed sasmodels, at random parameters."""

import warnings

import jax
import numpy as np
import pytest

from diffscatter.analytic import MODELS, from_sasmodels
from diffscatter.analytic.oriented import Oriented

Q = np.geomspace(1e-3, 0.5, 40)  # 1/A
KINDS = [name for name, m in MODELS.items() if not issubclass(m.constructor, Oriented)]
DISTRIBUTED = [name for name in KINDS if MODELS[name].theirs.spread]
# Where a default times or divided by two is not a value, or not the whole range.
RANGES = {
    "n": lambda random: int(random.integers(0, 6)),
    "level": lambda random: int(random.integers(1, 5)),
    "s": lambda random: random.uniform(0, 2.8),
    "polydispersity": lambda random: 1 + np.exp(random.uniform(-6, 1)),
    "volfraction_a": lambda random: random.uniform(0, 1),
}


@pytest.fixture(scope="module")
def kernels():
    core = pytest.importorskip("sasmodels.core")
    direct = pytest.importorskip("sasmodels.direct_model")
    built = {}

    def curve(name, parameters):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if name not in built:
                    model = core.load_model(name, dtype="double", platform="dll")
                    built[name] = model.make_kernel([Q])
                return direct.call_kernel(built[name], parameters, cutoff=0.0)
        except (RuntimeError, OSError) as problem:
            pytest.skip(f"sasmodels cannot compile its kernels here: {problem}")

    return curve


def drawn(theirs, random):
    keys = {"scale": random.uniform(0.1, 2), "background": random.choice([0.0, 0.01])}
    for name, (default, unit) in theirs.parameters.items():
        if name in RANGES:
            keys[name] = RANGES[name](random)
        elif unit == "1e-6/A^2":
            keys[name] = random.uniform(-0.5, 12)
        else:
            keys[name] = default * np.exp(random.uniform(-1, 1))
    return keys


@pytest.mark.parametrize("name", KINDS)
def test_random_parameters(name, kernels):
    theirs, random = MODELS[name].theirs, np.random.default_rng(17)
    for _ in range(12):
        keys = drawn(theirs, random)
        expected = kernels(theirs.name, keys)
        with jax.enable_x64(True):
            got = from_sasmodels(theirs.name, keys)(Q)
        np.testing.assert_allclose(got, expected, rtol=1e-7, err_msg=str(keys))


@pytest.mark.parametrize("name", DISTRIBUTED)
def test_random_populations(name, kernels):
    """Its own grid, in each parameter that it can distribute; arrays in the first two."""
    theirs, random = MODELS[name].theirs, np.random.default_rng(3)
    kinds = ["gaussian", "lognormal", "schulz", "uniform", "rectangle", "boltzmann"]
    for key in theirs.spread[:3]:
        keys = drawn(theirs, random) | {"n": 2} if "n" in theirs.parameters else {}
        keys = keys or drawn(theirs, random)
        keys |= {f"{key}_pd": random.uniform(0.05, 0.3), f"{key}_pd_type": random.choice(kinds)}
        keys |= {f"{key}_pd_n": 31, f"{key}_pd_nsigma": 3.0}
        expected = kernels(theirs.name, keys)
        with jax.enable_x64(True):
            got = from_sasmodels(theirs.name, keys)(Q)
        np.testing.assert_allclose(got, expected, rtol=1e-7, err_msg=str(keys))


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_coils_that_exclude_each_other(mode, kernels):
    keys = {"rg": 40.0, "volfraction": 0.1, "radius_effective_mode": mode}
    expected = kernels("mono_gauss_coil@hardsphere", keys)
    with jax.enable_x64(True):
        got = from_sasmodels("mono_gauss_coil@hardsphere", keys)(Q)
    np.testing.assert_allclose(got, expected, rtol=1e-7)


def test_a_radius_of_gyration_below_zero_turns_the_exponent(kernels):
    expected = kernels("guinier", {"rg": -20.0})
    with jax.enable_x64(True):
        np.testing.assert_allclose(from_sasmodels("guinier", {"rg": -20.0})(Q), expected)
