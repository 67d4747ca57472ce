"""Metrics on cases whose answer is known by hand."""

import numpy as np
import pytest

from diffscatter.analysis import away_from_minima, curve_error, registered_overlap


def test_minima_are_left_out():
    q = np.linspace(0.1, 10, 400)
    curve = np.sin(q) ** 2
    mask = away_from_minima(curve)
    zeros = np.abs(q[:, None] - np.pi * np.arange(1, 4)).min(axis=1) < 0.05
    assert not mask[zeros].any()
    assert mask[curve > 0.9].all()


def test_errors_of_a_scaled_curve():
    curve = np.linspace(1.0, 2.0, 100)
    wrong = curve * np.where(np.arange(100) == 40, 1.5, 1.01)
    assert curve_error(wrong, curve) == pytest.approx({"median": 0.01, "max": 0.5})
    with pytest.raises(ValueError, match=r"\(99,\)"):
        curve_error(wrong[1:], curve)


def test_overlap_is_found_at_any_shift():
    truth = np.zeros((12, 10, 8))
    truth[3:7, 2:6, 2:5] = 1  # 4 x 4 x 3
    moved = np.roll(truth, (4, 3, 2), axis=(0, 1, 2))
    assert registered_overlap(moved, truth) == (1.0, (-4, -3, -2))
    half = truth.copy()
    half[3:5] = 0
    assert registered_overlap(half, truth)[0] == pytest.approx(0.5)


def test_overlap_names_bad_input():
    with pytest.raises(ValueError, match="empty"):
        registered_overlap(np.zeros((2, 2, 2)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match=r"\(2, 2, 3\)"):
        registered_overlap(np.ones((2, 2, 3)), np.ones((2, 2, 2)))
