r"""Wide-angle diffraction by straight rays: the multi-slice Fourier transform (MSFT).

A body of refractive index n = 1 + chi meets a plane wave :math:`e^{ikz}`,
:math:`k = 2\pi/\lambda`, time factor :math:`e^{-i\omega t}`. The wave runs straight on through
each column of voxels; every slice emits what it changed (:mod:`._emission`), and the far field
adds the slices up with their phase on the Ewald sphere:

.. math::
    f(k_x, k_y) = \frac{-ik}{2\pi} a^2 \sum_{x, y, z} g\,e^{-i(k_x x + k_y y + q_z z)},\qquad
    q_z = \sqrt{k^2 - k_x^2 - k_y^2} - k \le 0

Coordinates count from index ``n // 2``. The spreading of the wave inside the body is left out:
right for weak bodies, for thin ones and in the forward direction, off by tens of percent for
strongly absorbing ones at wide angles. chi -> 0 is the Born approximation,
:math:`k_x = k_y = 0` anomalous diffraction.

**Detectors.** The scattered direction is :math:`(k_x, k_y, k_z)/k`, so
:math:`\sin\theta = |k_\perp|/k` and :math:`|q| = 2k\sin(\theta/2)`. A grid of ``kx`` and ``ky``
is any regular or irregular pair of axes. A flat detector at distance D sees
:math:`k_\perp = k\,(X, Y)/\sqrt{X^2 + Y^2 + D^2}` in its pixel (X, Y): to small angles
``kx = k X / D``; at wide angles these do not separate into axes, so compute on axes and
interpolate, or regrid the image (its pixels of side p span
:math:`d\Omega = p^2\cos^3\theta/D^2`). On axes one cell spans
:math:`d\Omega = dk_x\,dk_y/(k^2\cos\theta)`, and holds :math:`I_0 |f|^2 d\Omega` photons for an
incident fluence :math:`I_0` per nm^2. Polarisation along x multiplies by
:math:`1 - k_x^2/k^2`; unpolarised light by :math:`(1 + \cos^2\theta)/2`.

**Cost.** :math:`e^{-iq_z z}` is replaced by a short sum of products (:mod:`._lowrank`), which
contracts z before any transform: 25 to 40 two-dimensional transforms in place of 192, say, and
no field is padded. The sum for a concrete geometry is planned once and kept.
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

from diffscatter.core.checks import check_finite, check_positive, check_volume, dtype_of
from diffscatter.operators._emission import attenuated, refracted
from diffscatter.operators._lowrank import chebyshev_expansion, chebyshev_terms, compress

__all__ = ["amplitude", "attenuated_field"]

# Power of the voxel's form factor in the sum over slices, see `amplitude`.
_VOXEL = {"average": -1, "point": 0, "box": 1}
# Error of the low-rank sum, by item size of the result's real dtype.
_TOLERANCE = {4: 1e-6, 8: 1e-14}
# Bytes of a complex slab: on a CPU several of them stay in one core's cache.
_SLAB = {True: 900_000, False: 1 << 30}


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
def _far_field(volume, strength, plan: _Plan, emission, slab: int) -> Array:
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


def _check_axis(name: str, q: ArrayLike) -> np.ndarray | None:
    if np.ndim(q) != 1 or np.size(q) == 0:
        raise ValueError(f"{name} must be one non-empty axis, got shape {np.shape(q)}")
    array = check_finite(name, q)
    if array is not None and array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got dtype {array.dtype}")
    return None if array is None else np.asarray(array, float)


def _check_sampling(pitch: float, wavelength: float, kx: np.ndarray, ky: np.ndarray) -> None:
    """Refuse angles at which neighbouring voxels differ by more than half a wave."""
    k = 2 * np.pi / wavelength
    transverse = ky[:, None] ** 2 + kx**2
    inside = transverse < k * k
    if not inside.any():
        raise ValueError(
            f"no pixel lies inside the Ewald circle: |k| starts at "
            f"{np.sqrt(transverse.min()):.6g} 1/nm, 2 pi/wavelength is {k:.6g} 1/nm"
        )
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


def _prepare(name: str, volume, pitch, wavelength, kx, ky, voxel: str, rank: int | None):
    """Check what is concrete; return the real dtype, the plan and the rows of a slab."""
    if voxel not in _VOXEL:
        raise ValueError(f"voxel must be one of {', '.join(_VOXEL)}, got {voxel!r}")
    if rank is not None and (int(rank) != rank or rank < 2):
        raise ValueError(f"rank must be a whole number >= 2, got {rank}")
    shape = check_volume(name, volume)
    known = (
        check_positive("pitch", pitch, "nm"),
        check_positive("wavelength", wavelength, "nm"),
        _check_axis("kx", kx),
        _check_axis("ky", ky),
    )
    dtype = dtype_of(volume)
    if all(value is not None for value in known):
        _check_sampling(*known)
        side, length, *axes = known
        axes = (axis.tobytes() for axis in axes)
        plan = _known_plan(side, length, *axes, shape, voxel, dtype.itemsize)
    else:
        terms = _terms(shape[0], *known, _TOLERANCE[dtype.itemsize]) if rank is None else rank
        cast = (jnp.asarray(value, dtype) for value in (pitch, wavelength, kx, ky))
        plan = _traced_plan(*cast, shape=shape, voxel=voxel, terms=int(terms))
    room = _SLAB[jax.default_backend() == "cpu"] // (2 * dtype.itemsize)
    slab = max(room // (shape[0] * shape[2]), 1)
    slab = math.ceil(shape[1] / math.ceil(shape[1] / slab))
    return dtype, plan, slab


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


def amplitude(
    chi: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    voxel: str = "average",
    rank: int | None = None,
) -> Array:
    r"""Return the complex scattering amplitude f of a body, straight rays inside it.

    .. math::
        f = \frac{-ik}{2\pi} a^2 \sum_{j} e^{-iq_z z_j} \sum_{x,y}
            \left(e^{ika\chi_j} - 1\right) e^{ika\sum_{l<j}\chi_l}\,e^{-i(k_x x + k_y y)}

    The differential cross-section is :math:`|f|^2` in nm^2/sr, the extinction cross-section
    :math:`(4\pi/k)\,\mathrm{Im} f(0, 0)`. The module's text gives the conventions and the way
    to detectors. Exact in chi: nothing is expanded, and real, imaginary and weak ones keep
    their full precision (about 1e-6 of the maximum in float32, 1e-13 in float64).

    ``voxel`` says what a value means. ``"average"``: the mean of chi over the cell, so
    fractional occupancy at the surface. Such a volume has been smoothed by a box once already,
    and f is divided by :math:`\mathrm{sinc}(k_x a/2)\,\mathrm{sinc}(k_y a/2)\,
    \mathrm{sinc}(q_z a/2)`. ``"box"``: the body really consists of cubes; multiplied.
    ``"point"``: neither. The factors are those of a weak body: along z they leave out how the
    wave changes within one voxel, a relative :math:`ka|\chi|\,|q_z|a/12`.

    Gradients reach every argument but ``voxel`` and ``rank``. Where geometry (``pitch``,
    ``wavelength``, ``kx``, ``ky``) is traced, the sum over z takes up to twice as many terms,
    and in float32 the phases of deep volumes round to 1e-5, and worse at the rim of the Ewald
    circle, where q_z is a difference of large numbers. On a CPU, map many bodies with
    ``jax.lax.map``; ``jax.vmap`` gives the same, slower.

    Args:
        chi: n - 1 = -delta + i beta, complex or real. Shape ``(nz, ny, nx)``, beam along +z.
        pitch: voxel side a, nm.
        wavelength: nm.
        kx, ky: transverse wave vector of the columns and rows, 1/nm, in any order. Shapes
            ``(nkx,)`` and ``(nky,)``.
        voxel: ``"average"``, ``"box"`` or ``"point"``.
        rank: terms of the sum over z where geometry is traced; by default enough for any
            geometry that agrees with what is concrete. Concrete geometry needs no hint.

    Returns:
        f in nm, 0 beyond the Ewald circle :math:`|k_\perp| \ge k`, in the precision of
        ``chi``. Shape ``(nky, nkx)``.

    Raises:
        ValueError: if a shape is wrong, a number is not finite or not positive, no pixel lies
            inside the Ewald circle, or the pitch is too coarse for the angles.

    References:
        Barke et al., *Nat. Commun.* 6, 6187 (2015); van de Hulst, *Light Scattering by Small
        Particles*, Wiley (1957), ch. 11 (anomalous diffraction).
    """
    dtype, plan, slab = _prepare("chi", chi, pitch, wavelength, kx, ky, voxel, rank)
    chi, pitch, wavelength = jnp.asarray(chi), *_as(dtype, pitch, wavelength)
    kind = dtype if not jnp.iscomplexobj(chi) else jnp.result_type(dtype, jnp.complex64)
    strength = 2 * jnp.pi * pitch / wavelength
    field = _far_field(chi.astype(kind), strength, plan, refracted, slab)
    return -1j * pitch**2 / wavelength * field


def attenuated_field(
    density: ArrayLike,
    pitch: ArrayLike,
    wavelength: ArrayLike,
    attenuation_length: ArrayLike,
    kx: ArrayLike,
    ky: ArrayLike,
    *,
    rank: int | None = None,
) -> Array:
    r"""Return the absorption-only field with which published networks were trained.

    .. math::
        E = \sum_{j} e^{-iq_z z_j} \sum_{x,y} \rho_j\,
            e^{-(a/L)\sum_{l \le j}\rho_l}\,e^{-i(k_x x + k_y y)}

    Kept for comparison with the published patterns, which it rebuilds; :func:`amplitude` has
    the physics. Nothing is refracted, the sum over depth includes the voxel itself, and E is a
    plain sum: no prefactor, no voxel volume, no form factor. The published silver patterns at
    13.5 nm follow with L = 12.5 nm, where the amplitude really falls over 27.1 nm: a length
    that belongs to the intensity (13.55 nm) is used for the amplitude there.

    Args:
        density: occupancy, 0 to 1. Shape ``(nz, ny, nx)``, beam along +z.
        pitch, wavelength, kx, ky, rank: as in :func:`amplitude`.
        attenuation_length: depth L over which the *amplitude* falls to 1/e, nm.

    Returns:
        E, dimensionless, 0 beyond the Ewald circle. Shape ``(nky, nkx)``.

    Raises:
        ValueError: as :func:`amplitude`; if ``density`` is complex, or ``attenuation_length``
            is not above 0.

    References:
        Stielow and Scheel, *Phys. Rev. E* 103, 053312 (2021).
    """
    if jnp.iscomplexobj(density):
        raise ValueError("density must be real, got complex; use amplitude for chi = n - 1")
    check_positive("attenuation_length", attenuation_length, "nm")
    geometry = (pitch, wavelength, kx, ky)
    dtype, plan, slab = _prepare("density", density, *geometry, "point", rank)
    density, pitch, length = _as(dtype, density, pitch, attenuation_length)
    return _far_field(density, pitch / length, plan, attenuated, slab)


def _as(dtype, *values) -> tuple[Array, ...]:
    return tuple(jnp.asarray(value, dtype) for value in values)
