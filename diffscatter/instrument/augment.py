r"""The nine filters that make a computed pattern look measured, and the composed one.

They act on display images, scaled to a maximum of 1, and draw their own strength. Each is a
function of (image, mask, key) and returns both again, so they compose; all are pure, run under
``jit`` and ``vmap`` (map the keys too), and the same key draws the same. What they hide is 0 in
the image and False in the mask; saturated pixels stay 1 and are False; noise leaves the mask as
it is, since nobody tells which pixels it struck. What the mask left out before is treated as
any other pixel.

========================= =================================================== ==============
filter                    what it does (r, r' uniform in 0 to 1)              mask
========================= =================================================== ==============
``uniform_noise``         adds 0.2 r times a uniform number, a pixel          as it is
``salt_and_pepper``       sets 5 % r of the pixels, half to 0, half to 1      as it is
``shift``                 moves by up to 5 pixels along both axes (spline)    moves along
``central_hole``          hides a disc of 10 r pixels, scales to 1            False inside
``blind_spot``            multiplies with 1 - exp(-d^2/2s^2), s = r/4 of half False where
                          the width, in the middle half; scales to 1          below 1/2
``cropping``              keeps a window less r/4 and r'/4 of the width on    False outside
                          each side, and in it a disc of (1 + r'')/4 of it
``poisson_noise``         adds 0.1 r Poisson(1), scales to 1                  as it is
``shot_noise``            multiplies with Poisson(10^(1+r)), scales to 1      as it is
``saturation``            multiplies with 1 + r/2, cuts off at 1              False where cut
``simulated_experiment``  shot, shift, blind spot, saturation, hole,          of all
                          cropping, shift
========================= =================================================== ==============

Pixels are those of the published images of 128; in others they grow in proportion. The ranges
are those of the published program (github.com/thstielow/scatter-2D3D-nn) for T. Stielow and
S. Scheel, *Phys. Rev. E* 103, 053312 (2021), where the composed filter's order is given; five
of the filters go back to J. Zimmermann et al., *Phys. Rev. E* 99, 063309 (2019).
"""

from collections.abc import Callable
from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, dtype_of
from diffscatter.core.interpolation import spline_at
from diffscatter.instrument import mask as masks
from diffscatter.instrument import noise

__all__ = [
    "FILTERS",
    "blind_spot",
    "central_hole",
    "cropping",
    "poisson_noise",
    "random_filter",
    "salt_and_pepper",
    "saturation",
    "shift",
    "shot_noise",
    "simulated_experiment",
    "uniform_noise",
]

_WIDTH = 128  # pixels of the published images
_SHIFT, _HOLE = 5 / _WIDTH, 10 / _WIDTH

Filtered = tuple[Array, Array]


def _filter(kernel: Callable[..., Filtered]) -> Callable[..., Filtered]:
    """Make a checked, compiled function of a kernel (image, mask, key)."""
    compiled = jax.jit(kernel)

    @wraps(kernel)
    def apply(image: ArrayLike, mask: ArrayLike | None = None, *, key: Array) -> Filtered:
        if np.ndim(image) != 2:
            raise ValueError(f"image must be (ny, nx), got shape {np.shape(image)}; use vmap")
        mask = masks.checked_mask(mask, np.shape(image))
        known = check_finite("image", image)
        if known is not None and not known.max() > 0:
            raise ValueError("image must have a pixel above 0, got a pattern of zeros")
        if known is not None and abs(known.max() - 1) > 1e-3:
            raise ValueError(
                f"image must be scaled to a maximum of 1, got {known.max():.6g}; "
                "give image / image.max()"
            )
        image = jnp.asarray(image, dtype_of(image))
        return compiled(image, mask, key)

    return apply


def _scaled(image: Array) -> Array:
    """Return the image with a maximum of 1; one of zeros stays."""
    top = image.max()
    return image / jnp.where(top > 0, top, 1)


@_filter
def uniform_noise(image: Array, mask: Array, key: Array) -> Filtered:
    """Add uniform noise of a random height up to 0.2."""
    strength, pixels = jax.random.split(key)
    height = 0.2 * jax.random.uniform(strength, dtype=image.dtype)
    return noise.uniform(image, height, key=pixels), mask


@_filter
def salt_and_pepper(image: Array, mask: Array, key: Array) -> Filtered:
    """Set up to 5 % of the pixels to 0 or 1."""
    strength, pixels = jax.random.split(key)
    share = 0.05 * jax.random.uniform(strength, dtype=image.dtype)
    return noise.salt_and_pepper(image, share, key=pixels), mask


