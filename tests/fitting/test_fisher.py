"""Combinations of parameters, on Jacobians whose eigenvectors are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Q, guinier, noisy

from diffscatter.core.pytree import struct
from diffscatter.fitting import fit_curve
from diffscatter.fitting.fisher import combinations_of, undetermined_in_words

NAMES = ["radius", "length"]
VALUES, LOW, HIGH = np.array([4.0, 10.0]), np.array([0.1, 0.1]), np.array([1e3, 1e3])


def along(product_error, ratio_error):
    """A Jacobian of ln(radius length)/sqrt 2 and ln(radius/length)/sqrt 2 with these errors."""
    rows = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    return rows / np.array([[product_error], [ratio_error]]) / VALUES


def test_eigenvectors_are_the_ones_built_in():
    first, second = combinations_of(along(0.002, 0.05), VALUES, LOW, HIGH, NAMES)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(list(first.weights.values()), [half, half], rtol=1e-6)
    np.testing.assert_allclose(np.abs(list(second.weights.values())), [half, half], rtol=1e-6)
    np.testing.assert_allclose([first.sigma, second.sigma], [0.002, 0.05], rtol=1e-3)
    assert str(first) == "0.71 ln radius + 0.71 ln length"
    # errors of the data twice as large
    wide = combinations_of(along(0.002, 0.05), VALUES, LOW, HIGH, NAMES, scatter=2.0)
    np.testing.assert_allclose(wide[0].sigma, 0.004, rtol=1e-3)


def test_the_weak_combination_is_said_beside_the_strong_one():
    (text,) = undetermined_in_words(along(0.002, 0.4), VALUES, LOW, HIGH, NAMES)
    assert text.startswith(
        "the data determine the combination 0.71 ln radius + 0.71 ln length to 0.2 %, but "
        "hardly "
    )
    assert text.endswith("(to 40 %)")
    (text,) = undetermined_in_words(along(0.002, 1e9), VALUES, LOW, HIGH, NAMES)
    assert "to 0.2 %, but not " in text
    assert undetermined_in_words(along(0.002, 0.05), VALUES, LOW, HIGH, NAMES) == []


def test_parameters_of_either_sign_are_in_units_of_their_range():
    low, high = np.array([0.1, -3.0]), np.array([1e3, 1.0])
    jacobian = np.array([[100.0, 0.0], [0.0, 2.0]])
    first, second = combinations_of(jacobian, np.array([4.0, 0.0]), low, high, NAMES)
    assert str(first) == "1.00 ln radius" and str(second) == "1.00 length/2"
    # 0.5 in its unit of 2, and the bounds' 2/sqrt 12
    np.testing.assert_allclose(second.sigma, (16 + 3) ** -0.5, rtol=1e-6)


@struct
class Twice:
    """Only the product of two lengths is seen."""

    radius: object
    length: object

    def __call__(self, q):
        return 100 * jnp.exp(-(q**2) * self.radius * self.length / 3)


@pytest.fixture(scope="module")
def undetermined():
    with jax.enable_x64(True):
        curve = noisy(guinier(5.0, 100.0, 0.0), 0)
        free = {"radius": (1, 100), "length": (1, 100)}
        return fit_curve(Twice(radius=4.0, length=8.0), curve, free=free, starts=4)


def test_a_fit_says_what_its_data_do_not_determine(undetermined):
    words = [text for text in undetermined.warnings if "combination" in text]
    assert words and ", but not " in words[0]
    assert "the combination 0.71 ln radius + 0.71 ln length to" in str(undetermined)
    best, worst = undetermined.combinations
    assert best.sigma < 0.01 < 1 < worst.sigma
    assert Q.size == undetermined.q.size


@struct
class Even:
    """The same curve for x and for 1/x: two optima, each well determined."""

    x: object

    def __call__(self, q):
        return 100 * jnp.exp(-(q**2) * (self.x + 1 / self.x))


def test_a_second_optimum_that_fits_as_well_is_named():
    with jax.enable_x64(True):
        curve = noisy(Even(x=4.0), 0)
        result = fit_curve(Even(x=3.0), curve, free={"x": (0.05, 20)}, starts=8)
    (other,) = result.alternatives
    np.testing.assert_allclose(other["x"] * result.parameters["x"], 1, rtol=1e-3)
    assert any("the data fit as well with x" in text for text in result.warnings)
