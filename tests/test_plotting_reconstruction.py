"""Surfaces of found bodies enclose what they should, and the halves have their colours."""

import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from diffscatter import plotting_reconstruction as drawn
from diffscatter.shapes import solids

PITCH = 4.0
K = np.linspace(-0.4, 0.4, 24)


def areas(surface) -> np.ndarray:
    """Vector areas of the triangles, turned to the side that the surface calls outward."""
    a, b, c = np.moveaxis(surface.corners, 1, 0)
    area = np.cross(b - a, c - a) / 2
    return area * np.sign(np.sum(area * surface.outward, axis=1, keepdims=True))


def volume(surface) -> float:
    """Enclosed volume by the divergence theorem."""
    return np.sum(areas(surface) * surface.corners.mean(axis=1)) / 3


def cube(side=60.0, shift=(0.0, 0.0, 0.0)):
    normals = np.array([*np.eye(3), *-np.eye(3)])
    return normals, side / 2 + normals @ np.array(shift)


def voxels(normals, offsets, n=32):
    places = PITCH * (np.mgrid[:n, :n, :n].reshape(3, -1).T[:, ::-1] - n // 2)
    return (places @ normals.T <= offsets).all(axis=1).reshape(n, n, n)


@pytest.mark.parametrize("shift", [(0, 0, 0), (90.0, -40.0, 7.0)])
def test_faces_of_a_cube(shift):
    surface = drawn.surface_of_planes(*cube(60.0, shift))
    assert volume(surface) == pytest.approx(60.0**3, rel=1e-9)
    assert len(surface.edges) == 24  # twelve, each with two faces
    lengths = np.linalg.norm(surface.edges[:, 0] - surface.edges[:, 1], axis=1)
    np.testing.assert_allclose(lengths, 60.0, rtol=1e-9)


@pytest.mark.parametrize("name", ["icosahedron", "truncated cube", "decahedron", "sphere"])
def test_faces_of_solids(name):
    normals, offsets = solids.planes(name)
    scale = np.linspace(1, 2, len(normals))[:, None]  # normals of any length
    surface = drawn.surface_of_planes(scale * normals, 50 * scale[:, 0] * offsets)
    inside = surface.corners.reshape(-1, 3) @ np.asarray(normals).T - 50 * np.asarray(offsets)
    assert inside.max() < 1e-7
    # A closed surface: the areas of its faces cancel.
    np.testing.assert_allclose(areas(surface).sum(axis=0), 0, atol=1e-7 * 50**2)
    corners = solids.vertices(name) if name != "sphere" else None
    if corners is not None:
        found = surface.corners.reshape(-1, 3)
        gaps = np.linalg.norm(50 * corners[:, None] - found, axis=2).min(axis=1)
        assert gaps.max() < 1e-6


def test_planes_without_a_body():
    with pytest.raises(ValueError, match="enclose no body"):
        drawn.surface_of_planes(-np.asarray(cube()[0]), -cube()[1])


def test_marching_cubes(monkeypatch):
    pytest.importorskip("skimage")
    z, y, x = PITCH * (np.mgrid[:32, :32, :32] - 16.0)
    distance = np.sqrt((x - 8) ** 2 + (y + 4) ** 2 + z**2)
    ball = np.clip(0.5 + (40 - distance) / PITCH, 0, 1)
    surface = drawn.surface_of_density(ball, PITCH)
    # Triangles through points of a sphere cut (h / R)^2 off it.
    assert volume(surface) == pytest.approx(4 / 3 * np.pi * 40**3, rel=(PITCH / 40) ** 2)
    points = surface.corners.reshape(-1, 3)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    np.testing.assert_allclose(middle, (8, -4, 0), atol=0.1 * PITCH)
    full = drawn.surface_of_density(np.ones((4, 4, 4)), PITCH)  # closed at the box
    assert np.ptp(full.corners.reshape(-1, 3), axis=0) == pytest.approx([4 * PITCH] * 3)
    with pytest.raises(ValueError, match="the body is empty"):
        drawn.surface_of_density(np.zeros((4, 4, 4)), PITCH)
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(ImportError, match=r"pip install 'diffscatter\[particles\]'"):
        drawn.surface_of_density(ball, PITCH)


def test_the_far_half_has_its_colour():
    normals, offsets = cube(60.0)
    body = voxels(normals, offsets)
    near = body & (np.cumsum(body, axis=0) <= 0.5 * body.sum(axis=0))
    surface = drawn.surface_of_planes(normals, offsets)
    z = surface.corners.mean(axis=1)[:, 2]
    seen = drawn._is_seen(surface, near, PITCH)
    assert seen[z < -PITCH].all() and not seen[z > PITCH].any()
    figure = drawn.views(surface, near, PITCH)
    front, side, behind = figure.axes
    tone = lambda panel: np.unique(panel.collections[0].get_facecolor()[:, :3], axis=0)
    hue = lambda panel: {tuple(np.round(c / c.max(), 1)) for c in tone(panel)}
    blue, orange = (
        tuple(np.round(np.array(to_rgb(c)) / max(to_rgb(c)), 1))
        for c in (drawn._SEEN, drawn._FAR)
    )
    assert hue(front) == {blue} and hue(side) == {blue, orange}
    assert orange in hue(behind)
    assert [panel.get_title() for panel in figure.axes] == list(drawn._VIEWS)


@pytest.mark.parametrize("log", [False, True])
def test_pattern_fit(log):
    image = np.random.default_rng(0).poisson(200.0, (24, 24)).astype(float)
    mask = image > 190
    figure = drawn.pattern_fit(image, 2 * image, K, K, mask=mask, wavenumber=0.38, log=log)
    titles = [panel.get_title() for panel in figure.axes[:3]]
    assert titles == ["pattern", "fit", "residual"]
    residual = figure.axes[2].collections[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(residual).reshape(24, 24), ~mask)
    expected = image if log else np.full(image.shape, np.log(2))
    np.testing.assert_allclose(residual.reshape(24, 24)[mask], expected[mask])
    drawn.pattern_fit(image, image, K, K)  # a perfect fit has no range of residuals
