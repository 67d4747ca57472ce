"""Models and noisy curves that the fitting tests share, apart from the library's own."""

import jax.numpy as jnp
import numpy as np

from diffscatter.core.data import Curve
from diffscatter.core.pytree import struct
from diffscatter.core.special import sphere_kernel


@struct
class Ball:
    """Squared form factor of a ball, 1 at q = 0."""

    radius: object

    def __call__(self, q):
        return sphere_kernel(q * self.radius) ** 2


@struct
class Guinier:
    """Smooth in its one size: one minimum."""

    size: object

    def __call__(self, q):
        return jnp.exp(-((q * self.size) ** 2) / 3)


@struct
class Scaled:
    """A shape with a scale and a background."""

    shape: object
    scale: object
    background: object

    def __call__(self, q):
        return self.scale * self.shape(q) + self.background


def ball(radius=5.0, scale=100.0, background=1.0):
    return Scaled(shape=Ball(radius=radius), scale=scale, background=background)


def guinier(size=5.0, scale=100.0, background=1.0):
    return Scaled(shape=Guinier(size=size), scale=scale, background=background)


Q = np.geomspace(0.05, 2.0, 80)


def noisy(model, seed, error=0.03, q=Q):
    """A curve with Gaussian errors of ``error`` times the true intensity."""
    true = np.asarray(model(jnp.array(q, float)), dtype=float)
    sigma = error * true
    noise = np.random.default_rng(seed).normal(size=q.size)
    return Curve(q=q, intensity=true + sigma * noise, sigma=sigma)
