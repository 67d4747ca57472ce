"""Base curves: closed forms through both routes, the cache, and what is refused."""

import jax
import numpy as np
import pytest

from diffscatter.analysis import curve_error
from diffscatter.datasets import lnp
from diffscatter.io import shards
from diffscatter.shapes import Nanoparticle
from tests.shapes import closed_forms

SIZES = np.array([20.0, 21.0])


def ball(size, q=lnp.Q):
    return (9.0 * closed_forms.sphere_amplitude(q, size / 2)) ** 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def exact(folder):
    seen = []
    base = lnp.base_curves((4,), SIZES, folder=folder, progress=lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]
    return base


def test_exact_curves_are_the_closed_form(exact):
    assert exact.q.shape == (500,) and exact.intensity.shape == (1, 2, 500)
    for size, curve in zip(SIZES, exact.intensity[0], strict=True):
        error = curve_error(curve, ball(size))
        # The documented error of the route; single precision adds 1e-7.
        assert error["median"] < 2e-5 and error["max"] < 3e-4


def test_curves_are_kept_and_believed_only_if_sound(exact, folder):
    (path,) = folder.glob("lnp-exact-type4-*.h5")
    before = path.stat().st_mtime_ns
    again = lnp.base_curves((4,), SIZES, folder=folder)
    np.testing.assert_array_equal(again.intensity, exact.intensity)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:-50])
    mended = lnp.base_curves((4,), SIZES, folder=folder)
    np.testing.assert_array_equal(mended.intensity, exact.intensity)
    assert shards.read_shard(path)["intensity"].dtype == np.float64
    with jax.enable_x64(True):
        assert lnp.base_curves((4,), SIZES, folder=folder).intensity.dtype == np.float64


def test_published_curves_have_the_published_errors():
    with jax.enable_x64(True):
        got = np.asarray(lnp.published_curve(Nanoparticle(kind=4, size=20.0)))
    error = np.abs(got / ball(20.0) - 1)
    below = lnp.Q < 2 * np.pi / 132  # Guinier's law stands there
    assert below.sum() == 2
    # Hard voxels of 1 nm in a ball of 10: some per cent where it matters, tens at high q; the
    # exact route would pass none of the lower bounds.
    assert error[below].max() < 0.1
    assert 0.005 < np.median(error[lnp.Q < 0.3]) < 0.15
    assert np.median(error[lnp.Q > 1.5]) > 0.2


def test_the_two_sets_of_sizes_have_nothing_in_common():
    assert lnp.TRAINED.size == 81 and not set(lnp.TRAINED) & set(lnp.HELD_OUT)
    assert lnp.TRAINED.min() < lnp.HELD_OUT.min() < lnp.HELD_OUT.max() < lnp.TRAINED.max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"route": "fast"}, "route must be one of exact, published, got 'fast'"),
        ({"kinds": (3, 3)}, "kinds must be different types"),
        ({"kinds": (7,)}, "kind must be a type 1 to 5, got 7"),
        ({"sizes": [20.0, 21.0, 23.0]}, "sizes must be two or more, equally spaced"),
        ({"sizes": [20.0]}, "sizes must be two or more"),
        ({"sizes": [-1.0, 1.0]}, "sizes must lie within 20 to 100 nm, got -1 to 1 nm"),
        ({"q": [-0.1, 1.0]}, "q must be >= 0"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        lnp.base_curves(**({"kinds": (3,), "sizes": SIZES} | change))


def test_sizes_between_those_of_a_base():
    """A ball, itself on every scale, and one in a shell that is as thick at any size."""
    q = np.linspace(0.04, 3.0, 500)
    shelled = lambda size: (
        9.0 * closed_forms.sphere_amplitude(q, size / 2)
        + 7.0 * closed_forms.sphere_amplitude(q, size / 2 - 4.0)
    )
    bodies = (lambda size: ball(size, q)), (lambda size: shelled(size) ** 2)
    curves = lambda sizes: np.array([[f(s) for s in sizes] for f in bodies])
    coarse, between = np.arange(20.0, 101.0), np.arange(20.25, 100.0)
    base = lnp.Base(kinds=(4, 3), sizes=coarse, q=q, intensity=curves(coarse))
    fine = lnp.finer(base)
    np.testing.assert_allclose(fine.sizes, np.arange(20.0, 100.01, 0.25), rtol=1e-12)
    assert fine.kinds == (4, 3) and fine.intensity.min() >= base.intensity.min() > 0
    np.testing.assert_allclose(fine.intensity[:, ::4], base.intensity, rtol=1e-12)
    truth, got = curves(between), fine.intensity[:, 1::4]
    # At the ends, where one size alone knows the curve, a ball is a ball all the same.
    for end, near in ((0, slice(None, 20)), (-1, slice(-20, None))):
        far = abs(got[0] - truth[0])[:, end] / truth[0][:, near].max(axis=1)
        assert far.max() < 1e-5
    off = np.median(abs(got / truth - 1), axis=(1, 2))
    assert off[0] < 3e-5 and off[1] < 3e-3
    lines = 0.75 * base.intensity[:, :-1] + 0.25 * base.intensity[:, 1:]
    assert (np.median(abs(lines / truth - 1), axis=(1, 2)) > 10 * off).all()
