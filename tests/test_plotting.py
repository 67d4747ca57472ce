"""Figures show the numbers that they were given, through the object interface alone."""

import io
import subprocess
import sys

import numpy as np
import pytest

from diffscatter import plotting
from diffscatter.core.data import checked_curve

Q = np.geomspace(0.05, 3.0, 40)
INTENSITY = 1 / (1 + (3 * Q) ** 4) + 1e-3


def drawn(figure):
    """Render the figure and return its axes: warnings are errors."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure.axes


def test_curve_fit():
    sigma = 0.05 * INTENSITY
    data = INTENSITY + 2 * sigma
    above, below = drawn(plotting.curve_fit(checked_curve(Q, data, sigma), INTENSITY))
    np.testing.assert_allclose(below.lines[-1].get_ydata(), 2, rtol=1e-5)
    assert above.get_xscale() == above.get_yscale() == "log"
    assert "σ" in below.get_ylabel()


def test_curve_fit_without_sigma_and_with_negative_points():
    data = INTENSITY.copy()
    data[-1] = -1e-4
    above, below = drawn(plotting.curve_fit(checked_curve(Q, data), INTENSITY, unit=""))
    np.testing.assert_allclose(below.lines[-1].get_ydata()[:-1], 0, atol=1e-6)
    assert above.get_ylim()[0] > 1e-5 and "fit" in below.get_ylabel()


def test_curve_fit_takes_residuals_and_refuses_another_length():
    curve = checked_curve(Q, INTENSITY)
    _, below = drawn(plotting.curve_fit(curve, INTENSITY, np.full(40, 0.7)))
    np.testing.assert_array_equal(below.lines[-1].get_ydata(), 0.7)
    with pytest.raises(ValueError, match=r"\(39,\).*\(40,\)"):
        plotting.curve_fit(curve, INTENSITY[1:])


def test_curve_fits_shows_each_curve_and_its_residuals():
    curves = [checked_curve(Q, s * INTENSITY, 0.1 * INTENSITY, name=f"{s}") for s in (1, 3)]
    above, *below = drawn(plotting.curve_fits(curves, [INTENSITY, INTENSITY]))
    assert len(below) == 2 and {"1", "3", "fit"} <= set(above.get_legend_handles_labels()[1])
    np.testing.assert_allclose(below[1].lines[-1].get_ydata(), 20, rtol=1e-5)
    with pytest.raises(ValueError, match="2 curves need as many fits"):
        plotting.curve_fits(curves, [INTENSITY])


def test_curves_keep_their_colours_in_both_panels():
    named = {"exact": INTENSITY, "voxels": INTENSITY * 1.01, "binned": INTENSITY * 1.1}
    errors = {"voxels": np.full(40, -1e-2), "binned": np.full(40, 1e-1)}
    above, below = drawn(plotting.curves(Q, named, errors))
    color = {line.get_label(): line.get_color() for line in above.lines}
    assert len(set(color.values())) == 3
    for line in below.lines:
        assert line.get_color() == color[line.get_label()]
    np.testing.assert_allclose(below.lines[0].get_ydata(), 1e-2)
    assert len(drawn(plotting.curves(Q, named))) == 1
    with pytest.raises(ValueError, match="at least one curve"):
        plotting.curves(Q, {})


def test_pattern():
    k = np.linspace(-1, 1, 17)
    image = 1 / (0.01 + k[:, None] ** 2 + 4 * k**2)
    mask = np.ones_like(image, bool)
    mask[8, 8] = False
    axes = drawn(plotting.pattern({"data": image, "fit": 2 * image}, k, k, mask=mask))
    assert [a.get_title() for a in axes[:2]] == ["data", "fit"] and len(axes) == 3
    shown = axes[0].collections[0].get_array()
    assert np.ma.count(shown) == 17 * 17 - 1
    (beam,) = axes[0].lines
    assert (*beam.get_xdata(), *beam.get_ydata()) == (0, 0)
    assert "nm" in axes[0].get_xlabel()
    assert "pixel" in drawn(plotting.pattern(np.ones((4, 6))))[0].get_xlabel()


@pytest.mark.parametrize(
    "image, message", [(np.ones(4), r"\(ny, nx\)"), (np.zeros((4, 4)), "no pixel above 0")]
)
def test_pattern_refuses(image, message):
    with pytest.raises(ValueError, match=message):
        plotting.pattern(image)


def test_body_projections_are_thicknesses_in_place():
    density = np.zeros((4, 6, 8))
    density[1, 2, 3:6] = 1.0
    along_z, along_y, along_x, _ = drawn(plotting.body(density, 0.5))
    np.testing.assert_allclose(along_x.images[0].get_array().max(), 1.5)  # 3 voxels of 0.5 nm
    np.testing.assert_allclose(along_z.images[0].get_array().max(), 0.5)
    # Voxel 4 of 8 is coordinate 0 and spans +- pitch / 2.
    left, right, bottom, top = along_z.images[0].get_extent()
    assert (left, right, bottom, top) == (-2.25, 1.75, -1.75, 1.25)
    assert (along_y.get_xlabel(), along_y.get_ylabel()) == ("x (nm)", "z (nm)")


def test_body_compares_and_slices():
    ones = np.ones((4, 4, 4))
    axes = drawn(plotting.body({"true": ones, "found": ones}, 1.0, slices=True))
    assert len(axes) == 7 and axes[0].get_title() == "true, slice, z = 0"
    with pytest.raises(ValueError, match=r"\(nz, ny, nx\)"):
        plotting.body(np.ones((4, 4)), 1.0)


def test_history():
    (axes,) = drawn(plotting.history([3.0, 2.0, 1.0]))
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])
    assert axes.get_yscale() == "log"
    (axes,) = drawn(plotting.history({"a": [1.0, -1.0], "b": [0.5]}, ylabel="log-likelihood"))
    assert axes.get_yscale() == "linear" and len(axes.lines) == 2


def test_pyplot_stays_away():
    code = (
        "import sys; from diffscatter import plotting; assert 'matplotlib' not in sys.modules;"
        "plotting.history([2., 1.]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
