"""Columns in closed form: a double sum, voxels, spheres, gradients and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slice_sums

from diffscatter.operators import columns, multislice

WAVELENGTH, CHI, LENGTH, PITCH = 13.5, -0.1096 + 0.0793j, 12.5, 2.0
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(0)
SHAPE = (7, 10)
FRONT = RNG.uniform(-20, 5, SHAPE)
THICKNESS = RNG.uniform(0.5, 25, SHAPE) * (RNG.random(SHAPE) > 0.2)
THICKNESS[0, 0] = 1e-3
COVERAGE = RNG.uniform(0, 1, SHAPE)
# Both sides of the beam, one side alone, k_perp close to k, and beyond it.
KX = np.array([-0.3, 0.3, 0.0, 0.1, 0.42, -0.47])
KY = np.array([-0.18, 0.15, 0.18, 0.0])
BODY = {"front": FRONT, "thickness": THICKNESS, "coverage": COVERAGE, "pitch": PITCH}
DETECTOR = {"wavelength": WAVELENGTH, "kx": KX, "ky": KY}


def double_sum(rate):
    """F of the module's text by its definition, columns and pixels one by one."""
    qz, inside = slice_sums.ewald(KX, KY, WAVELENGTH)
    y, x = (PITCH * (np.arange(n) - n // 2) for n in SHAPE)
    total = np.zeros(qz.shape, complex)
    for row, column in np.argwhere(inside):
        s = rate + 1j * qz[row, column]
        inner = np.exp(-1j * qz[row, column] * FRONT) * -np.expm1(-s * THICKNESS) / s
        phase = KY[row] * y[:, None] + KX[column] * x
        total[row, column] = PITCH**2 * np.sum(COVERAGE * inner * np.exp(-1j * phase))
    return total


def deviation(got, exact):
    return np.abs(np.asarray(got) - exact).max() / np.abs(exact).max()


def test_matches_the_double_sum():
    field = np.exp(-PITCH / (2 * LENGTH)) / PITCH**3 * double_sum(1 / LENGTH)
    wave = K * CHI / WAVELENGTH * double_sum(-1j * K * CHI)
    with jax.enable_x64(True):
        got = columns.amplitude(**BODY, **DETECTOR, chi=CHI)
        assert deviation(got, wave) < 1e-12
        got = columns.attenuated_field(**BODY, **DETECTOR, attenuation_length=LENGTH)
        assert deviation(got, field) < 1e-12
    single = {name: np.float32(value) for name, value in BODY.items()}
    got = columns.amplitude(**single, **DETECTOR, chi=CHI)
    assert got.dtype == np.complex64
    assert deviation(got, wave) < 2e-6


@pytest.mark.parametrize("chi", [CHI, -3e-3 + 1e-3j, -1e-6])
def test_matches_voxels(chi):
    # Columns of whole voxels; both take the columns as points, the voxels as boxes along z.
    n, pitch, axis = 12, 1.0, np.linspace(-0.3, 0.3, 7)
    first, count = RNG.integers(1, 5, (n, n)), RNG.integers(0, 7, (n, n))
    z = np.arange(n)[:, None, None]
    body = ((z >= first) & (z < first + count)).astype(float)
    detector = {"wavelength": WAVELENGTH, "kx": axis, "ky": axis}
    with jax.enable_x64(True):
        voxels = multislice.amplitude(chi * body, pitch, **detector, voxel="box")
        front = (first - n // 2 - 0.5) * pitch
        ours = columns.amplitude(front, count * pitch, pitch, **detector, chi=chi)
    sinc = np.sinc(axis * pitch / (2 * np.pi))
    # How the wave changes within a voxel is left out there.
    band = K - np.sqrt(K**2 - 2 * 0.3**2)
    bound = K * pitch * abs(chi) * band * pitch / 12
    assert deviation(np.asarray(ours) * sinc * sinc[:, None], np.asarray(voxels)) < bound + 1e-9


def test_attenuated_field_is_the_limit_of_voxels():
    radius, pitch, axis = 12.0, 1.0, np.linspace(-0.4, 0.4, 7)
    r = (np.arange(32) - 16) * pitch
    half = np.sqrt(np.maximum(radius**2 - r[:, None] ** 2 - r**2, 0))
    fine = 8  # slices a column side
    z = (np.arange(32 * fine) - 16 * fine) * pitch / fine
    low, high = (z[:, None, None] + side * pitch / fine / 2 for side in (-1, 1))
    share = np.clip(np.minimum(high, half) - np.maximum(low, -half), 0, None) * fine / pitch
    slices = slice_sums.absorbed(share, pitch / fine, LENGTH)
    qz, inside = slice_sums.ewald(axis, axis, WAVELENGTH)
    exact = np.zeros(qz.shape, complex)
    for depth, part in zip(z, slices, strict=True):
        to_kx = np.exp(-1j * np.outer(r, axis))
        exact += np.exp(-1j * qz * depth) * (to_kx.T @ part @ to_kx)
    # Counted in slices, each attenuated by all of itself, not by half.
    exact = exact / fine * np.exp(pitch / fine / (2 * LENGTH) - pitch / (2 * LENGTH))
    got = columns.attenuated_field(-half, 2 * half, pitch, WAVELENGTH, LENGTH, axis, axis)
    # The mean of exp(-sz) over a slice of thickness d is its middle value but for (s d)^2/24.
    rate = np.hypot(1 / LENGTH, K) * pitch / fine
    assert deviation(got, exact * inside) < rate**2 / 24 + 2e-6


def test_sphere_in_the_born_limit():
    # chi -> 0: the form factor of a sphere, at q up to 45 degrees.
    radius, n = 40.0, 81
    r = (np.arange(n) - n // 2) * 1.2
    square = radius**2 - r[:, None] ** 2 - r**2
    half = np.sqrt(np.maximum(square, 0))
    axis = np.linspace(0.0, K / 2**0.5, 9)
    chi, volume = 1e-7, 4 / 3 * np.pi * radius**3
    got = columns.amplitude(-half, 2 * half, 1.2, WAVELENGTH, axis, np.zeros(1), chi=chi)
    q = np.hypot(axis, np.sqrt(K**2 - axis**2) - K)
    x = np.maximum(q * radius, 1e-3)
    exact = K**2 * chi / (2 * np.pi) * volume * 3 * (np.sin(x) - x * np.cos(x)) / x**3
    # Sampling a half circle of chords leaves out the rim: (pitch / radius)^(3/2) of the volume.
    assert np.abs(got[0] - exact).max() < (1.2 / radius) ** 1.5 * exact[0]


def brightness(front, thickness, coverage, pitch, wavelength, kx, ky, real, imaginary):
    chi, weight = real + 1j * imaginary, jnp.cos(jnp.arange(24.0)).reshape(4, 6)
    geometry = (pitch, wavelength, kx, ky)
    f = columns.amplitude(front, thickness, *geometry, chi=chi, coverage=coverage, terms=36)
    return jnp.sum(weight * (f.real**2 + f.imag**2)) + jnp.sum(f.imag)


def test_gradients():
    with jax.enable_x64(True):
        given = (FRONT, THICKNESS + 0.01, COVERAGE, PITCH, WAVELENGTH, KX, KY, -0.11, 0.08)
        arguments = [jnp.array(value) for value in given]
        function = jax.jit(brightness)
        gradient = jax.jit(jax.grad(brightness, argnums=tuple(range(9))))(*arguments)
        for index, slope in enumerate(gradient):
            # One at a time: their sizes differ by orders.
            along = jnp.asarray(RNG.normal(size=slope.shape))
            ends = [
                function(
                    *arguments[:index], arguments[index] + h * along, *arguments[index + 1 :]
                )
                for h in (1e-6, -1e-6)
            ]
            expected = (ends[0] - ends[1]) / 2e-6
            # Central differences: rounding of a sum of size 1e3 over the step.
            scale = jnp.abs(slope).max() + 1e-4
            assert abs(jnp.sum(slope * along) - expected) < 1e-6 * scale * slope.size**0.5, (
                index
            )


def test_batch():
    stack = jnp.stack([jnp.asarray(FRONT), jnp.asarray(FRONT + 3)])
    # Deeper than half the grid is wide, which is what a traced body is taken for.
    options = {**DETECTOR, "chi": CHI, "terms": 24}
    one = lambda front: columns.amplitude(**BODY | {"front": front}, **options)
    each = np.stack([one(front) for front in stack])
    np.testing.assert_allclose(jax.vmap(one)(stack), each, atol=1e-5 * np.abs(each).max())
    np.testing.assert_allclose(jax.lax.map(one, stack), each, atol=1e-5 * np.abs(each).max())


def test_an_empty_body_is_dark_with_finite_gradients():
    empty = jnp.zeros(SHAPE)
    total = lambda front, thickness, coverage: jnp.sum(
        jnp.abs(
            columns.amplitude(front, thickness, PITCH, **DETECTOR, chi=CHI, coverage=coverage)
        )
        ** 2
    )
    assert total(empty, empty, empty) == 0
    slopes = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(empty, empty, empty)
    assert all(np.isfinite(slope).all() for slope in slopes)
    # k_z = 0 and its neighbourhood, traced.
    kx = jnp.array([K, K * (1 - 1e-6), K * (1 + 1e-6), 3.0])
    rim = lambda kx, wavelength: jnp.sum(
        jnp.abs(columns.amplitude(FRONT, THICKNESS, 1.0, wavelength, kx, np.zeros(1), chi=CHI))
        ** 2
    )
    assert all(
        np.isfinite(s).all() for s in jax.jit(jax.grad(rim, argnums=(0, 1)))(kx, WAVELENGTH)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"front": np.zeros(3)}, r"front must be \(ny, nx\), got shape \(3,\)"),
        ({"thickness": np.zeros((7, 9))}, r"thickness must have the shape of front"),
        ({"thickness": -THICKNESS}, "thickness must be from 0"),
        ({"coverage": 2 + COVERAGE}, "coverage must be from 0 to 1"),
        ({"pitch": 0.0}, "pitch must be above 0"),
        ({"pitch": 9.0}, "pitch of at most"),
        ({"wavelength": -1.0}, "wavelength must be above 0"),
        ({"kx": np.array([3.0])}, "no pixel lies inside the Ewald circle"),
        ({"ky": np.zeros((2, 2))}, "one non-empty axis"),
        ({"chi": -0.1 - 0.01j}, "must not amplify"),
        ({"chi": np.zeros(2)}, "one number"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        columns.amplitude(**{**BODY, **DETECTOR, "chi": CHI} | change)


def test_bad_attenuation():
    with pytest.raises(ValueError, match="attenuation_length must be above 0"):
        columns.attenuated_field(**BODY, **DETECTOR, attenuation_length=0.0)
