"""Overlaps and distances of bodies against counts made by hand and by brute force."""

import itertools

import numpy as np
import pytest

from diffscatter.analysis import (
    chamfer_distance,
    compare_bodies,
    registered_overlap,
    seen_half,
    surface_points,
)


def box(shape, corner, size):
    body = np.zeros(shape)
    body[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = 1
    return body


def test_overlap_is_found_at_any_shift():
    truth = box((12, 10, 8), (3, 2, 2), (4, 4, 3))
    moved = np.roll(truth, (4, 3, 2), axis=(0, 1, 2))
    assert registered_overlap(moved, truth) == (1.0, (-4, -3, -2))
    half = truth.copy()
    half[3:5] = 0
    assert registered_overlap(half, truth)[0] == pytest.approx(0.5)
    # volumes of other shapes
    assert registered_overlap(truth[1:, :8, 1:], truth) == (1.0, (1, 0, 1))


def test_seen_half_is_half_of_the_material_of_a_column():
    body = np.zeros((8, 1, 3))
    body[1:5, 0, 0] = 1  # four voxels: those with 0, 1 and 2 of them before
    body[[1, 6], 0, 1] = 1  # two apart: with 0 and 1 before, so both
    seen = seen_half(body)
    np.testing.assert_array_equal(seen[:, 0, 0], np.arange(8) <= 3)
    np.testing.assert_array_equal(seen[:, 0, 1], np.arange(8) <= 6)
    assert seen[:, 0, 2].all()


def test_a_far_side_that_the_beam_does_not_see_costs_nothing_seen():
    truth = box((20, 12, 12), (4, 3, 3), (8, 6, 6))
    cut = box((20, 12, 12), (9, 2, 4), (5, 6, 6))  # moved, and the last three slices lost
    got = compare_bodies(cut, truth, 2.5)
    # five slices of the true body have at most four voxels before them
    assert got.seen == 1.0 and got.seen_shift == (-5, 1, -1)
    # all five that are there lie within the true eight; which five is not told
    assert got.full == 5 / 8 and got.full_shift[1:] == (1, -1)
    assert not got.turned


def test_columns_beside_the_body_count_half_of_what_was_found_there():
    truth = box((12, 9, 9), (2, 2, 2), (4, 4, 4))
    wide = box((12, 9, 9), (2, 2, 2), (4, 4, 5))
    # in a column of four, three have at most two before them
    assert compare_bodies(wide, truth, 1.0).seen == 4 * 4 * 3 / (4 * 5 * 3)
    assert compare_bodies(wide, truth, 1.0).full == 4 / 5


def by_hand(found, truth, shift):
    """The definition, voxel by voxel, in a volume that holds both."""
    n = 3 * max(truth.shape)
    far = np.zeros((n, n, n), bool)
    big, small = far.copy(), far.copy()
    m = n // 3
    big[tuple(slice(m, m + s) for s in truth.shape)] = truth > 0.5
    small[tuple(slice(m + d, m + d + s) for d, s in zip(shift, found.shape, strict=True))] = (
        found > 0.5
    )
    region = np.where(big.any(axis=0), seen_half(big), seen_half(small))
    return (big & small & region).sum() / ((big | small) & region).sum()


def test_overlaps_are_the_best_of_all_shifts():
    rng = np.random.default_rng(2)
    found, truth = rng.random((2, 4, 4, 4)) > 0.5
    got = compare_bodies(found, truth, 1.0)
    shifts = list(itertools.product(range(-4, 5), repeat=3))
    best = max(by_hand(found, truth, shift) for shift in shifts)
    np.testing.assert_allclose(got.seen, best, rtol=1e-12)
    np.testing.assert_allclose(by_hand(found, truth, got.seen_shift), best, rtol=1e-12)


def test_the_twin_is_tried_where_asked():
    rng = np.random.default_rng(4)
    truth = rng.random((6, 5, 4)) > 0.4
    twin = np.pad(truth[:, ::-1, ::-1], ((1, 0), (0, 2), (0, 0)))
    plain, turned = (compare_bodies(twin, truth, 1.0, turn=turn) for turn in (False, True))
    assert plain.full < 1 and not plain.turned
    assert turned.full == turned.seen == 1.0 and turned.turned and turned.chamfer == 0
    assert turned.full_shift == (-1, -2, 0)


def test_surface_of_one_voxel():
    points = surface_points(box((3, 3, 3), (1, 1, 1), (1, 1, 1)))
    expected = [np.array((1, 1, 1)) + 0.5 * s * e for e in np.eye(3) for s in (-1, 1)]
    assert sorted(map(tuple, points)) == sorted(map(tuple, expected))


def test_chamfer_distance_of_slabs():
    n, pitch = 40, 2.0
    thin, thick = box((7, n, n), (3, 0, 0), (1, n, n)), box((7, n, n), (2, 0, 0), (3, n, n))
    flat, rim, border = 2 * n * n, 4 * n, 2 * (n * n - (n - 2) ** 2)
    # A voxel apart, but from the border of the thin sheet it is nearer to the middle of a face
    # on the thick one's rim, half a voxel out and half a voxel up. The rims meet.
    there = ((flat - border) + border * np.sqrt(0.5)) / (flat + rim)
    # Of the three rows on the thick sheet's rim two lie beside the thin one's border.
    back = (flat + 2 * rim * np.sqrt(0.5)) / (flat + 3 * rim)
    got = chamfer_distance(thin, thick, pitch)
    np.testing.assert_allclose(got, pitch * (there + back) / 2, rtol=1e-12)


def test_chamfer_distance_follows_a_shift():
    body = box((8, 8, 8), (2, 2, 2), (4, 3, 4))
    moved = np.roll(body, 1, axis=2)
    assert chamfer_distance(moved, body, 3.0, shift=(0, 0, -1)) == 0
    assert chamfer_distance(moved, body, 3.0) > 0
    assert compare_bodies(moved, body, 3.0).chamfer == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: registered_overlap(0 * b, b), "found is empty"),
        (lambda b: compare_bodies(b, 0 * b, 1.0), "truth is empty"),
        (lambda b: compare_bodies(b[0], b, 1.0), r"found must be \(nz, ny, nx\).*\(2, 2\)"),
        (lambda b: seen_half(b[0]), r"body must be \(nz, ny, nx\)"),
        (lambda b: compare_bodies(b, b, 0.0), "pitch must be above 0 nm, got 0"),
        (lambda b: chamfer_distance(b, 0 * b, 1.0), "truth is empty"),
    ],
)
def test_names_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 2, 2)))
