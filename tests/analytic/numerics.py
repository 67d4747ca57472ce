"""Independent numbers for the closed forms: plain numpy, scipy quadrature, differences."""

import numpy as np
from scipy.integrate import quad
from scipy.special import j1


def phi(x):
    """3 j1(x)/x in numpy, by its series where the quotient would cancel."""
    x = np.asarray(x, float)
    series = 1 - x**2 / 10 + x**4 / 280 - x**6 / 15120 + x**8 / 1330560
    safe = np.where(x < 0.1, 1.0, x)
    return np.where(x < 0.1, series, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)


def sphere_square(q, radius, contrast=1.0):
    return (contrast * 4 / 3 * np.pi * radius**3 * phi(q * radius)) ** 2


def jinc(x):
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, 2 * j1(safe) / safe)


def over_orientations(square, pieces=40):
    """Integrate square(theta) sin(theta) over 0..pi/2, piece by piece."""
    edges = np.linspace(0, np.pi / 2, pieces + 1)
    integrand = lambda t: square(t) * np.sin(t)
    parts = [quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in _pairs(edges)]
    return sum(parts)


def axial_mean(function, pieces):
    """The same of a function of arrays, 20 nodes to a piece."""
    t, w = composite(0, np.pi / 2, pieces)
    return np.sum(w * np.sin(t) * function(t))


def solid_mean(function, polar, around):
    """Return the mean of a function over unit vectors, even in x, y and z; by pieces too."""
    theta, w = composite(0, np.pi / 2, polar)
    angle, v = composite(0, np.pi / 2, around)
    t = np.sin(theta)[:, None]
    values = function(t * np.sin(angle), t * np.cos(angle), np.cos(theta)[:, None])
    return (w * np.sin(theta)) @ values @ v * 2 / np.pi


def composite(low, high, pieces):
    """Return 20 Gauss-Legendre nodes to a piece, and their weights."""
    t, w = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(low, high, pieces + 1)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * t).ravel(), (half * w).ravel()


def cylinder_square(q, radius, length, contrast=1.0):
    def square(t):
        rod = np.sinc(q * np.cos(t) * length / 2 / np.pi)
        return (jinc(q * np.sin(t) * radius) * rod) ** 2

    return (contrast * np.pi * radius**2 * length) ** 2 * over_orientations(square)


def ellipsoid_square(q, polar, equatorial, contrast=1.0):
    radius = lambda t: np.sqrt((polar * np.cos(t)) ** 2 + (equatorial * np.sin(t)) ** 2)
    volume = 4 / 3 * np.pi * polar * equatorial**2
    return (contrast * volume) ** 2 * over_orientations(lambda t: phi(q * radius(t)) ** 2)


def number_mean(function, density, low, high, panels=400):
    """Return the mean of function(x) over a density on [low, high], by Gauss-Legendre.

    An edge lies at x = 1, where a density may have a kink.
    """
    t, w = np.polynomial.legendre.leggauss(30)
    edges = np.union1d(np.linspace(low, high, panels + 1), 1.0)
    x = np.concatenate([(a + b) / 2 + (b - a) / 2 * t for a, b in _pairs(edges)])
    p = np.concatenate([(b - a) / 2 * w for a, b in _pairs(edges)]) * density(x)
    return np.sum(p * function(x), axis=-1) / p.sum()


def central_difference(function, x, step):
    """Return the derivative at x to fourth order in the step."""
    near = function(x + step) - function(x - step)
    far = function(x + 2 * step) - function(x - 2 * step)
    return (8 * near - far) / (12 * step)


def _pairs(edges):
    return list(zip(edges[:-1], edges[1:], strict=True))
