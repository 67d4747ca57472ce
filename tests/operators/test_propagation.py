"""Multiple scattering against textbook propagation of the exit wave, Mie spheres and limits."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scattnlay import scattnlay
from scipy.special import spherical_jn, spherical_yn
from slice_sums import ball

from diffscatter.operators import _propagator, born, cross_sections, multislice
from diffscatter.operators.propagation import split_step, wave_propagation

PITCH, WAVELENGTH = 2.5, 13.5
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(0)
SILVER, HELIUM = -0.1096 + 0.0793j, -0.00393 + 0.00123j
PAD = 40
OCCUPANCY = RNG.uniform(size=(11, 14, 12))
# Roundings of a few hundred terms of one size.
TOLERANCE = {False: 2e-5, True: 1e-11}


def relative(found, expected):
    found = np.asarray(found)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


def root(square):
    value = np.sqrt(square + 0j)
    return np.where(value.imag < 0, -value, value)


def exit_wave(occupancies, indices, materials=True):
    """Propagate the whole wave to the exit plane and transform it; on the axis of its FFT.

    ``materials``: each plane wave crosses a slice at its own angle in each material; otherwise
    a phase screen follows flight in vacuum.
    """
    nz, ny, nx = occupancies[0].shape
    axis = 2 * np.pi * np.fft.fftfreq(PAD, PITCH)
    transverse = axis[:, None] ** 2 + axis**2
    flight = np.exp(1j * root(K**2 - transverse) * PITCH)
    wave = np.ones((PAD, PAD), complex)
    for j in range(nz):
        cells = [np.zeros((PAD, PAD)) for _ in indices]
        for cell, occupancy in zip(cells, occupancies, strict=True):
            cell[:ny, :nx] = occupancy[j]
        if materials:
            spectrum = np.fft.fft2(wave)
            wave = (1 - sum(cells)) * np.fft.ifft2(flight * spectrum)
            for cell, n in zip(cells, indices, strict=True):
                inside = np.exp(1j * root((n * K) ** 2 - transverse) * PITCH)
                wave += cell * np.fft.ifft2(inside * spectrum)
        else:
            chi = sum((n - 1) * cell for n, cell in zip(indices, cells, strict=True))
            wave = np.fft.ifft2(flight * np.fft.fft2(np.exp(1j * K * PITCH * chi) * wave))
    modulus = np.abs(np.fft.fft2(wave - np.exp(1j * K * nz * PITCH))) * PITCH**2 / WAVELENGTH
    return np.fft.fftshift(axis), np.fft.fftshift(np.where(transverse < K**2, modulus, 0))


@pytest.mark.parametrize("x64", [False, True])
def test_split_step_is_the_transform_of_the_exit_wave(x64):
    axis, expected = exit_wave([OCCUPANCY], [1 + SILVER], materials=False)
    with jax.enable_x64(x64):
        chi = SILVER * OCCUPANCY
        found = split_step(chi, PITCH, WAVELENGTH, axis, axis, voxel="point", pad=PAD)
    assert found.dtype == (np.complex128 if x64 else np.complex64)
    assert relative(abs(found), expected) < TOLERANCE[x64]


def test_wave_propagation_is_the_transform_of_the_exit_wave():
    shares = [OCCUPANCY, (1 - OCCUPANCY) * RNG.uniform(size=OCCUPANCY.shape)]
    n = np.array([1 + SILVER, 0.95])
    axis, expected = exit_wave(shares, n)
    stack = np.stack([(m - 1) * share for m, share in zip(n, shares, strict=True)])
    with jax.enable_x64(True):
        found = wave_propagation(
            stack, PITCH, WAVELENGTH, axis, axis, n=n, voxel="point", pad=PAD
        )
    assert relative(abs(found), expected) < TOLERANCE[True]


def mie(radius, chi, angle):
    """Return |S1|^2/k^2 and the extinction cross-section by the oracle."""
    size, n = np.array([K * radius]), np.array([1 + chi])
    _, extinction, *_, s1, _ = scattnlay(size, n, angle)
    return np.abs(np.ravel(s1)) ** 2 / K**2, float(extinction) * np.pi * radius**2


def scalar_extinction(radius, chi):
    """Return the extinction cross-section of a sphere for a scalar wave, by partial waves."""
    x, n = K * radius, 1 + chi
    order = np.arange(int(x + 4 * x ** (1 / 3) + 10))
    j, slope = (spherical_jn(order, x, derivative) for derivative in (False, True))
    y, y_slope = (spherical_yn(order, x, derivative) for derivative in (False, True))
    inside, inside_slope = (
        np.array([spherical_jn(int(l), n * x, derivative) for l in order])
        for derivative in (False, True)
    )
    # The wave and its slope are continuous at the surface.
    wronskian = lambda value, derivative: n * inside_slope * value - inside * derivative
    share = -wronskian(j, slope) / wronskian(j + 1j * y, slope + 1j * y_slope)
    return 4 * np.pi / K**2 * -np.sum((2 * order + 1) * share).real


@pytest.mark.parametrize(
    ("operator", "chi", "widest", "bound"),
    [
        pytest.param(split_step, SILVER, 45, 0.03, id="split step, silver"),
        pytest.param(split_step, HELIUM, 30, 0.01, id="split step, helium"),
        pytest.param(wave_propagation, SILVER, 45, 0.02, id="wave propagation, silver"),
        pytest.param(wave_propagation, HELIUM, 45, 0.01, id="wave propagation, helium"),
    ],
)
def test_mie_spheres(operator, chi, widest, bound):
    radius, pitch = 50.0, 2.5
    angle = np.deg2rad(np.append(0, np.linspace(2, 45, 173)))
    expected, extinction = mie(radius, chi, angle)
    volume = (chi * ball(42, radius / pitch)).astype(np.complex64)
    f = np.asarray(operator(volume, pitch, WAVELENGTH, K * np.sin(angle), np.zeros(1)))[0]
    ratio = np.abs(f) ** 2 / expected
    seen = (angle > 0) & (angle <= np.deg2rad(widest))
    assert np.sqrt(np.mean(np.log10(ratio[seen]) ** 2)) < bound
    assert np.median(np.abs(ratio[seen] - 1)) < 0.07
    if operator is wave_propagation:  # a scalar wave at every angle, so that is its judge
        extinction = scalar_extinction(radius, chi)
    bound = 0.005 if operator is wave_propagation else 0.01
    assert abs(cross_sections.extinction(f[0], WAVELENGTH) / extinction - 1) < bound


def test_the_oracle_is_the_stored_reference():
    path = Path(__file__).parents[3] / "shared" / "reference" / "mie_spheres.csv"
    if not path.exists():
        pytest.skip("the stored Mie spheres are not beside this checkout")
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    for name, chi in (("Ag", SILVER), ("He", HELIUM)):
        rows = table[(table["material"] == name) & (table["R_nm"] == 100)]
        found, _ = mie(100.0, chi, np.deg2rad(rows["theta_deg"]))
        # Stored with 9 digits; the smallest are differences of far larger terms.
        np.testing.assert_allclose(found, rows["dsdo_perp_nm2"], rtol=1e-7)


# No grid: unordered, off centre, and beyond the Ewald circle at one end.
KX = np.append(RNG.uniform(-0.4, 0.45, 6), 0.5)
KY = RNG.uniform(-0.45, 0.2, 5)
CHI = (SILVER * OCCUPANCY).astype(np.complex64)
BOTH = pytest.mark.parametrize("operator", [split_step, wave_propagation])


def image(operator, chi, **options):
    return operator(chi, PITCH, WAVELENGTH, KX, KY, **{"pad": PAD} | options)


@pytest.mark.parametrize(
    ("operator", "voxel"),
    [(split_step, "average"), (split_step, "box"), (wave_propagation, "average")],
)
def test_weak_bodies_are_born(operator, voxel):
    weak = 1e-7 * CHI
    expected = np.asarray(born.amplitude(weak, PITCH, WAVELENGTH, KX, KY, voxel=voxel))
    found = np.asarray(image(operator, weak, voxel=voxel))
    # The first order in k chi L left out is 1e-7; roundings of the sums.
    assert relative(found[:, :-1], expected[:, :-1]) < 2e-6
    assert (found[:, -1] == 0).all() and (expected[:, -1] == 0).all()


def test_born_is_the_limit_of_straight_rays():
    weak = 1e-7 * CHI
    straight = np.asarray(multislice.amplitude(weak, PITCH, WAVELENGTH, KX, KY))
    assert relative(born.amplitude(weak, PITCH, WAVELENGTH, KX, KY), straight) < 2e-6


def test_born_is_linear():
    one = lambda chi: born.amplitude(chi, PITCH, WAVELENGTH, KX, KY)
    first, second = jnp.asarray(CHI), jnp.asarray(1j * OCCUPANCY.astype(np.complex64))
    value, slope = jax.jvp(one, (first,), (second,))
    assert relative(slope, np.asarray(one(second))) < 1e-6
    # Twice the body has twice the amplitude; straight rays would not.
    assert relative(one(2 * first), 2 * np.asarray(value)) < 1e-6


def test_what_is_not_absorbed_is_scattered():
    # Every wave of the box runs forward, so nothing is lost on the way: the optical theorem is
    # Parseval's, with the flux through a plane as the measure.
    pitch, pad = 20.0, 20
    axis = 2 * np.pi * (np.arange(pad) - pad // 2) / (pad * pitch)
    with jax.enable_x64(True):
        f = split_step(
            SILVER.real * OCCUPANCY, pitch, WAVELENGTH, axis, axis, voxel="point", pad=pad
        )
        f = np.asarray(f)
        extinction = cross_sections.extinction(f[pad // 2, pad // 2], WAVELENGTH)
    scattered = np.sum(np.abs(f) ** 2) * (axis[1] - axis[0]) ** 2 / K**2
    np.testing.assert_allclose(extinction, scattered, rtol=1e-11)


def test_index_from_the_strongest_voxel_and_stacks_of_one():
    chi = CHI.copy()
    chi[5, 6, 7] = SILVER
    expected = np.asarray(image(wave_propagation, chi, n=1 + SILVER))
    assert relative(image(wave_propagation, chi), expected) < 1e-5
    assert relative(image(wave_propagation, chi[None], n=[1 + SILVER]), expected) < 1e-5


def test_a_batch_gives_the_same_numbers():
    many = jnp.stack([jnp.asarray(CHI), jnp.asarray(0.5 * CHI)])
    one = partial(image, split_step)
    single = np.stack([one(chi) for chi in many])
    assert relative(jax.vmap(one)(many), single) < 1e-5  # the same sums in another order


def test_an_empty_body_is_dark():
    assert (np.asarray(image(wave_propagation, 0 * CHI)) == 0).all()
    assert (np.asarray(image(split_step, 0 * CHI)) == 0).all()


@BOTH
def test_the_box_grows_with_the_angle(operator, monkeypatch):
    sizes = []
    monkeypatch.setattr(_propagator, "_known_box", lambda *key: sizes.append(key[2]) or 1 / 0)
    for kx, ky in ((0.1, 0.1), (0.1, 0.36), (0.46, 0.0)):
        with pytest.raises(ZeroDivisionError):
            operator(CHI, PITCH, WAVELENGTH, np.array([kx]), np.array([ky]))
    (first, _), (narrow, wide), (widest, _) = sizes
    room = 2.0 if operator is wave_propagation else 1.25
    assert first == narrow >= 12 + room * 11  # at least for 45 degrees
    assert widest > wide > first - 2
    # 1.75 is the steepest slope, 8 the margin of the voxels and the next fast length.
    assert widest <= 12 + 1.75 * room * 11 + 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chi": np.ones((3, 3))}, r"chi must be .*\(nz, ny, nx\).*got shape \(3, 3\)"),
        ({"chi": CHI.conj()}, r"chi must not amplify.*reaches -0\.0\d+.*beta >= 0"),
        ({"pitch": 0.0}, "pitch must be above 0 nm, got 0"),
        ({"kx": np.array([0.47]), "ky": np.zeros(1)}, r"no pixel.*0\.47 1/nm.*0\.465"),
        (
            {"pitch": 6.75, "kx": np.array([0.0, K])},
            r"pitch below wavelength/2 = 6\.75 nm.*6\.75",
        ),
        ({"pitch": 9.0}, r"kx reaches 0\.4 1/nm.*at most 7\.854 nm"),
        ({"pad": 10}, r"pad must be .*at least \(18, 16\).*got 10"),
        ({"pad": 40.5}, r"pad must be a whole number of points.*got 40\.5"),
        ({"voxel": "cube"}, "voxel must be one of average, point, box, got 'cube'"),
        ({"rank": 1}, "rank must be a whole number >= 2, got 1"),
    ],
)
@BOTH
def test_names_what_is_wrong(operator, change, message):
    good = dict(
        chi=CHI, pitch=PITCH, wavelength=WAVELENGTH, kx=np.array([0.4]), ky=np.array([0.1])
    )
    with pytest.raises(ValueError, match=message):
        operator(**good | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0.9 - 0.1j}, "n must not amplify, but its imaginary part reaches -0.1"),
        ({"n": 1.0}, "n must differ from 1"),
        ({"n": [0.9, 0.8]}, r"n must be one index a material, 1, got shape \(2,\)"),
        ({"n": np.nan}, "n must be finite, got nan"),
        ({"chi": CHI + HELIUM}, "chi must be occupancy times n - 1 of one material.*volume 0"),
        ({"chi": np.ones((0, 2, 2, 2))}, r"chi must be .*got shape \(0, 2, 2, 2\)"),
    ],
)
def test_names_what_is_wrong_with_the_material(change, message):
    good = dict(chi=CHI, n=1 + SILVER)
    with pytest.raises(ValueError, match=message):
        wave_propagation(pitch=PITCH, wavelength=WAVELENGTH, kx=KX, ky=KY, **good | change)
