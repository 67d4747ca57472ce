"""Orientation averages without any lattice trick: every pair, or every direction."""

import numpy as np

PITCH = 0.8


def positions(shape):
    axes = [np.arange(n) - n // 2 for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)[:, ::-1] * PITCH


def brute_force(density, q):
    """Debye's double sum over every pair of points."""
    r = positions(density.shape)
    distance = np.linalg.norm(r[:, None] - r, axis=-1)
    pairs = np.outer(density.ravel(), density.ravel()) * PITCH**6
    return np.array([np.sum(pairs * np.sinc(k * distance / np.pi)) for k in q])


def by_quadrature(density, q, power):
    """|F|^2 times the voxel's sinc^power, summed over directions: no lattice trick at all."""
    r = positions(density.shape)
    values = []
    for k in q:
        # |F|^2 has degree k D; twice that and twenty more is beyond rounding, sinc^-2 included.
        order = int(2 * k * PITCH * np.linalg.norm(density.shape)) + 20
        cosine, weight = np.polynomial.legendre.leggauss(order)
        azimuth = 2 * np.pi * np.arange(2 * order) / (2 * order)
        sine = np.sqrt(1 - cosine**2)[:, None]
        u = np.stack(
            [sine * np.cos(azimuth), sine * np.sin(azimuth), cosine[:, None] + 0 * azimuth], -1
        ).reshape(-1, 3)
        amplitude = np.exp(-1j * k * (u @ r.T)) @ density.ravel() * PITCH**3
        voxel = np.prod(np.sinc(k * u * PITCH / (2 * np.pi)), axis=1) ** power
        total = np.abs(amplitude) ** 2 * voxel * np.repeat(weight, 2 * order)
        values.append(total.sum() / (4 * order))
    return np.array(values)
