"""Curves that no fit can use are refused in one line."""

import numpy as np
import pytest

from diffscatter.core.data import Curve, Pattern, checked_curve

Q = np.linspace(0.1, 1.0, 10)
ONES = np.ones(10)


def changed(values, index, value):
    values = np.array(values, float)
    values[index] = value
    return values


def test_accepts_and_keeps_double_precision():
    curve = checked_curve(Q, ONES, 0.1 * ONES, 0.01 * ONES, name="latex", source="here")
    assert isinstance(curve, Curve) and curve.name == "latex"
    np.testing.assert_allclose(curve.q, Q, rtol=1e-6)
    assert curve.notes == ()


@pytest.mark.parametrize(
    "columns, message",
    [
        (
            (changed(Q, 3, np.nan), ONES),
            r"q is NaN or infinite \(1 rows, first row 3\); drop",
        ),
        ((Q, changed(ONES, 4, np.inf)), r"intensity is NaN or infinite.*first row 4"),
        ((Q, ONES, changed(ONES, 5, np.nan)), "sigma is NaN"),
        ((changed(Q, 0, 0.0), ONES), "q is not above 0.*beam stop"),
        (
            (changed(Q, 4, 0.95), ONES),
            r"q steps back \(1 rows, first row 5\); sort it, or merge",
        ),
        ((changed(Q, 4, Q[5]), ONES), "q repeats.*average"),
        ((Q, -ONES), "no intensity is above 0"),
        ((Q, ONES, changed(ONES, 2, 0.0)), "sigma is not above 0.*first row 2.*error model"),
        ((Q, ONES, changed(ONES, 2, -1.0)), "sigma is not above 0"),
        ((Q, ONES, ONES, -ONES), "resolution is negative"),
        ((Q * 1e9, ONES), r"outside 1e-3..50 1/nm; check its unit"),
        ((Q * 1e-4, ONES), r"outside 1e-3..50 1/nm"),
        ((Q, np.ones(9)), "lengths differ.*9"),
        ((Q[:2], ONES[:2]), "only 2 points"),
        ((Q[None], ONES[None]), r"shape \(1, 10\)"),
        ((Q, ONES.astype(complex)), "dtype complex128"),
        ((Q, ["a"] * 10), "dtype <U1"),
    ],
)
def test_refuses(columns, message):
    with pytest.raises(ValueError, match=f"^latex: .*{message}") as found:
        checked_curve(*columns, name="latex")
    assert "\n" not in str(found.value)


def test_descending_is_reversed():
    curve = checked_curve(Q[::-1], np.arange(1.0, 11), np.arange(11.0, 21))
    np.testing.assert_array_equal(curve.intensity, np.arange(10.0, 0, -1))
    np.testing.assert_array_equal(curve.sigma, np.arange(20.0, 10, -1))


def test_zero_sigma_counts_as_absent_and_says_so():
    curve = checked_curve(Q, ONES, 0 * ONES)
    assert curve.sigma is None and "reduced chi-square" in curve.notes[0]


def test_some_negative_intensities_are_legal():
    assert checked_curve(Q, changed(ONES, 9, -0.01)).intensity[9] < 0


def test_select():
    curve = checked_curve(Q, ONES, ONES, name="latex").select(0.25, 0.65)
    np.testing.assert_allclose(curve.q, [0.3, 0.4, 0.5, 0.6], rtol=1e-6)
    assert curve.sigma.size == 4 and curve.resolution is None and curve.name == "latex"
    with pytest.raises(ValueError, match=r"no point of 'latex' has q in \[2, inf\]"):
        curve.select(2.0)


def test_pattern_holds_what_it_is_given():
    pattern = Pattern(image=np.ones((4, 6)))
    assert pattern.image.shape == (4, 6) and pattern.mask is None
