r"""The sum over slices on the Ewald sphere, which every wide-angle operator ends with.

.. math:: \sum_{x, y, z} g\,e^{-i(k_x x + k_y y + q_z z)},\qquad
    q_z = \sqrt{k^2 - k_x^2 - k_y^2} - k \le 0

with g what the voxels emit, a function of the body that is given slab by slab
(:mod:`._emission`). :math:`e^{-iq_z z}` is replaced by a short sum of products
(:mod:`._lowrank`), which contracts z before any transform: 25 to 40 two-dimensional transforms
in place of 192, say, and no field is padded. The sum for a concrete geometry is planned once
and kept. Coordinates count from index ``n // 2``.
"""

import math
from functools import lru_cache, partial
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from diffscatter.core.checks import check_finite, check_positive, check_volume, concrete
from diffscatter.operators._lowrank import chebyshev_expansion, chebyshev_terms, compress

__all__ = [
    "Geometry",
    "as_dtype",
    "check_axis",
    "check_circle",
    "check_geometry",
    "check_passive",
    "far_field",
    "plan_for",
]

# Power of the voxel's form factor in the sum over slices, see `multislice.amplitude`.
_VOXEL = {"average": -1, "point": 0, "box": 1}
# Error of the low-rank sum, by item size of the result's real dtype.
_TOLERANCE = {4: 1e-6, 8: 1e-14}
# Bytes of a complex slab: on a CPU several of them stay in one core's cache.
_SLAB = {True: 900_000, False: 1 << 30}


class Geometry(NamedTuple):
    """What is concrete of a measurement, checked; None where it is being traced.

    Attributes:
        pitch, wavelength: nm.
        kx, ky: detector axes, 1/nm. Shapes ``(nkx,)`` and ``(nky,)``.
    """

    pitch: float | None
    wavelength: float | None
    kx: np.ndarray | None
    ky: np.ndarray | None

    @property
    def known(self) -> bool:
        """Whether nothing is being traced."""
        return all(value is not None for value in self)


class _Plan(NamedTuple):
    """What depends on geometry alone.

    Attributes:
        rows: cosine and sine of ky y. Shapes ``(ny, nky)``.
        columns: cosine and sine of kx x for one half of the axis, onto which the other one is
            folded. Shapes ``(half, nkx)``.
        modes: the functions of q_z, even ones first. Shape ``(terms, nky, nkx)``.
        basis: the even and the odd functions of z. Shapes ``(terms_of_parity, nz)``.
        carrier: phase of each slice at the middle of the band of q_z. Shape ``(nz,)``.
        weight: factor of each pixel, 0 beyond the Ewald sphere. Shape ``(nky, nkx)``.

    Positions count from the middle of the volume.
    """

    rows: tuple[Array, Array]
    columns: tuple[Array, Array]
    modes: Array
    basis: tuple[Array, Array]
    carrier: Array
    weight: Array


def _plan(xp: ModuleType, pitch, wavelength, kx, ky, shape, voxel, terms, tolerance=None):
    """Plan with numpy for a tolerance, or with ``jax.numpy`` for a number of terms."""
    k = 2 * np.pi / wavelength
    transverse = ky[:, None] ** 2 + kx**2
    inside = transverse < k * k
    # Beyond the Ewald sphere every root and quotient is taken of a harmless number, so that its
    # derivative is finite, and the pixel is multiplied by 0.
    kz = xp.sqrt(xp.where(inside, k * k - transverse, k * k))
    qz = xp.where(inside, -transverse / (k + kz), 0)

    form, shift = 1.0, 0.0
    for q, n in ((qz, shape[0]), (ky[:, None], shape[1]), (kx, shape[2])):
        form = form * xp.sinc(xp.where(abs(q) < k, q, 0) * pitch / (2 * np.pi))
        # The middle of an even axis lies half a voxel below its coordinate 0.
        shift = shift + (0 if n % 2 else 0.5) * pitch * q
    weight = xp.where(inside, form ** _VOXEL[voxel], 0) * xp.exp(1j * shift)

    z, y, x = (xp.asarray(np.arange(n) - (n - 1) / 2, kx.dtype) * pitch for n in shape)
    half_band = xp.maximum(-qz.min() / 2, 1e-6 * k)
    if xp is np:
        terms = chebyshev_terms(half_band * abs(z).max(), tolerance / 10)
    else:
        half_band = lax.stop_gradient(half_band)  # the sum does not depend on it
    pairs = chebyshev_expansion(xp, qz, half_band, z, terms)
    if xp is np:
        pairs = [compress(*pair, tolerance) for pair in pairs]
    modes, basis = zip(*pairs, strict=True)

    waves = lambda r, q: (xp.cos(r[:, None] * q), xp.sin(r[:, None] * q))
    half = shape[2] // 2
    cosine, sine = waves(x[half:], kx)
    # The middle voxel of an odd axis is in both halves.
    share = np.where(np.arange(half, shape[2]) == (shape[2] - 1) / 2, 0.5, 1)
    return _Plan(
        rows=waves(y, ky),
        columns=(xp.asarray(share[:, None], kx.dtype) * cosine, sine),
        modes=xp.concatenate(modes),
        basis=basis,
        carrier=xp.exp(1j * half_band * z),
        weight=weight,
    )


