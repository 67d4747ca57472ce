"""Libraries of patterns: what is in them, where they are kept, and what a match finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import HalfspaceIntersection

from diffscatter.operators import columns
from diffscatter.pipelines.bodies import draws
from diffscatter.pipelines.bodies import library as libraries
from diffscatter.pipelines.bodies.library import library, recipe_of
from diffscatter.pipelines.bodies.match import match
from diffscatter.pipelines.bodies.polar import PolarGrid, polar_map
from diffscatter.shapes.heights import heights

WAVELENGTH = 13.5
K = 2 * np.pi / WAVELENGTH
PHYSICS = {"wavelength": WAVELENGTH, "q_max": K, "chi": -0.11 + 0.079j, "count": 120}
AXIS = (np.arange(128) - 64) * K / 63


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("libraries")


@pytest.fixture(scope="module")
def solids(folder):
    return library(**PHYSICS, folder=folder)


@pytest.fixture(scope="module")
def pattern_of():
    """Patterns by an independent sum: finer columns, a real detector, every pixel computed."""

    @jax.jit
    def field(front, thickness, coverage, pitch):
        return columns.amplitude(
            front, thickness, pitch, WAVELENGTH, AXIS, AXIS,
            chi=PHYSICS["chi"], coverage=coverage, terms=48,
        )  # fmt: skip

    def pattern(normals, offsets):
        planes = np.concatenate([normals, -offsets[:, None]], axis=1).astype(float)
        corners = HalfspaceIntersection(planes, np.zeros(3)).intersections
        pitch = np.abs(corners[:, :2]).max() / 46
        x = (np.arange(96) - 48) * pitch
        body = heights(normals.astype(np.float32), offsets.astype(np.float32), x, x)
        return np.abs(np.asarray(field(*body, jnp.float32(pitch)))) ** 2

    return pattern


def planes(found, index):
    """Return a body's planes in nm, by hand."""
    normals, offsets = found.bodies.unit_planes(index)
    normals = normals @ np.linalg.inv(WAVELENGTH * found.bodies.matrices[index])
    length = np.linalg.norm(normals, axis=1)
    return normals / length[:, None], offsets / length


def display(intensity, mask=None):
    """A published display: a logarithm over an offset, stretched to 0 to 1."""
    shown = np.log1p(intensity / 200.0)
    shown = (shown - shown.min()) / np.ptp(shown)
    return shown if mask is None else np.where(mask, shown, 0.7)


def test_rings_interpolate():
    grid = PolarGrid(np.linspace(0.1, 0.3, 5), 16)
    kx, ky = np.linspace(-0.4, 0.5, 31), np.linspace(-0.31, 0.28, 25)
    plane = 2 + 3 * kx - 1.5 * ky[:, None]
    values, weights = polar_map(plane, kx, ky, grid)
    x, y = grid.points()
    inside = (y >= ky[0]) & (y <= ky[-1])
    np.testing.assert_array_equal(weights, inside)
    np.testing.assert_allclose(values, np.where(inside, 2 + 3 * x - 1.5 * y, 0), atol=1e-6)
    mask = kx + 0 * ky[:, None] > 0.02
    values, weights = polar_map(np.where(mask, plane, np.nan), kx, ky, grid, mask)
    np.testing.assert_array_equal(weights, inside & (x > kx[kx > 0.02][0]))
    assert np.isfinite(values).all()


@pytest.mark.parametrize("draw", [draws.draw_solids, draws.draw_polytopes])
def test_bodies_have_the_sizes_that_they_state(draw):
    bodies = draw(40, (2.0, 12.0), 3).by_size()
    assert len(bodies) == 40 and (np.diff(bodies.sizes) > 0).all()
    assert 2 < bodies.sizes[0] < 4 and 7 < bodies.sizes[-1] < 12
    for i in range(0, 40, 3):
        normals, offsets = bodies.unit_planes(i)
        rows = np.concatenate([normals, -offsets[:, None]], axis=1).astype(float)
        corners = HalfspaceIntersection(rows, np.zeros(3)).intersections
        corners = corners @ bodies.matrices[i].T
        # Planes are kept in single precision.
        assert np.linalg.norm(corners, axis=1).max() == pytest.approx(bodies.sizes[i], rel=1e-4)
        assert np.abs(corners[:, :2]).max() == pytest.approx(bodies.halves[i], rel=1e-4)


