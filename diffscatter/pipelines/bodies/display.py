r"""A recorded pattern as one logarithmic display, whatever it was recorded as.

.. math:: t = \beta + \alpha\,\ln(1 + I/c)

with I the computed intensity. A published image has an unknown contrast :math:`\alpha` and an
unknown offset c. Counts n = s I + b are put on the same footing, :math:`t = \alpha \ln(1 +
n/c_0)` with known :math:`\alpha` and :math:`c_0`: the background b then shows as :math:`\beta =
\alpha\ln(1 + b/c_0)` and the scale as :math:`c = (c_0 + b)/s`. Fringes of all orders count
alike there, as far as noise lets them: a pixel's weight is the inverse of its standard
deviation, to which the model adds its own. All parameters but the body are free, two in
either case.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Display", "Tone", "of_counts", "of_image"]

# Display units: what columns and half-spaces leave of a pattern that they describe.
MODEL_ERROR = 0.01
_DEPTH = 3e-5  # of the brightest pixel: where a display without noise turns linear
_OFFSETS = np.arange(-15.0, -4.9, 0.5)  # ln c tried, relative to the brightest pixel
_LEAST_CONTRAST = 0.02
_STRUCTURED = 0.25  # correlation of neighbours above which a residual is not noise


class Tone(NamedTuple):
    """Contrast alpha, level beta and ln c of a display."""

    contrast: float
    level: float
    log_offset: float

    def show(self, intensity: np.ndarray) -> np.ndarray:
        """Return the display of an intensity."""
        return self.level + self.contrast * np.log1p(intensity * np.exp(-self.log_offset))


@dataclass(frozen=True)
class Display:
    """A pattern in display units, from 0 to about 1.

    Attributes:
        kx, ky: axes, 1/nm. Shapes ``(nx,)`` and ``(ny,)``.
        image: t. Shape ``(ny, nx)``; 0 where it does not count.
        weight: at most 1, 0 where a pixel does not count. Shape ``(ny, nx)``.
        contrast: alpha where it is known, else None; then the level is 0.
        unit: c_0 in counts; 1 for an image.
        noise: root mean square of what noise makes of t, weighted.
    """

    kx: np.ndarray
    ky: np.ndarray
    image: np.ndarray
    weight: np.ndarray
    contrast: float | None
    unit: float
    noise: float

    def recorded(self, shown: np.ndarray) -> np.ndarray:
        """Return what display units are in those of the data."""
        if self.contrast is None:
            return self.unit * shown
        return self.unit * np.expm1(shown / self.contrast)

    def misfit(self, recorded: np.ndarray) -> tuple[float, float]:
        """Return the root mean square residual of a pattern in the units of the data, by
        weight, and the mean square over all pixels that count."""
        counts = self.weight > 0
        square = self._residual(recorded)[counts] ** 2
        share = self.weight[counts] ** 2
        return float(np.sqrt(share @ square / share.sum())), float(square.mean())

    def white(self, recorded: np.ndarray) -> float:
        """Return the root mean square of a residual, by weight, if it is noise; else 0.

        Noise is uncorrelated from pixel to pixel. What a wrong body leaves has the fringes of
        the pattern, with a period of two and a half pixels or more.
        """
        r = self.weight * self._residual(recorded)
        counts = self.weight > 0
        likeness = [0.0]
        for lag in (1, 2):
            for cut in (np.s_[lag:], np.s_[:, lag:]):
                back = np.s_[:-lag] if isinstance(cut, slice) else np.s_[:, :-lag]
                both = counts[cut] & counts[back]
                one, other = r[cut][both], r[back][both]
                size = np.sum(one**2 + other**2) / 2
                likeness.append(abs(np.sum(one * other)) / max(size, 1e-30))
        if max(likeness) > _STRUCTURED:
            return 0.0
        share = float(np.sum(self.weight**2))
        return float(np.sqrt(np.sum(r**2) * (1 - max(likeness)) / share))

    def _residual(self, recorded: np.ndarray) -> np.ndarray:
        """Return a pattern in the units of the data less the data, in display units."""
        if self.contrast is None:
            shown = recorded / self.unit
        else:
            shown = self.contrast * np.log1p(np.maximum(recorded, 0) / self.unit)
        return np.where(self.weight > 0, shown - self.image, 0.0)

    def start(self, intensity, image, weight) -> Tone:
        """Return the best tone for an intensity, from a scan of c; all shapes ``(m,)``."""
        best, found = np.inf, Tone(1.0, 0.0, 0.0)
        w = weight * weight
        top = np.log(max(float(intensity.max()), 1e-300))
        for offset in top + _OFFSETS:
            bent = np.log1p(intensity * np.exp(-offset))
            if self.contrast is None:
                contrast = np.sum(w * bent * image) / max(np.sum(w * bent * bent), 1e-30)
                tone = Tone(float(max(contrast, _LEAST_CONTRAST)), 0.0, float(offset))
            else:
                level = np.sum(w * (image - self.contrast * bent)) / np.sum(w)
                tone = Tone(self.contrast, float(max(level, 0.0)), float(offset))
            misfit = np.sum(w * (tone.level + tone.contrast * bent - image) ** 2)
            if misfit < best:
                best, found = misfit, tone
        return found

    def variables(self, tone: Tone) -> np.ndarray:
        """Return the two free numbers of a tone, each of the order of 1."""
        first = 10 * tone.contrast if self.contrast is None else 10 * tone.level
        return np.array([first, tone.log_offset])

    def tone(self, variables: np.ndarray) -> Tone:
        """Invert :meth:`variables`."""
        first, offset = variables[0] / 10, float(np.clip(variables[1], -700, 700))
        if self.contrast is None:
            return Tone(max(float(first), _LEAST_CONTRAST), 0.0, offset)
        return Tone(self.contrast, float(first), offset)

    def slopes(self, tone: Tone, intensity) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivatives of the display: with the intensity ``(m,)``, and with
        :meth:`variables` ``(2, m)``."""
        share = intensity * np.exp(-tone.log_offset)
        by_intensity = tone.contrast * np.exp(-tone.log_offset) / (1 + share)
        bent = np.log1p(share) if self.contrast is None else np.ones_like(share)
        return by_intensity, np.stack([bent / 10, -tone.contrast * share / (1 + share)])


