r"""Noise of simulated curves: the published lognormal law, and photons.

Both have mean I and variance :math:`\alpha_n I`, with :math:`\alpha_n` in the unit of I, drawn
once a curve, uniform in its logarithm: 1e4 to 10^7.5 (sld nm^3)^2 as published.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array

from diffscatter.instrument.noise import poisson

__all__ = ["NOISES", "STRENGTH", "lognormal_noise", "photon_noise"]

STRENGTH = (1e4, 10**7.5)  # (sld nm^3)^2


def lognormal_noise(key: Array, intensity: Array, strength: Array) -> Array:
    r"""Return the logarithm to base 10 of a curve with the published noise.

    .. math::
        I' = I\,e^{\sigma\epsilon - \sigma^2/2},\qquad \sigma^2 = \ln(1 + \alpha_n/I)

    Args:
        key: for the normal numbers.
        intensity: positive. Shape ``(..., nq)``.
        strength: alpha_n, in its unit. Shape ``(...)``.

    Returns:
        Shape ``(..., nq)``.
    """
    variance = jnp.log1p(strength[..., None] / intensity)
    normal = jax.random.normal(key, intensity.shape, intensity.dtype)
    return jnp.log10(intensity) + (jnp.sqrt(variance) * normal - variance / 2) / math.log(10)


def photon_noise(key: Array, intensity: Array, strength: Array) -> Array:
    r"""Return the logarithm to base 10 of a curve as counted photons give it.

    .. math:: I' = \alpha_n\,\max(N, \tfrac12),\qquad N \sim \mathrm{Poisson}(I/\alpha_n)

    so channels without a photon stand at half a one. Arguments as :func:`lognormal_noise`.
    """
    unit = strength[..., None]
    counts = poisson(intensity / unit, key=key)
    return jnp.log10(unit) + jnp.log10(jnp.maximum(counts, 0.5))


NOISES = {"lognormal": lognormal_noise, "photons": photon_noise}
