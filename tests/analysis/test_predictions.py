"""Scores of predictions against small tables counted by hand."""

import numpy as np
import pytest

from diffscatter.analysis import classification_scores, coverage, regression_scores


def test_classes():
    found = np.eye(3)[[0, 0, 1, 1, 2, 0]]
    scores = classification_scores(found, [0, 0, 0, 1, 2, 2])
    assert scores["confusion"] == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert scores["accuracy"] == pytest.approx(4 / 6)
    # Precision and recall: 2/3 and 2/3; 1/2 and 1; 1 and 1/2.
    np.testing.assert_allclose(scores["f1"], [2 / 3, 2 / 3, 2 / 3])
    assert classification_scores(np.eye(3)[[0]], [0])["f1"] == [1, 0, 0]


def test_numbers():
    truth = np.array([1.0, 2.0, 3.0, np.nan])
    scores = regression_scores([1.5, 2.0, 2.0, 7.0], truth)
    assert scores["mse"] == pytest.approx(1.25 / 3)
    assert scores["mae"] == pytest.approx(0.5)
    assert scores["r2"] == pytest.approx(1 - 1.25 / 2)
    assert np.isnan(regression_scores([1.0], [np.nan])["mse"])
    assert np.isnan(regression_scores([1.0, 2.0], [3.0, 3.0])["r2"])


def test_intervals():
    assert coverage([0, 0, 0, 0], [1, 1, 1, 1], [0.5, 1.0, 2.0, np.nan]) == pytest.approx(2 / 3)
    assert np.isnan(coverage([0], [1], [np.nan]))


def test_refusals():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3,\)"):
        classification_scores(np.zeros((2, 3)), [0, 1, 2])
    with pytest.raises(ValueError, match="0 to 2, got 0 to 3"):
        classification_scores(np.zeros((2, 3)), [0, 3])
    with pytest.raises(ValueError, match=r"\(2,\), truth \(3,\)"):
        regression_scores([1, 2], [1, 2, 3])
