"""A silver body refined through multiple scattering: what was put in, within its errors."""

import numpy as np
import pytest

from diffscatter.operators import propagation
from diffscatter.pipelines.bodies.refine import _between, _inverse, refine_body
from diffscatter.shapes import solid
from diffscatter.shapes.occupancy import occupancy
from diffscatter.shapes.solids import transform

WAVELENGTH, CHI = 13.5, -0.1097 + 0.0794j  # silver
AXIS = np.linspace(-0.33, 0.33, 31)
COUNTS = 2e5


def planes():
    body = solid("truncated tetrahedron", size=26.0, rotation=(0.3, 0.2, 0.5))
    return np.asarray(body.normals), np.asarray(body.offsets)


@pytest.fixture(scope="module")
def case():
    """Counts of a body on voxels of 2 nm, and the refinement of one that is a bit off."""
    normals, offsets = planes()
    density = np.asarray(occupancy(normals, offsets, 32, 2.0, oversampling=4))
    chi = density * np.complex64(CHI)
    f = propagation.split_step(chi, 2.0, WAVELENGTH, AXIS, AXIS)
    pattern = np.abs(np.asarray(f)) ** 2
    counts = np.random.default_rng(0).poisson(pattern * COUNTS / pattern.sum() + 0.5)
    weight = np.ones(counts.shape)
    weight[14:17, 14:17] = 0
    counts[14:17, 14:17] = 999
    off = np.eye(3) + 0.03 * np.random.default_rng(1).normal(size=(3, 3))
    start = (np.asarray(part) for part in transform(normals, offsets, off))
    found = refine_body(
        *start, counts, AXIS, AXIS, wavelength=WAVELENGTH, chi=CHI, weight=weight
    )
    radius = (density.sum() * 8 * 3 / (4 * np.pi)) ** (1 / 3)
    return found, off, counts, weight, radius


def test_a_body_is_refined_to_within_its_errors(case):
    found, off, counts, weight, radius = case
    wrong = found.matrix @ off - np.eye(3)
    sigma = np.sqrt(np.diag(found.covariance)).reshape(3, 3)
    # Nine numbers beyond four standard deviations: one case in 2000. Pitches of 2 and 3 nm
    # differ by .1 % of a size, which the bound adds.
    assert (np.abs(wrong) < 4 * sigma + 1e-3).all()
    assert (sigma < 0.02).all() and np.abs(wrong).max() < 0.5 * np.abs(off - np.eye(3)).max()
    assert abs(found.radius - radius) < 4 * found.radius_sigma + 1e-3 * radius
    # Of Poisson counts; those near .5 have a deviance slightly above or below 1.
    assert found.deviance[1] < 1.2 < found.deviance[0]


def test_what_is_fitted_is_what_was_counted(case):
    found, _, counts, weight, _ = case
    counted = (weight > 0) & (np.hypot(AXIS[:, None], AXIS) < 2 * np.pi / WAVELENGTH)
    z = ((found.fitted - counts) / np.sqrt(found.fitted + 1e-9))[counted]
    # The mean of some 900 squares has the standard deviation sqrt((2 + 1/m) / 900) < .07.
    assert abs(np.mean(z**2) - 1) < 0.35
    assert (found.fitted[weight == 0] == 0).all()
    assert found.density.shape == (32, 32, 32) and found.density.dtype == np.float32
    volume = found.density.sum() * found.pitch**3
    # Columns of half a voxel hold their matter to second order in their width.
    expected, width = 4 / 3 * np.pi * found.radius**3, found.pitch / 2 / found.radius
    np.testing.assert_allclose(volume, expected, rtol=width**2)
    inside = found.normals.shape == planes()[0].shape
    assert inside and np.allclose(np.linalg.norm(found.normals, axis=1), 1)


def test_what_is_not_determined_has_no_finite_error():
    rows = np.random.default_rng(0).normal(size=(3, 40))
    rows = np.vstack([rows, rows[0] - rows[1]])  # the last is no news
    covariance = _inverse(rows)
    assert np.isinf(np.diag(covariance)[[0, 1, 3]]).all()
    np.testing.assert_allclose(_inverse(rows[:3]), np.linalg.inv(rows[:3] @ rows[:3].T))
    carried = _between(np.array([[0, 0, 2.0, 0], [1, 0, 1, 0]]), covariance)
    np.testing.assert_allclose(carried[0, 0], 4 * covariance[2, 2])
    assert np.isinf(carried[1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "root"}, "scale must be 'linear' or 'log', got 'root'"),
        ({"physics": "born"}, "physics must be one of multislice, split-step.*got 'born'"),
        ({"weight": np.zeros((31, 31))}, "no pixel counts"),
        ({"offsets": -np.ones(8)}, "the origin lies outside"),
    ],
)
def test_names_bad_input(changes, message):
    normals, offsets = planes()
    given = {"normals": normals, "offsets": offsets, "wavelength": WAVELENGTH, "chi": CHI}
    with pytest.raises(ValueError, match=message):
        refine_body(data=np.ones((31, 31)), kx=AXIS, ky=AXIS, **(given | changes))
