"""Oriented bodies against sasmodels: stored averages, and draws with every spread at once."""

import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from numerics import phi, solid_mean

from diffscatter.analytic import from_sasmodels, get

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "sasmodels_curves.h5"
# What its quadrature is worth: 20, 76 or 500 nodes, by q times the largest radius.
KINDS = {
    "cylinder": 1e-6,
    "hollow_cylinder": 1e-10,
    "core_shell_cylinder": 5e-6,
    "ellipsoid": 1e-10,
    "core_shell_ellipsoid": 1e-10,
    "core_shell_ellipsoid_pd": 1e-9,
    "parallelepiped": 2e-10,
}


def stored(kind):
    if not REFERENCE.exists():
        pytest.skip("the stored curves of sasmodels are not here")
    import h5py

    with h5py.File(REFERENCE) as file:
        for entry in file[kind].values():
            keys = {k: v for k, v in entry.attrs.items() if not k.startswith("_")}
            curves = {name: entry[name][:] for name in ("F_mean", "F2_mean", "I")}
            about = {k: v for k, v in entry.attrs.items() if k.startswith("_")}
            yield file["q"][:], keys.pop("model"), keys, curves, about


@jax.jit
def means(model, q):
    body = model.sample().model
    described = get(model.composition.parts[0].model)
    radius = body.effective_radius(next(iter(described.constructor.EFFECTIVE_RADII)))
    return body.average_amplitude(q), body.average_square(q), body.volume, radius


@pytest.mark.parametrize("kind", KINDS)
def test_stored_averages(kind):
    for q, name, keys, curves, about in stored(kind):
        with jax.enable_x64(True):
            model = from_sasmodels(name, keys).model
            found = map(np.asarray, means(model, 10 * q))
        mean, square, volume, radius = found
        # 1 nm is 1e7 A^3 1e-6/A^2; they divide F by 100, for F^2 then comes in 1/cm.
        np.testing.assert_allclose(1e10 * square, curves["F2_mean"], rtol=KINDS[kind])
        error = np.abs(1e5 * mean - curves["F_mean"])
        assert (error < KINDS[kind] * np.sqrt(curves["F2_mean"])).all()
        np.testing.assert_allclose(1e3 * volume, about["_shell_volume"], rtol=1e-12)
        np.testing.assert_allclose(10 * radius, about["_R_eff_mode1"], rtol=1e-12)


def test_stored_triaxial_ellipsoids():
    """Theirs has 20 nodes towards the longest axis while q times the next is below 10."""
    for q, name, keys, curves, about in stored("triaxial_ellipsoid"):
        axes = [keys[f"radius_{which}"] for which in ("equat_minor", "equat_major", "polar")]
        short, middle, long = sorted(axes)
        with jax.enable_x64(True):
            model = from_sasmodels(name, keys).model
            mean, square, volume, radius = map(np.asarray, means(model, 10 * q))
        np.testing.assert_allclose(10 * radius, about["_R_eff_mode1"], rtol=1e-12)
        np.testing.assert_allclose(1e3 * volume, about["_shell_volume"], rtol=1e-12)
        off = np.abs(1e10 * square / curves["F2_mean"] - 1) > 1e-9
        assert not off[q * middle > 10].any() and not off[q * (long - short) < 15].any()
        error = np.abs(1e5 * mean - curves["F_mean"])
        assert (error[~off] < 1e-9 * np.sqrt(curves["F2_mean"][~off])).all()
        for k, got in zip(q[off][::6], square[off][::6], strict=True):
            radii = k * short, k * middle, k * long
            squared = lambda *n, r=radii: sum((x * a) ** 2 for x, a in zip(n, r, strict=True))
            exact = solid_mean(lambda *n, f=squared: phi(np.sqrt(f(*n))) ** 2, 12, 6)
            excess = volume * (keys["sld"] - keys["sld_solvent"]) * 1e-4
            np.testing.assert_allclose(got, excess**2 * exact, rtol=1e-9)


DRAWN = {
    "cylinder": {"radius": 30, "length": 150},
    "hollow_cylinder": {"radius": 25, "thickness": 12, "length": 120},
    "core_shell_cylinder": {"radius": 20, "thickness": 10, "length": 120},
    "ellipsoid": {"radius_polar": 80, "radius_equatorial": 30},
    "core_shell_ellipsoid": {
        "radius_equat_core": 25,
        "x_core": 1.8,
        "thick_shell": 12,
        "x_polar_shell": 0.7,
    },
    "triaxial_ellipsoid": {
        "radius_equat_minor": 25,
        "radius_equat_major": 45,
        "radius_polar": 60,
    },
    "parallelepiped": {"length_a": 30, "length_b": 60, "length_c": 110},
}
SPREADS = (
    ("gaussian", 0.12, 3),
    ("schulz", 0.2, 2.5),
    ("lognormal", 0.15, 2),
    ("uniform", 0.1, 1),
)


@pytest.mark.parametrize("name", DRAWN)
def test_draws_with_every_parameter_spread(name):
    core = pytest.importorskip("sasmodels.core")
    direct = pytest.importorskip("sasmodels.direct_model")
    q = np.geomspace(2e-3, 0.25, 12)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel = core.load_model(name, dtype="double", platform="dll").make_kernel([q])
    except (RuntimeError, OSError) as problem:
        pytest.skip(f"sasmodels cannot compile its kernels here: {problem}")
    random = np.random.default_rng(11)
    for _ in range(2):
        keys = {key: value * random.uniform(0.6, 1.5) for key, value in DRAWN[name].items()}
        slds = [key for key in get(name).theirs.parameters if key.startswith("sld")]
        keys |= {key: random.uniform(-2, 8) for key in slds}
        keys |= {"scale": random.uniform(0.1, 2), "background": random.uniform(0, 0.1)}
        for key, (kind, width, extent) in zip(DRAWN[name], SPREADS, strict=False):
            keys |= {f"{key}_pd": width * random.uniform(0.5, 1.2), f"{key}_pd_n": 3}
            keys |= {f"{key}_pd_type": kind, f"{key}_pd_nsigma": extent}
        expected = direct.call_kernel(kernel, keys, cutoff=0.0)
        with jax.enable_x64(True):
            got = np.asarray(from_sasmodels(name, keys)(q))
        # 20 nodes of theirs are good to 1e-7 up to q r of 10, which these bodies reach.
        np.testing.assert_allclose(got, expected, rtol=1e-6)
