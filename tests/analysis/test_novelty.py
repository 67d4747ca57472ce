"""What is as odd as known things is called so as often as was said; distances are distances."""

import numpy as np

from diffscatter.analysis.novelty import neighbour_distance, oddness, whitening

RANDOM = np.random.default_rng(0)


def test_known_things_are_rarely_odd():
    n, alarm = 20_000, 0.05
    draw = lambda count: np.stack([RANDOM.normal(size=count), RANDOM.exponential(size=count)])
    scores = oddness(draw(n), np.sort(draw(4000), axis=1), (0.75, 0.25))
    share = (scores > -np.log10(alarm)).mean()
    # Two independent statistics: 1 - (1 - .75 e)(1 - .25 e). The thresholds themselves are
    # known from 4000 draws, to a standard error of sqrt(.0375 / 4000) in the larger share.
    expected = 1 - (1 - 0.75 * alarm) * (1 - 0.25 * alarm)
    assert abs(share - expected) < 4 * np.sqrt(alarm / 4000 + alarm / n)


def test_the_oddest_statistic_decides():
    known = np.arange(1.0, 100.0)
    got = oddness(np.array([[0.0, 98.5, 200.0], [0.0, 0.0, 0.0]]), (known, known), (0.5, 0.5))
    # 0: all are as odd; 98.5: one is, (1 + 1) / 100 over a half; 200: none.
    np.testing.assert_allclose(got, -np.log10([2.0, 2 * 2 / 100, 2 * 1 / 100]), rtol=1e-12)


def test_whitening_makes_the_covariance_one():
    features = RANDOM.normal(size=(500, 4)) @ RANDOM.normal(size=(4, 4)) + 3.0
    centre, axes = whitening(features)
    white = (features - centre) @ axes
    np.testing.assert_allclose(white.T @ white / 500, np.eye(4), atol=1e-9)
    flat = np.column_stack([features, np.ones(500)])  # a feature that never changes
    assert np.isfinite(whitening(flat)[1]).all()


def test_neighbours_against_all_distances():
    points, known = RANDOM.normal(size=(7, 3)), RANDOM.normal(size=(40, 3))
    all_of_them = np.sort(np.linalg.norm(points[:, None] - known, axis=2), axis=1)
    for count in (1, 4):
        got = neighbour_distance(points, known, count)
        np.testing.assert_allclose(got, all_of_them[:, count - 1], rtol=1e-10)
