"""What an instrument records, as plain arrays in our units, and the checks they must pass."""

import math

import numpy as np
from jax import Array

from diffscatter.core.pattern import Pattern as Pattern
from diffscatter.core.pattern import checked_pattern as checked_pattern
from diffscatter.core.pytree import replace, static, struct

__all__ = ["ARBITRARY", "COLUMNS", "Curve", "Pattern", "checked_curve", "checked_pattern"]

ARBITRARY = "intensity in arbitrary units"  # how such a note of a curve begins
COLUMNS = ("q", "intensity", "sigma", "resolution", "slit_length", "slit_width")


@struct
class Curve:
    """A one-dimensional scattering curve.

    Attributes:
        q: scattering vector, ascending, 1/nm. Shape ``(nq,)``.
        intensity: dSigma/dOmega in 1/cm, or in arbitrary units. Shape ``(nq,)``.
        sigma: standard deviation of ``intensity``, or None where it is unknown.
        resolution: standard deviation of q of the pinhole resolution, 1/nm, or None. A point
            with 0 is sharp.
        slit_length, slit_width: half the length and half the width of a slit in q, 1/nm, as
            dQl and dQw of canSAS, or None. A point with 0 is sharp.
        name: what was measured.
        source: where the numbers come from.
        notes: what the reader had to decide, one line each.
    """

    q: Array
    intensity: Array
    sigma: Array | None = None
    resolution: Array | None = None
    slit_length: Array | None = None
    slit_width: Array | None = None
    name: str = static(default="curve")
    source: str = static(default="")
    notes: tuple[str, ...] = static(default=())

    @property
    def arbitrary(self) -> bool:
        """Whether the notes say that the intensity has no absolute scale."""
        return any(note.startswith(ARBITRARY) for note in self.notes)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns that the curve has, by name, as numpy arrays."""
        found = {name: getattr(self, name) for name in COLUMNS}
        return {name: np.asarray(v) for name, v in found.items() if v is not None}

    def select(self, low: float = 0.0, high: float = math.inf) -> "Curve":
        """Return the points with ``low <= q <= high`` (1/nm)."""
        q = np.asarray(self.q)
        keep = (q >= low) & (q <= high)
        if not keep.any():
            raise ValueError(
                f"no point of {self.name!r} has q in [{low:g}, {high:g}] 1/nm; "
                f"it covers [{q[0]:.6g}, {q[-1]:.6g}]"
            )
        return replace(self, **{name: v[keep] for name, v in self.columns.items()})

    def exclude(self, low: float, high: float) -> "Curve":
        """Return the points without those in ``low <= q <= high`` (1/nm), and note it."""
        q = np.asarray(self.q)
        keep = (q < low) | (q > high)
        if keep.all() or keep.sum() < 3:
            raise ValueError(
                f"excluding q in [{low:g}, {high:g}] 1/nm leaves {int(keep.sum())} of {q.size} "
                f"points of {self.name!r}; it covers [{q[0]:.6g}, {q[-1]:.6g}]"
            )
        note = f"{int((~keep).sum())} points in {low:g}..{high:g} 1/nm left out"
        columns = {name: v[keep] for name, v in self.columns.items()}
        return replace(self, **columns, notes=(*self.notes, note))

    def subtract(self, other: "Curve", factor: float = 1.0) -> "Curve":
        r"""Return this curve less ``factor`` times another: a background, a buffer, a cell.

        .. math:: I(q_i) - f\,B(q_i),\qquad \sigma^2(q_i) + f^2 \sigma_B^2(q_i)

        The other curve is interpolated linearly between its points; its errors are those of
        independent points.

        Raises:
            ValueError: if the other curve does not cover every q of this one, if only one of
                the two is smeared by a slit, or if nothing above 0 is left.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"factor must be positive and finite, got {factor}")
        mine, theirs = self.columns, other.columns
        for name in ("slit_length", "slit_width"):
            if (name in mine) != (name in theirs):
                smeared, sharp = (self, other) if name in mine else (other, self)
                raise ValueError(
                    f"{smeared.name!r} is smeared by a slit and {sharp.name!r} is not; "
                    "subtract curves of one instrument"
                )
        q, at = mine["q"], theirs["q"]
        # The same axis in another precision, or written with fewer digits, is the same axis.
        slack = 1e-6 * q[[0, -1]]
        if q[0] < at[0] - slack[0] or q[-1] > at[-1] + slack[1]:
            raise ValueError(
                f"{other.name!r} covers q in [{at[0]:.6g}, {at[-1]:.6g}] 1/nm, {self.name!r} "
                f"needs [{q[0]:.6g}, {q[-1]:.6g}]; cut it to the shared range first (select)"
            )
        after = np.clip(np.searchsorted(at, q), 1, at.size - 1)
        share = np.clip((q - at[after - 1]) / (at[after] - at[after - 1]), 0.0, 1.0)
        between = lambda v, s: (1 - s) * v[after - 1] + s * v[after]
        notes = [f"{factor:g} times {other.name!r} subtracted"]
        mine["intensity"] = mine["intensity"] - factor * between(theirs["intensity"], share)
        if "sigma" in mine and "sigma" in theirs:
            variance = (1 - share) ** 2 * theirs["sigma"][after - 1] ** 2
            variance += share**2 * theirs["sigma"][after] ** 2
            mine["sigma"] = np.sqrt(mine["sigma"] ** 2 + factor**2 * variance)
        elif "sigma" in mine:
            notes.append(f"{other.name!r} has no sigma: its errors are left out")
        if other.arbitrary and not self.arbitrary:
            notes.append(f"{ARBITRARY} (those of {other.name!r})")
        return self._derived(mine, notes)

    def with_error_floor(self, fraction: float) -> "Curve":
        r"""Return the curve with ``fraction`` of its intensity added to sigma, in quadrature.

        .. math:: \sigma' = \sqrt{\sigma^2 + (f I)^2}

        For what counting does not say: calibration, and models that are only that exact.
        Without a sigma the fraction alone is it.
        """
        if not (math.isfinite(fraction) and fraction > 0):
            raise ValueError(f"an error floor must be positive and finite, got {fraction}")
        columns = self.columns
        floor = fraction * np.abs(columns["intensity"])
        columns["sigma"] = np.hypot(columns["sigma"], floor) if "sigma" in columns else floor
        words = "added to sigma in quadrature" if self.sigma is not None else "taken for sigma"
        return self._derived(columns, [f"{fraction:g} of the intensity {words}"])

    def _derived(self, columns: dict[str, np.ndarray], notes: list[str]) -> "Curve":
        """Return a checked curve of other columns, with further notes."""
        curve = checked_curve(**columns, name=self.name, source=self.source)
        return replace(curve, notes=(*self.notes, *notes, *curve.notes))


