r"""What a noisy curve of nanoparticles says: fractions, sizes and types by their posterior.

The model is the simulator that made the curves (:mod:`.mixture_model`), its priors included.
Each class (one type alone, or a mixture) is fitted from several starts by Levenberg-Marquardt
through the exact gradient of the simulator, then weighed by importance sampling about what was
found: its evidence gives the probability of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.resampling import spline_matrix
from diffscatter.datasets import lnp
from diffscatter.fitting.importance import importance_draws
from diffscatter.fitting.levenberg import levenberg_marquardt
from diffscatter.fitting.multistart import over
from diffscatter.pipelines.mixture_model import SCALE, MixtureModel
from diffscatter.pipelines.mixture_starts import Starts, starting_places

__all__ = ["CLASSES", "Starts", "MixtureFit", "fit_mixtures"]

# The classes of each task, all as probable.
CLASSES = {
    "classify": ((3,), (4,), (3, 4)),
    "fraction": ((3, 4),),
    "mixed": ((1,), (2,), (3,), (4,), (1, 2, 3, 4)),
    "weights": ((1, 2, 3),),
}

_LEVELS = (0.05, 0.5, 0.95)  # of the intervals
_STEPS = 60  # of a descent
_FEWEST = 10  # points of a curve
_ON_CPU = 32  # curves of one compiled call
_DRAWS_TOGETHER = 2**17  # of one class, elsewhere: half a gigabyte for each array over q


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """Posteriors of n curves of k types, all classes together by their probabilities.

    A type that is not in a class has the fraction 0 there, and no size: sizes are those of the
    classes that hold the type.

    Attributes:
        kinds: types, in the order of the last axis.
        classes: types of each class; with three, type 3, type 4 and their mixture.
        probabilities: of the classes. Shape ``(n, classes)``.
        log_evidence: logarithm of the density of the data. Shape ``(n, classes)``.
        fractions, fractions_sigma: mean and standard deviation, by number. Shape ``(n, k)``.
        fractions_interval: median and ends of the central 90 %. Shape ``(3, n, k)``: 5 %, 50 %,
            95 %.
        means, means_sigma, means_interval: likewise of the mean sizes, nm.
        deviations, deviations_sigma, deviations_interval: likewise of the sizes' standard
            deviations, nm.
        q: axis of ``curve``, 1/nm. Shape ``(m,)``.
        curve: intensity at the best place of the likeliest class, log10 unless the data were
            ``linear``; NaN where q is beyond the base curves. Shape ``(n, m)``.
        residuals: of the data there, divided by their errors; NaN where there are none.
            Shape ``(n, m)``.
        chi2: mean of their squares. Shape ``(n,)``.
        effective: number of independent draws behind the numbers. Shape ``(n,)``.
    """

    kinds: tuple[int, ...]
    classes: tuple[tuple[int, ...], ...]
    probabilities: np.ndarray
    log_evidence: np.ndarray
    fractions: np.ndarray
    fractions_sigma: np.ndarray
    fractions_interval: np.ndarray
    means: np.ndarray
    means_sigma: np.ndarray
    means_interval: np.ndarray
    deviations: np.ndarray
    deviations_sigma: np.ndarray
    deviations_interval: np.ndarray
    q: np.ndarray
    curve: np.ndarray
    residuals: np.ndarray
    chi2: np.ndarray
    effective: np.ndarray

    @property
    def fraction(self) -> np.ndarray:
        """Mean of the first type's fraction, ``(n,)``."""
        return self.fractions[:, 0]

    @property
    def fraction_sigma(self) -> np.ndarray:
        """Its standard deviation, ``(n,)``."""
        return self.fractions_sigma[:, 0]

    @property
    def fraction_interval(self) -> np.ndarray:
        """Both ends of its central 90 %, ``(n, 2)``."""
        return self.fractions_interval[[0, 2], :, 0].T