@_filter
def poisson_noise(image: Array, mask: Array, key: Array) -> Filtered:
    """Add up to 0.1 times Poisson numbers of mean 1."""
    strength, pixels = jax.random.split(key)
    height = 0.1 * jax.random.uniform(strength, dtype=image.dtype)
    drawn = jax.random.poisson(pixels, 1.0, image.shape).astype(image.dtype)
    return _scaled(image + height * drawn), mask


@_filter
def shot_noise(image: Array, mask: Array, key: Array) -> Filtered:
    """Multiply with Poisson numbers of a random mean from 10 to 100."""
    strength, pixels = jax.random.split(key)
    photons = 10 ** (1 + jax.random.uniform(strength, dtype=image.dtype))
    return _scaled(noise.shot_noise(image, photons, key=pixels)), mask


@_filter
def shift(image: Array, mask: Array, key: Array) -> Filtered:
    """Move the pattern by up to 5 pixels of 128 along both axes."""
    ny, nx = image.shape
    limit = jnp.asarray([ny, nx], image.dtype) * _SHIFT
    by = limit * jax.random.uniform(key, (2,), image.dtype, minval=-1, maxval=1)
    row = jnp.arange(ny, dtype=image.dtype)[:, None] - by[0]
    column = jnp.arange(nx, dtype=image.dtype)[None, :] - by[1]
    # A spline falls below 0 beside what is bright; beyond the edge there is nothing.
    moved = jnp.maximum(spline_at(image, row, column, degree=3), 0)
    return moved, spline_at(mask.astype(image.dtype), row, column, degree=1) > 0.999


@_filter
def central_hole(image: Array, mask: Array, key: Array) -> Filtered:
    """Hide a disc of up to 10 pixels of 128 about the middle."""
    radius = _HOLE * image.shape[0] * jax.random.uniform(key, dtype=image.dtype)
    kept = masks.central_hole(image.shape, radius)
    return _scaled(jnp.where(kept, image, 0)), mask & kept


@_filter
def blind_spot(image: Array, mask: Array, key: Array) -> Filtered:
    """Darken a Gaussian spot somewhere in the middle half."""
    place, size = jax.random.split(key)
    x, y = jax.random.uniform(place, (2,), image.dtype, minval=-0.5, maxval=0.5)
    width = jnp.maximum(jax.random.uniform(size, dtype=image.dtype) / 4, 1e-3)
    ny, nx = image.shape
    u = jnp.linspace(-1, 1, nx, dtype=image.dtype)[None, :] - x
    v = jnp.linspace(-1, 1, ny, dtype=image.dtype)[:, None] - y
    seen = 1 - jnp.exp(-(u**2 + v**2) / (2 * width**2))
    return _scaled(image * seen), mask & (seen >= 0.5)


@_filter
def cropping(image: Array, mask: Array, key: Array) -> Filtered:
    """Keep a window and a disc of random sizes about the middle."""
    ny, nx = image.shape
    across, down, radius = jax.random.uniform(key, (3,), image.dtype)
    left, top = jnp.floor(across * nx / 4), jnp.floor(down * ny / 4)
    size = jnp.stack([nx - 2 * left, ny - 2 * top])
    kept = masks.rectangle(image.shape, size) & masks.circle(image.shape, ny * (1 + radius) / 4)
    return jnp.where(kept, image, 0), mask & kept


@_filter
def saturation(image: Array, mask: Array, key: Array) -> Filtered:
    """Brighten by up to a half and cut off at 1."""
    bright = image * (1 + 0.5 * jax.random.uniform(key, dtype=image.dtype))
    return noise.saturate(bright, 1.0), mask & masks.unsaturated(bright, 1.0)


@_filter
def simulated_experiment(image: Array, mask: Array, key: Array) -> Filtered:
    """Apply shot noise, shift, blind spot, saturation, hole, cropping and shift in turn."""
    steps = (shot_noise, shift, blind_spot, saturation, central_hole, cropping, shift)
    for step, own in zip(steps, jax.random.split(key, len(steps)), strict=True):
        image, mask = step.__wrapped__(image, mask, own)
    return image, mask


FILTERS = {
    made.__name__: made
    for made in (
        uniform_noise,
        salt_and_pepper,
        shift,
        central_hole,
        blind_spot,
        cropping,
        poisson_noise,
        shot_noise,
        saturation,
        simulated_experiment,
    )
}


@_filter
def random_filter(image: Array, mask: Array, key: Array) -> Filtered:
    """Apply one of the ten, drawn with equal chance: what training does at every step.

    Under ``vmap`` every image draws its own, and all ten are computed for all of them.
    """
    which, own = jax.random.split(key)
    kernels = [made.__wrapped__ for made in FILTERS.values()]
    index = jax.random.randint(which, (), 0, len(kernels))
    return jax.lax.switch(index, kernels, image, mask, own)
