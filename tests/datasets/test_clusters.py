"""Random clusters: reproducible, inside their box, as the published table has them."""

import jax
import numpy as np
import pytest
from scipy.spatial import HalfspaceIntersection

from diffscatter.datasets import clusters
from diffscatter.shapes import solids

KEYS = jax.random.split(jax.random.key(11), 40)


@pytest.fixture(scope="module")
def drawn():
    return [clusters.draw(key=key, cut=True) for key in KEYS]


def planes(body):
    # In numpy: every shape that JAX meets is compiled.
    return np.asarray(body.normals, float), np.asarray(body.offsets, float)


def corners(body):
    normals, offsets = planes(body)
    rows = np.concatenate([normals, -offsets[:, None]], axis=1)
    return HalfspaceIntersection(rows, np.zeros(3)).intersections


def test_a_key_is_a_body(drawn):
    again = clusters.draw(key=KEYS[0], cut=True)
    np.testing.assert_array_equal(again.body.normals, drawn[0].body.normals)
    whole = clusters.draw(key=KEYS[0])
    assert whole.cut is None and (whole.name, whole.size) == (again.name, again.size)


def test_ranges_are_those_of_the_recipe(drawn):
    half = 0.97 * clusters.BOX / 2
    shares = np.array([c.size for c in drawn]) / half
    assert shares.min() > 0.2 and shares.max() < 1 and np.ptp(shares) > 0.6
    stretches = np.array([c.stretch for c in drawn if c.name != solids.HULL])
    assert stretches.min() > 0.5 and stretches.max() < 2 and np.ptp(stretches) > 1
    cuts = np.array([c.cut for c in drawn if c.cut is not None])
    assert cuts.min() > 0.2 and cuts.max() < 1 and np.ptp(cuts) > 0.6
    assert len({c.name for c in drawn}) > 10
    assert all((c.cut is None) == (c.name == solids.HULL) for c in drawn)
    for c in drawn:
        assert np.linalg.det(c.rotation) == pytest.approx(1)
        # The sphere's polytope reaches 0.7 % beyond it.
        assert np.linalg.norm(corners(c.body), axis=1).max() < 1.008 * half


def test_the_body_is_what_the_description_says(drawn):
    for c in drawn[:8]:
        if c.name in (solids.HULL, "sphere"):
            continue
        unit = solids.vertices(c.name)
        unit = unit + (c.stretch - 1) * (unit @ c.axis)[:, None] * c.axis
        reach = (unit @ c.axis).max()
        # What remains of the corners is on the body's surface; what is cut off is outside.
        inside = unit @ c.axis < c.cut * reach
        normals, offsets = planes(c.body)
        gap = offsets - c.size * unit @ c.rotation.T @ normals.T
        rounding = 1e-5 * c.size
        assert np.abs(gap[inside].min(axis=1)).max(initial=0) < rounding
        assert (gap[~inside].min(axis=1) < rounding).all()


def test_descriptions_read_well(drawn):
    found = next(c for c in drawn if c.order and c.cut)
    assert f"{found.name}, radius {found.size:.4g} nm, stretched" in str(found)
    assert f"cut at {found.cut:.4g} along C{found.order}" in str(found)


def test_names_can_be_chosen():
    assert clusters.draw(key=KEYS[1], names=("Potato",)).name == "random hull"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"box": 0.0}, "box must be above 0 nm, got 0"),
        ({"names": ()}, "at least one base solid"),
        ({"names": ("cubus",)}, "'cubus' is not known; did you mean cube"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        clusters.draw(key=KEYS[0], **arguments)
