"""Agreement of amplitudes whose shifts, phases and disagreements were put in."""

import numpy as np
import pytest

from diffscatter.analysis import phase_transfer

WAVELENGTH, DEPTH = 13.5, 60.0
K = 2 * np.pi / WAVELENGTH
AXIS = np.linspace(-0.3, 0.3, 25)
QZ = np.sqrt(K**2 - AXIS[:, None] ** 2 - AXIS**2) - K
Q = np.hypot(np.hypot(AXIS[:, None], AXIS), QZ)


def amplitude():
    """A body of a few points: their Fourier sum, exact."""
    rng = np.random.default_rng(0)
    points, weights = rng.uniform(-25, 25, (12, 3)), rng.uniform(0.5, 1, 12)
    phase = lambda r: r[0] * AXIS + r[1] * AXIS[:, None] + r[2] * QZ
    return sum(w * np.exp(-1j * phase(r)) for r, w in zip(points, weights, strict=True))


def moved(f, r, turn):
    return f * np.exp(-1j * (r[0] * AXIS + r[1] * AXIS[:, None] + r[2] * QZ) + 1j * turn)


def test_moved_bodies_agree_and_their_shifts_are_found():
    f, shifts = amplitude(), np.array([[0, 0, 0], [7.3, -12.1, 31.7], [-20.2, 3.9, -44.4]])
    several = [moved(f, r, turn) for r, turn in zip(shifts, (0.0, 2.0, -1.0), strict=True)]
    got = phase_transfer(several, AXIS, AXIS, WAVELENGTH, depth=DEPTH)
    np.testing.assert_allclose(got.transfer, 1, rtol=1e-10)
    # A common shift stays free.
    relative = got.shifts - got.shifts[0]
    np.testing.assert_allclose(relative, shifts - shifts[0], atol=1e-5)
    assert (np.diff(got.q) > 0).all() and got.q[-1] < Q.max()


def test_a_ring_of_other_phases_is_found_out():
    f = amplitude()
    outer = Q > 0.25
    f = np.where(outer, 1e-5 * f, f)  # too weak to disturb the registration
    sign = np.where(np.indices(f.shape).sum(axis=0) % 2, 1j, -1j)
    got = phase_transfer([f, np.where(outer, sign * f, f)], AXIS, AXIS, WAVELENGTH, depth=DEPTH)
    edge = Q.max() / 32
    np.testing.assert_allclose(got.transfer[got.q < 0.25 - edge], 1, rtol=1e-6)
    # |1 +- i| / 2 = 2^(-1/2), the value of random phases too
    np.testing.assert_allclose(got.transfer[got.q > 0.25 + edge], 2**-0.5, rtol=1e-6)


def test_the_rim_beyond_the_ewald_circle_does_not_count():
    axis = np.linspace(-1.2 * K, 1.2 * K, 21)
    f = np.ones((2, 21, 21)) + 0j
    f[1, 0] = -3  # beyond |k| = K everywhere
    got = phase_transfer(f, axis, axis, WAVELENGTH, depth=5.0)
    np.testing.assert_allclose(got.transfer, 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amplitudes": np.ones((1, 25, 25))}, r"m >= 2.*\(1, 25, 25\)"),
        ({"amplitudes": np.ones((2, 25, 24))}, r"\(2, 25, 24\)"),
        ({"amplitudes": np.full((2, 25, 25), np.nan)}, "finite"),
        ({"amplitudes": np.zeros((2, 25, 25))}, "no pixel"),
        ({"kx": np.sort(np.random.default_rng(0).random(25))}, "kx must be evenly spaced"),
        ({"wavelength": 0.0}, "wavelength must be above 0"),
        ({"depth": -1.0}, "depth must be above 0"),
    ],
)
def test_names_bad_input(changes, message):
    given = {"amplitudes": np.ones((2, 25, 25)), "kx": AXIS, "ky": AXIS} | {
        "wavelength": WAVELENGTH,
        "depth": DEPTH,
    }
    given |= changes
    with pytest.raises(ValueError, match=message):
        phase_transfer(**given)
