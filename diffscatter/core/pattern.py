"""What a detector records in two dimensions, and the checks it must pass."""

import math

import numpy as np
from jax import Array

from diffscatter.core.pytree import replace, static, struct

__all__ = ["Pattern", "checked_pattern"]

_SMALLEST = 8  # pixels of an edge: less resolves no fringe


@struct
class Pattern:
    """A two-dimensional diffraction pattern.

    The beam runs along +z; ky ascends with the rows and kx with the columns.

    Attributes:
        image: recorded intensity, ``(ny, nx)``.
        mask: True where a pixel counts, ``(ny, nx)``, or None for all of them.
        kx, ky: transverse wave vector of the columns and rows, 1/nm, or None where unknown.
        wavelength: nm, or None where unknown, as the following.
        distance: from the sample to a flat detector, nm.
        pixel: sides of its pixels along x and y, nm.
        centre: column and row of the beam; whole numbers are middles of pixels.
        name: what was measured.
        source: where the numbers come from.
        notes: what the reader had to decide, one line each.
    """

    image: Array
    mask: Array | None = None
    kx: Array | None = None
    ky: Array | None = None
    wavelength: float | None = static(default=None)
    distance: float | None = static(default=None)
    pixel: tuple[float, float] | None = static(default=None)
    centre: tuple[float, float] | None = static(default=None)
    name: str = static(default="pattern")
    source: str = static(default="")
    notes: tuple[str, ...] = static(default=())

    @property
    def counts(self) -> np.ndarray:
        """The mask, all True where there is none. Shape ``(ny, nx)``."""
        shape = np.shape(self.image)
        return np.ones(shape, bool) if self.mask is None else np.asarray(self.mask, bool)

    def with_axes(self, q_max: float, wavelength: float) -> "Pattern":
        r"""Return the pattern with axes of even steps, for a detector that records k_perp.

        .. math:: k_x(i) = (i - c_x)\,q_{max} / \lfloor n/2 \rfloor

        with n the longer edge and c the pixel of the beam, ``n // 2`` where none is stated.

        Args:
            q_max: transverse wave vector of pixel 0, 1/nm.
            wavelength: nm.

        Raises:
            ValueError: if ``q_max`` is not above 0, or beyond 1.1 of 2 pi / wavelength: past
                k there is no scattering; if no pixel that counts lies inside that circle.
        """
        for name, value in (("q_max", q_max), ("wavelength", wavelength)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        k = 2 * math.pi / wavelength
        if q_max > 1.1 * k:
            raise ValueError(
                f"q_max = {q_max:.6g} 1/nm is beyond 1.1 k = {1.1 * k:.6g} 1/nm (k = 2 pi / "
                f"wavelength = {k:.6g}): no wave of {wavelength:.6g} nm goes there; check both"
            )
        shape = np.shape(self.image)
        step = q_max / (max(shape) // 2)
        centre = self.centre or tuple(n // 2 for n in reversed(shape))
        kx, ky = (
            (np.arange(n) - c) * step for n, c in zip(reversed(shape), centre, strict=True)
        )
        inside = self.counts & (np.hypot(kx, ky[:, None]) < k)
        if not inside.any():
            raise ValueError(
                f"no pixel that counts lies inside the Ewald circle |k_perp| < {k:.6g} 1/nm; "
                f"check q_max = {q_max:.6g}, the centre {centre} and the mask"
            )
        return replace(self, kx=kx, ky=ky, wavelength=wavelength)

    def rotated(self) -> "Pattern":
        """Return the pattern turned by 180 degrees about pixel ``n // 2``.

        The first row and column of even edges have no partner: they are masked.
        """
        if self.kx is not None or self.ky is not None:
            raise ValueError("rotate a pattern before it gets its axes kx, ky")
        shape = np.shape(self.image)
        even = tuple(1 - n % 2 for n in shape)
        turn = lambda values: np.roll(np.asarray(values)[::-1, ::-1], even, axis=(0, 1))
        mask = turn(self.counts)
        mask[: even[0]], mask[:, : even[1]] = False, False
        centre = self.centre
        if centre is not None:
            centre = tuple(2 * (n // 2) - c for n, c in zip(shape[::-1], centre, strict=True))
        note = f"turned by 180 degrees about pixel ({shape[1] // 2}, {shape[0] // 2})"
        image = turn(self.image)
        notes = (*self.notes, note)
        return replace(self, image=image, mask=mask, centre=centre, notes=notes)


def checked_pattern(
    image,
    mask=None,
    kx=None,
    ky=None,
    *,
    wavelength: float | None = None,
    distance: float | None = None,
    pixel: tuple[float, float] | None = None,
    centre: tuple[float, float] | None = None,
    name: str = "pattern",
    source: str = "",
    notes: tuple[str, ...] = (),
) -> Pattern:
    """Return a :class:`Pattern` after refusing what no reconstruction can use.

    Masked pixels may hold anything; they are set to 0. Negative intensities are legal where
    some are positive. Floating images keep their precision, others become double.

    Raises:
        ValueError: in one line that names the pattern, the value and the mend.
    """

    def refuse(problem: str, mend: str):
        raise ValueError(f"{name}: {problem}; {mend}")

    raw = np.asarray(image)
    if raw.dtype.kind == "c":
        refuse("the image is complex", "give the recorded intensity, |amplitude|^2")
    if raw.dtype.kind not in "iuf":
        refuse(f"the image has dtype {raw.dtype}", "give real numbers")
    if raw.ndim != 2:
        refuse(f"the image has shape {raw.shape}", "give one pattern (ny, nx) at a time")
    if min(raw.shape) < _SMALLEST:
        refuse(f"the image has shape {raw.shape}", f"at least {_SMALLEST} pixels an edge")
    values = np.array(raw, raw.dtype if raw.dtype.kind == "f" else np.float64)
    counts = _checked_mask(mask, raw.shape, refuse)
    bad = counts & ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        refuse(
            f"the image is NaN or infinite in {int(bad.sum())} pixels that count, the first "
            f"in row {row}, column {column}",
            "give a mask that leaves them out, or mask_bad=True",
        )
    values[~counts] = 0
    used = values[counts]
    low, high = used.min(), used.max()
    if low == high == 0:
        refuse("every pixel that counts is 0", "nothing was recorded: check file and frame")
    if high <= 0:
        refuse("no pixel that counts is above 0", "check the background subtracted")
    if low == high:
        refuse(f"every pixel that counts is {low:.6g}", "a constant holds no pattern")
    axes = {}
    for axis, given, n in (("kx", kx, raw.shape[1]), ("ky", ky, raw.shape[0])):
        if given is not None:
            axes[axis] = _checked_axis(axis, given, n, refuse)
    if len(axes) == 1:
        refuse(f"{next(iter(axes))} comes alone", "give both axes, or none")
    for what, value in (("wavelength", wavelength), ("distance", distance), ("pixel", pixel)):
        for number in np.atleast_1d([] if value is None else value):
            if not (math.isfinite(number) and number > 0):
                refuse(f"{what} = {number:.6g} nm", "it must be above 0")
    return Pattern(
        image=values,
        mask=None if mask is None else counts,
        **axes,
        wavelength=wavelength,
        distance=distance,
        pixel=None if pixel is None else tuple(float(side) for side in pixel),
        centre=None if centre is None else tuple(float(c) for c in centre),
        name=name,
        source=source,
        notes=tuple(notes),
    )


def _checked_mask(mask, shape: tuple[int, int], refuse) -> np.ndarray:
    if mask is None:
        return np.ones(shape, bool)
    counts = np.asarray(mask)
    if counts.shape != shape:
        refuse(f"the mask has shape {counts.shape}, the image {shape}", "give one of its shape")
    if counts.dtype.kind not in "biu" or counts.min() < 0 or counts.max() > 1:
        refuse(
            f"the mask holds {counts.dtype} from {counts.min()} to {counts.max()}",
            "give True where a pixel counts and False elsewhere",
        )
    counts = counts.astype(bool)
    if not counts.any():
        refuse("the mask leaves no pixel", "it must be True where a pixel counts")
    return counts


def _checked_axis(axis: str, given, n: int, refuse) -> np.ndarray:
    k = np.asarray(given)
    if k.shape != (n,):
        refuse(f"{axis} has shape {k.shape}, the image needs ({n},)", "give one value a pixel")
    if k.dtype.kind not in "iuf" or not np.isfinite(k).all() or not (np.diff(k) > 0).all():
        refuse(f"{axis} is not finite and ascending", "give the wave vectors in 1/nm")
    return k