def of_image(image, counts, kx, ky) -> Display:
    """Return the display of a published image on an unknown logarithmic scale.

    Args:
        image: ``(ny, nx)``.
        counts: True where a pixel counts. Shape ``(ny, nx)``.
        kx, ky: axes, 1/nm.
    """
    image = np.where(counts, image, 0.0)
    top = image.max()
    return Display(
        kx=kx,
        ky=ky,
        image=image / top,
        weight=counts.astype(float),
        contrast=None,
        unit=float(top),
        noise=1 / 255 / 12**0.5,  # steps of 8 bits
    )


def of_counts(image, counts, kx, ky) -> Display:
    """Return the display of counts, or of intensities without noise; as :func:`of_image`."""
    image = np.where(counts, np.maximum(image, 0.0), 0.0)
    top = image.max()
    # Whole numbers are counts, with their Poisson noise; others may have any unit.
    whole = bool((image == np.round(image)).all()) and top >= 10
    unit = max(1.0, _DEPTH * top) if whole else _DEPTH * top
    contrast = 1 / np.log1p(top / unit)
    variance = np.maximum(image, 0.5) * (contrast / (unit + image)) ** 2 if whole else 0 * image
    weight = np.where(counts, MODEL_ERROR / np.sqrt(MODEL_ERROR**2 + variance), 0.0)
    share = weight**2 / np.sum(weight**2)
    return Display(
        kx=kx,
        ky=ky,
        image=contrast * np.log1p(image / unit),
        weight=weight,
        contrast=float(contrast),
        unit=float(unit),
        noise=float(np.sqrt(np.sum(share * variance))),
    )
