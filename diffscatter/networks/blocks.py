"""Layers that the networks of curves are made of. Arrays are ``(batch, points, channels)``."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

__all__ = [
    "Components",
    "Constant",
    "Conv",
    "ConvNorm",
    "Dense",
    "ResidualBlock",
    "SqueezeBlock",
    "Standardise",
    "StandardiseWindow",
    "parameter_count",
]


class Constant(nnx.Variable):
    """A number that belongs to a network and is not trained, as a scale of its input."""


class Standardise(nnx.Module):
    """Takes the mean of every point from a curve and divides by its spread.

    Both are constants of the network, set once by :meth:`fit` and kept with its weights, so
    that a network never meets data on another scale than the one it was trained on.

    Args:
        points: length of the curves.
    """

    def __init__(self, points: int):
        self.mean = Constant(jnp.zeros(points, jnp.float32))
        self.spread = Constant(jnp.ones(points, jnp.float32))

    def fit(self, curves: Array) -> None:
        """Set the constants from training curves, ``(n, points)``, with n at least 2.

        Raises:
            ValueError: if the curves are of another length, too few, or not finite.
        """
        points = self.mean[...].size
        if curves.ndim != 2 or curves.shape[1] != points or curves.shape[0] < 2:
            raise ValueError(
                f"curves must be (n, {points}) with n of at least 2, got shape {curves.shape}"
            )
        if not jnp.isfinite(curves).all():
            raise ValueError("curves must be finite; use draws with positive intensities")
        self.mean[...] = curves.mean(axis=0)
        # A point that is the same in all curves tells nothing: its spread only must not be 0.
        self.spread[...] = jnp.maximum(curves.std(axis=0), 1e-6)

    def __call__(self, curves: Array) -> Array:
        """Standardise curves ``(batch, points)``."""
        return (curves - self.mean[...]) / self.spread[...]


class StandardiseWindow(nnx.Module):
    """As :class:`Standardise` for curves that have no points beyond a window: NaN stands there.

    Each curve's own mean is taken first, over the points that all training curves had: the
    rest of the curve then keeps its place whatever the window is.

    Args:
        points: length of the curves.
    """

    def __init__(self, points: int):
        self.mean = Constant(jnp.zeros(points, jnp.float32))
        self.spread = Constant(jnp.ones(points, jnp.float32))
        self.shared = Constant(jnp.ones(points, jnp.float32))

    def fit(self, curves: Array) -> None:
        """Set the constants from training curves, ``(n, points)``, NaN beyond their windows.

        Raises:
            ValueError: if the curves are of another length, or a point is in fewer than two of
                them, or none is in all.
        """
        points = self.mean[...].size
        if curves.ndim != 2 or curves.shape[1] != points:
            raise ValueError(f"curves must be (n, {points}), got shape {curves.shape}")
        there = jnp.isfinite(curves)
        if there.sum(axis=0).min() < 2 or not there.all(axis=0).any():
            raise ValueError(
                "curves must have every point at least twice and one point in common; draw more"
            )
        self.shared[...] = there.all(axis=0).astype(jnp.float32)
        curves = self._levelled(curves)
        self.mean[...] = jnp.nanmean(curves, axis=0)
        self.spread[...] = jnp.maximum(jnp.nanstd(curves, axis=0), 1e-6)

    def _levelled(self, curves: Array) -> Array:
        weights = self.shared[...] * jnp.isfinite(curves)
        level = (weights * jnp.nan_to_num(curves)).sum(axis=-1, keepdims=True)
        return curves - level / jnp.maximum(weights.sum(axis=-1, keepdims=True), 1.0)

    def __call__(self, curves: Array) -> Array:
        """Return ``(batch, points, 2)``: the curve, 0 beyond its window, and 1 within it."""
        there = jnp.isfinite(curves)
        values = (self._levelled(curves) - self.mean[...]) / self.spread[...]
        return jnp.stack([jnp.where(there, values, 0.0), there.astype(values.dtype)], axis=-1)


class Components(nnx.Module):
    r"""Projections of a curve that stand out of the noise, the clearest first.

    With deviations from the mean curve in units of the noise of each point, a_i of the clean
    curves, the rows are eigenvectors v of their covariance, each over the spread that it has
    with noise (maximum noise fraction; A. A. Green et al., IEEE Trans. Geosci. Remote Sens. 26
    (1988) 65):

    .. math::
        \langle a a^T\rangle v = \lambda v,\qquad
        c = \operatorname{arsinh}\frac{v\cdot a}{\sqrt{\lambda + 1}}

    At small q curves are known to 1e-4 and differ by 1e-3 where the filling of a core does.
    Points scaled by their own spread, which is of decades, hide that; these do not. Noise
    differs between curves by orders, which arsinh takes.

    Args:
        points: length of the curves.
        count: number of projections, at most that of points.
    """

    def __init__(self, points: int, count: int):
        self.mean = Constant(jnp.zeros(points, jnp.float32))
        self.rows = Constant(jnp.zeros((points, min(count, points)), jnp.float32))

    def fit(self, curves: Array, clean: Array) -> None:
        """Set the constants from training curves with and without noise, ``(n, points)``.

        Raises:
            ValueError: if the two differ in shape, or are fewer than the projections.
        """
        points, count = self.rows[...].shape
        if curves.shape != clean.shape or curves.shape[1:] != (points,):
            raise ValueError(
                f"curves and clean must be (n, {points}), got {curves.shape} and {clean.shape}"
            )
        if len(curves) <= count:
            raise ValueError(f"{count} projections need more curves, got {len(curves)}")
        noisy, clean = (np.asarray(part, float) for part in (curves, clean))
        # A geometric mean: the few loudest curves would hide what the others tell.
        noise = np.exp(np.log(np.abs(noisy - clean) + 1e-12).mean(axis=0))
        mean = clean.mean(axis=0)
        apart = (clean - mean) / noise
        strength, vectors = np.linalg.eigh(apart.T @ apart / len(apart))
        rows = vectors[:, ::-1][:, :count] / noise[:, None]
        rows = rows / np.sqrt(np.maximum(strength[::-1][:count], 0) + 1)
        self.mean[...] = jnp.asarray(mean, jnp.float32)
        self.rows[...] = jnp.asarray(rows, jnp.float32)

    def __call__(self, curves: Array) -> Array:
        """Return ``(batch, count)``."""
        apart = curves - self.mean[...]
        return jnp.arcsinh(jnp.matmul(apart, self.rows[...], precision="highest"))


class Conv(nnx.Module):
    """A convolution along q that keeps the length, divided by ``stride`` and rounded up.

    It is a matrix product of windows. ``nnx.Conv`` gives the same numbers, but XLA runs
    convolutions on a CPU 6 to 16 times slower where they stand in a compiled loop
    (github.com/jax-ml/jax/issues/12868), and training is one.

    Weights and offsets start uniform within ±1/sqrt(inputs · kernel), as in the published
    programs, which leave them to torch's defaults.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, rngs: nnx.Rngs
    ):
        self.kernel, self.bias = _uniform((kernel, inputs, outputs), rngs)
        self.stride = stride

    def __call__(self, x: Array) -> Array:
        kernel = self.kernel[...]
        return (
            _windows(x, kernel.shape[0], self.stride) @ kernel.reshape(-1, kernel.shape[2])
            + self.bias[...]
        )


