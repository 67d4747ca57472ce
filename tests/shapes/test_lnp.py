"""Lipid nanoparticles: volumes, curves of revolution by quadrature, the published voxels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.special import j1

from diffscatter import shapes
from diffscatter.analysis import curve_error
from diffscatter.core.pytree import replace
from diffscatter.operators import saxs
from diffscatter.shapes.lnp import Nanoparticle, hard_voxels
from tests.operators.averages import PITCH, brute_force
from tests.shapes import closed_forms

LOBED = (1, 2, 3)
SIZE, PITCH_FINE, GRID = 30.0, 0.5, (74, 48, 48)  # nm; the grid holds the blur too
Q = np.linspace(0.04, 3.0, 40)


@pytest.fixture(scope="module")
def curves():
    """All five types, through rasteriser and exact operator."""
    found = {}
    with jax.enable_x64(True):
        for kind in Nanoparticle.KINDS:
            body = Nanoparticle(kind=kind, size=SIZE).body()
            soft = shapes.rasterise(body, 72 if kind == 4 else GRID, PITCH_FINE)
            curve = saxs.intensity(soft.values, PITCH_FINE, Q, voxel="point", blur=soft.blur)
            found[kind] = np.asarray(curve)
    return found


def rings(kind, size, core=16.0, shell=9.0, fill=9.0, thickness=4.0, gap=2.0):
    """Pieces of the published lobes as (contrast, z from, z to, radius squared of z)."""
    r1, r2 = 0.2857 * size, 0.3571 * size
    z1, z2 = size / 2 - r1, r2 - size / 2
    section = lambda a, c, centre: lambda z: a**2 * (1 - ((z - centre) / c) ** 2)
    # Two surfaces of revolution meet where their sections are equal.
    meet = lambda a, c: (z1 * c + z2 * a) / (a + c)

    def both(contrast, a, c):
        apart = z1 - z2 > a + c
        low, high = (z1 - a, z2 + c) if apart else (meet(a, c),) * 2
        return [
            (contrast, low, z1 + a, section(a, a, z1)),
            (contrast, z2 - c, high, section(a, c, z2)),
        ]

    found = both(shell, r1, r2)
    a, c, middle = r1 - thickness, r2 - thickness, (z1 + z2) / 2
    if kind == 1:
        return found + both(core - shell, a, c)
    second = fill if kind == 2 else core
    upper = (core - shell, max(z1 - a, middle + gap), z1 + a, section(a, a, z1))
    lower = (second - shell, z2 - c, min(z2 + c, middle - gap), section(a, c, z2))
    return [*found, upper, lower]


def by_rings(q, pieces, along=70, around=70):
    """Discs summed along the axis, and their squared amplitude over directions: no voxel."""
    node, weight = np.polynomial.legendre.leggauss(along)
    cosine, over = np.polynomial.legendre.leggauss(2 * around)
    cosine, over = cosine[around:], over[around:]  # the other half is the complex conjugate
    sine = np.sqrt(1 - cosine**2)
    intensity = []
    for k in q:
        total = 0
        for contrast, low, high, squared in pieces:
            # z of low + (high - low) sin^2: smooth where the radius vanishes as a root.
            turn = (node + 1) * np.pi / 4
            z = low + (high - low) * np.sin(turn) ** 2
            dz = weight * np.pi / 4 * (high - low) * np.sin(2 * turn)
            radius = np.sqrt(np.maximum(squared(z), 1e-30))
            x = k * sine[:, None] * radius
            disc = 2 * np.pi * radius**2 * j1(x) / x
            total = total + contrast * (disc * np.exp(-1j * k * cosine[:, None] * z)) @ dz
        intensity.append(over @ np.abs(total) ** 2)
    return np.array(intensity)


@pytest.mark.parametrize("kind", LOBED)
def test_lobes_scatter_as_their_surface_of_revolution(curves, kind):
    exact = by_rings(Q, rings(kind, SIZE))
    error = curve_error(curves[kind], exact)
    # What the rasteriser promises of one body; here are up to four, of both signs, with edges
    # where lobes meet and cores are cut.
    assert error["median"] < 6e-5 and error["max"] < 5e-4


def test_sphere_and_cylinder_scatter_as_their_closed_forms(curves):
    ball = (9.0 * closed_forms.sphere_amplitude(Q, SIZE / 2)) ** 2
    rod = 81.0 * closed_forms.cylinder(Q, SIZE / 5, SIZE)
    for kind, exact in ((4, ball), (5, rod)):
        error = curve_error(curves[kind], exact)
        assert error["median"] < 6e-5 and error["max"] < 5e-4


@pytest.mark.parametrize("kind", Nanoparticle.KINDS)
def test_volume_is_that_of_its_sections(kind):
    if kind in LOBED:
        node, weight = np.polynomial.legendre.leggauss(4)  # sections are parabolas in z
        exact = 0
        for _, low, high, squared in rings(1, SIZE)[:2]:
            z = low + (high - low) * (node + 1) / 2
            exact += np.pi * squared(z) @ weight * (high - low) / 2
    else:
        exact = np.pi / 6 * SIZE**3 if kind == 4 else np.pi * (SIZE / 5) ** 2 * SIZE
    with jax.enable_x64(True):
        got = Nanoparticle(kind=kind, size=SIZE).volume
    np.testing.assert_allclose(got, exact, rtol=1e-13)


def test_small_voxels_match_every_pair():
    """The exact operator on published voxels of every type against Debye's double sum."""
    q = np.linspace(0.1, np.pi / PITCH, 5)
    for kind in Nanoparticle.KINDS:
        particle = Nanoparticle(kind=kind, size=7 * PITCH, thickness=0.7, gap=0.2)
        density = hard_voxels(particle, 9, PITCH)
        with jax.enable_x64(True):
            got = saxs.intensity(density, PITCH, q, voxel="point")
        np.testing.assert_allclose(got, brute_force(density, q), rtol=1e-11)


