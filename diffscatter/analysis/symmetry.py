r"""Where the beam is in a pattern, from the pattern itself.

At small angles a pattern is that of its opposite point, :math:`I(c + d) = I(c - d)`
(Friedel), whatever the body; at wide angles less and less so. The centre is where

.. math:: \gamma(c) = \frac{\sum_d w\,L(c + d)\,L(c - d)}{\sum_d w\,L^2(c + d)}

is largest, with L the logarithm of the intensity less its mean.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["symmetry_centre"]

_OFF = 0.12  # of an edge: how far from the middle a centre is looked for
_DEPTH = 1e-4  # of the brightest pixel, below which the logarithm is flat


def symmetry_centre(
    image: ArrayLike, counts: ArrayLike | None = None, *, log: bool = False
) -> tuple[float, float]:
    """Return the column and row about which a pattern is most like its half-turn.

    Good to about a pixel where fringes are seen all round the beam; looked for within an
    eighth of the image of its middle.

    Args:
        image: intensity, or a logarithm of it. Shape ``(ny, nx)``.
        counts: True where a pixel counts, ``(ny, nx)``; all of them by default.
        log: whether the image is a logarithm already.
    """
    from scipy.signal import fftconvolve

    image = np.asarray(image, float)
    weight = np.ones(image.shape) if counts is None else np.asarray(counts, float)
    shown = np.maximum(image, 0)
    if not log:
        shown = np.log1p(shown / (_DEPTH * max((shown * weight).max(), 1e-300)))
    shown = weight * (shown - np.average(shown, weights=weight))
    # A convolution of an image with itself has its value for the centre c at 2 c.
    alike = fftconvolve(shown, shown)
    power = fftconvolve(shown**2, weight)
    middle = [n // 2 for n in image.shape]
    reach = [max(1, round(_OFF * n)) for n in image.shape]
    window = tuple(
        slice(2 * (m - r), 2 * (m + r) + 1) for m, r in zip(middle, reach, strict=True)
    )
    score = alike[window] / np.maximum(power[window], 1e-9 * power.max())
    row, column = np.unravel_index(np.argmax(score), score.shape)
    return column / 2 + middle[1] - reach[1], row / 2 + middle[0] - reach[0]
