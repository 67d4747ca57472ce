"""Curves that no fit can use are refused in one line."""

import numpy as np
import pytest

from diffscatter.core.data import ARBITRARY, COLUMNS, Curve, Pattern, checked_curve

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


def test_exclude():
    curve = checked_curve(Q, ONES, resolution=0.1 * Q, name="latex").exclude(0.25, 0.65)
    np.testing.assert_allclose(curve.q, [0.1, 0.2, 0.7, 0.8, 0.9, 1.0], rtol=1e-6)
    assert curve.resolution.size == 6
    assert curve.notes == ("4 points in 0.25..0.65 1/nm left out",)
    for low, high, left in ((2.0, 3.0, 10), (0.0, 0.85, 2)):
        with pytest.raises(ValueError, match=f"leaves {left} of 10 points of 'latex'; it cov"):
            checked_curve(Q, ONES, name="latex").exclude(low, high)


def test_pattern_holds_what_it_is_given():
    pattern = Pattern(image=np.ones((4, 6)))
    assert pattern.image.shape == (4, 6) and pattern.mask is None


def test_every_column_is_selected():
    fields = {"resolution": 0.1 * Q, "slit_length": 1.17, "slit_width": 0.01 * Q}
    curve = checked_curve(Q, ONES, ONES, **fields, name="latex")
    assert list(curve.columns) == list(COLUMNS)
    part = curve.select(0.25, 0.65)
    assert all(values.shape == (4,) for values in part.columns.values())
    np.testing.assert_allclose(part.slit_length, 1.17, rtol=1e-6)
    np.testing.assert_allclose(part.slit_width, 0.01 * part.q, rtol=1e-6)
    with pytest.raises(ValueError, match="slit_width is negative .*halves of the slit"):
        checked_curve(Q, ONES, slit_width=-Q)
    with pytest.raises(ValueError, match=r"lengths differ.*'slit_length': 3"):
        checked_curve(Q, ONES, slit_length=np.ones(3))


def test_subtract_on_the_same_axis():
    sample = checked_curve(Q, 5 * ONES, 0.3 * ONES, name="sample", notes=("read",))
    buffer = checked_curve(Q, 2 * ONES, 0.2 * ONES, name="buffer")
    rest = sample.subtract(buffer, 2.0)
    np.testing.assert_allclose(rest.intensity, 1.0, rtol=1e-6)
    np.testing.assert_allclose(rest.sigma, 0.5, rtol=1e-6)  # 3-4-5
    assert rest.notes == ("read", "2 times 'buffer' subtracted") and rest.name == "sample"


def test_subtract_interpolates_the_curve_and_its_errors():
    at = np.array([0.05, 0.45, 1.05])
    buffer = checked_curve(at, 1 + 2 * at, 0.1 * np.ones(3), name="buffer")
    sample = checked_curve(Q, 9 * ONES, 0.3 * ONES)
    rest = sample.subtract(buffer)
    np.testing.assert_allclose(rest.intensity, 8 - 2 * Q, rtol=1e-6)
    share = np.interp(Q, at, [0, 1, 0])  # weight of the middle point
    expected = np.sqrt(0.3**2 + 0.1**2 * (share**2 + (1 - share) ** 2))
    np.testing.assert_allclose(rest.sigma, expected, rtol=1e-6)


def test_subtract_says_what_is_not_known():
    sample = checked_curve(Q, 5 * ONES, ONES, name="sample")
    bare = checked_curve(Q, ONES, name="buffer", notes=(f"{ARBITRARY} (stated: counts)",))
    rest = sample.subtract(bare)
    np.testing.assert_allclose(rest.sigma, 1.0)
    assert "'buffer' has no sigma: its errors are left out" in rest.notes and rest.arbitrary
    assert bare.subtract(checked_curve(Q, 0.5 * ONES, ONES)).sigma is None


@pytest.mark.parametrize(
    "other, factor, message",
    [
        (checked_curve(Q[3:], ONES[3:], name="buffer"), 1.0, "'buffer' covers q in .*select"),
        (checked_curve(Q, ONES, slit_length=1.0, name="buffer"), 1.0, "by a slit and 'latex'"),
        (checked_curve(Q, 2 * ONES), 1.0, "^latex: no intensity is above 0"),
        (checked_curve(Q, ONES), 0.0, "factor must be positive and finite, got 0"),
    ],
)
def test_subtract_refuses(other, factor, message):
    with pytest.raises(ValueError, match=message):
        checked_curve(Q, ONES, name="latex").subtract(other, factor)


def test_error_floor_adds_in_quadrature():
    values = changed(ONES, 2, -0.5)
    floored = checked_curve(Q, values, 0.03 * ONES).with_error_floor(0.04)
    np.testing.assert_allclose(floored.sigma, np.hypot(0.03, 0.04 * np.abs(values)), rtol=1e-6)
    assert floored.notes == ("0.04 of the intensity added to sigma in quadrature",)
    alone = checked_curve(Q, ONES).with_error_floor(0.04)
    np.testing.assert_allclose(alone.sigma, 0.04, rtol=1e-6)
    assert alone.notes == ("0.04 of the intensity taken for sigma",)
    with pytest.raises(ValueError, match="error floor must be positive and finite, got -1"):
        floored.with_error_floor(-1.0)
