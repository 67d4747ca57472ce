r"""The simulator of noisy curves of nanoparticles as a density of its unknowns.

.. math::
    I = S \sum_k f_k \sum_D w(D; m_k, s_k)\, I_k(D),\qquad
    \log_{10} I' \sim N\!\left(\log_{10} I - \tfrac{v}{2\ln 10},\ \tfrac{v}{\ln^2 10}\right),
    \quad v = \ln(1 + \alpha_n / I_{S=1})

or errors that came with the data; either with the relative error of the simulator beside them,
for base curves are computed to parts in 1e5 and counts can be better. What is known before is
what the sampler of :mod:`diffscatter.datasets.lnp` draws from. Every number is moved as the
normal quantile of its place in its prior, :math:`u = \Phi(z)`: so all priors are one normal
law, a descent needs no bounds, and what the data do not say comes out as wide as the prior.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr

from diffscatter.core.pytree import static, struct
from diffscatter.datasets import lnp

__all__ = ["SCALE", "MixtureModel"]

_LN10 = math.log(10)
# Spread of the prior of a free scale's logarithm to base 10, about that of the middle of all
# bodies, whose own intensities reach over 3.5 decades.
SCALE = 2.0


@struct
class MixtureModel:
    """The simulator of one class of k types, and its priors.

    Attributes:
        curves: of the particles. Shape ``(k, ns, m)``.
        sizes: nm. Shape ``(ns,)``.
        spread: range of the standard deviations, nm. Shape ``(2,)``.
        strength: range of the logarithm of alpha_n. Shape ``(2,)``.
        model_error: relative error of the simulator.
        linear, scale_free: as in :func:`diffscatter.pipelines.mixtures.fit_mixtures`.
        own_noise: whether alpha_n is one of the unknowns.
    """

    curves: Array
    sizes: Array
    spread: Array
    strength: Array
    model_error: Array
    linear: bool = static()
    scale_free: bool = static()
    own_noise: bool = static()

    @property
    def count(self) -> int:
        """Number of types."""
        return self.curves.shape[0]

    @property
    def size(self) -> int:
        """Number of unknowns: shares, means, deviations, alpha_n, scale."""
        return 3 * self.count - 1 + self.own_noise + self.scale_free

    def populations(self, z: Array) -> tuple[Array, Array, Array]:
        """Return fractions, mean sizes and standard deviations, ``(k,)`` each."""
        k = self.count
        # Each type takes a Beta(1, r) part of what is left for it and the r types after it, so
        # that all of them are Dirichlet(1, ..., 1); the logarithm keeps small parts exact.
        left, fractions = jnp.ones((), z.dtype), []
        for j in range(k - 1):
            kept = jnp.log(ndtr(-z[j])) / (k - 1 - j)
            fractions.append(-left * jnp.expm1(kept))
            left = left * jnp.exp(kept)
        place = ndtr(z[k - 1 : 3 * k - 1])
        low, high = lnp.MEANS
        means = low + (high - low) * place[:k]
        deviations = self.spread[0] + (self.spread[1] - self.spread[0]) * place[k:]
        return jnp.stack([*fractions, left]), means, deviations

    def shape(self, z: Array) -> Array:
        """Return the intensity before its scale, (sld nm^3)^2, ``(m,)``."""
        fractions, means, deviations = self.populations(z)
        weights = fractions[:, None] * lnp.size_weights(self.sizes, means, deviations)
        flat = self.curves.reshape(weights.size, -1)
        return jnp.matmul(weights.ravel(), flat, precision="highest")

    def moments(self, z: Array, sigma: Array | None) -> tuple[Array, Array]:
        """Return mean and logarithm of the variance of the data, ``(m,)`` each."""
        clean = self.shape(z)
        scale = SCALE * z[-1] if self.scale_free else 0.0
        if self.linear:
            mean = 10**scale * clean
            return mean, jnp.log(sigma**2 + (self.model_error * mean) ** 2)
        mean = scale + jnp.log10(clean)
        if not self.own_noise:
            return mean, jnp.log(sigma**2 + (self.model_error / _LN10) ** 2)
        low, high = self.strength
        alpha = jnp.exp(low + (high - low) * ndtr(z[3 * self.count - 1]))
        variance = jnp.log1p(alpha / clean)
        total = variance + self.model_error**2
        return mean - variance / (2 * _LN10), jnp.log(total / _LN10**2)

    def scaled(self, z: Array, data: Array, sigma: Array | None) -> Array:
        """Return a start with its scale at what fits best."""
        if not self.scale_free:
            return z
        mean, logs = self.moments(z.at[-1].set(0.0), sigma)
        weights = jnp.where(jnp.isfinite(data), jnp.exp(-logs), 0.0)
        data = jnp.where(jnp.isfinite(data), data, 0.0)
        if self.linear:
            factor = jnp.sum(weights * mean * data) / jnp.sum(weights * mean**2)
            shift = jnp.log10(jnp.maximum(factor, 10.0 ** (-2 * SCALE)))
        else:
            shift = jnp.sum(weights * (data - mean)) / jnp.sum(weights)
        return z.at[-1].set(shift / SCALE)

    def residuals(self, z: Array, data: Array, sigma: Array | None) -> Array:
        """Return what squares to -2 ln of the posterior, but for a constant, ``(r,)``."""
        mean, logs = self.moments(z, sigma)
        there = jnp.isfinite(data)
        parts = [jnp.where(there, (data - mean) * jnp.exp(-logs / 2), 0.0)]
        if self.own_noise:
            # The determinant of the errors, as squares of numbers that are never below 1.
            more = 1 + logs - self.least_log_variance()
            parts.append(jnp.where(there, jnp.sqrt(more), 0.0))
        return jnp.concatenate([*parts, z])

    def log_density(self, z: Array, data: Array, sigma: Array | None) -> Array:
        """Return the logarithm of likelihood times prior of z."""
        mean, logs = self.moments(z, sigma)
        far = (data - mean) ** 2 * jnp.exp(-logs)
        points = jnp.where(jnp.isfinite(data), far + logs + math.log(2 * math.pi), 0.0)
        return -(points.sum() + jnp.sum(z**2) + z.size * math.log(2 * math.pi)) / 2

    def curvature(self, z: Array, data: Array, sigma: Array | None) -> Array:
        """Return the Fisher information of z and its prior's, ``(d, d)``."""
        mean, logs = jax.jacfwd(self.moments)(z, sigma)
        there = jnp.isfinite(data)[:, None]
        mean = jnp.where(there, mean * jnp.exp(-self.moments(z, sigma)[1] / 2)[:, None], 0.0)
        logs = jnp.where(there, logs, 0.0)
        square = lambda j: jnp.matmul(j.T, j, precision="highest")
        return square(mean) + square(logs) / 2 + jnp.eye(z.size, dtype=z.dtype)

    def least_log_variance(self) -> Array:
        """Return a bound of what :meth:`moments` gives where alpha_n is unknown, ``(m,)``."""
        brightest = self.curves.max(axis=(0, 1))
        return jnp.log(jnp.log1p(jnp.exp(self.strength[0]) / brightest) / _LN10**2)
