"""From a flat detector's pixels to the axes on which bodies are found."""

import numpy as np

from diffscatter.core.checks import check_positive
from diffscatter.core.data import Pattern
from diffscatter.core.pytree import replace
from diffscatter.instrument import FlatDetector, regrid

__all__ = ["coarser", "on_axes"]

_SQUARE = 1e-3  # relative difference of the sides of a pixel that counts as none
_HALF = 0.5  # of a block of pixels that must count, or the block does not


def on_axes(
    pattern: Pattern,
    *,
    wavelength: float,
    distance: float | None = None,
    pixel: float | None = None,
    centre: tuple[float, float] | None = None,
    n: int = 128,
) -> Pattern:
    r"""Return a flat detector's pattern on axes kx, ky with the beam in pixel ``n // 2``.

    .. math:: \mathbf k_\perp = k\,\frac{(X, Y)}{\sqrt{X^2 + Y^2 + D^2}},\qquad
       d\Omega = p^2 \cos^3\theta / D^2

    Pixels smaller than the steps of the axes are added up in blocks first, so that no count is
    lost; each is then divided by its solid angle, and a cubic spline brings it onto the axes,
    as the counts of a cell of one step by one step at the beam. Whole numbers stay whole: a
    reconstruction takes them for photons, with their noise.

    Args:
        pattern: as recorded, without axes.
        wavelength: nm.
        distance, pixel: from the sample to the detector, and the side of its square pixels;
            those of the pattern by default. Only their ratio counts, so any one unit does.
        centre: column and row of the beam; by default the pattern's, or ``n // 2``.
        n: points of an axis at most; an image that has fewer pixels gets as many.

    Raises:
        ValueError: if a length is missing or not above 0, or pixels are not square.
    """
    if pattern.kx is not None:
        raise ValueError("the pattern is on axes kx, ky already; leave distance and pixel out")
    distance = pattern.distance if distance is None else distance
    if pixel is None and pattern.pixel is not None:
        across, down = pattern.pixel
        if abs(across - down) > _SQUARE * down:
            raise ValueError(f"pixels must be square, got {across:g} x {down:g} nm")
        pixel = across
    for name, value in (("distance", distance), ("pixel", pixel)):
        if value is None:
            raise ValueError(f"give {name} too: an angle needs both distance and pixel")
        check_positive(name, value)
    check_positive("wavelength", wavelength, "nm")
    shape = np.shape(pattern.image)
    centre = centre or pattern.centre or tuple(size // 2 for size in reversed(shape))
    place = lambda size, side, at: FlatDetector(
        distance=float(distance), pixel=float(side), centre=np.array(at, float), shape=size
    )
    fine = place(shape, pixel, centre).pixels(wavelength)
    reach = max(float(np.abs(k).max()) for k in (fine.kx, fine.ky))
    n = min(n, max(shape))
    axis = (np.arange(n) - n // 2) * (reach / (n // 2))

    step, wavenumber = axis[1] - axis[0], 2 * np.pi / wavelength
    block = max(1, int(step / (wavenumber * pixel / distance)))
    image, counts = _in_blocks(np.asarray(pattern.image), pattern.counts, block)
    middle = tuple((c + 0.5) / block - 0.5 for c in centre)
    detector = place(image.shape, block * pixel, middle)
    angle = np.asarray(detector.pixels(wavelength).solid_angle)
    image = image * ((step / wavenumber) ** 2 / angle)
    values, seen = regrid(image, detector, wavelength, axis, axis, mask=counts)
    if _is_whole(pattern):
        values = np.rint(values)  # still counts, of nearly the same noise
    note = f"regridded from a flat detector, blocks of {block} x {block} pixels"
    return replace(
        pattern,
        image=np.asarray(values),
        mask=np.asarray(seen),
        kx=axis,
        ky=axis,
        wavelength=float(wavelength),
        distance=None,
        pixel=None,
        centre=None,
        notes=(*pattern.notes, note),
    )


def coarser(pattern: Pattern, most: int, *, mean: bool = False) -> Pattern:
    """Return a pattern on axes with at most ``most`` pixels an edge, blocks of it added up.

    Args:
        pattern: on axes of even steps.
        most: pixels of an edge; a pattern that has no more comes back as it is.
        mean: average blocks instead, as logarithms ask for.
    """
    shape = np.shape(pattern.image)
    block = -(-max(shape) // most)
    if block == 1:
        return pattern
    image, counts = _in_blocks(np.asarray(pattern.image), pattern.counts, block)
    if mean:
        image = image / block**2
    elif _is_whole(pattern):
        image = np.rint(image)
    kx, ky = (
        np.asarray(k)[0] + (np.arange(n) * block + (block - 1) / 2) * np.diff(k).mean()
        for k, n in zip((pattern.kx, pattern.ky), reversed(image.shape), strict=True)
    )
    note = f"{block} x {block} pixels {'averaged' if mean else 'added up'}"
    notes = (*pattern.notes, note)
    return replace(pattern, image=image, mask=counts, kx=kx, ky=ky, notes=notes)


def _is_whole(pattern: Pattern) -> bool:
    """Return whether the pixels that count hold whole numbers."""
    values = np.asarray(pattern.image)[pattern.counts]
    return bool((values == np.rint(values)).all())


def _in_blocks(image: np.ndarray, counts: np.ndarray, block: int):
    """Add pixels up in square blocks; those that do not count have the mean of the others."""
    pad = [(0, -size % block) for size in image.shape]
    fold = lambda v: np.pad(v, pad).reshape(
        (image.shape[0] + pad[0][1]) // block, block, -1, block
    )
    number = fold(counts).sum(axis=(1, 3))
    total = fold(np.where(counts, image, 0)).sum(axis=(1, 3))
    whole = number >= _HALF * block**2
    return np.where(whole, total * block**2 / np.maximum(number, 1), 0), whole
