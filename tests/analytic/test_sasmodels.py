"""Parity with sasmodels: stored curves, the installed program, and its units and keys."""

import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from numerics import central_difference

from diffscatter.analytic import from_sasmodels

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "sasmodels_curves.h5"
# What the file itself is worth: 1e-11 for closed forms, more where its quadrature (cylinders),
# its series (hard spheres at small q, coils) or its root finding (charged spheres) ends.
WORTH = {
    "core_shell_cylinder": 1e-5,
    "cylinder": 1e-6,
    "cylinder_at_hardsphere": 1e-7,
    "cylinder_pd": 1e-6,
    "ellipsoid_at_hardsphere": 2e-7,
    "hardsphere": 1e-7,
    "hayter_msa": 1e-6,
    "poly_gauss_coil": 1e-8,
    "sphere_at_hardsphere": 1e-7,
    "sphere_at_hardsphere_pd": 1e-7,
    "core_shell_sphere_at_hardsphere_pd": 1e-8,
}
KINDS = [
    "broad_peak", "core_multi_shell", "core_shell_ellipsoid", "core_shell_ellipsoid_pd",
    "core_shell_sphere", "core_shell_sphere_pd", "dab", "ellipsoid", "ellipsoid_pd",
    "fuzzy_sphere", "guinier", "guinier_porod", "hollow_cylinder", "lamellar",
    "mono_gauss_coil", "parallelepiped", "porod", "power_law", "sphere", "sphere_pd",
    "stickyhardsphere", "teubner_strey", "triaxial_ellipsoid", "unified_power_Rg", "vesicle",
    "vesicle_at_hardsphere", "vesicle_pd", *WORTH,
]  # fmt: skip
Q = np.geomspace(1e-3, 0.4, 40)


@pytest.fixture(scope="module")
def stored():
    if not REFERENCE.exists():
        pytest.skip("the stored curves of sasmodels are not here")
    import h5py

    with h5py.File(REFERENCE) as file:
        yield file


def test_every_stored_curve_is_looked_at(stored):
    assert {*stored} - {"q"} == {*KINDS}
    assert sum(len(stored[kind]) for kind in KINDS) == 129


@pytest.mark.parametrize("kind", KINDS)
def test_stored_curves(kind, stored):
    q, used = stored["q"][:], slice(None)
    for entry in stored[kind].values():
        keys = {k: v for k, v in entry.attrs.items() if not k.startswith("_")}
        if kind == "triaxial_ellipsoid":
            # Towards the longest axis it has 20 nodes while q times the next is below 10.
            _, middle, long = sorted(v for k, v in keys.items() if k.startswith("radius"))
            used = (q * middle > 10) | (q * (long - middle) < 10)
        with jax.enable_x64(True):
            got = np.asarray(from_sasmodels(keys.pop("model"), keys)(q))
        expected = entry["I"][:]
        np.testing.assert_allclose(got[used], expected[used], rtol=WORTH.get(kind, 1e-10))


def peer(name, **parameters):
    """Return what the installed sasmodels computes at Q, or skip."""
    core = pytest.importorskip("sasmodels.core")
    direct = pytest.importorskip("sasmodels.direct_model")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel = core.load_model(name, dtype="double", platform="dll").make_kernel([Q])
    except (RuntimeError, OSError) as problem:
        pytest.skip(f"sasmodels cannot compile its kernels here: {problem}")
    return direct.call_kernel(kernel, parameters, cutoff=0.0)


@pytest.mark.parametrize(
    ("name", "parameters", "rtol"),
    [
        ("sphere", {}, 1e-10),
        ("core_shell_sphere", {"radius": 33, "thickness": 8, "sld_shell": -1.5}, 1e-10),
        ("ellipsoid", {"radius_polar": 90, "radius_equatorial": 25, "theta": 10}, 1e-6),
        ("cylinder", {"radius": 25, "length": 300, "scale": 0.2, "background": 0}, 1e-4),
        (
            "sphere",
            {"radius_pd": 0.4, "radius_pd_type": "schulz", "radius_pd_n": 300},
            1e-10,
        ),
    ],
)
def test_installed_program(name, parameters, rtol):
    expected = peer(name, **parameters)
    with jax.enable_x64(True):
        np.testing.assert_allclose(from_sasmodels(name, parameters)(Q), expected, rtol=rtol)


CHARGED = {"volfraction": 0.05, "charge": 15, "concentration_salt": 0.01}


@pytest.mark.parametrize(
    ("name", "parameters", "rtol"),
    [
        ("hayter_msa", {"radius_effective": 30, "volfraction": 0.1}, 1e-6),
        ("sphere@hayter_msa", {"radius": 30, **CHARGED}, 1e-6),
        ("sphere@hayter_msa", {"radius_effective_mode": 0, "radius_effective": 40}, 1e-6),
        ("ellipsoid@stickyhardsphere", {"radius_equatorial": 60, "stickiness": 0.4}, 1e-6),
        (
            "ellipsoid@hardsphere",
            {"radius_equatorial": 50, "structure_factor_mode": 1, "radius_effective_mode": 3},
            1e-6,
        ),
        (
            "core_shell_sphere@hardsphere",
            {"structure_factor_mode": 1, "radius_effective_mode": 2, "volfraction": 0.3},
            1e-6,
        ),
        (
            "vesicle@hardsphere",
            {"radius": 60, "thickness_pd": 0.2, "thickness_pd_n": 9, "volfraction": 0.04},
            1e-6,
        ),
        ("guinier@hardsphere", {"rg": 40, "volfraction": 0.2}, 1e-6),
        ("sphere+guinier", {"A_scale": 0.1, "B_scale": 2, "A_radius": 80, "B_rg": 30}, 1e-10),
        ("sphere*guinier", {"scale": 0.3, "A_radius": 80, "B_rg": 300}, 1e-10),
        (
            "sphere@hardsphere+sphere",
            {
                "A_volfraction": 0.3,
                "A_structure_factor_mode": 1,
                "B_radius": 20,
                "B_scale": 0.1,
            },
            1e-6,
        ),
        (
            "dab+sphere*guinier",
            {"C_scale": 2, "AB_scale": 0.1, "B_rg": 9, "C_cor_length": 30},
            1e-10,
        ),
    ],
)
def test_compounds_of_the_installed_program(name, parameters, rtol):
    expected = peer(name, **parameters)
    with jax.enable_x64(True):
        np.testing.assert_allclose(from_sasmodels(name, parameters)(Q), expected, rtol=rtol)


