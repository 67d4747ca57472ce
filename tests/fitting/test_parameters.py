"""Names, bounds and transforms of free parameters, on trees made for the purpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from diffscatter.core.pytree import static, struct
from diffscatter.fitting import Bounds, free_parameters, parameter_values


@struct
class Width:
    width: object


@struct
class Inner:
    radius: object
    contrast: object
    kind: str = static(default="x")


@struct
class Spread:
    model: object
    distribution: object


@struct
class Outer:
    model: object
    scale: object
    layers: object = None


def tree(layers=None):
    inner = Spread(model=Inner(radius=4.0, contrast=1), distribution=Width(width=0.1))
    return Outer(model=inner, scale=0.5, layers=layers)


def test_names_are_the_shortest_ends_that_fit_one_leaf():
    assert list(parameter_values(tree())) == ["radius", "contrast", "width", "scale"]
    twice = {"a": Width(width=1.0), "b": {"a": Width(width=2.0)}, "width": 3.0}
    # "a.width" ends two paths, but is the whole of the first; "width" the whole of the last
    names = parameter_values(twice)
    assert names == {"a.width": 1.0, "b.a.width": 2.0, "width": 3.0}
    plan = free_parameters(twice, {"a.width": (0, 2), "width": (0, 9)})
    np.testing.assert_array_equal(plan.values(twice), [1.0, 3.0])


def test_any_unambiguous_end_names_a_leaf():
    model = tree()
    for name in ("radius", "model.radius", "model.model.radius"):
        plan = free_parameters(model, {name: (1, 9)})
        assert plan.names == ("radius",)
        assert float(plan.values(model)[0]) == 4.0


def test_insert_replaces_only_what_is_free():
    model = tree(layers=np.array([1.0, 2.0, 3.0]))
    plan = free_parameters(model, {"layers[1]": (0, 5), "contrast": (0, 5), "scale": (0, 1)})
    assert plan.names == ("layers[1]", "contrast", "scale")
    new = plan.insert(model, jnp.array([2.5, 1.5, 0.25]))
    np.testing.assert_array_equal(new.layers, [1.0, 2.5, 3.0])
    # an integer leaf takes the value, not its floor
    assert float(new.model.model.contrast) == 1.5 and float(new.scale) == 0.25
    assert float(new.model.model.radius) == 4.0 and new.model.model.kind == "x"
    listed = plan.insert(model, [jnp.array(2.5), jnp.array(1.5), jnp.array(0.25)])
    jax.tree.map(np.testing.assert_array_equal, new, listed)


def test_an_array_name_frees_every_element():
    model = tree(layers=np.array([[1.0, 2.0], [3.0, 4.0]]))
    plan = free_parameters(model, {"layers": (0, 5)})
    assert plan.names == ("layers[0,0]", "layers[0,1]", "layers[1,0]", "layers[1,1]")
    np.testing.assert_array_equal(plan.values(model), [1, 2, 3, 4])
    assert "layers[0,0]" not in parameter_values(model, without=plan)


def test_labels_replace_names():
    plan = free_parameters(tree(), {"width": Bounds(0.01, 0.5, label="radius_width")})
    assert plan.names == ("radius_width",)


def test_axes_follow_the_bounds():
    logarithmic = [
        Bounds(low, high).log for low, high in ((1, 9), (1, 11), (0, 1e9), (-1e9, -1))
    ]
    assert logarithmic == [False, True, False, False]
    assert Bounds(1, 2, log=True).log and not Bounds(1e-3, 1e3, log=False).log


BOUNDS = {"radius": (1.0, 200.0), "width": (0.0, 0.5), "scale": Bounds(0.3, 0.9, log=True)}


def test_transforms_invert_each_other_and_stay_inside():
    with jax.enable_x64(True):
        plan = free_parameters(tree(), BOUNDS)
        values = jnp.array([[4.0, 0.1, 0.5], [150.0, 0.4, 0.85], [1.2, 0.01, 0.31]])
        back = jax.vmap(plan.unpack)(jax.vmap(plan.pack)(values))
        np.testing.assert_allclose(back, values, rtol=1e-13)
        # half way on a logarithmic axis is the geometric mean
        half = plan.at_fractions(jnp.full(3, 0.5))
        np.testing.assert_allclose(half, [200**0.5, 0.25, 0.27**0.5], rtol=1e-14)
        for extreme in (-1e9, 1e9):
            end = np.asarray(plan.unpack(jnp.full(3, extreme)))
            assert (end > plan.low).all() and (end < plan.high).all()


def test_transforms_under_jit_and_their_gradient():
    with jax.enable_x64(True):
        plan = free_parameters(tree(), BOUNDS)
        z = jnp.array([0.3, -1.2, 2.0])
        compiled = jax.jit(lambda plan, z: plan.unpack(z))(plan, z)
        np.testing.assert_allclose(compiled, plan.unpack(z), rtol=1e-14)
        check_grads(plan.unpack, (z,), order=1, rtol=1e-6)
        # a start on a bound keeps a slope to leave by
        corner = plan.pack(jnp.array([1.0, 0.0, 0.9]))
        assert (np.abs(jax.jacfwd(plan.unpack)(corner).diagonal()) > 0).all()


def test_float32_follows_the_plan():
    plan = jax.tree.map(lambda x: x.astype(jnp.float32), free_parameters(tree(), BOUNDS))
    values = plan.unpack(plan.pack(plan.values(tree())))
    assert values.dtype == jnp.float32
    # eight-digit numbers through a logarithm, a logit and back: a few units in the last place
    np.testing.assert_allclose(values, [4.0, 0.1, 0.5], rtol=3e-6)


@pytest.mark.parametrize(
    ("free", "message"),
    [
        ({}, "no parameter is free.*radius"),
        ({"radios": (1, 2)}, "'radios' is not a parameter.*radius, contrast, width, scale"),
        ({"model": (1, 2)}, "'model' is not a parameter"),
        ({"radius": (5, 9)}, r"radius starts at 4, outside its bounds \(5, 9\)"),
        ({"radius": (9, 5)}, "radius: bounds must be finite and low < high"),
        ({"radius": (1, np.inf)}, "radius: bounds must be finite"),
        ({"radius": 5}, r"bounds of radius must be \(low, high\), got 5"),
        ({"radius": "ab"}, r"bounds of radius must be \(low, high\), got 'ab'"),
        ({"radius": (None, 5)}, "bounds of radius must be two numbers"),
        ({"radius": (1, 9), "model.radius": (1, 9)}, "radius is made free twice"),
        ({"radius[0]": (1, 9)}, r"'radius\[0\]' is not an element"),
    ],
)
def test_refusals(free, message):
    with pytest.raises(ValueError, match=message):
        free_parameters(tree(), free)


def test_ambiguous_names_list_the_valid_ones():
    model = {"a": Width(width=1.0), "b": Width(width=2.0)}
    with pytest.raises(ValueError, match="'width' fits several.*a.width, b.width"):
        free_parameters(model, {"width": (0, 3)})


def test_a_logarithmic_axis_needs_positive_bounds():
    with pytest.raises(ValueError, match="low > 0"):
        Bounds(0, 1, log=True)


def test_leaves_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="parameter kind must be real numbers"):
        free_parameters({"kind": "sphere", "radius": 1.0}, {"radius": (0, 2)})
