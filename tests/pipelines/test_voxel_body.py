"""Profiles against the optimum found by scipy; a voxel body moved onto the true one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from diffscatter.analysis import compare_bodies
from diffscatter.operators import multislice
from diffscatter.pipelines.bodies.choose import voxels_of
from diffscatter.pipelines.bodies.geometry import chi_of_attenuation
from diffscatter.pipelines.bodies.profiles import ProfiledCounts, ProfiledDisplay
from diffscatter.pipelines.bodies.voxels import fit_voxel_body

WAVELENGTH, PITCH, N = 13.5, 6.0, 20
AXIS = np.linspace(-0.35, 0.35, 33)
INSIDE = np.hypot(AXIS[:, None], AXIS) < 2 * np.pi / WAVELENGTH
CHI = chi_of_attenuation(12.5, WAVELENGTH)


def ellipsoid(radii, centre=(0, 0, 0)):
    """Occupancy (z, y, x) with an edge a voxel wide; radii and centre in voxels."""
    at = np.indices((N, N, N)) - N // 2 - np.reshape(centre, (3, 1, 1, 1))
    size = np.sqrt(sum((a / r) ** 2 for a, r in zip(at, radii, strict=True)))
    return np.clip((1 - size) * min(radii) + 0.5, 0, 1)


def intensity(density):
    chi = density.astype(np.float32) * np.complex64(CHI)
    f = multislice.amplitude(chi, PITCH, WAVELENGTH, AXIS, AXIS)
    return np.abs(np.asarray(f)) ** 2


TRUTH, START = ellipsoid((5, 6, 4.6)), ellipsoid((5.2, 5.5, 5.1))
WEIGHT = np.ones((33, 33))
WEIGHT[14:19, 14:19] = 0


def test_a_body_stands_in_the_middle_of_its_voxels():
    polar = np.concatenate([np.eye(3) / 20, -np.eye(3) / 25])
    for n in (16, 17):
        body = voxels_of(polar, n, 4.0)
        np.testing.assert_allclose(body, body[::-1, ::-1, ::-1], atol=1e-5)
        # Of two walls that cross one column of 2 nm, the farther one does not cut it.
        np.testing.assert_allclose(body.sum() * 4.0**3, 45.0**3, rtol=4 * (2 / 45) ** 2)


def test_the_display_is_profiled_to_its_optimum():
    rng = np.random.default_rng(0)
    i = np.exp(rng.uniform(0, 12, (9, 9)))
    data = 0.1 * np.log1p(i / 300) + 0.01 * rng.normal(size=i.shape)
    weight = rng.uniform(0, 1, i.shape)
    weight[weight < 0.2] = 0

    def loss(at):
        return np.sum(weight * (at[0] * np.log1p(i * np.exp(-at[1])) - data) ** 2)

    options = {"xatol": 1e-10, "fatol": 1e-16, "maxiter": 2000}
    alpha, offset = minimize(loss, [0.1, 5.0], method="Nelder-Mead", options=options).x
    with jax.enable_x64(True):
        show = ProfiledDisplay(data=jnp.asarray(data), weight=jnp.asarray(weight))
        got = show(jnp.asarray(i))
        # The simplex ends where the loss stands still in its last digits: 1e-8 in the display.
        expected = weight * alpha * np.log1p(i * np.exp(-offset))
        np.testing.assert_allclose(got, expected, atol=1e-6)
        # At the optimum the slope is that at constant contrast and offset.
        misfit = lambda x: jnp.sum(jnp.asarray(weight > 0) * (show(x) - weight * data) ** 2)
        assert np.isfinite(jax.grad(misfit)(jnp.zeros_like(jnp.asarray(i)))).all()


def test_slope_through_a_profile_is_that_of_the_profiled_misfit():
    rng = np.random.default_rng(1)
    i = np.exp(rng.uniform(0, 8, (6, 7)))
    move = i * rng.normal(size=i.shape)
    shown = 0.2 * np.log1p(i / 50) + 0.01 * rng.normal(size=i.shape)
    counts = rng.poisson(3 * i + 20).astype(float)
    weight = np.ones(i.shape)
    for kind, data, norm in (
        (ProfiledDisplay, shown, 1.0),
        (ProfiledCounts, counts, 1 / np.maximum(counts, 1)),
    ):
        with jax.enable_x64(True):
            show = kind(data=jnp.asarray(data), weight=jnp.asarray(weight))
            misfit = jax.jit(
                lambda x, show=show, d=data, w=norm: jnp.sum(w * (show(x) - d) ** 2)
            )
            slope = jax.jvp(misfit, (jnp.asarray(i),), (jnp.asarray(move),))[1]
            step = 1e-5
            difference = (misfit(i + step * move) - misfit(i - step * move)) / (2 * step)
        # Central differences of a sum near 1: rounding 1e-16/1e-5, curvature (1e-5)^2.
        np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_counts_are_profiled_to_scale_and_background():
    i = np.exp(np.random.default_rng(2).uniform(0, 8, (6, 7)))
    with jax.enable_x64(True):
        show = ProfiledCounts(data=jnp.asarray(3.5 * i + 20), weight=jnp.ones(i.shape))
        np.testing.assert_allclose(show(jnp.asarray(i)), 3.5 * i + 20, rtol=1e-10)
        # A background below 0 is none.
        show = ProfiledCounts(data=jnp.asarray(3.5 * i - 2), weight=jnp.ones(i.shape))
        ratio = np.asarray(show(jnp.asarray(i))) / i
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_a_body_moves_onto_the_true_one(scale):
    i = intensity(TRUTH)
    if scale == "log":
        image = np.log(i + 1e-3 * i.max())
        data = (image - image.min()) / np.ptp(image)
    else:
        data = np.random.default_rng(0).poisson(i * 1e6 / i.sum() + 2.0)
    data = np.where(WEIGHT > 0, data, 7)  # masked pixels hold anything
    found = fit_voxel_body(
        START, PITCH, data, AXIS, AXIS,
        wavelength=WAVELENGTH, chi=CHI, scale=scale, weight=WEIGHT, steps=60,
    )  # fmt: skip
    before, after = (compare_bodies(body, TRUTH, PITCH) for body in (START, found.density))
    # A third of what was wrong at the side that the beam sees is put right, and more.
    assert 1 - after.seen < 0.67 * (1 - before.seen)
    assert found.density.dtype == np.float32 and found.status == "completed 60 steps"
    counts = (WEIGHT > 0) & INSIDE
    residual = (found.fitted - data)[counts]
    np.testing.assert_allclose(found.rms, np.sqrt(np.mean(residual**2)), rtol=1e-4)
    if scale == "log":
        assert found.rms < 0.01
    else:
        assert np.mean(residual**2 / np.maximum(data[counts], 1)) < 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "sqrt"}, "scale must be 'linear' or 'log', got 'sqrt'"),
        ({"weight": 0 * WEIGHT}, "no pixel counts"),
        ({"wavelength": -1.0}, "wavelength must be above 0 nm"),
    ],
)
def test_names_bad_input(changes, message):
    given = {"wavelength": WAVELENGTH, "chi": CHI, "weight": WEIGHT} | changes
    with pytest.raises(ValueError, match=message):
        fit_voxel_body(START, PITCH, np.ones((33, 33)), AXIS, AXIS, **given)
