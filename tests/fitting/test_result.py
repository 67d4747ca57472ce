"""How values and errors are written."""

import math

import pytest

from diffscatter.fitting import value_with_error


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (247.834, 0.62, "247.83(62)"),
        (2478.3, 15.0, "2478(15)"),
        (2478.3, 156.0, "2480(160)"),
        (0.08123, 0.0101, "0.081(10)"),
        (-3.14159, 0.00996, "-3.142(10)"),
        (1.23456e-5, 5.6e-7, "1.235(56)e-05"),
        (1.0e7, 2.0e5, "1.000(20)e+07"),
        (0.0, 0.5, "0.00(50)"),
        (1e-9, 0.5, "0.00(50)"),
        (99.97, 0.5, "99.97(50)"),
        (3.0, math.inf, "3 (undetermined)"),
        (3.25, 0.0, "3.25"),
        (3.25, math.nan, "3.25"),
        (math.nan, 1.0, "nan"),
    ],
)
def test_value_with_error(value, sigma, text):
    assert value_with_error(value, sigma) == text
