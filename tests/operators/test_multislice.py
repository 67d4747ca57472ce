"""Multi-slice diffraction against padded FFTs, definitions, Born, and anomalous diffraction."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slice_sums import (
    absorbed,
    amplitude_factor,
    ball,
    emission,
    far_field,
    far_field_fft,
)

from diffscatter.operators import _ewald, multislice

PITCH, WAVELENGTH = 1.7, 13.5
K = 2 * np.pi / WAVELENGTH
RNG = np.random.default_rng(0)
# Silver-like: refraction and absorption of the same size.
CHI = RNG.normal(-0.1, 0.05, (24, 21, 18)) + 1j * RNG.uniform(0, 0.15, (24, 21, 18))
# No grid: unordered, off centre, and beyond the Ewald circle (0.465 1/nm) at one end.
KX = np.append(RNG.uniform(-0.4, 0.45, 12), 0.5)
KY = RNG.uniform(-0.45, 0.2, 9)
# Roundings of a few hundred terms of one size; the low-rank sum is closer than that.
TOLERANCE = {False: 1e-5, True: 1e-11}


def relative(found, expected):
    found = np.asarray(found)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


def expected_amplitude(chi, voxel="average", kx=KX, ky=KY):
    field = far_field(emission(chi, PITCH, WAVELENGTH), PITCH, WAVELENGTH, kx, ky)
    return field * amplitude_factor(PITCH, WAVELENGTH, kx, ky, voxel)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("voxel", ["average", "point", "box"])
def test_equals_a_padded_fft_of_every_slice(voxel, x64):
    slices = emission(CHI, PITCH, WAVELENGTH)
    field, axis = far_field_fft(slices, PITCH, WAVELENGTH, 64, 40)
    factor = amplitude_factor(PITCH, WAVELENGTH, axis, axis, voxel)
    with jax.enable_x64(x64):
        found = multislice.amplitude(CHI.copy(), PITCH, WAVELENGTH, axis, axis, voxel=voxel)
    assert found.dtype == (np.complex128 if x64 else np.complex64)
    assert relative(found, field * factor) < TOLERANCE[x64]


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(
    "chi",
    [
        pytest.param(CHI.real, id="real"),
        pytest.param(1j * CHI.imag, id="absorbing"),
        pytest.param(1e-8 * CHI, id="weak"),
        pytest.param(40 * CHI.real, id="several turns a voxel"),
        pytest.param(CHI[:, :1, :5], id="one row"),
        pytest.param(CHI[:1, :, :2], id="one slice"),
        pytest.param(np.tile(CHI[:, :7, :6], (9, 1, 1)), id="deep"),
    ],
)
def test_any_body_on_any_axes(chi, x64):
    with jax.enable_x64(x64):
        found = multislice.amplitude(chi.copy(), PITCH, WAVELENGTH, KX, KY)
    # Roundings of a phase grow with the phase: 40 chi passes 1000 rad.
    room = 100 if np.abs(chi).max() > 1 else 1
    assert relative(found, expected_amplitude(chi)) < room * TOLERANCE[x64]


@pytest.mark.parametrize("x64", [False, True])
def test_slabs_of_rows_add_up(x64, monkeypatch):
    # 21 rows in slabs of 4, the last one moved back into the volume by 3.
    monkeypatch.setattr(
        _ewald, "_SLAB", dict.fromkeys((True, False), 4 * 24 * 18 * 8 * (1 + x64))
    )
    with jax.enable_x64(x64):
        found = multislice.amplitude(CHI.copy(), PITCH, WAVELENGTH, KX, KY)
    assert relative(found, expected_amplitude(CHI)) < TOLERANCE[x64]


@pytest.mark.parametrize("x64", [False, True])
def test_attenuated_field_is_its_definition(x64):
    density, length = RNG.uniform(size=(30, 20, 17)), 12.5
    expected = far_field(absorbed(density, PITCH, length), PITCH, WAVELENGTH, KX, KY)
    with jax.enable_x64(x64):
        found = multislice.attenuated_field(density, PITCH, WAVELENGTH, length, KX, KY)
    assert relative(found, expected) < TOLERANCE[x64]


def test_booleans_and_traced_geometry_give_the_same():
    body = CHI.real < -0.1
    found = multislice.amplitude(body, PITCH, WAVELENGTH, KX, KY)
    assert relative(found, expected_amplitude(body.astype(float))) < TOLERANCE[False]
    single = jax.jit(lambda length: multislice.amplitude(CHI, PITCH, length, KX, KY))
    assert relative(single(WAVELENGTH), expected_amplitude(CHI)) < TOLERANCE[False]
    with jax.enable_x64(True):
        chi = jnp.asarray(CHI.copy())
        traced = jax.jit(lambda *geometry: multislice.amplitude(chi, *geometry))
        partly = jax.jit(lambda length: multislice.amplitude(chi, PITCH, length, KX, KY))
        ranked = jax.jit(lambda p: multislice.amplitude(chi, p, WAVELENGTH, KX, KY, rank=32))
        for found in (traced(PITCH, WAVELENGTH, KX, KY), partly(WAVELENGTH), ranked(PITCH)):
            assert relative(found, expected_amplitude(CHI)) < TOLERANCE[True]


def test_born_sphere_on_the_ewald_sphere():
    radius, n, contrast = 100.0, 192, 1e-6
    pitch = 2.1 * radius / n
    angle = np.deg2rad(np.linspace(2, 45, 400))
    kx = K * np.sin(angle)
    chi = (contrast * ball(n, radius / pitch)).astype(np.float32)
    found = multislice.amplitude(chi, pitch, WAVELENGTH, kx, np.array([0.0, 0.15]))
    for row, ky in zip(np.asarray(found), (0.0, 0.15), strict=True):
        inside = kx**2 + ky**2 < (K * np.sin(angle[-1])) ** 2
        theta = np.arcsin(np.sqrt(kx**2 + ky**2) / K, where=inside, out=np.zeros_like(kx))
        x = (2 * K * np.sin(theta / 2) * radius)[inside]
        form = 3 * (np.sin(x) - x * np.cos(x)) / x**3
        exact = K**2 / (2 * np.pi) * contrast * 4 / 3 * np.pi * radius**3 * form
        deviation = np.abs(np.abs(row[inside]) ** 2 / exact**2 - 1)
        assert np.median(deviation) < 0.005
        # Real and positive before the first minimum: phase and sign conventions.
        assert relative(row[inside], exact) < 0.002


def test_forward_direction_is_anomalous_diffraction():
    radius, n, chi = 50.0, 128, -0.1096 + 0.0793j
    pitch = 2.1 * radius / n
    volume = chi * ball(n, radius / pitch, samples=6)
    found = multislice.amplitude(volume, pitch, WAVELENGTH, np.zeros(1), np.zeros(1))
    # A ray at the cosine t of the sphere's angle sees the length 2 R t: van de Hulst ch. 11.
    phase = 2 * K * radius * chi
    integral = 0.5 - (np.exp(1j * phase) * (1 - 1j * phase) - 1) / phase**2
    expected = 1j * K / (2 * np.pi) * 2 * np.pi * radius**2 * integral
    # A column of cells has the mean phase of its rays, not their mean wave: where the phase has
    # the slope p', the wave is off by (p' a)^2/24. Integrated over the disc, rim cell excluded.
    tolerance = (K * abs(chi) * pitch) ** 2 / 6 * np.log(radius / pitch)
    assert abs(found[0, 0] / expected - 1) < tolerance < 2e-3


def test_extinction_is_absorption_plus_scattering():
    # One slice whose reciprocal lattice lies inside the Ewald circle altogether: Parseval makes
    # the sum of |f|^2 over its points the whole scattering.
    n, pitch = 12, 20.0
    chi = CHI[:1, :n, :n]
    axis = 2 * np.pi * (np.arange(n) - n // 2) / (n * pitch)
    with jax.enable_x64(True):
        f = np.asarray(
            multislice.amplitude(chi.copy(), pitch, WAVELENGTH, axis, axis, voxel="point")
        )
    scattering = np.sum(np.abs(f) ** 2) * (axis[1] - axis[0]) ** 2 / K**2
    transmission = np.abs(np.exp(1j * K * pitch * chi[0])) ** 2
    absorption = pitch**2 * np.sum(1 - transmission)
    extinction = 4 * np.pi / K * f[n // 2, n // 2].imag
    np.testing.assert_allclose(extinction, absorption + scattering, rtol=1e-12)


def test_beyond_the_ewald_circle_is_dark():
    found = multislice.amplitude(CHI, PITCH, WAVELENGTH, np.array([0.0, K, 9.0]), np.zeros(1))
    assert found[0, 0] != 0
    assert (found[0, 1:] == 0).all()


def test_a_batch_gives_the_same_numbers():
    many = jnp.stack([jnp.asarray(CHI), jnp.asarray(0.5 * CHI)])
    one = lambda chi: multislice.amplitude(chi, PITCH, WAVELENGTH, KX, KY)
    single = np.stack([one(chi) for chi in many])
    for batch in (jax.vmap(one)(many), jax.lax.map(one, many)):
        assert relative(batch, single) < 1e-6  # the same sums in another order


def test_compiled_once_a_shape():
    chi = jnp.asarray(CHI.real)
    one = lambda chi, pitch: multislice.amplitude(chi, pitch, WAVELENGTH, KX, KY)
    traced = jax.jit(chex.assert_max_traces(one, n=1))
    for scale in (1.0, 1.01):
        traced(scale * chi, scale * PITCH)
        one(scale * chi, PITCH)
    before = _ewald.far_field._cache_size()
    one(0.9 * chi, PITCH)
    multislice.amplitude(chi, PITCH, WAVELENGTH, KX[::-1], -KY)
    assert _ewald.far_field._cache_size() == before


def test_concrete_geometry_is_planned_under_jit():
    _ewald._known_plan.cache_clear()
    run = jax.jit(lambda chi: multislice.amplitude(chi, PITCH, WAVELENGTH, KX, KY))
    found = run(jnp.asarray(CHI))
    assert _ewald._known_plan.cache_info().misses == 1
    assert relative(found, expected_amplitude(CHI)) < TOLERANCE[False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chi": np.ones((3, 3))}, r"chi must be \(nz, ny, nx\), got shape \(3, 3\)"),
        ({"chi": np.full((2, 2, 2), np.nan)}, "chi must be finite, got 8 of 8"),
        ({"pitch": np.nan}, "pitch must be finite, got nan"),
        ({"pitch": 0.0}, "pitch must be above 0 nm, got 0"),
        ({"wavelength": -13.5}, "wavelength must be above 0 nm, got -13.5"),
        ({"kx": np.zeros((2, 2))}, r"kx must be one non-empty axis, got shape \(2, 2\)"),
        ({"ky": np.array([0.0, np.inf])}, "ky must be finite"),
        ({"ky": 0.3}, r"ky must be one non-empty axis, got shape \(\)"),
        ({"kx": np.array([0.2j])}, "kx must be real"),
        ({"voxel": "cube"}, "voxel must be one of average, point, box, got 'cube'"),
        ({"rank": 1}, "rank must be a whole number >= 2, got 1"),
        ({"pitch": 8.0}, r"kx reaches 0\.4 1/nm.*pi/pitch = 0\.39.*at most 7\.854 nm"),
        (
            {"pitch": 8.0, "kx": np.array([0.35]), "ky": np.array([0.305])},
            r"q_z reaches 0\.4\d* 1/nm.*use a pitch of at most",
        ),
        ({"kx": np.array([0.47]), "ky": np.zeros(1)}, r"no pixel.*0\.47 1/nm.*0\.465"),
    ],
)
def test_names_what_is_wrong(change, message):
    good = dict(
        chi=CHI, pitch=PITCH, wavelength=WAVELENGTH, kx=np.array([0.4]), ky=np.array([0.1])
    )
    with pytest.raises(ValueError, match=message):
        multislice.amplitude(**good | change)


def test_attenuated_field_names_what_is_wrong():
    geometry = PITCH, WAVELENGTH
    with pytest.raises(ValueError, match="density must be real, got complex"):
        multislice.attenuated_field(CHI, *geometry, 12.5, KX, KY)
    with pytest.raises(ValueError, match="attenuation_length must be above 0 nm, got 0"):
        multislice.attenuated_field(CHI.real, *geometry, 0.0, KX, KY)
    with pytest.raises(ValueError, match=r"density must be \(nz, ny, nx\)"):
        multislice.attenuated_field(CHI[0].real, *geometry, 12.5, KX, KY)