_traced_plan = jax.jit(partial(_plan, jnp), static_argnames=("shape", "voxel", "terms"))


@lru_cache(maxsize=4)
def _known_plan(pitch, wavelength, kx: bytes, ky: bytes, shape, voxel, itemsize) -> _Plan:
    """Plan for concrete geometry, as numpy arrays of the precision of the result."""
    kx, ky = np.frombuffer(kx), np.frombuffer(ky)
    plan = _plan(np, pitch, wavelength, kx, ky, shape, voxel, None, _TOLERANCE[itemsize])
    kinds = {"f": f"f{itemsize}", "c": f"c{2 * itemsize}"}
    return jax.tree.map(lambda x: x.astype(kinds[x.dtype.kind]), plan)


@partial(jax.jit, static_argnames=("emission", "slab"))
def far_field(volume, strength, plan: _Plan, emission, slab: int) -> Array:
    """Return the sum over slices of their Fourier transforms, shape ``(nky, nkx)``.

    Slab after slab of ``slab`` rows is contracted along z, transformed along x and, term by
    term, along y. All products are real. Gradients compute the slabs again.
    """
    nz, ny, nx = volume.shape
    product = partial(jnp.matmul, precision="highest")

    @jax.checkpoint
    def add_slab(total, index):
        start = index * slab
        first = jnp.minimum(start, ny - slab)
        rows = partial(lax.dynamic_slice_in_dim, start_index=first, slice_size=slab)
        # The last slab is moved back into the volume; rows seen before count nothing.
        fresh = (first + jnp.arange(slab) >= start)[:, None]
        cosine, sine = ((rows(wave) * fresh).T for wave in plan.rows)
        # (cos, sin) applied to a real and imaginary part, stacked, gives the same of the sum.
        waves = jnp.block([[cosine, sine], [-sine, cosine]])

        fields = emission(rows(volume, axis=1), plan.carrier, strength)
        real, imaginary = (field.reshape(nz, slab * nx) for field in fields)
        even, odd = (partial(product, basis) for basis in plan.basis)
        # Odd terms carry the factor -i.
        real, imaginary = (
            jnp.concatenate(pair).reshape(-1, slab, nx)
            for pair in ((even(real), odd(imaginary)), (even(imaginary), -odd(real)))
        )
        terms = jnp.concatenate(_transform(real, imaginary, *plan.columns), axis=1)

        def add_term(total, inputs):
            term, mode = inputs
            return total + product(waves, term).reshape(total.shape) * mode, None

        return lax.scan(add_term, total, (terms, plan.modes))[0], None

    total = jnp.zeros((2, *plan.weight.shape), plan.modes.dtype)
    total = lax.scan(add_slab, total, jnp.arange(math.ceil(ny / slab)))[0]
    return plan.weight * lax.complex(*total)


def _transform(real, imaginary, cosine, sine) -> tuple[Array, Array]:
    """Return the Fourier sum along the last axis, by real products of half its length.

    Positions come in pairs about the middle: the cosine sees their sum, the sine their
    difference.
    """
    half, n = cosine.shape[0], real.shape[-1]

    def pairs(field):
        far, near = field[..., n - half :], field[..., half - 1 :: -1]
        return far + near, far - near

    product = partial(jnp.matmul, precision="highest")
    (real_even, real_odd), (imaginary_even, imaginary_odd) = pairs(real), pairs(imaginary)
    return (
        product(real_even, cosine) + product(imaginary_odd, sine),
        product(imaginary_even, cosine) - product(real_odd, sine),
    )


def check_axis(name: str, q: ArrayLike) -> np.ndarray | None:
    if np.ndim(q) != 1 or np.size(q) == 0:
        raise ValueError(f"{name} must be one non-empty axis, got shape {np.shape(q)}")
    array = check_finite(name, q)
    if array is not None and array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got dtype {array.dtype}")
    return None if array is None else np.asarray(array, float)


