"""Polar vectors, displays and sights: what the descent of convex bodies is made of."""

import numpy as np
import pytest

from diffscatter.core.directions import even_directions
from diffscatter.operators import columns
from diffscatter.pipelines.bodies.choose import chosen, contenders, verdict
from diffscatter.pipelines.bodies.cold import random_rotation, rounded, thinned
from diffscatter.pipelines.bodies.convex import (
    NoBody,
    corners,
    planes_of,
    polar_of,
    recentred,
    with_planes,
)
from diffscatter.pipelines.bodies.descent import Trial
from diffscatter.pipelines.bodies.display import Tone, of_counts, of_image
from diffscatter.pipelines.bodies.sight import MOST_FACETS, Sight, unit_length
from diffscatter.shapes.heights import heights

WAVELENGTH, CHI = 13.5, 0.1719j
AXIS = (np.arange(24) - 12) * 0.03
COUNTS = np.ones((24, 24), bool)
BOX = np.vstack([np.diag([1 / 10, 1 / 20, 1 / 30]), -np.diag([1 / 14, 1 / 20, 1 / 30])])


def test_corners_and_centre_of_a_box():
    found = corners(BOX)
    np.testing.assert_allclose(found.min(axis=0), [-14, -20, -30], atol=1e-9)
    polar, half = recentred(BOX)
    np.testing.assert_allclose(half, [12, 20, 30])
    np.testing.assert_allclose(corners(polar).max(axis=0), [12, 20, 30])
    np.testing.assert_allclose(polar_of(*planes_of(polar)), polar)


def test_open_bodies_are_none():
    with pytest.raises(NoBody):
        corners(BOX[:4])
    with pytest.raises(NoBody):
        polar_of(np.eye(3), np.array([1.0, -1.0, 1.0]))


def test_added_planes_touch_nothing():
    more = with_planes(BOX, 20, np.random.default_rng(0))
    assert more.shape == (20, 3)
    np.testing.assert_allclose(np.sort(corners(more), 0), np.sort(corners(BOX), 0), atol=1e-9)


def test_an_ellipsoid_of_fewer_planes_is_the_same():
    turn = random_rotation(np.random.default_rng(1))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    matrix = turn @ np.diag([1 / 30, 1 / 40, 1 / 60])
    many = rounded(even_directions(92) @ matrix)
    few = thinned(many)
    assert len(few) <= MOST_FACETS < len(many)
    # x = M u, with p = u M^-1: all vectors are those of unit directions.
    np.testing.assert_allclose(np.linalg.norm(few @ np.linalg.inv(matrix), axis=1), 1)


def test_counts_and_images_have_one_display():
    random = np.random.default_rng(2)
    intensity = np.exp(random.uniform(0, 9, (24, 24)))
    image = of_image(0.8 * np.log1p(intensity / 20), COUNTS, AXIS, AXIS)
    flat = intensity.ravel(), image.image.ravel(), image.weight.ravel()
    tone = image.start(*flat)
    # The scan of ln c has steps of a half; contrast and offset make up for one another.
    assert np.sqrt(np.mean((tone.show(flat[0]) - flat[1]) ** 2)) < 0.01
    counts = of_counts(np.round(3 * intensity + 50), COUNTS, AXIS, AXIS)
    tone = counts.start(intensity.ravel(), counts.image.ravel(), counts.weight.ravel())
    shown = counts.unit * np.expm1(tone.show(intensity.ravel()) / counts.contrast)
    assert np.median(np.abs(shown / (3 * intensity.ravel() + 50) - 1)) < 0.1
    # Few counts are uncertain, many are not.
    assert counts.weight[intensity > 5e3].min() > counts.weight[intensity < 2].max()


@pytest.mark.parametrize("kind", ["image", "counts"])
def test_slopes_of_a_display(kind):
    intensity = np.geomspace(1, 1e4, 576).reshape(24, 24)
    display = (of_image if kind == "image" else of_counts)(intensity, COUNTS, AXIS, AXIS)
    tone = display.tone(np.array([0.7, 4.0]))
    by_intensity, by_tone = display.slopes(tone, intensity.ravel())
    h = 1e-6
    step = tone.show(intensity.ravel() * (1 + h)) - tone.show(intensity.ravel() * (1 - h))
    np.testing.assert_allclose(by_intensity * intensity.ravel(), step / (2 * h), rtol=1e-6)
    for row, along in zip(by_tone, np.eye(2), strict=True):
        variables = display.variables(tone)
        ends = [
            display.tone(variables + s * h * along).show(intensity.ravel()) for s in (1, -1)
        ]
        np.testing.assert_allclose(row, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-9)