def fit_mixtures(
    curves: ArrayLike,
    base: lnp.Base,
    *,
    key: Array,
    task: str = "classify",
    spread: str = "text",
    strength: tuple[float, float] = lnp.STRENGTH,
    starts: Starts | None = None,
    descents: int = 6,
    q: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    linear: bool = False,
    scale_free: bool = False,
    model_error: float = 1e-4,
    draws: int = 256,
    rounds: int = 3,
    components: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> MixtureFit:
    """Return the posteriors of noisy curves. In float64.

    Args:
        curves: log10 of intensity, or intensity where ``linear``; NaN where there is none.
            Shape ``(n, m)``.
        base: curves of the particles the model is made of.
        key: of starts and draws.
        task: which classes there are (:data:`CLASSES`).
        spread, strength: priors of the sizes' standard deviations and of alpha_n, as those of
            :func:`diffscatter.datasets.lnp.sampler`.
        starts: where to start; None draws all starts from the prior.
        descents: of each class: one from ``starts``, others about it, a quarter from the prior.
        q: axis of the curves, 1/nm; None: the base's. Points beyond the base are left out.
        sigma: errors of ``curves``, in their unit, in place of the noise that alpha_n makes.
            Shape ``(n, m)`` or ``(m,)``.
        linear: whether curves and errors are intensities.
        scale_free: whether the curves' scale is unknown.
        model_error: relative error of base curves, which adds to that of the data.
        draws, rounds, components: as
            :func:`~diffscatter.fitting.importance.importance_draws` takes them.
        progress: called with the curves done and their number.

    Raises:
        ValueError: for unknown names, shapes that do not fit, or too few points.
    """
    lnp.check_options(task, spread, strength=strength)
    if not 0 <= model_error < 1:
        raise ValueError(f"model_error must be at least 0 and below 1, got {model_error}")
    if descents < 1:
        raise ValueError(f"descents must be at least 1, got {descents}")
    kinds = lnp.TASKS[task]
    if missing := set(kinds) - set(base.kinds):
        raise ValueError(f"base holds types {base.kinds}; {task} needs {sorted(missing)} too")
    with jax.enable_x64(True):
        data = _data(curves, base, q, sigma, linear, scale_free)
        law = {"spread": spread, "strength": strength, "linear": linear}
        law["model_error"] = model_error
        model_of = partial(_model_of, base, data, scale_free=scale_free, **law)
        models = [model_of(held) for held in CLASSES[task]]
        key_starts, key_draws = jax.random.split(key)
        begin = [
            starting_places(
                jax.random.fold_in(key_starts, i),
                model,
                None if starts is None else starts.of([kinds.index(kind) for kind in held]),
                (len(data.curves), descents),
            )
            for i, (model, held) in enumerate(zip(models, CLASSES[task], strict=True))
        ]
        counts = {"draws": draws, "rounds": rounds, "components": components}
        n = len(data.curves)
        on_cpu = jax.default_backend() == "cpu"
        size = min(n, _ON_CPU if on_cpu else max(_DRAWS_TOGETHER // draws, 1))
        done = []
        for first in range(0, n, size):
            # The last block is filled up with the last curve, so that one program serves all.
            rows = np.minimum(np.arange(first, first + size), n - 1)
            found = [
                _fit_class(
                    model,
                    data.curves[rows],
                    None if data.sigma is None else data.sigma[rows],
                    start[rows],
                    jax.vmap(partial(jax.random.fold_in, key_draws))(rows),
                    **counts,
                )
                for model, start in zip(models, begin, strict=True)
            ]
            last = min(size, n - first)
            done.append(_pooled(jax.device_get(found), CLASSES[task], kinds, last))
            if progress is not None:
                progress(first + last, n)
    axis = lambda name: 1 if name.endswith("interval") else 0
    whole = {name: np.concatenate([d[name] for d in done], axis(name)) for name in done[0]}
    shift = data.shift[:, None]
    whole["curve"] = whole["curve"] * 10**shift if linear else whole["curve"] + shift
    for name in ("curve", "residuals"):
        inside, whole[name] = whole[name], np.full((n, data.q.size), np.nan)
        whole[name][:, data.inside] = inside
    return MixtureFit(kinds=kinds, classes=CLASSES[task], q=data.q, **whole)


@dataclass(frozen=True, eq=False)
class _Data:
    """Checked data.

    Attributes:
        curves, sigma: on the points that base curves reach, in units of a free scale.
            Shape ``(n, used)``.
        shift: logarithm to base 10 of that unit. Shape ``(n,)``.
        q: of all points. Shape ``(m,)``.
        inside: which of them are used. Shape ``(m,)``.
    """

    curves: np.ndarray
    sigma: np.ndarray | None
    shift: np.ndarray
    q: np.ndarray
    inside: np.ndarray


def _data(
    curves: ArrayLike,
    base: lnp.Base,
    q: ArrayLike | None,
    sigma: ArrayLike | None,
    linear: bool,
    scale_free: bool,
) -> _Data:
    curves = np.asarray(curves, float)
    axis = np.asarray(base.q, float)
    q = axis if q is None else np.asarray(q, float)
    if curves.ndim != 2 or q.ndim != 1 or curves.shape[1] != q.size or not len(curves):
        raise ValueError(
            f"curves must be (n, m) on q (m,), got shapes {curves.shape} and {q.shape}"
        )
    if linear and sigma is None:
        raise ValueError("linear intensities need sigma, got None; give log10 of intensities")
    inside = (q >= axis[0]) & (q <= axis[-1])
    there = np.isfinite(curves) & inside
    if sigma is not None:
        sigma = np.broadcast_to(np.asarray(sigma, float), curves.shape)
        if not (sigma[there] > 0).all():
            raise ValueError("sigma must be above 0 wherever there is a curve")
        sigma = np.where(there, sigma, 1.0)[:, inside]
    fewest = int(there.sum(axis=1).min())
    if fewest < _FEWEST:
        raise ValueError(
            f"curves must have {_FEWEST} points or more between {axis[0]:.4g} and "
            f"{axis[-1]:.4g} 1/nm, got {fewest}"
        )
    curves = curves[:, inside]
    shift = np.zeros(len(curves))
    if scale_free:
        # The middle of all bodies there are, on the points that the curve has above 0.
        middle = np.log10(np.asarray(base.intensity, float)).mean(axis=(0, 1))
        logs = np.log10(np.where(curves > 0, curves, np.nan)) if linear else curves
        shift = np.nanmean(logs - np.interp(q[inside], axis, middle), axis=1)
        unit = shift[:, None]
        curves = curves / 10**unit if linear else curves - unit
        sigma = sigma / 10**unit if linear else sigma
    return _Data(curves=curves, sigma=sigma, shift=shift, q=q, inside=inside)


def _model_of(
    base: lnp.Base,
    data: _Data,
    kinds: tuple[int, ...],
    *,
    spread: str,
    strength: tuple[float, float],
    linear: bool,
    scale_free: bool,
    model_error: float,
) -> MixtureModel:
    curves = np.asarray(base.intensity, float)[[base.kinds.index(kind) for kind in kinds]]
    q, axis = data.q[data.inside], np.asarray(base.q, float)
    if not np.array_equal(q, axis):
        # Cubics are off by a thousandth of a curve's waves: too much where its minima are deep.
        curves = np.maximum(curves @ spline_matrix(axis, q, degree=5).T, curves.min())
    return MixtureModel(
        curves=curves,
        sizes=np.asarray(base.sizes, float),
        spread=np.array(lnp.SPREADS[spread]),
        strength=np.log(strength),
        model_error=np.asarray(model_error, float),
        linear=linear,
        scale_free=scale_free,
        own_noise=data.sigma is None,
    )


@partial(jax.jit, static_argnames=("draws", "rounds", "components"))
def _fit_class(
    model: MixtureModel,
    curves: Array,
    sigma: Array | None,
    starts: Array,
    keys: Array,
    *,
    draws: int,
    rounds: int,
    components: int,
) -> dict[str, Array]:
    """Return draws of the posterior of one class, its evidence and its best place."""
    n, each, size = starts.shape
    rows = jnp.repeat(jnp.arange(n), each)

    def descend(row: tuple[Array, Array]) -> tuple[Array, Array]:
        z, i = row
        given = curves[i], None if sigma is None else sigma[i]
        residuals = lambda z: model.residuals(z, *given)

        def linearise(z: Array) -> tuple[Array, Array]:
            push = lambda tangent: jax.jvp(residuals, (z,), (tangent,))
            return jax.vmap(push, out_axes=(None, 1))(jnp.eye(size, dtype=z.dtype))

        begin = model.scaled(z, *given)
        count = (1 + model.own_noise) * curves.shape[1] + size
        same = lambda values: values
        end = levenberg_marquardt(linearise, same, same, begin, count, max_steps=_STEPS)
        return end.z, end.loss

    ends, losses = over(descend, (starts.reshape(n * each, size), rows))
    ends, losses = ends.reshape(starts.shape), losses.reshape(n, each)

    def weigh(row: tuple) -> dict[str, Array]:
        ends, losses, key, i = row
        given = curves[i], None if sigma is None else sigma[i]
        density = lambda z: model.log_density(z, *given)
        curvature = lambda z: model.curvature(z, *given)
        found = importance_draws(
            density, curvature, ends, key, draws=draws, rounds=rounds, components=components
        )
        best = ends[jnp.argmin(losses)]
        mean, logs = model.moments(best, given[1])
        clean = model.shape(best)
        scale = SCALE * best[-1] if model.scale_free else 0.0
        fractions, means, deviations = jax.vmap(model.populations)(found.places)
        return {
            "log_weights": found.log_weights,
            "log_evidence": found.log_evidence,
            "populations": jnp.stack([fractions, means, deviations]),
            "curve": 10**scale * clean if model.linear else scale + jnp.log10(clean),
            "residuals": (given[0] - mean) * jnp.exp(-logs / 2),
        }

    return over(weigh, (ends, losses, keys, jnp.arange(n)))


def _pooled(
    found: list[dict[str, Any]],
    classes: tuple[tuple[int, ...], ...],
    kinds: tuple[int, ...],
    count: int,
) -> dict[str, np.ndarray]:
    """Return what all classes together say of the first ``count`` curves of a block."""
    stack = lambda name: np.stack([np.asarray(f[name])[:count] for f in found], axis=1)
    evidence = stack("log_evidence")
    shares = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    weights = shares[..., None] * np.exp(stack("log_weights"))
    # Fractions, means and deviations of all draws, by class; NaN for sizes of absent types.
    values = np.full((3, *weights.shape, len(kinds)), np.nan)
    values[0] = 0.0
    for c, (own, held) in enumerate(zip(found, classes, strict=True)):
        columns = [kinds.index(kind) for kind in held]
        values[:, :, c, :, columns] = np.transpose(own["populations"][:count], (3, 1, 0, 2))
    likeliest = shares.argmax(axis=1)
    of_it = lambda name: stack(name)[np.arange(count), likeliest]
    residuals = of_it("residuals")
    told = {
        "probabilities": shares,
        "log_evidence": evidence,
        "curve": of_it("curve"),
        "residuals": residuals,
        "chi2": np.nanmean(residuals**2, axis=1),
        "effective": 1 / (weights**2).sum(axis=(1, 2)),
    }
    flat = weights.reshape(count, -1)
    for name, table in zip(("fractions", "means", "deviations"), values, strict=True):
        columns = [
            _summary(v, flat) for v in np.moveaxis(table, -1, 0).reshape(-1, *flat.shape)
        ]
        mean, sigma, interval = (np.stack(v, axis=-1) for v in zip(*columns, strict=True))
        told |= {name: mean, f"{name}_sigma": sigma, f"{name}_interval": interval}
    return told


def _summary(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return mean, standard deviation and three quantiles of weighted draws ``(n, draws)``."""
    there = np.isfinite(values)
    weights = np.where(there, weights, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    # No class that holds the type has any probability: NaN.
    weights = weights / np.where(total > 0, total, np.nan)
    values = np.where(there, values, 0.0)
    mean = np.sum(weights * values, axis=1)
    sigma = np.sqrt(np.sum(weights * (values - mean[:, None]) ** 2, axis=1))
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, 1), axis=1)
    at = lambda level: np.argmax(reached >= level, axis=1)[:, None]
    ranked = np.take_along_axis(values, order, 1)
    interval = [np.take_along_axis(ranked, at(level), 1)[:, 0] for level in _LEVELS]
    return mean, sigma, np.stack(interval)
