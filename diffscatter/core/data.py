"""What an instrument records, as plain arrays in our units, and the checks they must pass."""

import numpy as np
from jax import Array

from diffscatter.core.pytree import replace, static, struct

__all__ = ["Curve", "Pattern", "checked_curve"]


@struct
class Curve:
    """A one-dimensional scattering curve.

    Attributes:
        q: scattering vector, ascending, 1/nm. Shape ``(nq,)``.
        intensity: dSigma/dOmega in 1/cm, or in arbitrary units. Shape ``(nq,)``.
        sigma: standard deviation of ``intensity``, or None where it is unknown.
        resolution: standard deviation of q of the pinhole resolution, 1/nm, or None.
        name: what was measured.
        source: where the numbers come from.
        notes: what the reader had to decide, one line each.
    """

    q: Array
    intensity: Array
    sigma: Array | None = None
    resolution: Array | None = None
    name: str = static(default="curve")
    source: str = static(default="")
    notes: tuple[str, ...] = static(default=())

    def select(self, low: float = 0.0, high: float = np.inf) -> "Curve":
        """Return the points with ``low <= q <= high`` (1/nm)."""
        q = np.asarray(self.q)
        keep = (q >= low) & (q <= high)
        if not keep.any():
            raise ValueError(
                f"no point of {self.name!r} has q in [{low:g}, {high:g}] 1/nm; "
                f"it covers [{q[0]:.6g}, {q[-1]:.6g}]"
            )
        part = lambda values: None if values is None else np.asarray(values)[keep]
        return replace(
            self,
            q=q[keep],
            intensity=part(self.intensity),
            sigma=part(self.sigma),
            resolution=part(self.resolution),
        )


@struct
class Pattern:
    """A two-dimensional diffraction pattern.

    Attributes:
        image: recorded intensity, ``(ny, nx)``, beam along +z.
        mask: True where a pixel counts, ``(ny, nx)``, or None for all of them.
        kx, ky: transverse wave vector of the columns and rows, 1/nm, or None where unknown.
        name, source: as in :class:`Curve`.
    """

    image: Array
    mask: Array | None = None
    kx: Array | None = None
    ky: Array | None = None
    name: str = static(default="pattern")
    source: str = static(default="")


def checked_curve(
    q,
    intensity,
    sigma=None,
    resolution=None,
    *,
    name: str = "curve",
    source: str = "",
    notes: tuple[str, ...] = (),
) -> Curve:
    """Return a :class:`Curve` (q in 1/nm) after refusing what no fit can use.

    Strictly descending axes are reversed; a ``sigma`` that is zero throughout counts as absent
    and is noted. Negative intensities are legal where some are positive.

    Raises:
        ValueError: in one line that names the curve, the value and the mend.
    """

    def refuse(problem: str, mend: str):
        raise ValueError(f"{name}: {problem}; {mend}")

    def refuse_rows(bad: np.ndarray, problem: str, mend: str):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            refuse(f"{problem} ({int(bad.sum())} rows, first row {first})", mend)

    columns = {"q": q, "intensity": intensity, "sigma": sigma, "resolution": resolution}
    arrays: dict[str, np.ndarray] = {}
    for key, values in columns.items():
        if values is None:
            continue
        raw = np.asarray(values)
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
    refuse_rows(step < 0, "q steps back", "sort it, or load merged detectors one at a time")
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
    if "resolution" in arrays:
        refuse_rows(arrays["resolution"] < 0, "resolution is negative", "give sigmas of q")
    return Curve(**arrays, name=name, source=source, notes=notes)
