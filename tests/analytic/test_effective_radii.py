"""Effective radii against sasmodels, mode by mode, and where they degenerate."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference

from diffscatter.analytic import from_sasmodels, get
from diffscatter.analytic.effective import average_curvature

ORIENTED = {
    "cylinder": ("radius", "length"),
    "hollow_cylinder": ("radius", "thickness", "length"),
    "core_shell_cylinder": ("radius", "thickness", "length"),
    "ellipsoid": ("radius_polar", "radius_equatorial"),
    "triaxial_ellipsoid": ("radius_equat_minor", "radius_equat_major", "radius_polar"),
    "parallelepiped": ("length_a", "length_b", "length_c"),
    "core_shell_ellipsoid": ("radius_equat_core", "x_core", "thick_shell", "x_polar_shell"),
}


@pytest.mark.parametrize("name", ORIENTED)
def test_every_mode_of_sasmodels(name):
    core = pytest.importorskip("sasmodels.core")
    direct = pytest.importorskip("sasmodels.direct_model")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = core.load_model(name, dtype="double", platform="dll")
            kernel = theirs.make_kernel([np.array([0.01])])
    except (RuntimeError, OSError) as problem:
        pytest.skip(f"sasmodels cannot compile its kernels here: {problem}")
    names = get(name).constructor.EFFECTIVE_RADII
    assert tuple(names) == tuple(theirs.info.radius_effective_modes)
    random = np.random.default_rng(4)
    for _ in range(6):
        keys = {key: np.exp(random.uniform(-0.7, 0.7) + 3) for key in ORIENTED[name]}
        keys |= {key: value / 20 for key, value in keys.items() if key.startswith("x_")}
        for mode, kind in enumerate(names, start=1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = direct.call_Fq(kernel, keys | {"radius_effective_mode": mode})
            _, _, expected, shell, ratio = found
            with jax.enable_x64(True):
                body = from_sasmodels(name, keys).model.sample().model
                np.testing.assert_allclose(
                    10 * body.effective_radius(kind), expected, rtol=1e-12
                )
                np.testing.assert_allclose(1e3 * body.volume, shell, rtol=1e-12)
                np.testing.assert_allclose(body.form_volume / body.volume, ratio, rtol=1e-12)


@pytest.mark.parametrize("name", ORIENTED)
def test_derivatives_of_every_kind(name):
    p = {q.name: float(q.default) for q in get(name).parameters if q.unit in ("nm", "")}

    def radii(p):
        body = build_of(name, p)
        return jnp.stack([body.effective_radius(kind) for kind in body.EFFECTIVE_RADII])

    with jax.enable_x64(True):
        got, radii = jax.jit(jax.jacfwd(radii))(p), jax.jit(radii)
        for key, value in p.items():
            at = lambda x, key=key: radii(p | {key: x})
            expected = central_difference(at, value, 1e-3 * value)
            np.testing.assert_allclose(got[key], expected, rtol=1e-6, atol=1e-12)


def build_of(name, p):
    contrasts = {q.name: q.default for q in get(name).parameters if "contrast" in q.name}
    return get(name).constructor(**p, **contrasts)


def test_average_curvature_of_the_round_the_flat_and_the_thin():
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(average_curvature, (0, 1)))
        np.testing.assert_allclose(average_curvature(5.0, 5.0), 5.0, rtol=1e-14)
        # Twice the polar and the equatorial radius is twice the radius; a sphere is symmetric
        # in the three axes, of which two are the equatorial one.
        np.testing.assert_allclose(slope(5.0, 5.0), (1 / 3, 2 / 3), rtol=1e-12)
        for ratio in (0.93, 0.949, 0.95, 1.05, 1.054, 1.06):  # across the series' end
            prolate = central_difference(lambda x: average_curvature(x, 5.0), 5 * ratio, 5e-4)
            oblate = central_difference(lambda x: average_curvature(5.0, x), 5 * ratio, 5e-4)
            np.testing.assert_allclose(slope(5 * ratio, 5.0)[0], prolate, rtol=1e-9)
            np.testing.assert_allclose(slope(5.0, 5 * ratio)[1], oblate, rtol=1e-9)
        # A disc excludes pi^2 R^3 (Onsager): 8 times the volume of a sphere of this radius.
        disc = average_curvature(0.0, 5.0)
        np.testing.assert_allclose(disc, (3 * np.pi / 32) ** (1 / 3) * 5.0, rtol=1e-12)
        assert np.isfinite(slope(0.0, 5.0)).all()
        assert average_curvature(5.0, 0.0) == 0
        np.testing.assert_allclose(
            jax.vmap(average_curvature)(np.array([1.0, 2.0]), np.array([2.0, 2.0])),
            [average_curvature(1.0, 2.0), 2.0],
            rtol=1e-14,
        )
    assert average_curvature(np.float32(3.0), np.float32(4.0)).dtype == np.float32
