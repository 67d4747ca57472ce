r"""What is known of a parameter before the fit: further residuals beside the data's.

A normal law about :math:`\mu` adds the residual :math:`(x - \mu)/s`, as one more measured value
would. Bounds are the uniform prior: between them nothing is preferred.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.pytree import static, struct
from diffscatter.fitting.parameters import Parameters

__all__ = ["GaussianPrior", "LognormalPrior", "Priors", "priors_of"]


@dataclass(frozen=True)
class GaussianPrior:
    """A normal law. Attributes: ``mean`` and standard deviation ``sigma``, in the parameter's
    unit."""

    mean: float
    sigma: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(
                f"a Gaussian prior needs a finite mean and sigma > 0, got {self.mean:g} and "
                f"{self.sigma:g}"
            )

    def __str__(self) -> str:
        return f"{self.mean:g} +- {self.sigma:g}"


@dataclass(frozen=True)
class LognormalPrior:
    """A normal law of the logarithm. Attributes: ``median``, in the parameter's unit, and
    ``sigma``, the standard deviation of ln x: 0.1 is about 10 %."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        sound = math.isfinite(self.median) and math.isfinite(self.sigma)
        if not (sound and self.median > 0 and self.sigma > 0):
            raise ValueError(
                f"a lognormal prior needs a median and a sigma above 0, got {self.median:g} "
                f"and {self.sigma:g}"
            )

    def __str__(self) -> str:
        return f"{self.median:g} times or over {math.exp(self.sigma):.4g}"


@struct
class Priors:
    """The priors of a fit, as measured values of their own.

    Attributes:
        centre, sigma: of the parameter, or of its logarithm. Shape ``(k,)``.
        index: which parameters they are of.
        logarithmic: which of them are of the logarithm.
    """

    centre: Array
    sigma: Array
    index: tuple[int, ...] = static()
    logarithmic: tuple[bool, ...] = static()

    def predict(self, values: Array | list[Array]) -> list[Array]:
        """Return what ``centre`` should be, one scalar a prior."""
        return [
            jnp.log(jnp.maximum(values[i], jnp.finfo(self.centre.dtype).tiny))
            if log
            else jnp.asarray(values[i], self.centre.dtype)
            for i, log in zip(self.index, self.logarithmic, strict=True)
        ]


def priors_of(parameters: Parameters, given: Mapping[str, Any] | None) -> Priors:
    """Return the priors of a plan's parameters.

    Args:
        parameters: the plan.
        given: name to prior. The name that several curves' own parameters were freed by
            (``scale`` of ``scale[first]``) means each of them.

    Raises:
        ValueError: for what is not free, and for what is not a prior.
    """
    index, centre, sigma, logarithmic = [], [], [], []
    for name, prior in (given or {}).items():
        exact = [i for i, known in enumerate(parameters.names) if known == name]
        stems = [i for i, known in enumerate(parameters.names) if known.startswith(f"{name}[")]
        if not (exact or stems):
            raise ValueError(
                f"prior of {name!r}: not a free parameter; free are "
                f"{', '.join(parameters.names)}"
            )
        if not isinstance(prior, GaussianPrior | LognormalPrior):
            raise ValueError(
                f"prior of {name} must be a GaussianPrior or a LognormalPrior, got {prior!r}"
            )
        log = isinstance(prior, LognormalPrior)
        for i in exact or stems:
            if i in index:
                raise ValueError(f"{parameters.names[i]} has two priors; give one")
            index.append(i)
            centre.append(math.log(prior.median) if log else prior.mean)
            sigma.append(prior.sigma)
            logarithmic.append(log)
    return Priors(
        centre=np.array(centre, float),
        sigma=np.array(sigma, float),
        index=tuple(index),
        logarithmic=tuple(logarithmic),
    )
