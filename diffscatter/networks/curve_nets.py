"""Networks that read scattering curves: the published ones, and better ones of ours.

All take curves ``(batch, points)`` on one q axis, as logarithms of intensity, and standardise
them first. Published: T. Li, *Physics-based SAXS Simulation and ML Characterization of LNPs*,
MEng report, Cornell University (2025), listings 5 to 9; layers, widths and initial weights are
theirs. Two things are not. Classifiers end in logits, which is what a cross-entropy takes: the
listings put a softmax into the ResNet as well, whose gradient then dies on confident curves.
And constants of the input are part of the network, not fitted to all data before the split.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import jax
from flax import nnx
from jax import Array

from diffscatter.networks.blocks import (
    Components,
    Conv,
    ConvNorm,
    Dense,
    ResidualBlock,
    SqueezeBlock,
    Standardise,
    StandardiseWindow,
)
from diffscatter.networks.heads import Head

__all__ = ["ComponentNet", "CurveNet", "PlainCNN", "ResNet", "TwoLayerCNN", "fit_input"]


class TwoLayerCNN(nnx.Module):
    """The published networks of two convolutions (32 and 64 channels, kernels 5 and 3).

    They differ in what follows the convolutions: listings 5 and 7 (classes) normalise them and
    drop 0.3 of 64 hidden units, listing 8 (weights of three types) drops none, the simple CNN
    of listing 9 (a fraction) does not normalise and drops 0.15.

    Args:
        points: length of the curves.
        outputs: number of classes, of weights, or 1.
        key: of the initial weights and of the dropout.
        ending: ``"logits"``; ``"fraction"``, a sigmoid, shape ``(batch,)``; or ``"weights"``,
            sigmoids divided by their sum.
        dropout: share of the hidden units that a step leaves out.
        normalised: whether batch normalisation follows each convolution.
    """

    def __init__(
        self,
        points: int,
        outputs: int,
        *,
        key: Array,
        ending: str = "logits",
        dropout: float = 0.3,
        normalised: bool = True,
    ):
        if ending not in _ENDINGS:
            raise ValueError(f"ending must be one of {', '.join(_ENDINGS)}, got {ending!r}")
        rngs = nnx.Rngs(key)
        layer = ConvNorm if normalised else Conv
        self.standardise = Standardise(points)
        self.first = layer(1, 32, 5, rngs=rngs)
        self.second = layer(32, 64, 3, rngs=rngs)
        self.hidden = Dense(64 * points, 64, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.last = Dense(64, outputs, rngs=rngs)
        self.ending = ending

    def __call__(self, curves: Array) -> Array:
        # A ReLU after that of ConvNorm changes nothing.
        x = nnx.relu(self.first(self.standardise(curves)[..., None]))
        x = nnx.relu(self.second(x))
        x = nnx.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return _ENDINGS[self.ending](self.last(self.dropout(x)))


_ENDINGS = MappingProxyType(
    {
        "logits": lambda x: x,
        "fraction": lambda x: nnx.sigmoid(x[:, 0]),
        "weights": lambda x: (
            nnx.sigmoid(x) / (nnx.sigmoid(x).sum(axis=1, keepdims=True) + 1e-8)
        ),
    }
)


class PlainCNN(nnx.Module):
    """The published network of a fraction: three convolutions, three dense layers, a sigmoid.

    Channels 32, 64, 128, kernels 5, 5, 3; dense layers of 256, 64 and 1 with dropout 0.15.

    Args:
        points: length of the curves.
        key: of the initial weights and of the dropout.
    """

    def __init__(self, points: int, *, key: Array):
        rngs = nnx.Rngs(key)
        self.standardise = Standardise(points)
        self.convolutions = nnx.List(
            [
                ConvNorm(inputs, outputs, kernel, rngs=rngs)
                for inputs, outputs, kernel in ((1, 32, 5), (32, 64, 5), (64, 128, 3))
            ]
        )
        self.hidden = nnx.List([Dense(128 * points, 256, rngs=rngs), Dense(256, 64, rngs=rngs)])
        self.dropout = nnx.Dropout(0.15, rngs=rngs)
        self.last = Dense(64, 1, rngs=rngs)

    def __call__(self, curves: Array) -> Array:
        """Return fractions, ``(batch,)``."""
        x = self.standardise(curves)[..., None]
        for layer in self.convolutions:
            x = layer(x)
        x = x.reshape(x.shape[0], -1)
        for layer in self.hidden:
            x = self.dropout(nnx.relu(layer(x)))
        return nnx.sigmoid(self.last(x)[:, 0])


class ResNet(nnx.Module):
    """The published residual network: kernel 7 to 64 channels, three blocks, mean over q.

    Args:
        points: length of the curves.
        classes: number of classes.
        key: of the initial weights.
    """

    def __init__(self, points: int, classes: int = 4, *, key: Array):
        rngs = nnx.Rngs(key)
        self.standardise = Standardise(points)
        self.entry = ConvNorm(1, 64, 7, rngs=rngs)
        self.blocks = nnx.List([ResidualBlock(64, rngs=rngs) for _ in range(3)])
        self.last = Dense(64, classes, rngs=rngs)

    def __call__(self, curves: Array) -> Array:
        """Return logits, ``(batch, classes)``."""
        x = self.entry(self.standardise(curves)[..., None])
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean(axis=1))


class _Telling(nnx.Module):
    """A network with heads: what it makes of a curve, and what it tells of that.

    The layers that make the spreads read the features without a gradient back to them: means
    are as good as those of a network that has no spreads (Stirn et al., *Faithful
    Heteroscedastic Regression with Neural Networks*, AISTATS 2023), where a likelihood alone
    gives up on curves that it finds hard.
    """

    def _tell(self, heads: Mapping[str, Head], features: int, rngs: nnx.Rngs) -> None:
        if not heads:
            raise ValueError("heads must name at least one head, got none")
        self.heads = tuple(heads.items())
        self.centres = nnx.Dict(
            {name: Dense(features, head.centres, rngs=rngs) for name, head in self.heads}
        )
        self.spreads = nnx.Dict(
            {
                name: nnx.List(
                    [Dense(features, 32, rngs=rngs), Dense(32, head.spreads, rngs=rngs)]
                )
                for name, head in self.heads
                if head.spreads
            }
        )

    def __call__(self, curves: Array) -> dict[str, tuple[Array, Array | None]]:
        """Return for each head its centres and its spreads, as the head takes them."""
        features = self.features(curves)
        fixed = jax.lax.stop_gradient(features)
        return {
            name: (self.centres[name](features), self._spread(name, fixed))
            for name, _ in self.heads
        }

    def _spread(self, name: str, features: Array) -> Array | None:
        if name not in self.spreads:
            return None
        first, second = self.spreads[name]
        return second(nnx.silu(first(features)))

    def losses(self, curves: Array, targets: Mapping[str, Array]) -> dict[str, Array]:
        """Return the loss of each head that ``targets`` names."""
        raw = self(curves)
        return {name: head.loss(raw[name], targets[name]) for name, head in self.heads}

    def predict(self, curves: Array) -> dict[str, Array]:
        """Return what each head makes of its numbers: probabilities, or estimates."""
        raw = self(curves)
        return {name: head.predict(raw[name]) for name, head in self.heads}


class ComponentNet(_Telling):
    """Our network of whole curves: dense layers that read what stands out of the noise.

    Their input is a curve's :class:`~diffscatter.networks.blocks.Components`: differences of a
    thousandth where counts are high weigh as much as those of decades, which convolutions over
    points on a logarithmic scale hardly find. A step costs a tenth of theirs or less.

    Args:
        points: length of the curves.
        heads: what to tell, by name (:mod:`diffscatter.networks.heads`).
        key: of the initial weights.
        components: number of projections.
        widths: of the dense layers.
        features: length of the description of a curve that all heads read.
    """

    def __init__(
        self,
        points: int,
        heads: Mapping[str, Head],
        *,
        key: Array,
        components: int = 96,
        widths: Sequence[int] = (512, 512, 256),
        features: int = 128,
    ):
        rngs = nnx.Rngs(key)
        self.components = Components(points, components)
        sizes = (min(components, points), *widths, features)
        self.layers = nnx.List(
            [Dense(inputs, outputs, rngs=rngs) for inputs, outputs in pairwise(sizes)]
        )
        self._tell(heads, features, rngs)

    def features(self, curves: Array) -> Array:
        """Return what the network makes of each curve, ``(batch, features)``."""
        x = self.components(curves)
        for layer in self.layers:
            x = nnx.silu(layer(x))
        return x


class CurveNet(_Telling):
    """Our network of parts of curves: strided residual blocks over the points of q.

    Against the published ones: the length halves in every block, so that far points meet after
    a tenth of the work and no dense layer holds millions of weights; channels are gated by what
    the curve holds as a whole, its noise above all; and every answer comes with its spread.
    Positions along q are kept to the end, since a minimum's place is what tells a size. There
    is no dropout: endless draws cannot be learnt by heart. Curves are NaN beyond their window,
    and a factor on the intensity changes nothing.

    Args:
        points: length of the curves.
        heads: what to tell, by name (:mod:`diffscatter.networks.heads`).
        key: of the initial weights.
        widths: channels after the first convolution and after each block.
        features: length of the description of a curve that all heads read.
    """

    def __init__(
        self,
        points: int,
        heads: Mapping[str, Head],
        *,
        key: Array,
        widths: Sequence[int] = (24, 32, 48, 64, 96),
        features: int = 128,
    ):
        rngs = nnx.Rngs(key)
        self.standardise = StandardiseWindow(points)
        self.entry = Conv(2, widths[0], 11, stride=2, rngs=rngs)
        self.blocks = nnx.List(
            [
                SqueezeBlock(inputs, outputs, rngs=rngs)
                for inputs, outputs in zip(widths[:-1], widths[1:], strict=True)
            ]
        )
        length = points
        for _ in widths:
            length = -(-length // 2)
        self.hidden = Dense(length * widths[-1], features, rngs=rngs)
        self._tell(heads, features, rngs)

    def features(self, curves: Array) -> Array:
        """Return what the network makes of each curve, ``(batch, features)``."""
        x = nnx.silu(self.entry(self.standardise(curves)))
        for block in self.blocks:
            x = block(x)
        return nnx.silu(self.hidden(x.reshape(x.shape[0], -1)))


def fit_input(network: nnx.Module, curves: Array, clean: Array) -> None:
    """Set the constants of a network's input from training curves with and without noise.

    Args:
        network: one of this module.
        curves, clean: log10 of intensities. Shape ``(n, points)``.
    """
    if isinstance(network, ComponentNet):
        network.components.fit(curves, clean)
    else:
        network.standardise.fit(curves)
