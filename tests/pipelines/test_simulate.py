"""Simulations against closed forms: a weak sphere on a detector, its curve, its counts."""

import copy
import tomllib

import h5py
import jax
import numpy as np
import pytest

from diffscatter import analytic, io
from diffscatter.operators import multislice
from diffscatter.pipelines import simulate
from diffscatter.pipelines.simulation.keys import TABLES
from diffscatter.pipelines.simulation.settings import checked_settings, example

WAVELENGTH, RADIUS, CHI = 13.5, 30.0, 1e-5
K = 2 * np.pi / WAVELENGTH
WEAK = {
    "body": {"shape": "sphere", "size": RADIUS, "voxels": 32},
    "pattern": {
        "energy": "91.84014696 eV",
        "delta": -CHI,
        "beta": 0.0,
        "physics": "multislice",
    },
    "detector": {
        "kind": "flat",
        "pixels": [30, 24],
        "distance": "40 mm",
        "pixel": "1.6 mm",
        "tilt": [8.0, -5.0],
        "centre": [13.0, 12.5],
    },
    "mask": {"hole": 2.0, "blind_spots": [[25, 4, 2]], "rectangle": [28, 30]},
    "noise": {"fluence": 1e9, "poisson": False, "stray": [3.0, 4.0, 0.05]},
}


def changed(base, **tables):
    """Return settings with some keys of some tables replaced; None removes."""
    found = copy.deepcopy(base)
    for name, keys in tables.items():
        if keys is None:
            del found[name]
        elif not isinstance(keys, dict):
            found[name] = keys
        else:
            found[name] = found.get(name, {}) | keys
            found[name] = {key: v for key, v in found[name].items() if v is not None}
    return found


@pytest.fixture(scope="module")
def weak():
    with jax.enable_x64(True):
        return simulate(WEAK)


