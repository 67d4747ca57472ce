r"""The form factor of a voxel, as a short cosine series that a lattice sum can absorb.

The orientation average of a lattice sum stays a sum over lattice distances if the lattice is
first convolved with a *finite* kernel. A voxel's :math:`\mathrm{sinc}^{\pm 2}(\theta/2)` per
axis (:math:`\theta = q_m a`) is therefore replaced by

.. math:: H(\theta) = h_0 + 2\sum_{t=1}^{T} h_t \cos(t\theta),

equal to it on :math:`|\theta| \le \theta_{max}` to the accuracy in ``_TAPS``. Unlike the usual
:math:`\exp(\pm q^2a^2/12)` it keeps the anisotropy of the cube.
"""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from diffscatter.core.checks import check_finite, check_positive, check_q, check_volume

__all__ = ["check_lattice", "cosine_series", "taps_for"]

_KINDS = ("average", "box", "point")

# (theta_max / pi, taps): relative error of H for "average" is 6e-9, 3e-7, 4e-5 and 8e-3. The
# last only concerns directions along an axis, where the voxel form factor has its kink.
_TAPS = ((0.5, 8), (0.8, 16), (0.95, 32), (1.0, 32))


def taps_for(voxel: str, theta: float | None) -> tuple[int, float]:
    """Return the number of taps and theta_max that cover ``theta = max(q) * pitch``.

    ``theta`` is None where it is traced; the plan then covers 0.8 pi.
    """
    if voxel == "point":
        return 0, np.pi
    wanted = 0.8 if theta is None else theta / np.pi * (1 - 1e-9)
    limit, taps = next((pair for pair in _TAPS if wanted <= pair[0]), _TAPS[-1])
    return taps, limit * np.pi


@lru_cache(maxsize=64)
def cosine_series(voxel: str, taps: int, theta_max: float) -> np.ndarray:
    """Return ``h_0 .. h_T`` by least squares in relative error on Chebyshev nodes."""
    if voxel == "point":
        return np.ones(1)
    nodes = theta_max * np.cos(np.pi * (np.arange(800) + 0.5) / 800)
    target = np.sinc(nodes / (2 * np.pi)) ** (-2 if voxel == "average" else 2)
    basis = np.cos(np.outer(nodes, np.arange(taps + 1)))
    basis[:, 1:] *= 2
    series, *_ = np.linalg.lstsq(basis / target[:, None], np.ones_like(target), rcond=1e-15)
    return series


def check_lattice(density, pitch, q, voxel: str, blur, *, beyond_nyquist: bool = False):
    """Refuse what no lattice average can take; return ``(shape, pitch, q)``, concrete or None.

    Raises:
        ValueError: naming the argument, its value and the mend.
    """
    if voxel not in _KINDS:
        raise ValueError(f"voxel must be one of {', '.join(_KINDS)}, got {voxel!r}")
    shape = check_volume("density", density)
    if jnp.issubdtype(jnp.result_type(density), jnp.complexfloating):
        raise ValueError("density must be real, got complex; see operators.multislice")
    side = check_positive("pitch", pitch, "nm")
    axis = check_q("q", q, None if beyond_nyquist else side)
    width = check_finite("blur", blur)
    if np.ndim(blur) or (width is not None and width < 0):
        raise ValueError(f"blur must be one sigma >= 0 nm, got {blur}")
    return shape, side, axis
