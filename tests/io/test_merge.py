"""Ranges of several detectors: refused with a hint, or merged as asked and said."""

import numpy as np
import pytest
from refusals import refused

from diffscatter.core.data import Curve, checked_curve
from diffscatter.io import load_curve, merge_curves

LOW, HIGH = np.geomspace(0.02, 0.5, 60), np.geomspace(0.2, 4.0, 70)
SHARED = "0.2..0.5 1/nm"


def law(q):
    return 1 / (1 + (3 * q) ** 2) ** 2 + 1e-3


def part(q, scale=1.0, noise=0.01, seed=None, **fields):
    values = law(q) * scale
    sigma = noise * values
    if seed is not None:
        values = values + sigma * np.random.default_rng(seed).normal(size=q.size)
    name = fields.pop("name", "low" if q[0] < 0.1 else "high")
    return checked_curve(q, values, fields.pop("sigma", sigma), name=name, **fields)


def sunk(q):
    """A curve from which too much was subtracted."""
    return checked_curve(q, np.where(q < 1, -1.0, 1.0), 0.1 * np.ones_like(q), name="sunk")


def test_the_scale_is_found_with_its_uncertainty():
    """Errors of ours are those of a hundred repetitions."""
    found = []
    for seed in range(100):
        merged = merge_curves([part(LOW, seed=seed), part(HIGH, 1.25, seed=seed + 1000)])
        (note,) = [note for note in merged.notes if "scaled by" in note]
        words = note.split("scaled by ")[1].split(", from ")[0]
        found.append([float(word) for word in words.split(" +- ")])
        assert SHARED in note and "22 points shared" in note
    factors, errors = np.array(found).T
    assert np.mean(factors) == pytest.approx(0.8, abs=4 * np.std(factors) / 10)
    # Interpolation averages neighbours, so the errors are a little pessimistic; 100 draws
    # know a standard deviation to 7 %.
    assert 0.75 < np.std(factors) / np.mean(errors) < 1.2


def test_the_middle_of_what_they_share_divides_them():
    merged = merge_curves([part(LOW), part(HIGH, 1.25)])
    middle = np.sqrt(0.1)
    kept = np.concatenate([LOW[LOW <= middle], HIGH[HIGH > middle]])
    np.testing.assert_allclose(merged.q, kept, rtol=1e-6)
    # Lines on logarithmic axes, 5.6 % long, err by the law's curvature: h^2/8 times 1.1 here.
    np.testing.assert_allclose(merged.intensity, law(kept), rtol=5e-4)
    np.testing.assert_allclose(merged.sigma, 0.01 * law(kept), rtol=5e-4)
    assert merged.name == "low" and merged.notes[0] == "2 ranges merged"
    left_out = [note for note in merged.notes if "left out" in note]
    assert len(left_out) == 2


def test_the_first_keeps_its_scale_whatever_the_order():
    three = [part(HIGH, 1.25), part(LOW), part(np.geomspace(3.0, 9.0, 40), 2.0, name="wide")]
    merged = merge_curves(three)
    np.testing.assert_allclose(merged.intensity, 1.25 * law(np.asarray(merged.q)), rtol=1e-3)
    assert sum("scaled by" in note for note in merged.notes) == 2 and merged.name == "high"


def test_scales_and_places_of_the_users():
    parts = [part(LOW), part(HIGH, 2.0)]
    given = merge_curves(parts, scale=(1.0, 0.5), overlap=0.3)
    q = np.asarray(given.q)
    np.testing.assert_allclose(given.intensity, law(q), rtol=1e-6)
    assert (q[q <= 0.3].size, q.size) == (
        (LOW <= 0.3).sum(),
        (LOW <= 0.3).sum() + (HIGH > 0.3).sum(),
    )
    as_they_are = merge_curves(parts, scale=None, overlap="keep")
    assert as_they_are.q.size == LOW.size + HIGH.size
    assert not any("scaled" in note for note in as_they_are.notes)
    same = merge_curves([part(LOW), part(LOW, name="again")], overlap="keep")
    np.testing.assert_allclose(same.sigma, 0.01 * law(LOW) / np.sqrt(2), rtol=1e-3)
    assert any("repeated q averaged" in note for note in same.notes)


def test_without_errors_the_scatter_says_how_sure():
    bare = [part(LOW, sigma=None), part(HIGH, 1.25, sigma=None)]
    merged = merge_curves(bare)
    assert merged.sigma is None and not any("chi2" in note for note in merged.notes)
    np.testing.assert_allclose(merged.intensity, law(np.asarray(merged.q)), rtol=1e-3)


