"""The host's Levenberg-Marquardt: exact on lines, down a curved valley, honest at a wall."""

import numpy as np

from diffscatter.fitting.marquardt import marquardt

RNG = np.random.default_rng(0)


def test_a_line_in_a_few_steps():
    matrix, target = RNG.normal(size=(20, 4)), RNG.normal(size=20)
    residuals = lambda x: matrix @ x - target
    end = marquardt(
        residuals, lambda x: (residuals(x), matrix.T), np.zeros(4), steps=9, tolerance=0.0
    )
    exact, loss, *_ = np.linalg.lstsq(matrix, target)
    # The damping shrinks from 1e-2 by 4 a step: what is left is the product of its shares.
    np.testing.assert_allclose(end.x, exact, rtol=1e-5)
    np.testing.assert_allclose(end.loss, loss[0], rtol=1e-9)


def test_a_curved_valley():
    residuals = lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    slopes = lambda x: np.array([[-20 * x[0], -1.0], [10.0, 0.0]])
    end = marquardt(residuals, lambda x: (residuals(x), slopes(x)), [-1.2, 1.0], steps=60)
    np.testing.assert_allclose(end.x, 1, rtol=1e-3)


def test_a_step_into_the_void_is_not_taken():
    # Beyond 1 there is nothing: the descent stops short of it, where the loss is finite.
    residuals = lambda x: np.array([x[0] - 3 if x[0] < 1 else np.nan, 0.0])
    end = marquardt(residuals, lambda x: (residuals(x), np.array([[1.0, 0]])), [0.0], steps=20)
    assert 0 < end.x[0] < 1 and end.loss < 9


def test_a_start_without_a_loss_is_reported():
    nowhere = lambda x: np.full(2, np.nan)
    end = marquardt(nowhere, lambda x: (nowhere(x), np.ones((1, 2))), [0.0], steps=5)
    assert end.loss == np.inf