def checked_curve(
    q,
    intensity,
    sigma=None,
    resolution=None,
    slit_length=None,
    slit_width=None,
    *,
    name: str = "curve",
    source: str = "",
    notes: tuple[str, ...] = (),
) -> Curve:
    """Return a :class:`Curve` (q in 1/nm) after refusing what no fit can use.

    A resolution or a slit may be one number for all points. Strictly descending axes are
    reversed; a ``sigma`` that is zero throughout counts as absent and is noted. Negative
    intensities are legal where some are positive.

    Raises:
        ValueError: in one line that names the curve, the value and the mend.
    """

    def refuse(problem: str, mend: str):
        raise ValueError(f"{name}: {problem}; {mend}")

    def refuse_rows(bad: np.ndarray, problem: str, mend: str):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            refuse(f"{problem} ({int(bad.sum())} rows, first row {first})", mend)

    given = (q, intensity, sigma, resolution, slit_length, slit_width)
    arrays: dict[str, np.ndarray] = {}
    for key, values in zip(COLUMNS, given, strict=True):
        if values is None:
            continue
        raw = np.asarray(values)
        if key in COLUMNS[3:] and raw.ndim == 0:
            raw = np.full(np.shape(q), raw)
        if raw.dtype.kind not in "biuf":
            refuse(f"{key} has dtype {raw.dtype}", "give real numbers")
        array = np.array(raw, dtype=np.float64)
        if array.ndim != 1:
            refuse(f"{key} has shape {array.shape}", "give one curve at a time")
        refuse_rows(~np.isfinite(array), f"{key} is NaN or infinite", "drop or mask those rows")
        arrays[key] = array
    lengths = {key: array.size for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        refuse(f"lengths differ, {lengths}", "give one value of each per point")
    if arrays["q"].size < 3:
        refuse(f"only {arrays['q'].size} points", "give at least 3")

    refuse_rows(arrays["q"] <= 0, "q is not above 0", "drop the rows behind the beam stop")
    if (np.diff(arrays["q"]) < 0).all():
        arrays = {key: array[::-1] for key, array in arrays.items()}
    step = np.diff(arrays["q"], prepend=-np.inf)
    refuse_rows(step < 0, "q steps back", "sort it, or merge its ranges if several are in it")
    refuse_rows(step == 0, "q repeats", "average the repeated points or drop one set")
    top = arrays["q"][-1]
    if not 1e-3 <= top <= 50:
        refuse(
            f"q reaches {top:.4g} 1/nm, outside 1e-3..50 1/nm",
            "check its unit: 1 1/A is 10 1/nm, 1 1/m is 1e-9 1/nm",
        )
    if not (arrays["intensity"] > 0).any():
        refuse("no intensity is above 0", "check the column and the background subtracted")

    if "sigma" in arrays:
        if (arrays["sigma"] == 0).all():
            del arrays["sigma"]
            notes = (*notes, "sigma is zero throughout: absent, no reduced chi-square")
        else:
            refuse_rows(
                arrays["sigma"] <= 0,
                "sigma is not above 0",
                "a zero weighs infinitely: drop those rows or give an error model",
            )
    for key in COLUMNS[3:]:
        if key in arrays:
            refuse_rows(
                arrays[key] < 0,
                f"{key} is negative",
                "give " + ("sigmas of q" if key == "resolution" else "halves of the slit in q"),
            )
    return Curve(**arrays, name=name, source=source, notes=notes)
