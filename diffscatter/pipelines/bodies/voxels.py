r"""A body of free voxels from one pattern, by descent from a body that nearly fits.

Occupancies are a sigmoid of free variables, seen through straight rays
(:func:`.multislice.amplitude`), with the total variation and :math:`p(1 - p)` as penalties
(:func:`.fit_voxels`). The pattern says little of the far side and nothing of where the body
stands: what the data do not move stays as it started.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.core.pytree import static, struct
from diffscatter.fitting import fit_voxels
from diffscatter.operators import multislice
from diffscatter.pipelines.bodies.geometry import Geometry, counting
from diffscatter.pipelines.bodies.profiles import ProfiledCounts, ProfiledDisplay

__all__ = ["VoxelBody", "fit_voxel_body"]

# Of a displayed pattern, 0 to 1: 8-bit steps make .001, voxels of 5 nm some .01.
_DISPLAY_SIGMA = 0.01
_TV, _BINARY = 10.0, 10.0
_STEPS, _RATE = 60, 0.2
# Voxels whose slope is far below that of the surface stay: Adam would move them all alike.
_QUIET = 1e-5


@dataclass(frozen=True, eq=False)
class VoxelBody:
    """What :func:`fit_voxel_body` finds.

    Attributes:
        density: occupancy, ``(nz, ny, nx)``.
        pitch: nm.
        fitted: the pattern it would give, as the data are displayed; 0 where masked.
        rms: root mean square of the residual in those units, over the pixels that count.
        status: of the descent, one line.
    """

    density: np.ndarray
    pitch: float
    fitted: np.ndarray
    rms: float
    status: str


@struct
class _Forward:
    """Density to data: straight rays, then the profiled display."""

    display: ProfiledDisplay | ProfiledCounts
    geometry: Geometry = static()

    def __call__(self, density: Array) -> Array:
        return self.display(self.geometry.intensity(density, multislice.amplitude))


def fit_voxel_body(
    initial: ArrayLike,
    pitch: float,
    data: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    wavelength: float,
    chi: complex,
    scale: str = "linear",
    weight: ArrayLike | None = None,
    steps: int = _STEPS,
    tv: float = _TV,
    binary: float = _BINARY,
    progress: Callable[[int, float, Array], None] | None = None,
) -> VoxelBody:
    """Fit the occupancy of every voxel to one pattern, in single precision.

    Args:
        initial: occupancy to start from, 0 to 1. Shape ``(nz, ny, nx)``.
        pitch: voxel side, nm.
        data: counts, or a published display. Shape ``(nky, nkx)``.
        kx, ky: transverse wave vectors, 1/nm.
        wavelength: nm.
        chi: n - 1; :func:`.chi_of_attenuation` for the absorption-only field.
        scale: ``"linear"`` for counts, compared by their Poisson deviance, or ``"log"`` for a
            display of unknown contrast and offset, compared by squares of 0.01.
        weight: of each pixel, 0 where it does not count; None for all. Pixels beyond the Ewald
            circle never count.
        steps, tv, binary, progress: as ``steps``, ``tv``, ``binary`` and ``on_chunk`` of
            :func:`.fit_voxels`.

    Raises:
        ValueError: if ``scale`` is not known, no pixel counts, or as :func:`.fit_voxels` and
            :func:`.multislice.amplitude`.
    """
    if scale not in ("linear", "log"):
        raise ValueError(f"scale must be 'linear' or 'log', got {scale!r}")
    data = np.asarray(data, np.float32)
    weight = counting(weight, kx, ky, wavelength)
    data = np.where(weight > 0, data, 0)
    logarithmic = scale == "log"
    display = (ProfiledDisplay if logarithmic else ProfiledCounts)(
        data=jnp.asarray(data), weight=jnp.asarray(weight)
    )
    geometry = Geometry.of(pitch, wavelength, chi, kx, ky)
    # Masked pixels fit exactly: the mean square is taken over all, so sigma makes up for them.
    share = float(np.mean(weight**2))
    fit = fit_voxels(
        _Forward(display=display, geometry=geometry),
        jnp.asarray(weight * data),
        jnp.asarray(initial, jnp.float32),
        sigma=jnp.float32(_DISPLAY_SIGMA * share**0.5) if logarithmic else None,
        loss="chi2" if logarithmic else "poisson",
        tv=tv,
        binary=binary,
        steps=steps,
        optimiser=_optimiser(steps),
        on_chunk=progress,
    )
    counts = weight > 0
    fitted = np.where(counts, np.asarray(fit.fitted) / np.where(counts, weight, 1), 0)
    return VoxelBody(
        density=np.asarray(fit.density),
        pitch=float(pitch),
        fitted=fitted,
        rms=float(np.sqrt(np.mean((fitted - data)[counts] ** 2))),
        status=fit.status,
    )


@lru_cache(maxsize=4)
def _optimiser(steps: int):
    import optax  # few pipelines need it

    schedule = optax.cosine_decay_schedule(_RATE, steps, alpha=0.01)
    return optax.adam(schedule, b2=0.95, eps=_QUIET)
