"""The curves of the benchmark by brute force: numpy, more nodes than any of them needs.

Names, units and keys are those of sasmodels: A, 1/A, 1e-6/A^2.
"""

import functools

import numpy as np
from scipy.special import j1

__all__ = ["exact_curve"]


def exact_curve(name, parameters, q, *, grid=False):
    """Return I in 1/cm at ``q``.

    Args:
        name: "sphere", "core_shell_sphere", "ellipsoid" or "cylinder".
        parameters: numbers; ``*_pd`` is the width of a Gaussian.
        grid: sum over 35 sizes up to three widths away, as sasmodels does, instead of the
            integral over all of the Gaussian.
    """
    square, volume = _MODELS[name](parameters, np.asarray(q)[:, None], grid)
    background = parameters.get("background", 1e-3)
    return parameters.get("scale", 1.0) * 1e-4 / volume * square + background


def _population(parameters, key, grid):
    """Return sizes and weights that add up to 1; all phases are resolved up to 0.5 1/A."""
    centre, width = parameters[key], parameters.get(f"{key}_pd", 0.0)
    if not width:
        return np.array([centre]), np.ones(1)
    t, w = np.polynomial.legendre.leggauss(int(40 + 6 * width * centre))
    t, w = (np.linspace(-3, 3, 35), np.ones(35)) if grid else (8.5 * t, w)
    w = w * np.exp(-t * t / 2)
    return centre * (1 + width * t), w / w.sum()


def _panels(end, count):
    """Return nodes and weights of Gauss-Legendre panels on [0, end]."""
    x, w = np.polynomial.legendre.leggauss(32)
    edges = end * np.arange(count) / count
    return (edges[:, None] + end / count * (x + 1) / 2).ravel(), np.tile(
        end / count * w / 2, count
    )


def _ball(q, radius):
    """Return volume times 3 j1(x)/x."""
    x = q * radius
    return 4 / 3 * np.pi * radius**3 * 3 * (np.sin(x) - x * np.cos(x)) / x**3


def _sphere(p, q, grid):
    radius, weight = _population(p, "radius", grid)
    square = ((p["sld"] - p["sld_solvent"]) * _ball(q, radius)) ** 2
    return square @ weight, 4 / 3 * np.pi * radius**3 @ weight


def _core_shell_sphere(p, q, grid):
    radius, weight = _population(p, "radius", grid)
    outer = radius + p["thickness"]
    inner = (p["sld_core"] - p["sld_shell"]) * _ball(q, radius)
    amplitude = inner + (p["sld_shell"] - p["sld_solvent"]) * _ball(q, outer)
    return amplitude**2 @ weight, 4 / 3 * np.pi * outer**3 @ weight


def _ellipsoid(p, q, grid):
    polar, equatorial = p["radius_polar"], p["radius_equatorial"]
    u, weight = _panels(1.0, 40)
    x = q * np.sqrt((polar * u) ** 2 + equatorial**2 * (1 - u**2))
    volume = 4 / 3 * np.pi * polar * equatorial**2
    amplitude = (p["sld"] - p["sld_solvent"]) * volume * 3 * (np.sin(x) - x * np.cos(x)) / x**3
    return amplitude**2 @ weight, volume


def _cylinder(p, q, grid):
    shape = tuple((key, p[key]) for key in p if key.startswith(("radius", "length")))
    square, volume = _cylinders(shape, tuple(q.ravel()), grid)
    return (p["sld"] - p["sld_solvent"]) ** 2 * square, volume


@functools.lru_cache
def _cylinders(shape, q, grid):
    p, q = dict(shape), np.array(q)[:, None]
    (radius, by_radius), (length, by_length) = (
        _population(p, key, grid) for key in ("radius", "length")
    )
    theta, weight = _panels(np.pi / 2, int(4 + q.max() * length.max() / 40))
    square = np.empty(q.size)
    for i, (along, across) in enumerate(zip(q * np.cos(theta), q * np.sin(theta), strict=True)):
        x = across[:, None] * radius
        section = (2 * np.pi * radius**2 * j1(x) / x) ** 2 @ by_radius
        rod = (length * np.sinc(along[:, None] * length / 2 / np.pi)) ** 2 @ by_length
        square[i] = weight * np.sin(theta) * section @ rod
    volume = np.pi * (radius**2 @ by_radius) * (length @ by_length)
    return square, volume


_MODELS = {
    "sphere": _sphere,
    "core_shell_sphere": _core_shell_sphere,
    "ellipsoid": _ellipsoid,
    "cylinder": _cylinder,
}