def test_a_weak_sphere_on_a_tilted_detector_is_its_closed_form(weak):
    # f = k^2 / (2 pi) chi V 3 j1(qR) / (qR), on pixels turned by explicit matrices.
    (ny, nx), (a, b) = (24, 30), np.radians([8.0, -5.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    row, column = np.indices((ny, nx))
    plane = np.stack([column - 13.0, row - 12.5, 0 * row], -1) * 1.6
    at = plane @ (about_y @ about_x).T + [0, 0, 40.0]
    r = np.linalg.norm(at, axis=-1)
    x = RADIUS * K * np.linalg.norm(at / r[..., None] - [0, 0, 1], axis=-1) + 1e-12
    f = K**2 / (2 * np.pi) * CHI * 4 / 3 * np.pi * RADIUS**3
    f = f * 3 * (np.sin(x) - x * np.cos(x)) / x**3
    normal = about_y @ about_x @ [0, 0, 1]
    exact = 1e9 * f**2 * 1.6**2 * (at @ normal) / r**3
    # Voxels of R / 14: their averages alias by some 1e-3 of a fringe's height.
    error = np.abs(weak.recorded.expected - exact)
    assert error.max() < 1e-3 * exact.max()
    assert np.median(error / exact) < 0.02
    assert weak.facts["wavelength"] == pytest.approx(WAVELENGTH, rel=1e-9)


def test_mask_and_background(weak):
    recorded, counts = weak.recorded, weak.recorded.pattern.counts
    row, column = np.indices((24, 30))
    hidden = np.hypot(row - 12.5, column - 13.0) <= 2
    hidden |= np.hypot(row - 4, column - 25) <= 2
    hidden |= (column < -1) | (column > 26)
    np.testing.assert_array_equal(counts, ~hidden)
    with jax.enable_x64(True):
        q = np.asarray(recorded.pixels.q)
    under = 3 * (1 + (q / 0.05) ** 2) ** -2
    np.testing.assert_allclose(recorded.background, under, rtol=1e-6)
    image = np.asarray(recorded.pattern.image)
    np.testing.assert_allclose(image[counts], (recorded.expected + under)[counts], rtol=1e-6)
    assert not image[~counts].any()


def test_a_tilted_pattern_comes_on_axes_too(weak):
    on_axes = weak.recorded.on_axes
    k, counts = np.asarray(on_axes.kx), on_axes.counts
    assert 0.3 < counts.mean() < 1 and "tilted" in " ".join(on_axes.notes)
    f = lambda q: 3 * (np.sin(q * RADIUS) - q * RADIUS * np.cos(q * RADIUS)) / (q * RADIUS) ** 3
    transverse = k**2 + k[:, None] ** 2
    inside = counts & (transverse < 0.95 * K**2) & (transverse > 0)
    kz = np.sqrt(np.maximum(K**2 - transverse, 0))
    q = np.sqrt(transverse + (kz - K) ** 2 + 1e-12)
    forward = (K**2 / (2 * np.pi) * CHI * 4 / 3 * np.pi * RADIUS**3) ** 2
    exact = 1e9 * forward * f(q) ** 2 * ((k[1] - k[0]) / K) ** 2
    # Background lies under it; a cubic spline through coarse pixels follows fringes to 10 %.
    bright = inside & (exact > 0.02 * exact[inside].max())
    ratio = np.asarray(on_axes.image)[bright] / exact[bright]
    assert 0.8 < np.median(ratio) < 1.3


def test_on_axes_it_is_the_operator_on_the_density(weak):
    settings = changed(
        WEAK,
        detector={"kind": "ewald", "pixels": [16, 14], "q_max": 0.4}
        | dict.fromkeys(("distance", "pixel", "tilt", "centre")),
        mask=None,
        noise={"stray": None},
    )
    with jax.enable_x64(True):
        found = simulate(settings)
        pattern = found.recorded.pattern
        f = multislice.amplitude(
            CHI * found.body.density, found.body.pitch, WAVELENGTH, pattern.kx, pattern.ky
        )
    kx = np.asarray(pattern.kx)
    assert kx[0] == pytest.approx(-0.4) and kx[8] == 0
    same = 1e9 * np.abs(np.asarray(f)) ** 2 * (0.05 / K) ** 2
    np.testing.assert_allclose(found.recorded.expected, same, rtol=1e-7)
    assert found.recorded.on_axes is None


def test_counts_follow_the_seed_and_the_mean():
    settings = changed(
        WEAK,
        noise={"fluence": None, "photons": 2e5, "poisson": True, "stray": None}
        | {"read": 0.5, "saturation": 3000.0},
    )
    with jax.enable_x64(True):
        one, same, other = (simulate(changed(settings, seed=s)) for s in (3, 3, 4))
    image = [np.asarray(found.recorded.pattern.image) for found in (one, same, other)]
    np.testing.assert_array_equal(image[0], image[1])
    assert (image[0] != image[2]).any()
    recorded, counts = one.recorded, one.recorded.pattern.counts
    assert recorded.expected[np.asarray(other.recorded.pattern.counts) | counts].sum() <= 2e5
    chi = (image[0] - recorded.expected)[counts] / np.sqrt(recorded.expected[counts] + 0.25)
    assert abs(np.mean(chi**2) - 1) < 5 * np.sqrt(3 / counts.sum())
    assert image[0].max() < 3000 and (recorded.expected[~counts] > 2500).any()


def test_the_curve_of_a_body_is_its_closed_form():
    settings = {
        "body": {"shape": "sphere", "size": 12.0, "voxels": 32},
        "curve": {"contrast": "1e-5/A^2", "volume_fraction": 0.02, "background": 0.3}
        | {"q_min": 0.02, "q_max": 0.8, "points": 40, "spacing": "linear"},
    }
    with jax.enable_x64(True):
        found = simulate(settings)
        model = analytic.named("sphere", {"radius": 12.0, "contrast": 1e-3, "scale": 0.02})
        exact = np.asarray(model.with_values(background=0.3)(found.curve.q))
    assert found.curve.sigma is None and found.recorded is None
    # The rasteriser's own accuracy, 4e-5 away from minima.
    np.testing.assert_allclose(found.exact, exact, rtol=1e-3, atol=1e-6 * exact.max())


def test_the_curve_of_a_model_has_its_noise():
    curve = {"model": "sphere", "set": {"radius": "40A", "contrast": 1e-4}, "points": 400}
    settings = {"curve": curve | {"relative_error": 0.03, "resolution": 0.05}}
    with jax.enable_x64(True):
        found = simulate(settings)
    misfit = (np.asarray(found.curve.intensity) - found.exact) / np.asarray(found.curve.sigma)
    np.testing.assert_allclose(found.curve.sigma, 0.03 * found.exact, rtol=1e-6)
    assert abs(np.mean(misfit**2) - 1) < 5 * np.sqrt(2 / 400)
    assert found.body is None and found.curve.resolution is not None


def test_a_volume_from_a_file(tmp_path, weak):
    density = weak.body.density
    np.save(tmp_path / "body.npy", density)
    with h5py.File(tmp_path / "result.h5", "w") as file:
        file["density"] = density
        file["density"].attrs["pitch"] = weak.body.pitch
    tables = {name: WEAK[name] for name in ("pattern", "detector", "noise")}
    for body in ({"file": "body.npy", "pitch": weak.body.pitch}, {"file": "result.h5"}):
        with jax.enable_x64(True):
            found = simulate({"body": body, **tables}, folder=tmp_path)
        # Its size is known by its voxels alone, so the axes in between are others.
        np.testing.assert_allclose(
            found.recorded.expected,
            weak.recorded.expected,
            rtol=1e-4,
            atol=1e-7 * weak.recorded.expected.max(),
        )


def test_the_example_shows_every_key_and_passes():
    text = example()
    for name, keys in TABLES.items():
        assert not name or f"\n[{name}]\n" in text
        assert all(f"{key} = " in text and known.words for key, known in keys.items())
    tables = checked_settings(tomllib.loads(text))
    assert set(tables) == set(TABLES)
    everything = "\n".join(
        line.removeprefix("# ") if " = " in line else line for line in text.splitlines()
    )
    checked_settings(tomllib.loads(everything))


REFUSED = [
    ({"detectr": {}}, r"no table or key 'detectr' \(did you mean detector\?\)"),
    (
        {"body": {"szie": 3}},
        r"\[body\] has no key 'szie' \(did you mean size or sides\?\); it has shape",
    ),
    ({"detector": {"distance": 0}}, r"\[detector\] distance must be above 0 nm, got 0"),
    ({"detector": {"pixel": "-3 um"}}, r"\[detector\] pixel must be above 0 nm, got -3000"),
    (
        {"detector": {"pixels": 128}},
        r"\[detector\] pixels must be a list of 2 numbers, got 128",
    ),
    ({"detector": {"pixels": [8.5, 9]}}, "pixels must be whole numbers"),
    ({"detector": {"distance": None}}, "kind = 'flat' needs distance"),
    ({"detector": {"q_max": 0.3}}, "q_max cannot be given with kind = 'flat'"),
    ({"detector": {"kind": "round"}}, "must be one of flat, spherical, ewald, got 'round'"),
    ({"detector": {"tilt": [95.0, 0.0]}}, "tilt must be below pi/2"),
    ({"body": {"shape": "cubes"}}, "did you mean cube"),
    ({"body": {"size": "3 kg"}}, r"\[body\] size: unit 'kg' is not known"),
    ({"body": {"size": True}}, r"\[body\] size must be a number in nm"),
    ({"body": {"radius": 3.0}}, "radius cannot be given with shape 'sphere', which has size"),
    ({"body": {"shape": "box"}}, "size cannot be given with shape 'box', which has sides"),
    ({"body": {"file": "x.npy"}}, "shape, size cannot be given with a file"),
    (
        {"pattern": {"wavelength": 13.5}},
        "needs wavelength or energy, got wavelength and energy",
    ),
    ({"pattern": {"energy": "3 V"}}, "is in keV, or as '91.8 eV', got '3 V'"),
    ({"pattern": {"beta": -0.1}}, r"\[pattern\] beta must be at least 0, got -0.1"),
    ({"pattern": {"beta": None}}, 'needs material, as "Ag", or delta and beta'),
    ({"pattern": {"material": "Ag"}}, "give material or delta and beta, not both"),
    ({"pattern": {"physics": "splitstep"}}, r"did you mean split-step"),
    ({"pattern": {"physics": "attenuated"}}, "needs attenuation_length"),
    ({"noise": {"photons": 1e5}}, "give photons or fluence, not both"),
    ({"noise": {"poisson": "yes"}}, r"\[noise\] poisson must be true or false, got 'yes'"),
    ({"mask": {"circle": 0.0}}, r"\[mask\] circle must be above 0, got 0"),
    (
        {"body": {"voxels": 8}, "detector": {"distance": "10 mm"}},
        "give voxels = [0-9]+ or more",
    ),
    ({"mask": {"hole": 90.0}}, r"\[mask\] leaves no pixel"),
    ({"pattern": None, "detector": None, "mask": None, "noise": None}, "nothing to simulate"),
    ({"pattern": None, "curve": {}}, r"\[detector\] belongs to a \[pattern\]"),
    ({"body": None}, r"\[pattern\] needs a \[body\]"),
    ({"curve": {"q_max": 0.001, "contrast": 1.0}}, "q_max must be above q_min"),
    ({"curve": {}}, "needs contrast"),
    ({"curve": {"contrast": 1.0, "q_max": 9.0}}, "voxels = [0-9]+ or more"),
    ({"curve": {"model": "sphere", "contrast": 1.0}}, "contrast cannot be given with model"),
    ({"curve": {"set": {"radius": 3}}}, "set needs model"),
    ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
]


@pytest.mark.parametrize("tables, words", REFUSED, ids=[words[:24] for _, words in REFUSED])
def test_refuses_by_name(tables, words):
    settings = changed(WEAK, **tables)
    if "curve" in tables and "pattern" not in tables:
        settings = {name: settings[name] for name in ("body", "curve")}
    with pytest.raises(ValueError, match=words) as caught:
        simulate(settings)
    assert "\n" not in str(caught.value)


def test_a_mask_from_a_file_may_let_all_count(tmp_path):
    np.save(tmp_path / "mask.npy", np.ones((24, 30)))
    np.save(tmp_path / "other.npy", np.ones((30, 24)))
    settings = changed(WEAK, mask={"file": "mask.npy"})
    with jax.enable_x64(True):
        counts = simulate(settings, folder=tmp_path).recorded.pattern.counts
    assert counts.sum() > 500
    with pytest.raises(ValueError, match=r"other.npy has shape \(30, 24\), the detector \(24"):
        simulate(changed(settings, mask={"file": "other.npy"}), folder=tmp_path)


def test_what_is_saved_is_read_again(tmp_path, weak):
    pattern = weak.recorded.on_axes
    io.save_pattern(tmp_path / "pattern.cxi", pattern)
    with jax.enable_x64(True):
        again = io.load_pattern(tmp_path / "pattern.cxi")
    np.testing.assert_array_equal(again.image, pattern.image)
    np.testing.assert_array_equal(again.counts, pattern.counts)
    np.testing.assert_array_equal(again.kx, pattern.kx)
