"""The base solids against what geometry says of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.spatial import ConvexHull, HalfspaceIntersection

from diffscatter.core.rotations import from_rotation_vector
from diffscatter.shapes import solid, solids
from diffscatter.shapes.occupancy import occupancy

S2, S5 = 2**0.5, 5**0.5
T = 1.8392867552141612  # tribonacci constant
# Corners, edges, faces, volume for edges of 1: H. M. Cundy, A. P. Rollett, Mathematical Models.
POLYHEDRA = {
    "tetrahedron": (4, 6, 4, S2 / 12),
    "cube": (8, 12, 6, 1),
    "octahedron": (6, 12, 8, S2 / 3),
    "dodecahedron": (20, 30, 12, (15 + 7 * S5) / 4),
    "icosahedron": (12, 30, 20, 5 * (3 + S5) / 12),
    "truncated tetrahedron": (12, 18, 8, 23 * S2 / 12),
    "cuboctahedron": (12, 24, 14, 5 * S2 / 3),
    "truncated cube": (24, 36, 14, (21 + 14 * S2) / 3),
    "truncated octahedron": (24, 36, 14, 8 * S2),
    "rhombicuboctahedron": (24, 48, 26, (12 + 10 * S2) / 3),
    "truncated cuboctahedron": (48, 72, 26, 22 + 14 * S2),
    "snub cube": (24, 60, 38, (3 * (T - 1) ** 0.5 + 4 * (T + 1) ** 0.5) / 3 / (2 - T) ** 0.5),
    "icosidodecahedron": (30, 60, 32, (45 + 17 * S5) / 6),
    "truncated dodecahedron": (60, 90, 32, 5 * (99 + 47 * S5) / 12),
    "truncated icosahedron": (60, 90, 32, (125 + 43 * S5) / 4),
    "rhombicosidodecahedron": (60, 120, 62, (60 + 29 * S5) / 3),
    "truncated icosidodecahedron": (120, 180, 62, 95 + 50 * S5),
    "decahedron": (7, 15, 10, (5 + S5) / 12),
}
TWIN = "truncated twinned tetrahedron"
CUBIC, ICOSAHEDRAL, TETRAHEDRAL = {4: 3, 3: 4, 2: 6}, {5: 6, 3: 10, 2: 15}, {3: 4, 2: 3}


def edges(corners, normals, offsets):
    """Return the lengths of the edges: pairs of corners that two faces share."""
    touching = (np.abs(corners @ normals.T - offsets) < 1e-9).astype(int)
    pairs = np.nonzero(np.triu(touching @ touching.T >= 2, 1))
    return np.linalg.norm(corners[pairs[0]] - corners[pairs[1]], axis=1)


def volume(normals, offsets):
    """Of the half-spaces alone, by Qhull."""
    planes = np.concatenate([normals, -np.asarray(offsets)[:, None]], axis=1)
    return ConvexHull(HalfspaceIntersection(planes, np.zeros(3)).intersections).volume


def expected_axes(name):
    if "tetrahedron" in name:
        return {3: 1, 2: 3} if name == TWIN else TETRAHEDRAL
    if name == "decahedron":
        return {5: 1, 2: 5}
    return ICOSAHEDRAL if "dodeca" in name or "icosa" in name else CUBIC


def test_there_are_21():
    assert set(solids.NAMES) == {*POLYHEDRA, TWIN, "sphere", "random hull"}
    assert len(solids.NAMES) == 21


@pytest.mark.parametrize("name", POLYHEDRA)
def test_counts_edges_and_volume(name):
    corners, (normals, offsets) = solids.vertices(name), solids.planes(name)
    n_corners, n_edges, n_faces, unit = POLYHEDRA[name]
    lengths = edges(corners, normals, offsets)
    assert (len(corners), len(lengths), len(normals)) == (n_corners, n_edges, n_faces)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-12)
    assert volume(normals, offsets) == pytest.approx(unit * lengths[0] ** 3, rel=1e-11)
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1).max(), 1, rtol=1e-12)
    np.testing.assert_allclose(corners.mean(axis=0), 0, atol=1e-12)


def test_truncated_twinned_tetrahedron():
    """Of two tetrahedra, 1/27 goes at each far corner, 1/18 at each end of the waist."""
    corners, (normals, offsets) = solids.vertices(TWIN), solids.planes(TWIN)
    lengths = edges(corners, normals, offsets)
    assert (len(corners), len(lengths), len(normals)) == (18, 27, 11)
    waist = corners[np.abs(corners[:, 2]) < 1e-9]
    edge = 3 * np.linalg.norm(waist, axis=1)  # a regular hexagon: as far as its edge
    np.testing.assert_allclose(edge, edge[0], rtol=1e-12)
    kept = S2 / 12 * (2 - 2 / 27 - 6 / 18)
    assert volume(normals, offsets) == pytest.approx(kept * edge[0] ** 3, rel=1e-11)


def test_sphere_and_random_hull():
    normals, offsets = solids.planes("sphere")
    assert volume(normals, offsets) == pytest.approx(4 / 3 * np.pi, rel=1e-9)
    # Faces of mean solid angle 4 pi / 92 leave the sphere by half their radius squared.
    reach = np.linalg.norm(solids.vertices("sphere"), axis=1)
    assert 0.97 < offsets.min() < 1 < reach.min() and reach.max() < 1.04
    finer = solids.planes("sphere", sphere_planes=400)
    assert volume(*finer) == pytest.approx(4 / 3 * np.pi, rel=1e-9) and len(finer[1]) == 400
    keys = jax.random.split(jax.random.key(3), 2)
    one, other = (solids.vertices("random hull", key=key) for key in keys)
    assert np.linalg.norm(one, axis=1).max() == pytest.approx(1, abs=1e-12)
    assert one.shape != other.shape or not np.allclose(one, other)
    normals, offsets = solids.planes("random hull", key=keys[0])
    assert np.abs((one @ normals.T - offsets).max(axis=1)).max() < 1e-9
    assert offsets.min() > 0 and len(normals) == 2 * len(one) - 4
    with jax.enable_x64(True):  # a key is one body in any precision
        np.testing.assert_array_equal(solids.vertices("random hull", key=keys[0]), one)


@pytest.mark.parametrize("name", [*POLYHEDRA, TWIN])
def test_axes_are_symmetries(name):
    corners, axes = solids.vertices(name), solids.symmetry_axes(name)
    assert {order: len(group) for order, group in axes.items()} == expected_axes(name)
    for order, group in axes.items():
        axis = group[-1]
        with jax.enable_x64(True):
            turned = corners @ np.asarray(from_rotation_vector(2 * np.pi / order * axis)).T
        apart = np.linalg.norm(turned[:, None] - corners, axis=-1)
        assert apart.min(axis=1).max() < 1e-9
        assert sorted(apart.argmin(axis=1)) == list(range(len(corners)))
        assert np.linalg.norm(axis) == pytest.approx(1)


def test_corners_follow_stretch_and_rotation():
    """The corners, moved by hand, lie on as many faces as before."""
    name, turn, axis = "truncated octahedron", (0.3, -1.1, 0.7), np.array([1.0, 1, 1]) / 3**0.5
    with jax.enable_x64(True):
        body = solid(name, size=80.0, rotation=turn, stretch=1.7, stretch_axis=(2.0, 2, 2))
        rotation = np.asarray(from_rotation_vector(jnp.array(turn)))
    corners = solids.vertices(name)
    corners = 80 * (corners + 0.7 * (corners @ axis)[:, None] * axis) @ rotation.T
    gap = np.asarray(body.offsets) - corners @ np.asarray(body.normals).T
    assert gap.min() > -1e-10 and (np.sum(gap < 1e-9, axis=1) == 3).all()
    np.testing.assert_allclose(np.linalg.norm(body.normals, axis=1), 1, rtol=1e-12)


def test_cuts():
    with jax.enable_x64(True):
        cube = solid("cube", size=3**0.5, cut=0.5, rotation=(0.2, 0.4, 0.1))
        touched = solid("cube", size=3**0.5, cut=1.0, cut_axis=(1.0, 1, 1))
        # An ellipsoid of half axes 4, 2, 2 reaches sqrt((16 + 4) / 2) along (1, 1, 0).
        half = solid(
            "sphere", size=2.0, stretch=2.0, stretch_axis=(1, 0, 0), cut=0.6, cut_axis=(1, 1, 0)
        )
    assert volume(cube.normals, cube.offsets) == pytest.approx(8 * 0.75, rel=1e-12)
    assert touched.offsets[-1] == pytest.approx(3**0.5, rel=1e-12)
    assert half.offsets[-1] == pytest.approx(0.6 * 10**0.5, rel=1e-12)
    np.testing.assert_allclose(half.normals[-1], [0.5**0.5, 0.5**0.5, 0], atol=1e-12)


@jax.jit
def weighted(size, rotation, stretch, axis, cut):
    """A smooth function of everything that a body consists of."""
    body = solid(
        "decahedron", size=size, rotation=rotation, stretch=stretch, stretch_axis=axis, cut=cut
    )
    weights = jnp.linspace(0.2, 1.3, 4 * body.offsets.size).reshape(-1, 4)
    planes = jnp.concatenate([body.normals, body.offsets[:, None]], axis=1)
    return jnp.sum(weights * planes)


def test_gradients():
    with jax.enable_x64(True):
        # With no turn at all: orientations can be fitted from there.
        for rotation in (jnp.array([0.3, 0.2, -0.5]), jnp.zeros(3)):
            at = (1.3, rotation, 1.4, jnp.array([0.1, 0.2, 0.9]), 0.55)
            check_grads(weighted, at, order=1, modes=["rev"], rtol=1e-6, eps=1e-6)


def test_dtype_and_batches():
    body = solid("snub cube", size=40.0, rotation=jnp.zeros(3), cut=0.4)
    assert body.normals.dtype == body.offsets.dtype == jnp.float32
    sizes = jnp.array([20.0, 60.0])
    make = jax.jit(lambda size: solid("icosahedron", size=size, stretch=1.3).offsets)
    apart = [make(size) for size in sizes]
    np.testing.assert_allclose(jax.jit(jax.vmap(make))(sizes), apart, rtol=1e-5)


def test_voxels_of_a_cut_solid_hold_its_volume():
    body = solid("decahedron", size=12.0, stretch=1.3, cut=0.6, rotation=(0.4, 0.3, 0.1))
    filled = occupancy(body.normals, body.offsets, 36, 1.0)
    # Second order in the width of a column, half a voxel, over the size.
    expected = volume(*(np.asarray(v, float) for v in (body.normals, body.offsets)))
    assert float(filled.sum()) == pytest.approx(expected, rel=0.5**2 / 12)


def test_names():
    assert solids.canonical_name("Truncated_Octahedron") == "truncated octahedron"
    assert solids.canonical_name("Truncated Rhombicosidodecahedron") == (
        "truncated icosidodecahedron"
    )
    assert solids.canonical_name("Potato") == "random hull"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "icosahedrn"}, "'icosahedrn' is not known; did you mean icosahedron"),
        ({"name": "zzz"}, "one of tetrahedron, cube"),
        ({"size": 0.0}, "size must be above 0 nm, got 0"),
        ({"stretch": -1.0}, "stretch must be above 0, got -1"),
        ({"stretch_axis": (0.0, 0.0, 0.0)}, "stretch_axis must not be zero"),
        ({"cut_axis": (1.0, 0.0)}, r"cut_axis must be \(x, y, z\), got shape \(2,\)"),
        ({"cut": 1.2}, "cut must be a share of the reach in 0 to 1, got 1.2"),
        ({"rotation": 2 * np.eye(3)}, "rotation must be orthogonal"),
        ({"name": "random hull"}, "give key=jax.random.key"),
        ({"key": 0}, "leave out key"),
        ({"name": "sphere", "sphere_planes": 3}, "sphere_planes must be a whole number"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        solid(**{"name": "cube", "size": 1.0, **arguments})
