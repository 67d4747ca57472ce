"""What a trained network makes of measured curves of lipid nanoparticles.

The curves come on any scale, axis and window; the network answers with the probabilities of
the three classes, the fraction, the mean sizes, and says how odd a curve is. Oddness has two
statistics, each as the share of known curves that have as much of it
(:mod:`diffscatter.analysis.novelty`): the odds that the network gives to another body, of which
it has met some, and the distance of the curve's features from those of known curves, which no
kind of body has a part in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array

from diffscatter.analysis.novelty import neighbour_distance, oddness, whitening
from diffscatter.core.data import Curve
from diffscatter.datasets import lnp
from diffscatter.pipelines.tasks import TASKS
from diffscatter.training import load_beside, load_weights, save_weights

__all__ = [
    "PACKAGED",
    "ParticleModel",
    "Particles",
    "calibrated",
    "known_mixtures",
    "load_measured",
    "read_curves",
    "read_particles",
    "save_measured",
]

PACKAGED = Path(__file__).parents[1] / "weights" / "lnp_measured.h5"
# Share of known curves beyond the threshold; among those of much noise, as published, more are.
FALSE_ALARMS = 0.03

_TASK = TASKS["lnp-measured"]
_WEIGHTS = (0.75, 0.25)  # of the odds and of the distance
_REFERENCE, _CALIBRATION = 2048, 4096  # curves
_BATCH = 256
_NEAR = 16  # points with photons that tell how little none is


@dataclass(frozen=True, eq=False)
class ParticleModel:
    """A network for measured curves and what its answers are judged by.

    Attributes:
        network: a :class:`diffscatter.networks.CurveNet` of the task ``lnp-measured``.
        base: curves of types 3 and 4, on the axis that the network reads.
        centre, axes: mean of the features of known curves, and what makes them white.
        reference: white features of known curves. Shape ``(m, f)``.
        known: the two statistics of curves of held-out bodies, ascending. Shape ``(2, n)``.
        threshold: score beyond which a curve is none of these particles.
        made: how it came to be.
    """

    network: Any
    base: lnp.Base
    centre: np.ndarray
    axes: np.ndarray
    reference: np.ndarray
    known: np.ndarray
    threshold: float
    made: Mapping[str, Any]

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """Return how odd curves are from both their statistics, ``(2, n)``."""
        return oddness(statistics, self.known, _WEIGHTS)


@dataclass(frozen=True, eq=False)
class Particles:
    """What a network makes of n curves.

    Attributes:
        probabilities: of type 3 alone, type 4 alone and a mixture, sums 1. Shape ``(n, 3)``.
        fraction, fraction_sigma: of type 3, by number, over all three classes. Shape ``(n,)``.
        mixture_fraction, mixture_fraction_sigma: if it is a mixture. Shape ``(n,)``.
        mean_sizes, mean_sizes_sigma: of types 3 and 4 if they are there, nm. Shape ``(n, 2)``.
        score: minus log10 of the share of known curves that are as odd. Shape ``(n,)``.
        threshold: that of the score.
        out_of_distribution: whether it is exceeded. Shape ``(n,)``.
        q: the axis that the network reads, 1/nm. Shape ``(nq,)``.
        curves: log10 of the intensities there, NaN beyond a window. Shape ``(n, nq)``.
    """

    probabilities: np.ndarray
    fraction: np.ndarray
    fraction_sigma: np.ndarray
    mixture_fraction: np.ndarray
    mixture_fraction_sigma: np.ndarray
    mean_sizes: np.ndarray
    mean_sizes_sigma: np.ndarray
    score: np.ndarray
    threshold: float
    out_of_distribution: np.ndarray
    q: np.ndarray
    curves: np.ndarray


def read_particles(curves: Sequence[Curve], model: ParticleModel | None = None) -> Particles:
    """Return what the network makes of measured curves.

    Points without intensity, as photon counts have them, stand at half the lower quartile of
    the nearest that have some.

    Args:
        curves: any scale; q must hold :data:`diffscatter.datasets.lnp.WINDOW`.
        model: the packaged one unless given.

    Raises:
        ValueError: for a curve whose q ends within the window that every curve must hold.
    """
    model = load_measured() if model is None else model
    axis = np.asarray(model.base.q)
    if not curves:
        return read_curves(np.zeros((0, axis.size), np.float32), model)
    longest = max(np.size(curve.q) for curve in curves)
    q, values = np.stack([_padded(curve, longest) for curve in curves], axis=1)
    moved = jax.jit(jax.vmap(lnp.on_axis, (0, 0, None)))(q, values, axis)
    return read_curves(np.asarray(moved, np.float32), model)


def read_curves(curves: np.ndarray, model: ParticleModel) -> Particles:
    """Return what the network makes of curves that are on its axis, NaN beyond their window.

    Args:
        curves: log10 of intensities. Shape ``(n, nq)``.
        model: the network and what judges it.
    """
    told, features = _told(model.network, curves)
    with_other = np.asarray(told["kind"], float)
    # A curve that is surely another body still has the odds among the three.
    among = np.maximum(with_other[:, :3], 1e-30)
    among = among / among.sum(axis=1, keepdims=True)
    first, second, mixed = among.T
    within, spread = told["fraction"].mean, told["fraction"].spread
    fraction = first + mixed * within
    variance = first * (1 - fraction) ** 2 + second * fraction**2
    variance = variance + mixed * (spread**2 + (within - fraction) ** 2)
    sizes = [told[f"mean_size_type{kind}"] for kind in model.base.kinds]
    statistics = _statistics(with_other, features, model.centre, model.axes, model.reference)
    score = model.scores(statistics)
    return Particles(
        probabilities=among,
        fraction=fraction,
        fraction_sigma=np.sqrt(variance),
        mixture_fraction=within,
        mixture_fraction_sigma=spread,
        mean_sizes=np.stack([size.mean for size in sizes], axis=1),
        mean_sizes_sigma=np.stack([size.spread for size in sizes], axis=1),
        score=score,
        threshold=model.threshold,
        out_of_distribution=score > model.threshold,
        q=np.asarray(model.base.q),
        curves=curves,
    )


def calibrated(
    network: Any, bases: tuple[lnp.Base, lnp.Base], *, key: Array, made: Mapping[str, Any]
) -> ParticleModel:
    """Return a trained network with what its answers are judged by.

    Features of known curves come from the bodies of training; statistics and threshold, so that
    :data:`FALSE_ALARMS` of known curves are beyond it, from two sets of curves of the held-out
    ones.

    Args:
        network: trained for ``lnp-measured``.
        bases: curves of types 3 and 4 of training, and of other bodies.
        key: of all draws.
        made: how the network came to be.
    """
    keys = jax.random.split(key, 3)
    base, held_out = bases
    sample, held_sample = (_TASK.sampler(b, _TASK.mixtures) for b in bases)
    told = lambda *known: _told(network, known_mixtures(*known).curves)
    features = told(sample, keys[0], _REFERENCE)[1]
    centre, axes = whitening(features)
    # Half precision is what is kept: the distances must be to the same points.
    reference = ((features - centre) @ axes).astype(np.float16)

    def statistics(key):
        found, features = told(held_sample, key, _CALIBRATION)
        return _statistics(np.asarray(found["kind"], float), features, centre, axes, reference)

    known = np.sort(statistics(keys[1]), axis=1)
    model = ParticleModel(network, base, centre, axes, reference, known, np.inf, made)
    scores = model.scores(statistics(keys[2]))
    threshold = float(np.quantile(scores, 1 - FALSE_ALARMS, method="higher"))
    return ParticleModel(network, base, centre, axes, reference, known, threshold, made)


def save_measured(path: Path | str, model: ParticleModel) -> None:
    """Write all of a model to one HDF5 file (:func:`load_measured`)."""
    base = model.base
    beside = {
        "base/sizes": base.sizes,
        "base/q": base.q,
        "base/intensity": np.asarray(base.intensity, np.float32),
        "centre": np.asarray(model.centre, np.float32),
        "axes": np.asarray(model.axes, np.float32),
        "reference": model.reference,
        "known": model.known.astype(np.float32),
        "threshold": model.threshold,
    }
    save_weights(path, model.network, model.made, beside=beside)


def load_measured(path: Path | str = PACKAGED) -> ParticleModel:
    """Return the packaged model, or that of a file of :func:`save_measured`."""
    kept = load_beside(path)
    base = lnp.Base(
        kinds=_TASK.kinds,
        sizes=kept.pop("base/sizes"),
        q=kept.pop("base/q"),
        intensity=kept.pop("base/intensity"),
    )
    network = _TASK.plans["ours"].build(base.q.size, jax.random.key(0))
    made = load_weights(path, network)
    network.eval()
    threshold = float(kept.pop("threshold"))
    return ParticleModel(network=network, base=base, made=made, threshold=threshold, **kept)


def known_mixtures(sample: Callable, key: Array, count: int) -> lnp.Mixture:
    """Return measured curves of known particles with what they are, on the host.

    Args:
        sample: of :func:`diffscatter.datasets.lnp.measured_sampler`.
        key: of the draws.
        count: how many, b of the result.
    """
    found, index, missing = [], 0, count
    while missing > 0:
        mixture = jax.device_get(_batch(sample, jax.random.fold_in(key, index)))
        there = mixture.fractions.sum(axis=1) > 0
        found.append([np.asarray(leaf)[there] for leaf in jax.tree.leaves(mixture)])
        missing, index = missing - int(there.sum()), index + 1
    leaves = [np.concatenate(parts)[:count] for parts in zip(*found, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(mixture), leaves)


@jax.jit
def _batch(sample: Callable, key: Array) -> lnp.Mixture:
    return sample(key, _BATCH)


# The network is an argument: as a constant it would be compiled in, weights and all.
@jax.jit
def _answers(network: Any, curves: Array) -> tuple[dict[str, Any], Array]:
    return network.predict(curves), network.features(curves)


def _told(network: Any, curves: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Return the answers for curves ``(n, nq)`` and their features, on the host."""
    count = len(curves)
    size = min(_BATCH, 1 << max(count - 1, 0).bit_length())  # few sizes: each is compiled
    parts = []
    for start in range(0, max(count, 1), size):
        part = curves[start : start + size].astype(np.float32)
        part = np.pad(part, ((0, size - len(part)), (0, 0)))
        parts.append(jax.device_get(_answers(network, part)))
    whole = lambda *leaves: np.concatenate(leaves)[:count] if leaves[0].ndim else leaves[0]
    return jax.tree.map(whole, *parts)


