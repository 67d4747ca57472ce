"""Free-form size distributions of any body of the registry."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.analytic import registry, with_parameter
from diffscatter.analytic.particle import Particle
from diffscatter.core.data import Curve
from diffscatter.fitting.distribution import SizeDistribution, fit_distribution
from diffscatter.instrument import Smear, smear_of

__all__ = ["size_distribution", "size_kernel"]

# A body of half-length s turns its fringes by q s: below the first nothing but a constant is
# seen of it, above the second no Guinier region; up to the third, its fringes may still tell.
_SMALLEST, _LARGEST, _FARTHEST = 1.5, 1.6, 4.0
_STEP = 0.03  # of ln(size): a population of 5 % relative width spans several nodes
_BATCH = 64  # bodies evaluated at once


def size_distribution(
    curve: Curve,
    model: Any = "sphere",
    parameter: str | None = None,
    *,
    set: Mapping[str, float] | None = None,
    sizes: tuple[float, float] | None = None,
    points: int | None = None,
    resolution: Any = "auto",
    background: bool = True,
    level: float = 0.9,
    strength: float | None = None,
) -> SizeDistribution:
    """Find how one length of a body is distributed, without assuming a form for it.

    Args:
        curve: q in 1/nm, intensity in 1/cm.
        model: a name from the registry or a particle of ``analytic``; a dilute sample of it.
        parameter: the length that is distributed; the model's first by default, for a sphere
            the radius.
        set: the model's other values, nm and 1/nm^2.
        sizes: smallest and largest, nm; from the q range by default: as far as its lowest q
            sees a Guinier region, and beyond where the distribution goes on and then ends.
        points: number of sizes, equally spaced in the logarithm; by default 3 % apart.
        resolution: ``"auto"``: what the curve itself carries; None: none; or a
            :class:`~diffscatter.instrument.Smear`.
        background, level, strength: as in :func:`~diffscatter.fitting.fit_distribution`.

    Raises:
        ValueError: for an unknown model or parameter, or a range that is not one, and what
            :func:`~diffscatter.fitting.fit_distribution` refuses.

    Example:
        >>> print(size_distribution(curve, "sphere", set={"contrast": 2e-4}))
    """
    body = registry.build(model, **dict(set or {})) if isinstance(model, str) else model
    if not isinstance(body, Particle):
        raise ValueError(
            f"a size distribution needs a particle such as 'sphere', got {type(body).__name__}"
        )
    parameter = _length(body, parameter)
    if parameter in (set or {}):
        raise ValueError(f"{parameter} is what is distributed; do not set it")
    if not (resolution is None or resolution == "auto" or isinstance(resolution, Smear)):
        raise ValueError(f'resolution must be "auto", None or a Smear, got {resolution!r}')
    smear = smear_of(curve) if resolution == "auto" else resolution
    axis = np.asarray(curve.q, float)

    def distribution(sizes: tuple[float, float]) -> SizeDistribution:
        low, high = sizes
        nodes = _nodes(low, high, points)
        kernel = size_kernel(body, parameter, nodes, axis if smear is None else smear.q)
        if smear is not None:
            kernel = smear.apply(kernel)
        volumes = _volumes(body, jnp.asarray(nodes, float), parameter)
        return fit_distribution(
            kernel, nodes, volumes, curve, background=background, level=level, strength=strength
        )

    if sizes is not None:
        return distribution(sizes)
    low = _SMALLEST / axis.max()
    found = distribution((low, _LARGEST / axis.min()))
    if _ends(found):
        return found
    wider = distribution((low, _FARTHEST / axis.min()))
    return wider if _ends(wider) else found


def _ends(found: SizeDistribution) -> bool:
    """Return whether a distribution has fallen off before its largest size."""
    return bool(found.by_volume[-1] <= 0.05 * found.by_volume.max())


def size_kernel(body: Any, parameter: str, sizes: np.ndarray, q: Any) -> Array:
    r"""Return what a unit of volume fraction per unit of ln(size) at each node scatters.

    .. math:: K_{ij} = \int I(q_i; s)\, h_j(\ln s)\, d\ln s

    with I the body's intensity at a volume fraction of 1 and h the hat function of node j, by
    Gauss-Legendre quadrature on each interval, nodes enough for the fringes at the largest q.

    Args:
        body: particle of ``analytic``; ``parameter``: its length that takes the ``sizes``.
        sizes: nodes, equally spaced in the logarithm, nm. Shape ``(n,)``.
        q: 1/nm. Shape ``(m,)``.

    Returns:
        In 1/cm, ``(m, n)``.
    """
    logs = np.log(sizes)
    step = logs[1] - logs[0]
    # F^2 turns by 2 q for each nm, and half of an interval is what a rule has to resolve.
    turn = np.max(np.asarray(q)) * sizes[-1] * step
    count = int(np.clip(np.ceil(turn / 8) * 4 + 4, 4, 64))
    x, w = np.polynomial.legendre.leggauss(count)
    x, w = (x + 1) / 2, w * step / 2
    inner = jnp.asarray(np.exp(logs[:-1, None] + step * x).ravel(), float)
    values = _table(body, inner, jnp.asarray(q, float), parameter)
    values = values.reshape(sizes.size - 1, count, -1)
    below, above = (
        jnp.einsum("jkq,k->qj", values, jnp.asarray(v)) for v in (w * (1 - x), w * x)
    )
    return jnp.pad(below, ((0, 0), (0, 1))) + jnp.pad(above, ((0, 0), (1, 0)))


@partial(jax.jit, static_argnames="parameter")
def _table(body: Any, sizes: Array, q: Array, parameter: str) -> Array:
    intensity = lambda s: with_parameter(body, parameter, s).specific_intensity(q)
    return jax.lax.map(intensity, sizes, batch_size=_BATCH)


@partial(jax.jit, static_argnames="parameter")
def _volumes(body: Any, sizes: Array, parameter: str) -> Array:
    return jax.vmap(lambda s: jnp.asarray(with_parameter(body, parameter, s).volume))(sizes)


def _length(body: Any, parameter: str | None) -> str:
    described = next((m for m in registry.MODELS.values() if type(body) is m.constructor), None)
    if described is None:
        if parameter is None:
            raise ValueError(f"name the parameter of {type(body).__name__} that is distributed")
        return parameter
    lengths = [p.name for p in described.parameters if p.unit == "nm"]
    if parameter is None and lengths:
        return lengths[0]
    if parameter not in lengths:
        listed = ", ".join(lengths) or "none"
        raise ValueError(f"{described.name} has no length {parameter!r}; it has {listed}")
    return parameter


def _nodes(low: float, high: float, points: int | None) -> np.ndarray:
    if not (math.isfinite(low) and math.isfinite(high) and 0 < low < high):
        raise ValueError(f"sizes must be 0 < low < high in nm, got ({low:g}, {high:g})")
    if points is None:
        # In steps of 16, so that curves of about one range share one compilation.
        points = 16 * math.ceil((math.log(high / low) / _STEP + 1) / 16)
    if points < 16:
        raise ValueError(f"points must be at least 16, got {points}")
    return np.geomspace(low, high, points)