def check_circle(wavelength: float, kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
    """Return which pixels lie inside the Ewald circle; refuse axes that have none there."""
    k = 2 * np.pi / wavelength
    transverse = ky[:, None] ** 2 + kx**2
    inside = transverse < k * k
    if not inside.any():
        raise ValueError(
            f"no pixel lies inside the Ewald circle: |k| starts at "
            f"{np.sqrt(transverse.min()):.6g} 1/nm, 2 pi/wavelength is {k:.6g} 1/nm"
        )
    return inside


def _check_sampling(pitch: float, wavelength: float, kx: np.ndarray, ky: np.ndarray) -> None:
    """Refuse angles at which neighbouring voxels differ by more than half a wave."""
    k = 2 * np.pi / wavelength
    if max(abs(kx).max(), abs(ky).max()) >= k and pitch >= wavelength / 2:
        raise ValueError(
            f"kx and ky reach the rim of the hemisphere, 2 pi/wavelength = {k:.6g} 1/nm, which "
            f"takes a pitch below wavelength/2 = {wavelength / 2:.6g} nm, got {pitch:.6g} nm"
        )
    inside = check_circle(wavelength, kx, ky)
    transverse = ky[:, None] ** 2 + kx**2
    qz = k - np.sqrt(np.where(inside, k * k - transverse, k * k))
    for name, values in (
        ("kx", kx + 0 * transverse),
        ("ky", ky[:, None] + 0 * kx),
        ("q_z", qz),
    ):
        reach = np.abs(values[inside]).max()
        if reach * pitch > np.pi * (1 + 1e-6):
            raise ValueError(
                f"{name} reaches {reach:.6g} 1/nm, beyond the Nyquist limit pi/pitch = "
                f"{np.pi / pitch:.6g} 1/nm; use a pitch of at most {np.pi / reach:.4g} nm"
            )


def check_geometry(name: str, volume, pitch, wavelength, kx, ky) -> tuple[tuple, Geometry]:
    """Refuse what no operator can take; return the shape of the volume and the geometry."""
    shape = check_volume(name, volume)
    geometry = Geometry(
        pitch=check_positive("pitch", pitch, "nm"),
        wavelength=check_positive("wavelength", wavelength, "nm"),
        kx=check_axis("kx", kx),
        ky=check_axis("ky", ky),
    )
    if geometry.known:
        _check_sampling(*geometry)
    return shape, geometry


def check_passive(name: str, value: ArrayLike) -> None:
    """Refuse what amplifies: a negative imaginary part beyond rounding."""
    array = concrete(value)
    if array is None or array.dtype.kind != "c" or array.size == 0:
        return
    lowest = array.imag.min()
    if lowest < -1e-5 * np.abs(array).max():
        raise ValueError(
            f"{name} must not amplify, but its imaginary part reaches {lowest:.6g}; "
            "n = 1 - delta + i beta with beta >= 0 for e^(-i omega t)"
        )


def plan_for(shape, geometry: Geometry, traced: tuple, voxel: str, rank: int | None, dtype):
    """Plan the sum for volumes of a shape; return the plan and the rows of a slab.

    Args:
        shape: of the volume, ``(nz, ny, nx)``.
        geometry: what is concrete of pitch, wavelength, kx and ky.
        traced: the same four as they were given.
        voxel: what a voxel's value means.
        rank: terms of the sum over z where geometry is traced, or None.
        dtype: the real dtype of the result.
    """
    if voxel not in _VOXEL:
        raise ValueError(f"voxel must be one of {', '.join(_VOXEL)}, got {voxel!r}")
    if rank is not None and (int(rank) != rank or rank < 2):
        raise ValueError(f"rank must be a whole number >= 2, got {rank}")
    if geometry.known:
        axes = geometry.kx.tobytes(), geometry.ky.tobytes()
        scalars = geometry.pitch, geometry.wavelength
        plan = _known_plan(*scalars, *axes, shape, voxel, dtype.itemsize)
    else:
        terms = (
            _terms(shape[0], *geometry, _TOLERANCE[dtype.itemsize]) if rank is None else rank
        )
        plan = _traced_plan(
            *as_dtype(dtype, *traced), shape=shape, voxel=voxel, terms=int(terms)
        )
    room = _SLAB[jax.default_backend() == "cpu"] // (2 * dtype.itemsize)
    slab = max(room // (shape[0] * shape[2]), 1)
    slab = math.ceil(shape[1] / math.ceil(shape[1] / slab))
    return plan, slab


def _terms(nz: int, pitch, wavelength, kx, ky, tolerance: float) -> int:
    """Return how many terms the expansion needs at most, from what is concrete.

    The modulus of q_z exceeds neither k, nor that of k_perp, nor pi/pitch.
    """
    bounds = [np.pi]  # of |q_z| times the pitch
    if pitch is not None and wavelength is not None:
        bounds.append(2 * np.pi / wavelength * pitch)
    if pitch is not None and kx is not None and ky is not None:
        bounds.append(np.hypot(abs(kx).max(), abs(ky).max()) * pitch)
    return chebyshev_terms(min(bounds) / 2 * (nz - 1) / 2, tolerance)


def as_dtype(dtype, *values) -> tuple[Array, ...]:
    """Return the values as arrays of one dtype."""
    return tuple(jnp.asarray(value, dtype) for value in values)
