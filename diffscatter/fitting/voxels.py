"""Fit a voxel body through any forward model, by gradient descent with optax."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite, dtype_of
from diffscatter.core.pytree import replace, static, struct
from diffscatter.fitting.losses import Loss, assumed_sigma, loss_named
from diffscatter.fitting.problem import as_pytree
from diffscatter.fitting.regularizers import (
    PARAMETRISATIONS,
    Parametrisation,
    total_variation,
)
from diffscatter.fitting.regularizers import binary as binary_penalty

if TYPE_CHECKING:
    import optax

__all__ = ["VoxelFit", "fit_voxels"]

# A given density moves in by this much: at an end of its range it could not move at all.
_INSET = 1e-3


@dataclass(frozen=True, eq=False)
class VoxelFit:
    """The outcome of a voxel fit.

    Attributes:
        density: the last density whose loss and gradient were finite.
        history: total loss before each step, ``(steps,)``.
        loss: total loss of ``density``.
        misfit: its part that the data make, mean squared residual.
        fitted: ``forward(density)``.
        status: one readable line: completed, interrupted, or stopped at which step and why.
        completed: whether all steps were taken.
    """

    density: Array
    history: np.ndarray
    loss: float
    misfit: float
    fitted: Array
    status: str
    completed: bool

    @property
    def steps(self) -> int:
        """Number of steps taken."""
        return self.history.size


@struct
class _Task:
    """All that the loss needs, arrays as data and choices as structure."""

    forward: Any
    data: Array
    sigma: Array
    tv: Array
    binary: Array
    loss: Loss = static()
    transform: Parametrisation = static()


@struct
class _Progress:
    """Where the descent is.

    Attributes:
        variables: at which the loss comes next.
        previous: those before, whose loss and gradient were finite.
        state: the optimiser's.
        losses: before each step of the last chunk; ``taken`` of them count.
        sound: whether everything so far was finite.
    """

    variables: Array
    previous: Array
    state: Any
    losses: Array
    taken: Array
    sound: Array

    @classmethod
    def start(cls, variables: Array, state: Any, length: int) -> "_Progress":
        return cls(
            variables=variables,
            previous=variables,
            state=state,
            losses=jnp.zeros(length, variables.dtype),
            taken=jnp.int32(0),
            sound=jnp.array(True),
        )


def fit_voxels(
    forward: Callable[[Array], Array],
    data: Array,
    initial: Array | tuple[int, ...],
    *,
    sigma: Array | None = None,
    loss: str | Loss = "chi2",
    transform: str | Parametrisation = "occupancy",
    tv: float = 0.0,
    binary: float = 0.0,
    steps: int = 500,
    optimiser: "optax.GradientTransformation | None" = None,
    key: Array | None = None,
    chunk: int = 50,
    on_chunk: Callable[[int, float, Array], None] | None = None,
) -> VoxelFit:
    r"""Minimise mean squared residual + ``tv`` · TV + ``binary`` · p(1 - p).

    Steps run in compiled chunks; between them the host reports, and can be interrupted: Ctrl-C
    returns what there is, marked so. A loss or gradient that is not finite stops the fit before
    it spoils the density.

    Args:
        forward: density to intensity, in the shape of ``data``: any differentiable function.
            Its arrays are data to the compiled program if it is a pytree; a closure is
            compiled in, once for each function object.
        data: measured intensity, any shape.
        initial: the density to start from, or its shape: then half full, with a little noise,
            which an operator that cannot tell left from right needs to move at all.
        sigma: errors of ``data``, or None: equal relative errors are assumed
            (:func:`~diffscatter.fitting.assumed_sigma`).
        loss: ``"chi2"``, ``"poisson"``, ``"log"`` or a :class:`~diffscatter.fitting.Loss`.
        transform: ``"occupancy"`` (0 to 1), ``"positive"``, ``"free"``, or one's own.
        tv, binary: weights of :func:`~diffscatter.fitting.total_variation` and
            :func:`~diffscatter.fitting.binary`.
        steps: number of gradient steps.
        optimiser: any of optax; by default Adam (b2 = 0.95) at 0.2, falling to 0.002 on
            a cosine.
        key: for the noise of a density given by its shape; ``jax.random.key(0)`` if None.
        chunk: steps between two reports.
        on_chunk: called with the number of steps taken, the loss, and the density.

    Raises:
        ValueError: for a forward model whose output is not of the data's shape, data that the
            loss cannot take, a density outside its range, and bad counts.
    """
    loss, transform = loss_named(loss), _transform_named(transform)
    if steps < 1 or chunk < 1:
        raise ValueError(f"steps and chunk must be at least 1, got {steps} and {chunk}")
    for name, weight in (("tv", tv), ("binary", binary)):
        if not weight >= 0:
            raise ValueError(f"{name} must be at least 0, got {weight}")
    task = _task(forward, data, sigma, loss, transform, tv, binary)
    variables = transform.variables(_start(initial, transform, task.data.dtype, key))
    shape = jax.eval_shape(lambda z: task.forward(transform.density(z)), variables).shape
    if shape != task.data.shape:
        raise ValueError(f"forward gives shape {shape}, the data have {task.data.shape}")

    optimiser = _default_optimiser(steps) if optimiser is None else optimiser
    at = _Progress.start(variables, optimiser.init(variables), chunk)
    history: list[float] = []
    interrupted = False
    try:
        while at.sound and len(history) < steps:
            count = min(chunk, steps - len(history))
            at = _descend(task, optimiser, at, count)
            history.extend(np.asarray(at.losses)[: int(at.taken)].tolist())
            if at.sound and on_chunk is not None:
                on_chunk(len(history), history[-1], transform.density(at.variables))
    except KeyboardInterrupt:
        interrupted = True
    density = transform.density(at.variables)
    total, (misfit, fitted) = _objective(task, density)
    sound = bool(at.sound) and bool(jnp.isfinite(total))
    if at.sound and not sound:  # after the very last step, where no other follows to tell
        density = transform.density(at.previous)
        total, (misfit, fitted) = _objective(task, density)
    if not sound:
        status = (
            f"stopped after step {len(history)}: the loss or its gradient is not finite there; "
            "the density before that step is kept"
        )
    elif interrupted:
        status = f"interrupted after {len(history)} of {steps} steps"
    else:
        status = f"completed {steps} steps"
    return VoxelFit(
        density=density,
        history=np.asarray(history),
        loss=float(total),
        misfit=float(misfit),
        fitted=fitted,
        status=status,
        completed=sound and not interrupted,
    )


def _transform_named(transform: str | Parametrisation) -> Parametrisation:
    if isinstance(transform, Parametrisation):
        return transform
    if transform not in PARAMETRISATIONS:
        raise ValueError(
            f"transform must be one of {', '.join(PARAMETRISATIONS)}, got {transform!r}"
        )
    return PARAMETRISATIONS[transform]


def _task(forward, data, sigma, loss, transform, tv, binary) -> _Task:
    values = check_finite("data", data)
    if values is None:
        raise ValueError("fit_voxels works on concrete data; call it outside jit and vmap")
    errors = assumed_sigma(values) if sigma is None else check_finite("sigma", sigma)
    if (errors <= 0).any():
        raise ValueError(f"sigma must be above 0, got {errors.min():g}")
    if errors.shape not in ((), values.shape):
        raise ValueError(
            f"sigma must be a scalar or of the data's shape {values.shape}, got {errors.shape}"
        )
    loss.check(values, None if sigma is None else errors)
    cast = lambda array: jnp.asarray(array, dtype_of(data))
    return _Task(
        forward=as_pytree(forward),
        data=cast(data),
        sigma=cast(errors),
        tv=cast(tv),
        binary=cast(binary),
        loss=loss,
        transform=transform,
    )


def _start(initial, transform: Parametrisation, dtype, key: Array | None) -> Array:
    low, high = transform.low, transform.high
    if isinstance(initial, tuple) and all(isinstance(n, int) for n in initial):
        if not initial or min(initial) < 1:
            raise ValueError(f"initial must be a density or a shape, got {initial}")
        key = jax.random.key(0) if key is None else key
        return 0.5 + 0.02 * jax.random.normal(key, initial, dtype)
    density = check_finite("initial", initial)
    if density is None or density.ndim == 0:
        raise ValueError(f"initial must be a density or a shape, got {initial!r}")
    if density.min() < low or density.max() > high:
        raise ValueError(
            f"initial must lie in [{low:g}, {high:g}] for transform {transform.name!r}, "
            f"got {density.min():g} to {density.max():g}"
        )
    # An infinite end clips nothing.
    inset = lambda end, side: end + side * _INSET
    return jnp.clip(jnp.asarray(density, dtype), inset(low, 1), inset(high, -1))


@lru_cache(maxsize=16)
def _default_optimiser(steps: int) -> "optax.GradientTransformation":
    # Slopes without noise fall by orders of magnitude on the way: Adam must forget the first
    # ones soon (b2), or its steps die out. Cached, because the compiled program of a chunk is
    # found again by the optimiser's identity.
    import optax

    return optax.adam(optax.cosine_decay_schedule(0.2, steps, alpha=0.01), b2=0.95)


@jax.jit
def _objective(task: _Task, density: Array) -> tuple[Array, tuple[Array, Array]]:
    fitted = task.forward(density)
    misfit = jnp.mean(task.loss.residuals(fitted, task.data, task.sigma) ** 2)
    total = misfit + task.tv * total_variation(density) + task.binary * binary_penalty(density)
    return total, (misfit, fitted)


@partial(jax.jit, static_argnames=("optimiser",))
def _descend(task: _Task, optimiser, at: _Progress, count: Array) -> _Progress:
    """Take ``count`` more steps, or fewer if the last one led to what is not finite."""
    import optax

    objective = lambda z: _objective(task, task.transform.density(z))[0]

    def step(at: _Progress) -> _Progress:
        loss, slope = jax.value_and_grad(objective)(at.variables)
        sound = jnp.isfinite(loss) & jnp.isfinite(slope).all()
        updates, state = optimiser.update(slope, at.state, at.variables)
        keep = lambda new, old: jnp.where(sound, new, old)
        return _Progress(
            variables=keep(optax.apply_updates(at.variables, updates), at.previous),
            previous=keep(at.variables, at.previous),
            state=jax.tree.map(keep, state, at.state),
            losses=at.losses.at[at.taken].set(loss),
            taken=at.taken + sound,
            sound=sound,
        )

    start = replace(at, taken=jnp.zeros_like(at.taken), sound=jnp.array(True))
    return jax.lax.while_loop(lambda at: at.sound & (at.taken < count), step, start)