def test_noise_is_told_from_fringes():
    random = np.random.default_rng(4)
    image = np.hypot(AXIS[:, None], AXIS)
    display = of_image(image, COUNTS, AXIS, AXIS)
    noise = 0.03 * random.normal(size=image.shape)
    assert display.white(image + display.unit * noise) == pytest.approx(0.03, rel=0.15)
    fringes = 0.03 * np.sin(2 * np.pi * np.arange(24) / 2.6) * np.ones((24, 1))
    assert display.white(image + display.unit * fringes) == 0
    assert display.white(image + 0.03 * display.unit) == 0


@pytest.fixture(scope="module")
def sight():
    display = of_image(np.hypot(AXIS[:, None], AXIS), COUNTS, AXIS, AXIS)
    return Sight(display, WAVELENGTH, CHI, reach=0.3, columns=33, depth=45.0)


def test_a_sight_sees_what_the_operator_does(sight):
    polar, half_width = recentred(BOX)[0], 24.0
    pitch = half_width / 16
    axis = np.arange(-16, 17) * pitch
    front, thickness, coverage = heights(*planes_of(polar), axis, axis)
    f = columns.amplitude(
        front, thickness, pitch, WAVELENGTH, AXIS, AXIS, chi=CHI, coverage=coverage
    )
    k = 2 * np.pi / WAVELENGTH
    exact = np.abs(np.asarray(f) * WAVELENGTH / (k * CHI)) ** 2
    exact = exact / unit_length(sight.display, WAVELENGTH) ** 6
    seen = sight.intensity(polar, half_width)
    radius = np.hypot(AXIS[:, None], AXIS)
    # The first row and column lie beyond the reach; nodes are for 1e-3 of the field.
    np.testing.assert_allclose(seen, exact[radius <= 0.3 * (1 + 1e-9)], atol=4e-3 * exact.max())


def test_slopes_of_a_sight(sight):
    polar = recentred(BOX)[0] @ np.linalg.qr(np.arange(9.0).reshape(3, 3) + np.eye(3))[0]
    tangents = np.random.default_rng(3).normal(size=(2, 6, 3)) * 1e-2
    value, slopes = sight.slopes(polar, tangents, 45.0)
    np.testing.assert_allclose(value, sight.intensity(polar, 45.0), rtol=1e-4)
    for tangent, slope in zip(tangents, slopes, strict=True):
        h = 1e-3
        ends = [sight.intensity(polar + s * h * tangent, 45.0) for s in (1, -1)]
        # Single precision, and planes change hands between columns on the way.
        np.testing.assert_allclose(
            slope, (ends[0] - ends[1]) / (2 * h), atol=0.02 * np.abs(slope).max()
        )


def test_choice_and_verdict():
    tone = Tone(0.1, 0.0, 0.0)
    ball = even_directions(40)
    trial = lambda polar, rms, label, free: Trial(polar, tone, rms, label, None, free)
    solid, facets = trial(ball / 50, 0.010, "a", False), trial(ball / 50, 0.008, "b", True)
    assert chosen([facets, solid]) is solid
    better = trial(ball / 50, 0.004, "b", True)
    assert chosen([better, solid]) is better
    assert contenders([facets, solid, better]) == [better, solid]
    say = lambda best, trials, **given: verdict(
        best, trials, rms=best.rms, noise=0.001, largest=160.0, **given
    )
    assert say(solid, [solid, facets]).startswith("reliable")
    # Straight rays in silver: noise leaves .001, not .012.
    off = trial(ball / 50, 0.012, "a", False)
    assert say(off, [off, facets]).startswith("reliable")
    assert say(off, [off, facets], straight=0.135).startswith("doubtful: straight rays")
    assert say(trial(ball / 50, 0.05, "a", False), [solid]).startswith("doubtful: the pattern")
    rival = trial(ball / 35, 0.0105, "c", False)
    assert say(solid, [solid, rival]).startswith("doubtful: another body")
    assert say(trial(ball / 159, 0.01, "a", False), [solid]).startswith("doubtful: with a rad")
