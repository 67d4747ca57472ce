"""Where and with what a pattern was taken, as a hashable choice of compiled programs."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

__all__ = ["Geometry", "chi_of_attenuation", "counting"]


class Geometry(NamedTuple):
    """Voxels, beam, matter and detector; equal ones share their programs.

    Attributes:
        pitch: voxel side, nm.
        wavelength: nm.
        chi: n - 1 of the body.
        kx, ky: axes of the detector, 1/nm, as the bytes of float64.
    """

    pitch: float
    wavelength: float
    chi: complex
    kx: bytes
    ky: bytes

    @classmethod
    def of(cls, pitch, wavelength, chi, kx: ArrayLike, ky: ArrayLike) -> "Geometry":
        """Return the geometry of these values."""
        axes = (np.asarray(axis, float).tobytes() for axis in (kx, ky))
        return cls(float(pitch), float(wavelength), complex(chi), *axes)

    def intensity(self, density: Array, operator: Callable[..., Array]) -> Array:
        """Return |f|^2 in nm^2 of an occupancy, ``(nky, nkx)``, in its precision.

        Args:
            density: occupancy, 0 to 1. Shape ``(nz, ny, nx)``.
            operator: of the signature of :func:`diffscatter.operators.multislice.amplitude`.
        """
        kx, ky = (np.frombuffer(axis) for axis in (self.kx, self.ky))
        kind = jnp.result_type(density.dtype, jnp.complex64)
        chi = density * jnp.asarray(self.chi, kind)
        f = operator(chi, self.pitch, self.wavelength, kx, ky)
        return f.real**2 + f.imag**2


def chi_of_attenuation(attenuation_length: float, wavelength: float) -> complex:
    r"""Return the n - 1 under which a field merely falls to 1/e over a length, nm.

    .. math:: e^{ik\chi z} = e^{-z/L},\qquad \chi = \frac{i\lambda}{2\pi L}
    """
    return 1j * wavelength / (2 * np.pi * attenuation_length)


def counting(weight: ArrayLike | None, kx: ArrayLike, ky: ArrayLike, wavelength: float):
    """Return the weight of each pixel, 0 beyond the Ewald circle, single precision.

    Raises:
        ValueError: if no pixel is left.
    """
    inside = np.asarray(ky)[:, None] ** 2 + np.asarray(kx) ** 2 < (2 * np.pi / wavelength) ** 2
    weight = np.ones(inside.shape) if weight is None else np.asarray(weight, float)
    weight = np.where(inside, weight, 0)
    if not weight.any():
        raise ValueError("no pixel counts: all lie outside the Ewald circle or are masked")
    return weight.astype(np.float32)
