"""Figures of densities and Guinier lines show what they were given."""

import numpy as np

from diffscatter import plotting_distributions
from diffscatter.core.data import Curve
from diffscatter.fitting import fit_guinier


def test_a_density_with_its_band():
    x = np.linspace(1, 5, 9)
    values = np.exp(-((x - 3) ** 2))
    bands = {"by volume": (values, 0.5 * values, 1.5 * values)}
    figure = plotting_distributions.density(
        x, bands, xlabel="size", ylabel="density", marks=(3.0,), log=True
    )
    (axes,) = figure.axes
    (line,) = (drawn for drawn in axes.get_lines() if drawn.get_label() == "by volume")
    np.testing.assert_array_equal(line.get_ydata(), values)
    assert axes.get_xscale() == "log" and len(axes.collections) == 1
    assert axes.get_ylim()[1] > values.max()


def test_a_guinier_line():
    q = np.linspace(0.05, 1.0, 60)
    intensity = 3 * np.exp(-((2 * q) ** 2) / 3)
    curve = Curve(q=q, intensity=intensity, sigma=0.01 * intensity)
    result = fit_guinier(curve)
    figure = plotting_distributions.guinier(curve, result)
    above, below = figure.axes
    line = above.get_lines()[-1]
    assert line.get_xdata()[0] == 0 and np.isclose(line.get_ydata()[0], 3, rtol=0.01)
    assert (
        above.get_yscale() == "log" and below.get_lines()[-1].get_ydata().size == result.q.size
    )
