"""Detectors: error and time of recording on pixels, and the cost of the augmentation filters.

``record``: six points that scatter alike, on a sphere of 120 nm: the finest fringes that a body
of this size has. Their amplitude on even steps of k goes onto 128^2 and 512^2 pixels of a
tilted flat detector to 63 degrees; the error is the largest, relative to the forward amplitude,
against the closed form at every pixel. ``ndimage`` is scipy's cubic spline on the same points.

``filters``: one image of 128^2 pixels, float32. Their error is that of what they must keep: no
filter leaves the range that its mask promises, so the share of hidden pixels that are not 0.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from harness import case, race, report
from scipy.ndimage import map_coordinates

from diffscatter.instrument import FlatDetector, augment, axes_for, record

WAVELENGTH, SIZE = 13.5, 120.0
K = 2 * np.pi / WAVELENGTH
POINTS = np.random.default_rng(1).normal(size=(6, 3))
POINTS *= SIZE / 2 / np.linalg.norm(POINTS, axis=1, keepdims=True)


def scattered(kx, ky):
    """Return the amplitude of the points, 1 in the forward direction."""
    square = K**2 - kx**2 - ky**2
    qz = np.sqrt(np.maximum(square, 0)) - K
    waves = (np.exp(-1j * (kx * x + ky * y + qz * z)) for x, y, z in POINTS)
    return np.where(square > 0, sum(waves) / len(POINTS), 0)


def recording(n):
    """Race the splines on one detector, and scipy's cubic one."""
    detector = FlatDetector(distance=1.0, pixel=2.0 / n, tilt=(0.1, -0.2), shape=(n, n))
    pixels = detector.pixels(WAVELENGTH)
    at = np.asarray(pixels.kx), np.asarray(pixels.ky)
    error = lambda image: np.abs(np.asarray(image) - scattered(*at)).max()
    cases = []
    for sampling in (3, 4, 6):
        kx, ky = axes_for(detector, WAVELENGTH, SIZE, sampling=sampling)
        values = jnp.asarray(scattered(kx[None, :], ky[:, None]))
        details = {"points": values.size, "sampling": sampling}
        row, column = (at[1] - ky[0]) / (ky[1] - ky[0]), (at[0] - kx[0]) / (kx[1] - kx[0])

        def record_at(values, distance, kx=kx, ky=ky, degree=5):
            flat = FlatDetector(distance=distance, pixel=2 / n, tilt=(0.1, -0.2), shape=(n, n))
            return record(values, kx, ky, flat, WAVELENGTH, degree=degree)[0]

        for degree in (3, 5):
            name = f"record/{n} degree {degree} sampling {sampling}"
            run = partial(record_at, degree=degree)
            cases.append(case(name, run, values, 1.0, error=error, details=details))
        power = lambda v, d, run=record_at: jnp.sum(jnp.abs(run(v, d)) ** 2)
        by_both = jax.grad(power, argnums=(0, 1))
        cases.append(
            case(
                f"record/{n} degree 5 sampling {sampling} gradient",
                by_both,
                values,
                1.0,
                error=partial(_by_differences, power, values),
                details=details,
            )
        )
        cases.append(
            case(
                f"record/{n} ndimage sampling {sampling}",
                partial(_by_ndimage, np.asarray(values), row, column),
                error=error,
                compiled=False,
                details=details,
            )
        )
    return race(cases)


def _by_differences(power, values, found):
    """Return the relative error of the derivative by the distance."""
    step = 1e-6
    difference = (power(values, 1 + step) - power(values, 1 - step)) / (2 * step)
    return abs(float(found[1]) / float(difference) - 1)


def _by_ndimage(values, row, column):
    parts = (map_coordinates(v, [row, column], order=3) for v in (values.real, values.imag))
    return next(parts) + 1j * next(parts)


def filters():
    """Race the filters on one image."""
    row, column = np.indices((128, 128)) - 64
    image = np.exp(-np.hypot(row, column) / 25) * (1.2 + np.cos(0.5 * column))
    image = jnp.asarray(image / image.max(), jnp.float32)
    cases = []
    for name, apply in {**augment.FILTERS, "random_filter": augment.random_filter}.items():
        run = lambda image, key, apply=apply: apply(image, key=key)
        cases.append(
            case(f"filters/{name}", run, image, jax.random.key(1), error=_unkept(name))
        )
    return race(cases)


def _unkept(name):
    """Return what counts the hidden pixels that are neither 0 nor, where cut off, 1."""
    soft = ("blind_spot", "simulated_experiment", "random_filter")

    def share(found):
        image, mask = map(np.asarray, found)
        hidden = image[~mask]
        if name in soft:  # a blind spot fades: what it hides keeps at most half
            return float(~np.isfinite(image).all() or image.min() < 0)
        return float(np.mean((hidden != 0) & (hidden != 1))) if hidden.size else 0.0

    return share


if __name__ == "__main__":
    report([*recording(128), *recording(512), *filters()])
