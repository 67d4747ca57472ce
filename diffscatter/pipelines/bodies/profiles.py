r"""What turns a computed intensity into recorded data, fitted to them in passing.

The strength of the beam and the background of a linear pattern, the contrast and the offset of
a published one, say nothing of the body. For a given intensity their best values follow from
the data in closed form or by a short scan, so that a descent in millions of voxels need not
carry them. At the best values the misfit does not depend on them to first order: its slope
with respect to the voxels is that at constant values, which is how it is taken here.
"""

import jax.numpy as jnp
from jax import Array, lax

from diffscatter.core.pytree import struct

__all__ = ["ProfiledCounts", "ProfiledDisplay"]

# Offsets tried, as multiples of the mean intensity: far below the weakest pixel, up to where
# the logarithm is linear.
_LOWEST, _HIGHEST, _TRIALS, _IMPROVEMENTS = -12.0, 3.0, 16, 4
_FEWEST = 1.0  # counts: those of an empty pixel are uncertain by one


@struct
class ProfiledDisplay:
    r"""A pattern published as :math:`\alpha\,\ln(1 + I/c)`, alpha and c unknown.

    Attributes:
        data: as displayed. Shape ``(ny, nx)``.
        weight: of each pixel, 0 where it does not count. Shape ``(ny, nx)``.
    """

    data: Array
    weight: Array

    def __call__(self, intensity: Array) -> Array:
        """Return ``weight`` times what the display of this intensity would be."""
        constant = lax.stop_gradient(intensity)
        level = jnp.log(jnp.sum(self.weight * constant) / jnp.sum(self.weight) + 1e-30)

        def trial(log_offset):
            image = jnp.log1p(constant * jnp.exp(-log_offset))
            contrast = jnp.sum(self.weight * image * self.data)
            contrast = contrast / (jnp.sum(self.weight * image**2) + 1e-30)
            return jnp.sum(self.weight * (contrast * image - self.data) ** 2), contrast

        offsets = level + jnp.linspace(_LOWEST, _HIGHEST, _TRIALS, dtype=level.dtype)
        best = offsets[jnp.argmin(lax.map(trial, offsets)[0])]

        def improve(_, log_offset):
            # Gauss-Newton in contrast and offset, of which the contrast is taken anew.
            share = constant * jnp.exp(-log_offset)
            image, contrast = jnp.log1p(share), trial(log_offset)[1]
            bend = -contrast * share / (1 + share)
            residual = self.data - contrast * image
            dot = lambda a, b: jnp.sum(self.weight * a * b)
            across = dot(image, bend) / (dot(image, image) + 1e-30)
            free = bend - across * image
            step = dot(free, residual) / (dot(free, free) + 1e-30)
            return log_offset + jnp.clip(step, -0.5, 0.5)

        log_offset = lax.fori_loop(0, _IMPROVEMENTS, improve, best)
        alpha = trial(log_offset)[1]
        return self.weight * alpha * jnp.log1p(intensity * jnp.exp(-log_offset))


@struct
class ProfiledCounts:
    r"""A pattern of counts :math:`s\,I + b`, scale s and background b unknown and at least 0.

    Attributes:
        data: counts. Shape ``(ny, nx)``.
        weight: 1 where a pixel counts, 0 elsewhere. Shape ``(ny, nx)``.
    """

    data: Array
    weight: Array

    def __call__(self, intensity: Array) -> Array:
        """Return ``weight`` times the counts expected of this intensity."""
        constant = lax.stop_gradient(intensity)
        # Least squares with the counts' own variance.
        w = self.weight / jnp.maximum(self.data, _FEWEST)
        scale = jnp.max(constant) + 1e-30
        x = constant / scale
        s0, sx, sxx = (jnp.sum(w * x**k) for k in range(3))
        sy, sxy = jnp.sum(w * self.data), jnp.sum(w * x * self.data)
        spread = s0 * sxx - sx**2
        slope = (s0 * sxy - sx * sy) / jnp.where(spread > 0, spread, 1.0)
        through = sxy / (sxx + 1e-30)
        level = (sy - slope * sx) / s0
        bare = level < 0
        slope = jnp.maximum(jnp.where(bare, through, slope), 0.0)
        level = jnp.where(bare, 0.0, level)
        return self.weight * (slope * intensity / scale + level)
