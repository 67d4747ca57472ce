"""A body from its pattern: an ellipsoid of voxels comes back, and what cannot be is refused."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from diffscatter import pipelines
from diffscatter.analysis.registration import compare_bodies
from diffscatter.core.data import Pattern
from diffscatter.core.pytree import replace
from diffscatter.operators import multislice, propagation
from diffscatter.pipelines.bodies.choose import chosen, voxels_of
from diffscatter.pipelines.bodies.descent import Trial
from diffscatter.pipelines.bodies.display import of_image
from diffscatter.pipelines.bodies.known import matches, solids_start
from diffscatter.pipelines.bodies.library import library
from diffscatter.pipelines.bodies.stages import Stages
from diffscatter.shapes import Ellipsoid, cell_averages, rasterise, solid
from diffscatter.shapes.occupancy import occupancy

WAVELENGTH, LENGTH = 13.5, 12.5
CHI = 1j * WAVELENGTH / (2 * np.pi * LENGTH)
SILVER = -0.1097 + 0.0794j
AXIS = (np.arange(48) - 24) * 0.018  # 1/nm
PHYSICS = {"wavelength": WAVELENGTH, "attenuation_length": LENGTH, "physics": "attenuated"}
BODY = Ellipsoid(semi_axes=[26.0, 36.0, 45.0], rotation=[0.5, 0.9, 0.2])
BLANK = Pattern(image=np.ones((48, 48)), kx=AXIS, ky=AXIS)
SLOPE = np.arange(48.0 * 48).reshape(48, 48)
WINDOW = np.pad(np.ones((11, 9), bool), ((20, 17), (20, 19)))


@pytest.fixture(scope="module")
def density():
    return np.asarray(rasterise(BODY, 64, 1.6).values)


@pytest.fixture(scope="module")
def intensity(density):
    field = multislice.attenuated_field(density, 1.6, WAVELENGTH, LENGTH, AXIS, AXIS)
    return np.abs(np.asarray(field)) ** 2


def assert_found(found):
    """Compare what was found with the body, on the half that the beam sees."""
    # Whole-voxel shifts leave half a voxel: fine ones.
    again = np.asarray(rasterise(BODY, 128, 0.8).values)
    fine = np.asarray(occupancy(found.normals, found.offsets, 128, 0.8))
    compared = compare_bodies(fine, again, 0.8)
    # The axes to about half a nm in 36: three of them, twice in the union.
    assert compared.seen > 0.95, compared


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_an_ellipsoid_comes_back(intensity, scale):
    if scale == "log":
        image = 3.0 * np.log1p(intensity / (1e-4 * intensity.max()))
        mask = np.hypot(AXIS[:, None], AXIS) > 0.03  # a hole about the beam
    else:
        expected = 1e6 * intensity / intensity.sum() + 0.5
        image, mask = np.random.default_rng(0).poisson(expected), None
    pattern = replace(BLANK, image=image, mask=mask)
    shares = []
    found = pipelines.reconstruct(
        pattern,
        **PHYSICS,
        method="solid",
        start="cold",
        scale=scale,
        progress=lambda words, share: shares.append(share),
    )
    assert found.status.startswith("reliable"), found.status
    assert (found.method, found.solid) == ("solid", "sphere")
    assert_found(found)
    residual = (found.fitted - image)[found.fitted > 0] if scale == "log" else 0
    assert np.sqrt(np.mean(np.square(residual))) < 0.05 * np.max(image)
    assert shares and max(shares) <= 1
    assert found.density.shape == found.determined.shape == (64, 64, 64)


@pytest.mark.slow
def test_silver_is_refined_through_multiple_scattering(density):
    # The body and the axes of the other patterns: the search is compiled once for all.
    f = propagation.split_step(density * np.complex64(SILVER), 1.6, WAVELENGTH, AXIS, AXIS)
    expected = np.abs(np.asarray(f)) ** 2
    counts = np.random.default_rng(0).poisson(1e6 * expected / expected.sum())
    found = pipelines.reconstruct(
        replace(BLANK, image=counts),
        wavelength=WAVELENGTH,
        chi=SILVER,
        physics="split-step",
        method="solid",
        start="cold",
    )
    assert found.status.startswith("reliable"), found.status
    assert found.candidates == [("cold, ellipsoid, refined", found.rms)]
    # Straight rays make silver some tenths too thin.
    matter = lambda density, pitch: density.sum() * pitch**3
    assert abs(matter(found.density, found.pitch) / matter(density, 1.6) - 1) < 0.03
    assert_found(found)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"image": np.zeros((48, 48))}, {}, "the pattern is 0"),
        ({}, {}, "the same wherever it counts"),
        ({"image": np.ones(48)}, {}, r"must be \(ny, nx\), got shape \(48,\)"),
        ({"mask": np.ones((48, 47), bool)}, {}, r"mask must have the shape of the pattern"),
        ({"mask": np.zeros((48, 48), bool)}, {}, "the mask leaves no pixel"),
        (
            {"image": SLOPE, "kx": AXIS / 400, "ky": AXIS / 400},
            {},
            r"ends at 0.00108 1/nm, 0.13 degrees: .*; check wavelength and q_max \(1/nm\)",
        ),
        ({"image": SLOPE, "mask": WINDOW}, {}, "only 99 pixels count: a body needs 100"),
        ({"kx": 1 + AXIS + 0.5}, {}, "no pixel lies inside the Ewald circle"),
        ({"kx": AXIS[::-1]}, {}, "kx must ascend"),
        ({"ky": AXIS[1:]}, {}, r"ky must be \(48,\)"),
        ({"kx": None}, {}, "no axes"),
        ({"image": np.full((48, 48), np.nan)}, {}, "must be finite"),
        ({}, {"wavelength": 0.0}, "wavelength must be above 0"),
        ({}, {"attenuation_length": -1.0}, "attenuation_length must be above 0"),
        ({}, {"attenuation_length": None}, "takes attenuation_length"),
        ({}, {"physics": "multislice"}, "takes chi"),
        (
            {},
            {"physics": "multislice", "attenuation_length": None, "chi": -0.1 - 0.1j},
            "must not amplify",
        ),
        ({}, {"physics": "born"}, "physics must be one of"),
        ({}, {"seed": -1}, "seed must be a whole number, 0 or above, got -1"),
        ({}, {"scale": "sqrt"}, "scale must be one of"),
        ({}, {"start": "warm"}, "start must be one of"),
        ({}, {"method": "spheres"}, "method must be one of"),
    ],
)
def test_what_cannot_be_is_refused(change, options, message):
    with pytest.raises(ValueError, match=message):
        pipelines.reconstruct(replace(BLANK, **change), **PHYSICS | options)


@pytest.mark.slow
def test_a_solid_comes_back_from_the_library(tmp_path):
    # A library of few: its own physics and sizes, but no body of the pattern's.
    few = library(
        wavelength=WAVELENGTH,
        q_max=0.414,
        chi=CHI,
        count=250,
        folder=tmp_path,
    )
    body = solid("octahedron", size=44.0, rotation=[0.4, 0.8, 0.3], stretch=1.2)
    density = cell_averages(body, 64, 1.6)
    field = multislice.attenuated_field(density, 1.6, WAVELENGTH, LENGTH, AXIS, AXIS)
    intensity = np.abs(np.asarray(field)) ** 2
    counts = np.ones((48, 48), bool)
    image = np.log1p(intensity / (1e-4 * intensity.max()))
    stages = Stages(of_image(image, counts, AXIS, AXIS), WAVELENGTH, CHI)
    close = matches(stages, few, count=12)
    assert [t.rms for t in close] == sorted(t.rms for t in close)
    found = solids_start(stages, few, np.random.default_rng(0), solids_only=True, kinds=3)
    assert len({trial.solid for trial in found}) == 3  # one of each goes on
    best = chosen(found)
    fine = np.asarray(cell_averages(body, 128, 0.8))
    overlap = compare_bodies(voxels_of(best.polar, 128, 0.8), fine, 0.8)
    assert overlap.seen > 0.95, (overlap, best.label, best.rms)


@pytest.mark.parametrize(("rms", "asked"), [(0.01, []), (0.03, ["polytopes"])])
def test_polytopes_are_asked_where_no_solid_is_good(monkeypatch, rms, asked):
    module = importlib.import_module("diffscatter.pipelines.reconstruct")
    trial = Trial(polar=np.eye(3) / 30, tone=None, rms=rms, label="library, cube", solid="cube")
    known = []
    monkeypatch.setattr(
        module, "library", lambda kind, **_: SimpleNamespace(kind=kind, notes=())
    )
    monkeypatch.setattr(module, "solids_start", lambda *_, **__: [trial])
    monkeypatch.setattr(module, "polytopes_start", lambda _, few: known.append(few.kind) or [])
    stages = SimpleNamespace(wavelength=WAVELENGTH, reach=0.4, chi=CHI)
    report = SimpleNamespace(building=None)
    found, _ = module._search(stages, "library", "facets", 0, 1, report)
    assert (found, known) == ([trial], asked)