def listing(kind, alpha):
    """The published script: a cube of 100 nm, x y z order, points on a surface inside."""
    at = np.stack(np.meshgrid(*[np.arange(100.0)] * 3, indexing="ij"), -1) - 50
    r1, r2, t = 28.57 * alpha, 35.71 * alpha, 4.0
    z1, z2 = (1 + alpha) * 50 - r1 - 50, (1 - alpha) * 50 + r2 - 50
    within = lambda a, c, z: (
        (at[..., 0] / a) ** 2 + (at[..., 1] / a) ** 2 + ((at[..., 2] - z) / c) ** 2 <= 1
    )
    first, second = within(r1 - t, r1 - t, z1), within(r1 - t, r2 - t, z2)
    if kind > 1:
        first &= at[..., 2] >= (z1 + z2) / 2 + 2
        second &= at[..., 2] <= (z1 + z2) / 2 - 2
    cube = np.where(within(r1, r1, z1) | within(r1, r2, z2), 9.0, 0.0)
    cube[second] = 9.0 if kind == 2 else 16.0
    cube[first] = 16.0
    return cube


@pytest.mark.parametrize("kind", LOBED)
def test_hard_voxels_are_the_published_ones(kind):
    got = hard_voxels(Nanoparticle(kind=kind, size=63.0), 100)
    # Lengths in single precision may put a point on a surface to the other side.
    assert np.count_nonzero(got.transpose(2, 1, 0) != listing(kind, 0.63)) <= 4


def test_hard_sphere_and_cylinder_are_the_published_ones():
    z, y, x = np.ogrid[-50:50, -50:50, -50:50]
    ball = hard_voxels(Nanoparticle(kind=4, size=80.0), 100)
    np.testing.assert_array_equal(ball, 9.0 * (x**2 + y**2 + z**2 <= 1600))
    rod = hard_voxels(Nanoparticle(kind=5, size=50.0, sld_shell=1.0), 100)
    np.testing.assert_array_equal(rod, 1.0 * ((x**2 + y**2 <= 100) & (abs(z) <= 25)))


AT = tuple(np.random.default_rng(0).uniform(-1, 1, (3, 300)) * [[4.0], [4.0], [10.0]])


