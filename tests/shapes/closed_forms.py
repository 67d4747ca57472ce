"""Form factors and smoothed fields in numpy: nothing of ours inside."""

import numpy as np
from scipy.special import j1, ndtr
from scipy.stats import ncx2


def ball(x):
    return 3 * (np.sin(x) - x * np.cos(x)) / x**3


def sphere_amplitude(q, radius):
    return 4 / 3 * np.pi * radius**3 * ball(q * radius)


def sphere_slope(q, radius):
    """d(amplitude)/d(radius)."""
    return 4 * np.pi * radius * np.sin(q * radius) / q


def directions(n):
    """Gauss points in the cosine and trapezoid in the azimuth; weights sum to 1."""
    cosine, weight = np.polynomial.legendre.leggauss(n)
    azimuth = 2 * np.pi * (np.arange(n) + 0.32) / n
    sine = np.sqrt(1 - cosine**2)[:, None]
    x, y, z = sine * np.cos(azimuth), sine * np.sin(azimuth), cosine[:, None] + 0 * azimuth
    return np.stack([x, y, z], -1).reshape(-1, 3), np.repeat(weight, n) / (2 * n)


def averaged(amplitude, q, n=130):
    """Mean of |amplitude(q vector)|^2 over directions."""
    unit, weight = directions(n)
    return np.array([weight @ np.abs(amplitude(k * unit)) ** 2 for k in q])


def ellipsoid(q, semi_axes):
    volume = 4 / 3 * np.pi * np.prod(semi_axes)
    return averaged(lambda k: volume * ball(np.linalg.norm(k * semi_axes, axis=1)), q)


def box(q, sides):
    sides = np.asarray(sides)
    return averaged(lambda k: np.prod(sides * np.sinc(k * sides / (2 * np.pi)), axis=1), q)


def cylinder(q, radius, length, n=400):
    cosine, weight = np.polynomial.legendre.leggauss(n)
    across = q[:, None] * radius * np.sqrt(1 - cosine**2)
    along = q[:, None] * length / 2 * cosine
    volume = np.pi * radius**2 * length
    return volume**2 * ((2 * j1(across) / across * np.sin(along) / along) ** 2 @ weight) / 2


def octahedron(q, reach):
    """|x| + |y| + |z| <= reach: the inverse Laplace transform of 8 s^2 / prod(s^2 + q_i^2)."""

    def amplitude(k):
        x = k * reach
        total = 0
        for i in range(3):
            j, l = (i + 1) % 3, (i + 2) % 3
            apart = (x[:, j] ** 2 - x[:, i] ** 2) * (x[:, l] ** 2 - x[:, i] ** 2)
            total = total - 8 * x[:, i] * np.sin(x[:, i]) / apart
        return reach**3 * total

    return averaged(amplitude, q, n=161)  # odd: no direction with two equal components


def smoothed_ball(r, radius, sigma, dimensions=3):
    """A ball (or disc) after a Gaussian: a non-central chi-square, exact."""
    return ncx2.cdf(radius**2 / sigma**2, dimensions, r**2 / sigma**2)


def smoothed_ellipsoid(point, semi_axes, sigma, n=20):
    """An ellipsoid after a Gaussian at a point whose normal is mostly along z.

    Gauss-Hermite over x and y; along z the integral between both surfaces is closed.
    """
    node, weight = np.polynomial.hermite_e.hermegauss(n)
    weight = weight / np.sqrt(2 * np.pi)
    x, y = (point[i] + sigma * node for i in (0, 1))
    a, b, c = semi_axes
    half = c * np.sqrt(1 - x[:, None] ** 2 / a**2 - y**2 / b**2)
    inside = ndtr((half - point[2]) / sigma) - ndtr((-half - point[2]) / sigma)
    return weight @ inside @ weight
