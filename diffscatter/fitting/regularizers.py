r"""What is known about a body before it is measured, in differentiable form.

Parametrisations hold a density in its range for any value of the variables behind it; penalties
prefer sharp, flat, black-and-white bodies. Penalties are means over voxels, so that a weight
means the same at every grid size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["PARAMETRISATIONS", "Parametrisation", "binary", "total_variation"]


@dataclass(frozen=True)
class Parametrisation:
    """A density as a smooth function of unbounded variables.

    Attributes:
        name: as users write it.
        low, high: what a density may be.
        density: variables to density, elementwise.
        variables: its inverse, for densities strictly inside the range.
    """

    name: str
    low: float
    high: float
    density: Callable[[Array], Array]
    variables: Callable[[Array], Array]


PARAMETRISATIONS = {
    "occupancy": Parametrisation(
        "occupancy", 0.0, 1.0, jax.nn.sigmoid, lambda p: jnp.log(p) - jnp.log1p(-p)
    ),
    # x + ln(1 - e^-x) inverts ln(1 + e^z) without overflow.
    "positive": Parametrisation(
        "positive", 0.0, float("inf"), jax.nn.softplus, lambda p: p + jnp.log(-jnp.expm1(-p))
    ),
    "free": Parametrisation("free", -float("inf"), float("inf"), lambda z: z, lambda p: p),
}


def total_variation(density: Array, smoothing: float = 1e-3) -> Array:
    r"""Return the mean length of the density's gradient, per voxel step.

    .. math:: \frac1N \sum \sqrt{|\nabla\rho|^2 + \epsilon^2} - \epsilon

    Forward differences, none beyond the last voxel. Isotropic: a slanted surface costs its
    area, not its staircase. :math:`\epsilon` keeps the slope finite where the body is flat.

    Args:
        density: any number of axes.
        smoothing: :math:`\epsilon`, in the density's unit; a difference much smaller than it
            costs next to nothing.
    """
    squared = jnp.zeros_like(density)
    for axis in range(density.ndim):
        difference = jnp.diff(density, axis=axis)
        end = [(0, int(k == axis)) for k in range(density.ndim)]
        squared = squared + jnp.pad(difference, end) ** 2
    # Written so that small gradients do not cancel against epsilon.
    return jnp.mean(squared / (jnp.sqrt(squared + smoothing**2) + smoothing))


def binary(density: Array) -> Array:
    r"""Return the mean of :math:`p (1 - p)`: 0 where all voxels are full or empty."""
    return jnp.mean(density * (1 - density))