def test_keys_that_change_nothing():
    keys = {"radius": 60, "length": 80}
    turned = {"theta": 10, "phi_pd": 3, "sld_M0": 0, "sld_mtheta": 20, "up_frac_i": 0.5}
    with jax.enable_x64(True):
        plain = from_sasmodels("cylinder", keys)(Q[:4])
        np.testing.assert_array_equal(from_sasmodels("cylinder", keys | turned)(Q[:4]), plain)
        # The particle's own radius is used, as there.
        tied = from_sasmodels("sphere@hardsphere", {"radius_effective": 999})
        np.testing.assert_array_equal(tied(Q), from_sasmodels("sphere@hardsphere", {})(Q))


def test_converged_integral_is_where_its_grid_goes():
    width = {"radius": 80, "radius_pd": 0.15}
    fine = peer("sphere", **width, radius_pd_n=2001, radius_pd_nsigma=6.5)
    coarse = peer("sphere", **width, radius_pd_n=35)
    with jax.enable_x64(True):
        got = np.asarray(from_sasmodels("sphere", width)(Q))
        # One point, its default, means one size there; here it means what the width says.
        one = np.asarray(from_sasmodels("sphere", width | {"radius_pd_n": 1})(Q))
    np.testing.assert_allclose(got, fine, rtol=1e-8)
    np.testing.assert_array_equal(one, got)
    assert np.abs(coarse / fine - 1).max() > 1e-3


def test_defaults_of_the_grid_when_only_its_extent_is_given():
    keys = {"radius": 60, "radius_pd": 0.1}
    with jax.enable_x64(True):
        got = from_sasmodels("sphere", keys | {"radius_pd_nsigma": 2.0})(Q)
        expected = from_sasmodels(
            "sphere", keys | {"radius_pd_n": 35, "radius_pd_nsigma": 2.0}
        )(Q)
        np.testing.assert_array_equal(got, expected)


def test_derivatives_in_its_units():
    def curve(radius, width):
        keys = {"radius": radius, "radius_pd": width, "radius_pd_type": "lognormal"}
        return from_sasmodels("sphere", keys | {"radius_pd_n": 40})(Q)

    with jax.enable_x64(True):
        by_radius, by_width = jax.jacfwd(curve, (0, 1))(60.0, 0.1)
        for exact, other in (
            (by_radius, central_difference(lambda r: curve(r, 0.1), 60.0, 0.01)),
            (by_width, central_difference(lambda w: curve(60.0, w), 0.1, 2e-5)),
        ):
            np.testing.assert_allclose(exact, other, rtol=1e-6, atol=1e-9 * np.abs(other).max())


def test_derivatives_of_interacting_particles():
    """Through the particle's radius, its volume and the fluid, with decoupling."""

    def curve(radius, charge):
        keys = {"radius": radius, "charge": charge, "volfraction": 0.05}
        modes = {"structure_factor_mode": 1, "concentration_salt": 0.01}
        return from_sasmodels("sphere@hayter_msa", keys | modes)(Q[::5])

    with jax.enable_x64(True):
        value, slopes = jax.jit(curve), jax.jit(jax.jacfwd(curve, (0, 1)))(30.0, 15.0)
        others = (
            central_difference(lambda r: np.asarray(value(r, 15.0)), 30.0, 0.02),
            central_difference(lambda z: np.asarray(value(30.0, z)), 15.0, 0.01),
        )
        for exact, other in zip(slopes, others, strict=True):
            np.testing.assert_allclose(exact, other, rtol=1e-6, atol=1e-8 * np.abs(other).max())


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("spheres", {}, r"no model is called 'spheres' \(did you mean sphere"),
        (
            "sphere",
            {"length": 3},
            "sphere has no parameter 'length'; it has scale, background, sld",
        ),
        ("sphere", {"sld_pd": 0.1}, "sphere has no parameter 'sld_pd'"),
        ("sphere", {"radius": -3}, r"radius must be finite and in \[0, inf\] nm, got -0.3"),
        (
            "sphere",
            {"radius_pd": -0.1},
            r"radius_pd must be finite and in \[0, 1\], got -0.1",
        ),
        ("sphere", {"sld": np.nan}, "sld must be finite, got nan"),
        ("sphere", {"sld_M0": 2}, "magnetic scattering is not modelled, set sld_M0 to 0"),
        ("sphere@hardspheres", {}, r"'hardspheres' \(did you mean hardsphere"),
        ("sphere+sphere", {"radius": 3}, r"no parameter 'radius' \(did you mean [AB]_radius"),
        ("sphere", {"radius_pd": 0.1, "radius_pd_type": "normal"}, "must be one of gaussian"),
    ],
)
def test_refuses_by_name(name, keys, message):
    with pytest.raises(ValueError, match=message):
        from_sasmodels(name, keys)