@jax.jit
def densities(size, ratios, thickness, gap, slds):
    """The smoothed density at points in and around a particle of about 20 nm."""
    particle = Nanoparticle(
        kind=2,
        size=size,
        axial_ratio=ratios[0],
        lobe_ratio=ratios[1],
        thickness=thickness,
        gap=gap,
        sld_core=slds[0],
        sld_shell=slds[1],
        sld_fill=slds[2],
        sld_solvent=slds[3],
    )
    at = tuple(jnp.asarray(x, jnp.result_type(size)) for x in AT)
    return particle.body().density(at, jnp.asarray(0.4, jnp.result_type(size)))


POINT = (20.0, [1.75, 1.25], 3.0, 1.5, [16.0, 9.0, 8.0, 0.5])


def test_gradients_of_every_parameter():
    with jax.enable_x64(True):
        point = tuple(jnp.asarray(value, jnp.float64) for value in POINT)
        flat, back = ravel_pytree(point)
        function = lambda flat: densities(*back(flat))
        slope_along = jax.jit(lambda d: jax.jvp(function, (flat,), (d,))[1])
        assert flat.size == 9
        for direction in jnp.eye(9):
            slope = slope_along(direction)
            above, below = (function(flat + s * direction) for s in (1e-4, -1e-4))
            # Every parameter moves some density; the third derivative is of order 16 / 0.4^3.
            assert jnp.abs(slope).max() > 1e-2
            np.testing.assert_allclose((above - below) / 2e-4, slope, rtol=0, atol=1e-5)


def test_single_precision_and_batches():
    with jax.enable_x64(True):
        exact = np.asarray(densities(*(jnp.asarray(value, jnp.float64) for value in POINT)))
    single = tuple(jnp.asarray(value, jnp.float32) for value in POINT)
    sizes = jnp.asarray([20.0, 21.0], jnp.float32)
    got = jax.lax.map(lambda size: densities(size, *single[1:]), sizes)
    assert got.dtype == jnp.float32
    # Coordinates of 10 nm are rounded by 1e-6 nm a step, some thirty steps, and a face turns
    # them into density by up to 16 a nm.
    np.testing.assert_allclose(got[0], exact, rtol=0, atol=30 * 1e-6 * 16)
    assert jnp.abs(got[1] - got[0]).max() > 1


def test_a_particle_is_one_tree():
    particle = Nanoparticle(kind=3, size=40.0)
    slope = jax.grad(lambda p: p.volume)(particle)
    np.testing.assert_allclose(slope.size, 3 * particle.volume / 40.0, rtol=1e-5)
    volumes = jax.vmap(lambda size: replace(particle, size=size).volume)(jnp.array([40.0, 80]))
    np.testing.assert_allclose(volumes[1], 8 * volumes[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 6}, "kind must be a type 1 to 5, got 6"),
        ({"size": -3.0}, "size must be above 0 nm, got -3"),
        ({"size": 12.0}, r"thickness must be below the smallest radius 3\.4.*got 4"),
        ({"thickness": 0.0}, "thickness must be above 0 nm, got 0"),
        ({"axial_ratio": 3.0}, r"axial_ratio must lie between 1\.25 and 2\.25.*got 3"),
        ({"axial_ratio": 1.2}, r"axial_ratio must lie between 1\.25 and 2\.25.*got 1\.2"),
        ({"gap": 30.0}, "gap must leave something of both cores, got 30"),
        ({"kind": 4, "axial_ratio": 1.5}, "axial_ratio must be None: type 4 is a sphere"),
        ({"sld_core": np.nan}, "sld_core must be finite, got nan"),
        ({"sld_fill": np.ones(2)}, "sld_fill must be a scalar"),
    ],
)
def test_what_is_no_particle_is_named(change, message):
    particle = Nanoparticle(**({"kind": 3, "size": 40.0} | change))
    with pytest.raises(ValueError, match=message):
        particle.body()
    if change.get("kind") != 6:
        with pytest.raises(ValueError, match=message):
            hard_voxels(particle, 50)
