"""Frozen dataclasses that JAX sees as trees."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.core.pytree import replace, static, struct


@struct
class Ball:
    radius: jax.Array
    centre: jax.Array = (0.0, 0.0, 0.0)
    mode: str = static(default="hard")

    def volume(self):
        return 4 / 3 * jnp.pi * self.radius**3


@struct
class Pair:
    first: Ball
    second: Ball | None = None


def test_numbers_become_arrays_and_static_fields_do_not():
    ball = Ball(radius=2.0)
    assert isinstance(ball.radius, jax.Array) and ball.centre.shape == (3,)
    assert len(jax.tree.leaves(ball)) == 2 and ball.mode == "hard"


def test_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ball(radius=1.0).radius = 2.0
    with pytest.raises(TypeError):
        Ball(1.0)
    assert replace(Ball(radius=1.0), radius=3.0).radius == 3


def test_python_numbers_stay_weak_so_that_results_follow_the_data():
    with jax.enable_x64(True):
        assert (Ball(radius=2.0).radius * jnp.ones(2, jnp.float32)).dtype == jnp.float32
        assert Ball(radius=np.float64(2)).radius.dtype == jnp.float64


def test_gradient_is_a_tree_of_the_same_kind():
    slope = jax.grad(lambda pair: pair.first.volume())(Pair(first=Ball(radius=1.0)))
    np.testing.assert_allclose(slope.first.radius, 4 * np.pi, rtol=1e-6)
    assert slope.second is None


def test_vmap_over_a_field():
    radii = jnp.arange(1.0, 4.0)
    got = jax.vmap(lambda r: Ball(radius=r).volume())(radii)
    np.testing.assert_allclose(got, 4 / 3 * np.pi * radii**3, rtol=1e-6)


def test_traces_once_a_structure():
    traced = chex.assert_max_traces(lambda ball: ball.radius * 2, n=2)
    call = jax.jit(traced)
    for radius in (1.0, 2.0, 3.0):
        call(Ball(radius=radius))
    call(Ball(radius=1.0, mode="soft"))
    with pytest.raises(AssertionError):
        call(Ball(radius=1.0, mode="other"))


def test_classes_with_the_same_fields_are_different_structures():
    """Otherwise a compiled function of one may be served to the other."""

    @struct
    class Disc:
        radius: jax.Array
        centre: jax.Array = (0.0, 0.0, 0.0)
        mode: str = static(default="hard")

    ball, disc = (jax.tree.structure(cls(radius=1.0)) for cls in (Ball, Disc))
    assert ball != disc and ball == jax.tree.structure(Ball(radius=2.0))
    nested = [jax.tree.structure(Pair(first=cls(radius=1.0))) for cls in (Ball, Disc)]
    assert nested[0] != nested[1]
    assert ball != jax.tree.structure(Ball(radius=1.0, mode="soft"))


def test_structs_pass_through_tree_maps_and_check_their_own_fields():
    doubled = jax.tree.map(lambda x: 2 * x, Pair(first=Ball(radius=1.0)))
    assert doubled.first.radius == 2

    @struct
    class Positive:
        value: jax.Array

        def __post_init__(self):
            if isinstance(self.value, jax.Array) and self.value.ndim:
                raise ValueError("value must be a scalar")

    with pytest.raises(ValueError, match="scalar"):
        Positive(value=np.ones(2))