def _statistics(with_other, features, centre, axes, reference) -> np.ndarray:
    """Return the odds of another body, and the distance from known features, ``(2, n)``."""
    odds = np.log(with_other[:, 3] + 1e-30) - np.log(with_other[:, :3].sum(axis=1) + 1e-30)
    white = (np.asarray(features, float) - centre) @ axes
    return np.stack([odds, neighbour_distance(white, reference)])


def _padded(curve: Curve, length: int) -> np.ndarray:
    """Return q and log10 of the intensity, the last point repeated, ``(2, length)``."""
    q = np.asarray(curve.q, float)
    first, last = lnp.WINDOW
    if q[0] > first or q[-1] < last:
        raise ValueError(
            f"{curve.name}: q runs from {q[0]:.4g} to {q[-1]:.4g} 1/nm, and the network knows "
            f"curves that hold {first:g} to {last:g} 1/nm; check the unit of q, or measure more"
        )
    values = np.log10(_above_nothing(np.asarray(curve.intensity, float)))
    return np.pad(np.stack([q, values]), ((0, 0), (0, length - q.size)), mode="edge")


def _above_nothing(intensity: np.ndarray) -> np.ndarray:
    """Return intensities above 0: others stand at half the lower quartile of their nearest."""
    good = np.flatnonzero(intensity > 0)
    near = min(_NEAR, good.size)
    filled = intensity.copy()
    for i in np.flatnonzero(~(intensity > 0)):
        start = np.clip(np.searchsorted(good, i) - near // 2, 0, good.size - near)
        filled[i] = np.quantile(intensity[good[start : start + near]], 0.25) / 2
    return filled