def test_ranges_that_disagree_are_said_to():
    """A background in one of them is no factor."""
    lifted = checked_curve(HIGH, law(HIGH) + 0.05, 0.01 * law(HIGH), name="lifted")
    assert any("differ by more" in note for note in merge_curves([part(LOW), lifted]).notes)
    fine = merge_curves([part(LOW, seed=1), part(HIGH, 3.0, seed=2)])
    assert not any("differ by more" in note for note in fine.notes)


def test_resolution_and_slit_stay_with_their_points():
    merged = merge_curves(
        [part(LOW, slit_length=1.0), part(HIGH, resolution=0.05 * HIGH)], scale=None
    )
    below = np.asarray(merged.q) <= np.sqrt(0.1)
    np.testing.assert_allclose(merged.slit_length, np.where(below, 1.0, 0.0))
    np.testing.assert_allclose(merged.resolution, np.where(below, 0.0, 0.05 * merged.q), 1e-6)
    assert sum("sharp there" in note for note in merged.notes) == 2


def test_arbitrary_units_follow_the_first():
    note = "intensity in arbitrary units (none stated)"
    free, absolute = part(HIGH, 3.0, notes=(note,)), part(LOW, notes=("calibrated",))
    assert not merge_curves([absolute, free]).arbitrary
    assert merge_curves([free, absolute]).arbitrary
    assert merge_curves([absolute, free], scale=None).arbitrary
    assert "calibrated" in merge_curves([free, absolute]).notes


@pytest.mark.parametrize(
    "curves, options, message",
    [
        ([part(LOW)], {}, "at least two curves to merge, got 1"),
        ([part(LOW), part(HIGH[40:])], {}, "share 0 points to scale them by.*give their scale"),
        ([part(LOW), part(HIGH, sigma=None)], {}, "'high' has no sigma and others do"),
        ([part(LOW), part(HIGH, slit_length=1.0)], {}, "different slits.*fit them together"),
        ([part(LOW), part(LOW[20:50], name="in")], {}, "'in' .* lies within .*overlap='keep'"),
        ([part(LOW), sunk(HIGH)], {}, "not above 0 on average where they meet; give"),
        ([part(LOW), part(HIGH)], {"scale": (1.0,)}, "scale must be 2 factors above 0"),
        ([part(LOW), part(HIGH)], {"scale": "best"}, "scale must be 'overlap', None or"),
        ([part(LOW), part(HIGH)], {"overlap": "sum"}, "overlap must be 'middle', 'keep'"),
        ([part(LOW), part(HIGH)], {"overlap": 9.0}, "nothing of 'high' .* is left"),
    ],
)
def test_refuses(curves, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        merge_curves(curves, **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def two_detectors(tmp_path):
    path = tmp_path / "two.dat"
    q = np.concatenate([LOW, HIGH])
    values = np.concatenate([law(LOW), 1.25 * law(HIGH)])
    table = np.column_stack([q, values, 0.01 * values])
    np.savetxt(path, table, header="q(1/nm) I(1/cm) sigma")
    return path


def test_a_file_whose_q_steps_back(two_detectors):
    refused(two_detectors, r"q steps back \(1 rows, first row 60\).*merge=True merges")
    merged = load_curve(two_detectors, merge=True)
    expected = merge_curves([part(LOW), part(HIGH, 1.25)])
    np.testing.assert_allclose(merged.intensity, expected.intensity, rtol=1e-5)
    assert "2 ranges merged" in merged.notes and merged.name == "two"


def test_one_range_is_left_alone_and_shuffled_points_are_refused(tmp_path, two_detectors):
    rows = np.loadtxt(two_detectors)
    one = tmp_path / "one.dat"
    np.savetxt(one, rows[:60], header="q(1/nm) I(1/cm) sigma")
    plain, merged = load_curve(one), load_curve(one, merge=True)
    np.testing.assert_array_equal(plain.intensity, merged.intensity)
    assert merged.notes == (*plain.notes, "one range: nothing to merge")
    np.savetxt(one, rows[::-1], header="q(1/nm) I(1/cm) sigma")
    refused(one, "q steps back", merge=False)
    shuffled = np.random.default_rng(1).permutation(rows[:60])
    np.savetxt(one, shuffled, header="q(1/nm) I(1/cm) sigma")
    refused(one, "no detectors to merge: sort it", merge=True)


def test_a_merged_curve_is_a_curve():
    merged = merge_curves([part(LOW), part(HIGH)])
    assert isinstance(merged, Curve) and (np.diff(merged.q) > 0).all()