def test_maps_are_those_of_finer_columns(solids, pattern_of):
    """Forty columns and pixels of a third of a fringe, at an offset that hides the minima."""
    grid = solids.grid(WAVELENGTH)
    for index in (10, 60, 110):
        fine = pattern_of(*planes(solids, index))
        expected, _ = polar_map(np.log(fine + 1e-3), AXIS, AXIS, grid)
        # |f|^2 in nm^2; the library has it in squares of the wavelength.
        got = solids.logs[index].astype(float) + 2 * np.log(WAVELENGTH)
        offset = np.median(expected)
        shown = [np.logaddexp(0, values - offset) for values in (got, expected)]
        assert np.corrcoef(shown[0].ravel(), shown[1].ravel())[0, 1] > 0.99
        assert abs(np.mean(shown[0] - shown[1])) < 0.05 * np.mean(shown[1])
        means = np.logaddexp(0, solids.logs[index] - solids.offsets[:, None, None]).mean(-1)
        np.testing.assert_allclose(solids.rings[index], means, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("turn, mirrored", [(0.0, False), (1.9, False), (4.1, True)])
def test_a_match_finds_a_body_and_how_it_lies(solids, pattern_of, turn, mirrored):
    """The body of the best candidate makes the pattern that was given."""
    c, s = np.cos(turn), np.sin(turn)
    motion = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(
        [1, -1 if mirrored else 1, 1]
    )
    index = 75
    normals, offsets = planes(solids, index)
    image = display(pattern_of(normals @ motion.T, offsets))
    values, weights = polar_map(image, AXIS, AXIS, solids.grid(WAVELENGTH))
    found = match(solids, values, weights, wavelength=WAVELENGTH, top=8)
    best = found[0]
    assert best.index == index and best.score > 0.99
    assert best.name == solids.bodies.name(index)
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True) and len(found) == 8
    # Of one solid few beyond the first half; offsets are those of one display.
    later = [candidate.name for candidate in found[4:]]
    assert max(later.count(name) for name in later) <= 2
    steps = [candidate.log_offset for candidate in found]
    assert np.ptp(steps) < 2.1 * np.diff(solids.offsets[:2])
    again = display(pattern_of(*best.planes()))
    # The turn is known to half a step of 2 pi / 64.
    assert np.corrcoef(again.ravel(), image.ravel())[0, 1] > 0.98
    np.testing.assert_allclose(
        np.sort(np.linalg.svd(best.matrix, compute_uv=False)),
        np.sort(np.linalg.svd(WAVELENGTH * solids.bodies.matrices[index], compute_uv=False)),
    )


def test_a_match_through_a_hole_and_a_window(solids, pattern_of):
    index = 75
    image = display(pattern_of(*planes(solids, index)))
    row, column = np.mgrid[-64:64, -64:64]
    mask = (np.hypot(row, column) >= 6) & (abs(column) <= 36) & (abs(row) <= 30)
    image = display(pattern_of(*planes(solids, index)), mask)
    values, weights = polar_map(image, AXIS, AXIS, solids.grid(WAVELENGTH), mask)
    assert 0.5 < weights.mean() < 0.9
    best = match(solids, values, weights, wavelength=WAVELENGTH, top=1)[0]
    assert best.index == index and best.score > 0.99


def test_a_library_is_built_once(solids, folder):
    def never(done, count):
        raise AssertionError("built again")

    again = library(**PHYSICS, folder=folder, progress=never)
    assert again.notes == () and len(list(folder.iterdir())) == 1
    np.testing.assert_array_equal(again.logs, solids.logs)
    np.testing.assert_array_equal(again.rings, solids.rings)
    np.testing.assert_array_equal(again.bodies.matrices, solids.bodies.matrices)
    # In wavelengths: the same body, the same chi.
    scaled = {**PHYSICS, "wavelength": 2 * WAVELENGTH, "q_max": K / 2}
    library(**scaled, folder=folder, progress=never)


def test_a_damaged_library_is_built_again(solids, folder):
    path = next(folder.iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    reports = []
    mended = library(**PHYSICS, folder=folder, progress=lambda *done: reports.append(done))
    assert reports == [(120, 120)]
    assert len(mended.notes) == 1 and "damaged and was built again" in mended.notes[0]
    np.testing.assert_array_equal(mended.logs, solids.logs)
    assert library(**PHYSICS, folder=folder).notes == ()


def test_an_interrupted_build_leaves_nothing(tmp_path):
    def stop(done, count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library(**PHYSICS, folder=tmp_path, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = library(**PHYSICS, folder=tmp_path / "file")
    assert "is not kept" in found.notes[0] and len(found.logs) == 120


def test_names_depend_on_the_physics():
    base = recipe_of(**PHYSICS)
    for change in (
        {"chi": -0.11 + 0.08j}, {"count": 121}, {"seed": 2}, {"kind": "polytopes"},
        {"q_max": 0.4 * K},
    ):  # fmt: skip
        assert recipe_of(**{**PHYSICS, **change}).name != base.name
    # Detectors that see more, or nearly as much, share a library.
    assert recipe_of(**{**PHYSICS, "q_max": 0.6 * K}) == base
    near = [recipe_of(**{**PHYSICS, "q_max": share * K}).highest for share in (0.41, 0.42)]
    assert near[0] == near[1] < 0.41


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert libraries.cache_folder() == tmp_path / "diffscatter" / "libraries"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"wavelength": 0.0}, "wavelength must be above 0 nm"),
        ({"q_max": -1.0}, "q_max must be above 0 1/nm"),
        ({"kind": "blobs"}, "kind must be one of solids, polytopes, got 'blobs'"),
        ({"count": 0}, "count must be a whole number above 0, got 0"),
        ({"chi": -0.1 - 0.1j}, "chi must be finite, not 0, and absorb"),
        ({"chi": 0}, "chi must be finite, not 0"),
    ],
)
def test_bad_physics_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        library(**{**PHYSICS, **change})


def test_bad_patterns_are_named(solids):
    with pytest.raises(ValueError, match=r"on the rings, \(27, 64\), got \(3, 4\)"):
        match(solids, np.ones((3, 4)), np.ones((3, 4)), wavelength=WAVELENGTH)
    ones = np.ones((27, 64))
    with pytest.raises(ValueError, match="no ring of the library was recorded, or all of it"):
        match(solids, ones, ones, wavelength=WAVELENGTH)
