r"""How far several reconstructions of one pattern agree, by the modulus of q.

A pattern does not see where the body stands nor the phase of the wave, so a body moved by r has
the amplitude :math:`F\,e^{-iq\cdot r + i\varphi}`; both are taken out before reconstructions
are averaged. What is left of the average is their phase retrieval transfer:

.. math::
    T(q) = \frac{\sum_{|q'| \in \mathrm{ring}} |\langle F(q') \rangle|}
                {\sum_{|q'| \in \mathrm{ring}} \sqrt{\langle |F(q')|^2 \rangle}}

1 where all agree, near :math:`n^{-1/2}` where the phases of n amplitudes are random.

Chapman et al., *J. Opt. Soc. Am. A* 23, 1179 (2006), with the measured modulus in place of the
root mean square.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.optimize import minimize

from diffscatter.core.checks import check_positive

__all__ = ["RingConsistency", "phase_transfer"]

_FINER = 2  # the first guess of a shift is on a grid this much finer than the body's resolution
_ROUNDS = 3  # of registration onto the average of all others


@dataclass(frozen=True)
class RingConsistency:
    """What :func:`phase_transfer` finds.

    Attributes:
        q: middle of each ring that holds pixels, 1/nm. Shape ``(n,)``.
        transfer: T there, 0 to 1. Shape ``(n,)``.
        shifts: (x, y, z) by which each reconstruction was moved, nm. Shape ``(m, 3)``.
    """

    q: np.ndarray
    transfer: np.ndarray
    shifts: np.ndarray


def phase_transfer(
    amplitudes: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    wavelength: float,
    *,
    depth: float,
    rings: int = 16,
) -> RingConsistency:
    r"""Return how far complex amplitudes agree, ring by ring of :math:`|q| = 2k\sin(\theta/2)`.

    Args:
        amplitudes: of several reconstructions. Shape ``(m, nky, nkx)``; pixels outside the
            Ewald circle, and those that are 0 in all of them, do not count.
        kx, ky: evenly spaced transverse wave vectors, 1/nm. Shapes ``(nkx,)``, ``(nky,)``.
        wavelength: nm.
        depth: largest shift along the beam to look for, nm.
        rings: number of equal steps of \|q\| from 0 to its largest value.

    Raises:
        ValueError: for fewer than two amplitudes, shapes that disagree, uneven axes, values
            that are not finite, or a number that is not above 0.
    """
    f, kx, ky = np.asarray(amplitudes, complex), np.asarray(kx, float), np.asarray(ky, float)
    _check(f, kx, ky)
    for name, value in (("wavelength", wavelength), ("depth", depth), ("rings", rings)):
        check_positive(name, value)
    k = 2 * np.pi / wavelength
    transverse = ky[:, None] ** 2 + kx**2
    counts = (transverse < k * k) & (f != 0).any(axis=0)
    if not counts.any():
        raise ValueError("no pixel inside the Ewald circle has an amplitude")
    f = np.where(counts, f, 0)
    qz = np.sqrt(np.where(counts, k * k - transverse, k * k)) - k
    q = np.stack(np.broadcast_arrays(kx, ky[:, None], qz))

    moved, shifts = f.copy(), np.zeros((len(f), 3))
    for turn in range(_ROUNDS):
        for i in range(1 if turn == 0 else 0, len(f)):
            # First onto the first one, then each onto the average of the others.
            mean = f[0] if turn == 0 else (moved.sum(axis=0) - moved[i]) / (len(f) - 1)
            start = _coarse_shift(mean, f[i], kx, ky, qz, depth) if turn == 0 else shifts[i]
            shifts[i], moved[i] = _registered(mean, f[i], q, start)
    return RingConsistency(*_by_ring(moved, np.sqrt((q**2).sum(axis=0)), counts, rings), shifts)


def _check(f: np.ndarray, kx: np.ndarray, ky: np.ndarray) -> None:
    if f.ndim != 3 or f.shape[0] < 2 or f.shape[1:] != (ky.size, kx.size):
        raise ValueError(
            f"amplitudes must be (m, nky, nkx) with m >= 2 on axes of {ky.size} and {kx.size} "
            f"points, got shape {f.shape}"
        )
    if not np.isfinite(f).all():
        raise ValueError("amplitudes must be finite")
    for name, axis in (("kx", kx), ("ky", ky)):
        steps = np.diff(axis)
        if axis.ndim != 1 or axis.size < 2 or not np.allclose(steps, steps[0], rtol=1e-4):
            raise ValueError(f"{name} must be evenly spaced, at least 2 points")


def _coarse_shift(mean, f, kx, ky, qz, depth) -> np.ndarray:
    """Return the best shift (x, y, z) on a grid: a transform over kx, ky for each depth."""
    product = np.conj(mean) * f
    shape = [fft.next_fast_len(_FINER * n) for n in product.shape]
    positions = [
        2 * np.pi * fft.fftfreq(n, axis[1] - axis[0])
        for n, axis in zip(shape, (ky, kx), strict=True)
    ]
    step = np.pi / max(np.abs(qz).max(), 1 / depth) / _FINER
    best = (-1.0, np.zeros(3))
    for z in np.arange(-depth, depth + step, step):
        # e^{+i q.r} takes a shift by r out; the sum is an inverse transform up to a phase.
        overlap = np.abs(fft.ifft2(product * np.exp(1j * qz * z), shape))
        y, x = np.unravel_index(np.argmax(overlap), overlap.shape)
        if overlap[y, x] > best[0]:
            best = (overlap[y, x], np.array([positions[1][x], positions[0][y], z]))
    return best[1]


def _registered(mean, f, q, start) -> tuple[np.ndarray, np.ndarray]:
    """Return the shift that makes an amplitude most like the average, and it so moved."""
    product = np.conj(mean) * f
    size = np.abs(product).sum()

    def loss(r):
        terms = product * np.exp(1j * np.tensordot(r, q, 1))
        total, slope = terms.sum(), 1j * (q * terms).sum(axis=(1, 2))
        return -(np.abs(total) ** 2) / size**2, -2 * np.real(np.conj(total) * slope) / size**2

    r = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    total = (product * np.exp(1j * np.tensordot(r, q, 1))).sum()
    turn = np.conj(total) / max(np.abs(total), np.finfo(float).tiny)
    return r, f * np.exp(1j * np.tensordot(r, q, 1)) * turn


def _by_ring(moved, q, counts, rings: int) -> tuple[np.ndarray, np.ndarray]:
    edge = np.linspace(0, q[counts].max() * (1 + 1e-9), int(rings) + 1)
    ring = np.digitize(q[counts], edge) - 1
    of_ring = lambda values: np.bincount(ring, values[counts], minlength=int(rings))
    above = of_ring(np.abs(moved.mean(axis=0)))
    below = of_ring(np.sqrt((np.abs(moved) ** 2).mean(axis=0)))
    held = np.bincount(ring, minlength=int(rings)) > 0
    middle = (edge[1:] + edge[:-1]) / 2
    return middle[held], above[held] / below[held]
