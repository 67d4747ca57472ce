"""Messages name the argument, the value and the mend; tracers pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core import checks


def test_concrete():
    assert checks.concrete([1.0, 2.0]).shape == (2,)
    assert isinstance(checks.concrete(jnp.ones(2)), np.ndarray)
    seen = []
    jax.jit(lambda x: seen.append(checks.concrete(x)) or x)(1.0)
    assert seen == [None]


def test_dtype_follows_the_arguments():
    with jax.enable_x64(True):
        assert checks.dtype_of(jnp.ones(2, jnp.float32), 1.0) == np.float32
        assert checks.dtype_of(jnp.ones(2, jnp.complex128)) == np.float64
        assert checks.dtype_of(np.ones(2)) == np.float64
    assert checks.dtype_of(np.ones(2)) == np.float32
    assert checks.dtype_of(np.arange(2)) == np.float32


@pytest.mark.parametrize(
    "value, message",
    [
        (
            np.array([1.0, np.nan, np.inf]),
            r"q must be finite, got 2 of 3 values.*index 1; mask",
        ),
        (np.array([[0.0, 1], [np.inf, 0]]), r"first at index \(1, 0\)"),
        (np.nan, "q must be finite, got nan"),
        (np.array(["a"]), "q must be numbers"),
    ],
)
def test_finite(value, message):
    with pytest.raises(ValueError, match=message):
        checks.check_finite("q", value)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1j, np.ones(2)])
def test_positive(value):
    with pytest.raises(ValueError, match="pitch must be"):
        checks.check_positive("pitch", value, "nm")


def test_positive_names_the_unit():
    with pytest.raises(ValueError, match="above 0 nm, got -2"):
        checks.check_positive("pitch", -2.0, "nm")
    assert checks.check_positive("pitch", jnp.float32(0.5)) == 0.5


def test_volume():
    assert checks.check_volume("density", np.ones((2, 3, 4))) == (2, 3, 4)
    for bad, message in (
        (np.ones((2, 3)), r"\(nz, ny, nx\), got shape \(2, 3\)"),
        (np.ones((2, 0, 4)), "must not be empty"),
        (np.full((2, 2, 2), np.nan), "density must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            checks.check_volume("density", bad)


def test_q():
    np.testing.assert_array_equal(checks.check_q("q", [0.0, np.pi / 2], 2.0), [0, np.pi / 2])
    for bad, message in (
        (np.ones((2, 2)), "one non-empty axis"),
        (np.ones(0), "one non-empty axis"),
        ([-0.1, 1.0], "q must be >= 0 1/nm, got -0.1"),
    ):
        with pytest.raises(ValueError, match=message):
            checks.check_q("q", bad)
    with pytest.raises(ValueError, match=r"Nyquist.*1\.5708.*use a pitch of at most 1\.571 nm"):
        checks.check_q("q", [2.0], 2.0)


def test_values_are_not_checked_under_a_callers_jit_but_shapes_are():
    passes = lambda q: checks.check_q("q", q, 1.0) is None and jnp.ones(())
    assert jax.jit(passes)(jnp.array([-5.0, 99.0])) == 1
    with pytest.raises(ValueError, match="one non-empty axis"):
        jax.jit(passes)(jnp.ones((2, 2)))
    traced = lambda v: checks.check_positive("pitch", v) is None and v
    assert jax.grad(traced)(-1.0) == 1
