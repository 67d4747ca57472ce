"""Metrics on cases whose answer is known by hand."""

import numpy as np
import pytest

from diffscatter.analysis import away_from_minima, curve_error


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