def _windows(x: Array, kernel: int, stride: int) -> Array:
    """Return the windows around every ``stride``-th point, ``(batch, windows, kernel * c)``."""
    points = x.shape[1]
    last = (points - 1) // stride * stride
    beyond = max(last + kernel - points, 0)
    x = jnp.pad(x, ((0, 0), (beyond // 2, beyond - beyond // 2), (0, 0)))
    return jnp.concatenate([x[:, k : last + k + 1 : stride] for k in range(kernel)], axis=-1)


class Dense(nnx.Module):
    """A fully connected layer, which starts as :class:`Conv` does."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.kernel, self.bias = _uniform((inputs, outputs), rngs)

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...] + self.bias[...]


def _uniform(shape: tuple[int, ...], rngs: nnx.Rngs) -> tuple[nnx.Param, nnx.Param]:
    """Return weights and offsets within ±1/sqrt(n) for n numbers that each output sums."""
    reach = math.prod(shape[:-1]) ** -0.5

    def draw(shape):
        count, drawn = math.prod(shape), 1
        while drawn < count:  # few lengths, since each one is compiled
            drawn *= 8
        values = jax.random.uniform(rngs.params(), (drawn,), jnp.float32, -reach, reach)
        return values[:count].reshape(shape)

    return nnx.Param(draw(shape)), nnx.Param(draw(shape[-1:]))


class ConvNorm(nnx.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, rngs: nnx.Rngs):
        self.conv = Conv(inputs, outputs, kernel, rngs=rngs)
        # torch's momentum of 0.1 weighs the new batch, flax's the old average.
        self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return nnx.relu(self.norm(self.conv(x)))


class ResidualBlock(nnx.Module):
    r"""The published residual block: :math:`\mathrm{relu}(x + N(C(\mathrm{relu}(N(C(x))))))`.

    Both convolutions are of kernel 3 and keep the number of channels.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.first = ConvNorm(channels, channels, 3, rngs=rngs)
        self.conv = Conv(channels, channels, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(channels, momentum=0.9, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return nnx.relu(self.norm(self.conv(self.first(x))) + x)


class SqueezeBlock(nnx.Module):
    """A residual block that halves the length and weighs its channels by what they hold.

    Two convolutions of kernel 5, the first of stride 2; a gate for each channel from the mean
    over q of all of them (Hu et al., *Squeeze-and-Excitation Networks*, CVPR 2018): how noisy a
    curve is shows in such means, and decides which channels can be trusted. The way around is
    the mean of neighbours and a kernel of 1. The last normalisation starts at a scale of 0, so
    that a new block is its way around.
    """

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.first = Conv(inputs, outputs, 5, stride=2, rngs=rngs)
        self.first_norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        self.second = Conv(outputs, outputs, 5, rngs=rngs)
        zeros = nnx.initializers.zeros_init()
        self.second_norm = nnx.BatchNorm(outputs, momentum=0.9, scale_init=zeros, rngs=rngs)
        self.squeeze = Dense(outputs, outputs // 4, rngs=rngs)
        self.excite = Dense(outputs // 4, outputs, rngs=rngs)
        self.around = Conv(inputs, outputs, 1, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        y = nnx.silu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        gate = nnx.sigmoid(self.excite(nnx.silu(self.squeeze(y.mean(axis=1)))))
        return nnx.silu(gate[:, None] * y + self.around(_halved(x)))


def _halved(x: Array) -> Array:
    """Average neighbouring points; an odd last one stands for itself."""
    batch, points, channels = x.shape
    if points % 2:
        x = jnp.concatenate([x, x[:, -1:]], axis=1)
    return x.reshape(batch, -1, 2, channels).mean(axis=2)


def parameter_count(network: nnx.Module) -> int:
    """Return the number of trained parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
