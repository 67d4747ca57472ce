"""The grid behind a resolution: exact for what it claims, and economical."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.instrument import pinhole
from diffscatter.instrument._panels import panel_weights, plan_panels

Q = np.geomspace(0.02, 2.0, 60)
SIGMA = 0.004 + 0.06 * Q
RADIUS = 20.0


def ball(q):
    """A ball's curve over a background, in numpy."""
    x = np.asarray(q) * RADIUS
    safe = np.where(x < 0.3, 1.0, x)
    closed = 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    series = 1 - x**2 / 10 + x**4 / 280 - x**6 / 15120 + x**8 / 1330560
    return np.where(x < 0.3, series, closed) ** 2 + 1e-6


def direct(curve, q, sigma, window):
    """Gauss-Legendre over each point's own window, cut at 0."""
    t, w = np.polynomial.legendre.leggauss(400)
    smeared = []
    for centre, width in zip(q, sigma, strict=True):
        low, high = centre - window[0] * width, centre + window[1] * width
        ends = [low, 0.0, high] if low < 0 else [low, high]
        above = below = 0.0
        for a, b in zip(ends[:-1], ends[1:], strict=True):
            x = (a + b) / 2 + (b - a) / 2 * t
            weight = (b - a) / 2 * w * np.exp(-(((x - centre) / width) ** 2) / 2)
            above, below = above + weight @ curve(np.abs(x)), below + weight.sum()
        smeared.append(above / below)
    return np.array(smeared)


def smeared(curve, q, sigma, **options):
    """The library's result in double precision, by the line convention."""
    with jax.enable_x64(True):
        smear = pinhole(q, sigma, convention="line", **options)
        return np.asarray(smear.apply(curve(np.asarray(smear.q)))), smear


@pytest.mark.parametrize("window", [(2.5, 3.0), (6.0, 6.0)])
def test_the_default_grid_resolves_what_smearing_leaves(window):
    """Windows of 6 reach below q = 0 at every point up to 0.03 1/nm."""
    got, smear = smeared(ball, Q, SIGMA, window=window)
    # Fringes of 6 rad and more in sigma are gone to e^-18; up to those the panels are good
    # to J_17(8) of a fringe, 4e-5, times the Gaussian's own smoothness.
    np.testing.assert_allclose(got, direct(ball, Q, SIGMA, window), rtol=2e-6)
    nodes = np.asarray(smear.q)
    assert (np.diff(nodes) > 0).all() and nodes[0] > 0 and nodes.size < 10 * Q.size


def test_a_polynomial_is_exact():
    q, sigma = np.linspace(0.3, 1.0, 7), 0.05
    got, _ = smeared(np.square, q, sigma, window=3.0)
    # Variance of a normal law cut at 3: 1 - 6 phi(3)/(2 Phi(3) - 1).
    cut = 1 - 6 * np.exp(-4.5) / np.sqrt(2 * np.pi) / 0.9973002039367398
    np.testing.assert_allclose(got, q**2 + cut * sigma**2, rtol=1e-12)


def test_power_laws():
    porod = lambda q: q**-4.0
    got, _ = smeared(porod, Q, 0.2 * Q, window=(2.5, 3.0))
    # Panels end at three times their start: 16 nodes carry q^-4 there to 1e-7.
    np.testing.assert_allclose(got, direct(porod, Q, 0.2 * Q, (2.5, 3.0)), rtol=1e-6)


def test_order_of_the_points_does_not_matter():
    order = np.random.default_rng(1).permutation(Q.size)
    got, _ = smeared(ball, Q[order], SIGMA[order])
    np.testing.assert_allclose(got, smeared(ball, Q, SIGMA)[0][order], rtol=1e-12)


def test_fringes_finer_than_the_data_are_resolved_for_a_known_size():
    q, large = np.linspace(0.1, 2.0, 20), 400.0
    fringes = lambda q: 1.0 + np.cos(q * large)
    expected = direct(fringes, q, np.full(20, 0.01), (3.0, 3.0))
    got, smear = smeared(fringes, q, 0.01, size=large)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    blind, default = smeared(fringes, q, 0.01)
    assert default.size < large and default.q.size < smear.q.size
    assert np.abs(blind / expected - 1).max() > 1e-6


def test_sasmodels_on_a_fine_grid_is_the_integral():
    peer = pytest.importorskip("sasmodels.resolution")
    got, _ = smeared(ball, Q, SIGMA, window=(2.5, 3.0))
    errors = []
    for count in (10001, 40001):
        fine = np.linspace((Q - 2.5 * SIGMA).min(), (Q + 3 * SIGMA).max(), count)
        theirs = peer.Pinhole1D(Q, SIGMA, q_calc=fine)
        # It leaves out |q| below 0.02 of the first point: compare where none is in reach.
        clear = Q - 2.5 * SIGMA > 0.02 * Q[0]
        error = theirs.apply(ball(theirs.q_calc)) / got - 1
        errors.append(np.abs(error[clear]).max())
    # Cells are kept or dropped whole at the ends of its window: first order in their width.
    assert errors[0] < 5e-3 and errors[1] < errors[0] / 2


def test_panels_cover_every_window_once():
    panels = plan_panels(np.array([0.1, 0.3]), np.array([0.2, 0.5]), np.full(2, 50.0), 0.01)
    starts, ends = (np.array([panel[i] for panel in panels]) for i in (0, 1))
    np.testing.assert_allclose(np.sum(ends - starts), 0.3)
    assert starts[0] == 0.1 and ends[-1] == 0.5
    ones = lambda x, point: np.ones_like(x)
    whole = [panel_weights(p, np.array([0.15]), np.array([0.4]), ones)[1].sum() for p in panels]
    np.testing.assert_allclose(np.sum(whole), 0.05 + 0.1)


def test_a_smear_is_a_tree():
    smear = pinhole(Q.astype(np.float32), SIGMA.astype(np.float32))
    values = jnp.asarray(ball(smear.q), jnp.float32)
    once = jax.jit(lambda s, i: s.apply(i))(smear, values)
    np.testing.assert_allclose(once, smear.apply(values), rtol=1e-6)
