"""The published networks have the published numbers of weights; ours learns and keeps still."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffscatter.networks import (
    Classes,
    ComponentNet,
    CurveNet,
    PlainCNN,
    Proportion,
    ResNet,
    TwoLayerCNN,
    blocks,
    fit_input,
)

KEY = jax.random.key(0)


def filled(build):
    """Return a network to evaluate with weights drawn on the host: nothing to compile."""
    draws = np.random.default_rng(0)
    graph, state = nnx.split(nnx.eval_shape(build))

    def fill(path, leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return KEY
        ends = (0.5, 1.0) if "var" in jax.tree_util.keystr(path) else (-0.2, 0.2)
        return jnp.asarray(draws.uniform(*ends, leaf.shape), leaf.dtype)

    network = nnx.merge(graph, jax.tree_util.tree_map_with_path(fill, state))
    network.eval()
    return network


def conv(inputs, outputs, kernel):
    return inputs * outputs * kernel + outputs


def dense(inputs, outputs):
    return inputs * outputs + outputs


def norm(channels):
    return 2 * channels


# Layer by layer from the listings, input_length 500.
PUBLISHED = {
    "listing 5, three classes": (
        lambda points: TwoLayerCNN(points, 3, key=KEY),
        conv(1, 32, 5) + norm(32) + conv(32, 64, 3) + norm(64)
        + dense(64 * 500, 64) + dense(64, 3),
        2_054_851,
        (3,),
    ),
    "listing 7, five classes": (
        lambda points: TwoLayerCNN(points, 5, key=KEY),
        conv(1, 32, 5) + norm(32) + conv(32, 64, 3) + norm(64)
        + dense(64 * 500, 64) + dense(64, 5),
        2_054_981,
        (5,),
    ),
    "listing 8, weights": (
        lambda points: TwoLayerCNN(points, 3, key=KEY, ending="weights", dropout=0.0),
        conv(1, 32, 5) + norm(32) + conv(32, 64, 3) + norm(64)
        + dense(64 * 500, 64) + dense(64, 3),
        2_054_851,
        (3,),
    ),
    "listing 9, ResNet": (
        lambda points: ResNet(points, key=KEY),
        conv(1, 64, 7) + norm(64) + 3 * 2 * (conv(64, 64, 3) + norm(64)) + dense(64, 4),
        75_780,
        (4,),
    ),
    "listing 9, CNN": (
        lambda points: PlainCNN(points, key=KEY),
        conv(1, 32, 5) + norm(32) + conv(32, 64, 5) + norm(64) + conv(64, 128, 3) + norm(128)
        + dense(128 * 500, 256) + dense(256, 64) + dense(64, 1),
        16_436_417,
        (),
    ),
    "listing 9, simpleCNN": (
        lambda points: TwoLayerCNN(
            points, 1, key=KEY, ending="fraction", dropout=0.15, normalised=False
        ),
        conv(1, 32, 5) + conv(32, 64, 3) + dense(64 * 500, 64) + dense(64, 1),
        2_054_529,
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    build, layers, total, output = PUBLISHED[name]
    assert layers == total
    assert blocks.parameter_count(nnx.eval_shape(lambda: build(500))) == total
    out = jax.eval_shape(lambda: build(500)(jnp.ones((2, 500))))
    assert out.shape == (2, *output) and out.dtype == jnp.float32


@pytest.mark.parametrize(
    ("ending", "outputs", "total"), [("fraction", 1, None), ("weights", 3, 1.0)]
)
def test_endings_are_fractions(ending, outputs, total):
    network = filled(lambda: TwoLayerCNN(20, outputs, key=KEY, ending=ending))
    out = jax.jit(lambda x: network(x))(np.random.default_rng(1).normal(size=(5, 20)))
    assert ((out > 0) & (out < 1)).all()
    if total:
        np.testing.assert_allclose(out.sum(axis=1), total, atol=1e-6)


@pytest.mark.parametrize(("points", "kernel", "stride"), [(12, 3, 1), (13, 5, 2), (12, 11, 2)])
def test_convolution_against_xlas(points, kernel, stride):
    layer = filled(lambda: blocks.Conv(2, 3, kernel, stride=stride, rngs=nnx.Rngs(0)))
    x = np.random.default_rng(1).normal(size=(2, points, 2)).astype(np.float32)
    expected = jax.lax.conv_general_dilated(
        x, layer.kernel[...], (stride,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    np.testing.assert_allclose(layer(x), expected + layer.bias[...], atol=1e-6)


def test_residual_blocks_against_their_equation():
    block = filled(lambda: blocks.ResidualBlock(3, rngs=nnx.Rngs(0)))
    x = jax.random.normal(KEY, (2, 12, 3))
    normed = lambda n, x: (
        n.scale[...] * (x - n.mean[...]) / jnp.sqrt(n.var[...] + 1e-5) + n.bias[...]
    )

    @jax.jit
    def expected(x):
        first = block.first
        inner = jnp.maximum(normed(first.norm, first.conv(x)), 0)
        return jnp.maximum(normed(block.norm, block.conv(inner)) + x, 0)

    np.testing.assert_allclose(jax.jit(lambda x: block(x))(x), expected(x), atol=1e-5)


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_initial_weights_are_torchs(kind):
    if kind == "conv":
        layer, fan_in = nnx.jit(lambda: blocks.Conv(16, 32, 5, rngs=nnx.Rngs(0)))(), 80
    else:
        layer, fan_in = nnx.jit(lambda: blocks.Dense(64, 32, rngs=nnx.Rngs(0)))(), 64
    weights, offsets = np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])
    assert max(abs(weights).max(), abs(offsets).max()) <= fan_in**-0.5
    assert offsets.std() > 0
    # A uniform distribution over +-a has a spread of a / sqrt(3), here of 2000 draws and more:
    # three standard errors are 3 sqrt((9/5 - 1) / 4 / 2000) = 3 %.
    assert weights.std() * np.sqrt(3 * fan_in) == pytest.approx(1, abs=0.03)


@pytest.fixture(scope="module")
def net():
    heads = {"kind": Classes(3), "fraction": Proportion(), "size": Proportion(20, 100)}
    return filled(lambda: CurveNet(61, heads, key=KEY, widths=(8, 12), features=16))


def test_ours_is_small_enough_to_ship():
    heads = {"kind": Classes(3), "fraction": Proportion(), "first": Proportion(20, 100)}
    network = nnx.eval_shape(lambda: CurveNet(500, heads, key=KEY))
    # Three tasks within 5 MB of float32.
    assert blocks.parameter_count(network) * 4 * 3 < 5e6


def test_ours_tells_every_head(net):
    curves = jax.random.normal(KEY, (4, 61))
    predict = jax.jit(net.predict)
    told = predict(curves)
    assert told["kind"].shape == (4, 3)
    np.testing.assert_allclose(told["kind"].sum(axis=1), 1, atol=1e-6)
    assert told["size"].mean.shape == told["size"].spread.shape == (4,)
    assert ((told["size"].mean > 20) & (told["size"].mean < 100)).all()
    alone = predict(curves.at[1:].set(0.0))["size"]
    np.testing.assert_allclose(alone.mean[0], told["size"].mean[0], rtol=1e-5)
    assert jax.eval_shape(net.features, curves).shape == (4, 16)


def test_spreads_leave_the_trunk_alone(net):
    curves = jax.random.normal(KEY, (4, 61))
    graph, parameters, rest = nnx.split(net, nnx.Param, ...)
    spread = lambda p: nnx.merge(graph, p, rest)(curves)["size"][1].sum()
    slopes = nnx.to_pure_dict(jax.jit(jax.grad(spread))(parameters))
    trunk = [slopes.pop(name) for name in ("entry", "blocks", "hidden", "centres")]
    assert not any(leaf.any() for leaf in jax.tree.leaves(trunk))
    assert any(leaf.any() for leaf in jax.tree.leaves(slopes))


def test_standardise():
    layer = blocks.Standardise(5)
    curves = jnp.arange(5.0) + jnp.array([[1.0], [3.0], [8.0]]) * jnp.array([1, 2, 3, 4, 0])
    layer.fit(curves)
    out = layer(curves)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=0), [1, 1, 1, 1, 0], atol=1e-6)
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param)), "constants are not trained"
    with pytest.raises(ValueError, match=r"\(n, 5\) with n of at least 2, got shape \(1, 5\)"):
        layer.fit(curves[:1])
    with pytest.raises(ValueError, match="curves must be finite"):
        layer.fit(curves.at[1, 1].set(jnp.nan))


def test_windows_are_masks():
    layer = blocks.StandardiseWindow(5)
    curves = jnp.arange(5.0) + jnp.array([[1.0], [3.0], [8.0]]) * jnp.array([1, 2, 3, 4, 0])
    curves = jnp.concatenate([curves, curves.at[:, 0].set(jnp.nan)])
    layer.fit(curves)
    values, there = jnp.moveaxis(layer(curves), -1, 0)
    np.testing.assert_array_equal(there, [[1] * 5] * 3 + [[0, 1, 1, 1, 1]] * 3)
    assert not values[3:, 0].any(), "nothing beyond the window"
    # What is within keeps its place, whatever the window and the unit are.
    np.testing.assert_allclose(values[3:, 1:], values[:3, 1:], atol=1e-6)
    # A factor on the intensity shifts its logarithm; a power of it is another curve.
    np.testing.assert_allclose(layer(curves + 3.0), layer(curves), atol=1e-5)
    assert abs(layer(1.5 * curves) - layer(curves))[:3].max() > 0.1
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param)), "constants are not trained"
    with pytest.raises(ValueError, match=r"curves must be \(n, 5\), got shape \(6, 4\)"):
        layer.fit(curves[:, 1:])
    with pytest.raises(ValueError, match="every point at least twice and one point in common"):
        layer.fit(curves.at[1:, 2].set(jnp.nan))
    heads = {"fraction": Proportion()}
    network = filled(lambda: CurveNet(5, heads, key=KEY, widths=(4,), features=4))
    found = network.predict(jnp.full((2, 5), jnp.nan))["fraction"]
    assert np.isfinite(found.mean).all()


def test_components_see_what_decades_hide():
    draws = np.random.default_rng(3)
    q, n = np.linspace(0, 1, 30), 400
    height, kind = draws.normal(size=(n, 1)), draws.normal(size=(n, 1))
    # A factor of decades, a feature of a thousandth, and noise of a tenth of that.
    clean = 5 - 2 * q + height * (1 + q) + 1e-3 * kind * np.cos(9 * q)
    noisy = clean + 1e-4 * draws.normal(size=clean.shape)
    curves, clean = jnp.asarray(noisy, jnp.float32), jnp.asarray(clean, jnp.float32)
    layer = blocks.Components(30, 2)
    layer.fit(curves, clean)
    out = layer(curves)
    assert out.shape == (n, 2)
    told = np.sinh(out[:, 1])
    # The signal of 30 points over noise of one: (1e-3/1e-4)^2 times the sum of cos^2, about 15.
    assert abs(np.corrcoef(told, kind[:, 0])[0, 1]) > (1 - 1 / 1500) ** 0.5 - 0.01
    # In units of its spread with noise; a geometric mean is .53 of the standard deviation.
    assert told.std() == pytest.approx(1, abs=0.1)
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param)), "constants are not trained"
    with pytest.raises(ValueError, match=r"must be \(n, 30\), got \(400, 30\) and \(400, 29\)"):
        layer.fit(curves, clean[:, 1:])
    with pytest.raises(ValueError, match="2 projections need more curves, got 2"):
        layer.fit(curves[:2], clean[:2])


def test_components_reach_every_head():
    heads = {"kind": Classes(3), "size": Proportion(20, 100)}
    net = filled(lambda: ComponentNet(5, heads, key=KEY, components=2, widths=(4,), features=4))
    draws = np.random.default_rng(0)
    clean = jnp.asarray(draws.normal(size=(9, 5)), jnp.float32)
    fit_input(net, clean + 0.1, clean)
    assert net.components.rows[...].any()
    told = net.predict(clean)
    assert told["kind"].shape == (9, 3) and told["size"].spread.shape == (9,)
    graph, parameters, rest = nnx.split(net, nnx.Param, ...)
    total = lambda p: nnx.merge(graph, p, rest).predict(clean)["size"].mean.sum()
    slopes = nnx.to_pure_dict(jax.jit(jax.grad(total))(parameters))
    assert all(leaf.any() for leaf in jax.tree.leaves(slopes["layers"]))
    plain = filled(lambda: CurveNet(5, heads, key=KEY, widths=(4,), features=4))
    fit_input(plain, clean + 0.1, clean)
    assert plain.standardise.mean[...].any()


def test_refusals():
    with pytest.raises(ValueError, match="ending must be one of logits, .* got 'softmax'"):
        TwoLayerCNN(20, 3, key=KEY, ending="softmax")
    with pytest.raises(ValueError, match="at least one head"):
        CurveNet(61, {}, key=KEY)
