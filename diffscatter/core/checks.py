"""Checks of concrete arguments: one line that names the argument, the value and the mend.

Public operators are plain functions that check what is concrete and then call a jitted kernel.
Under a caller's own ``jit`` or ``grad`` values are tracers; shapes are still checked, values
are not.
"""

from typing import Any

import jax
import numpy as np

__all__ = ["check_finite", "check_positive", "check_q", "check_volume", "concrete", "dtype_of"]


def concrete(value: Any) -> np.ndarray | None:
    """Return ``value`` as a numpy array, or None if any part of it is being traced."""
    if isinstance(value, jax.core.Tracer):
        return None
    if isinstance(value, jax.Array):
        return np.asarray(value) if value.is_fully_addressable else None
    return np.asarray(value)


def dtype_of(*arrays: Any) -> np.dtype:
    """Return the real floating dtype that results of these arguments follow."""
    dtype = jax.dtypes.canonicalize_dtype(jax.numpy.result_type(*arrays, np.float32(0)))
    return np.finfo(dtype).dtype


def check_finite(name: str, value: Any) -> np.ndarray | None:
    """Refuse NaN and infinities; return the concrete array, or None under tracing."""
    array = concrete(value)
    if array is None:
        return None
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{name} must be numbers, got dtype {array.dtype}")
    bad = ~np.isfinite(array)
    if bad.any():
        where = f", first at index {_first(bad)}" if array.ndim else ""
        found = array if not array.ndim else f"{int(bad.sum())} of {array.size} values"
        raise ValueError(
            f"{name} must be finite, got {found}{where}; mask or mend those values"
        )
    return array


def check_positive(name: str, value: Any, unit: str = "") -> float | None:
    """Refuse a scalar that is not finite and above zero; return it, or None under tracing."""
    if np.ndim(value):
        raise ValueError(f"{name} must be a scalar, got shape {np.shape(value)}; vmap for many")
    array = check_finite(name, value)
    if array is None:
        return None
    if array.dtype.kind == "c" or not array > 0:
        raise ValueError(f"{name} must be above 0{' ' + unit if unit else ''}, got {array}")
    return float(array)


def check_volume(name: str, density: Any) -> tuple[int, int, int]:
    """Refuse what is not a finite, non-empty ``(nz, ny, nx)`` volume; return its shape."""
    shape = np.shape(density)
    if len(shape) != 3:
        raise ValueError(f"{name} must be (nz, ny, nx), got shape {shape}; vmap for many")
    if 0 in shape:
        raise ValueError(f"{name} must not be empty, got shape {shape}")
    check_finite(name, density)
    return shape


def check_q(name: str, q: Any, pitch: float | None = None) -> np.ndarray | None:
    """Refuse what is not a finite axis of q >= 0 that a lattice of ``pitch`` nm can carry."""
    if np.ndim(q) != 1 or np.size(q) == 0:
        raise ValueError(f"{name} must be one non-empty axis, got shape {np.shape(q)}")
    array = check_finite(name, q)
    if array is None:
        return None
    if (array < 0).any():
        raise ValueError(f"{name} must be >= 0 1/nm, got {array.min():.6g}")
    if pitch is not None and array.max() * pitch > np.pi * (1 + 1e-6):
        raise ValueError(
            f"{name} reaches {array.max():.6g} 1/nm, beyond the Nyquist limit pi/pitch = "
            f"{np.pi / pitch:.6g} 1/nm; use a pitch of at most {np.pi / array.max():.4g} nm"
        )
    return array


def _first(mask: np.ndarray) -> int | tuple[int, ...]:
    index = tuple(int(i) for i in np.argwhere(mask)[0])
    return index[0] if len(index) == 1 else index
