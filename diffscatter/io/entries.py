"""One curve as a file states it, and its way into our units."""

import dataclasses
import re

import numpy as np

from diffscatter.core.data import ARBITRARY, Curve, checked_curve
from diffscatter.core.pytree import replace
from diffscatter.core.units import intensity_factor, q_factor
from diffscatter.io.guard import refusal

__all__ = ["Entry", "averaged", "ranges", "to_curve"]

NO_SIGMA = "no sigma in the file: no reduced chi-square"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """Columns in the file's units, nothing judged yet.

    Attributes:
        q, intensity, sigma, resolution: the columns, or None where the file has none.
        slit_length, slit_width: half the slit's length and width, likewise.
        mask: True where the file itself rules a row out, or None.
        q_unit, intensity_unit: as the file writes them, or None where it does not say.
        sigma_unit: None means the unit of ``intensity``.
        resolution_unit, slit_unit: None means the unit of ``q``.
        title: what was measured.
        source: where the numbers come from, if the file says.
        notes: what the reader had to decide.
    """

    q: np.ndarray
    intensity: np.ndarray
    sigma: np.ndarray | None = None
    resolution: np.ndarray | None = None
    slit_length: np.ndarray | None = None
    slit_width: np.ndarray | None = None
    mask: np.ndarray | None = None
    q_unit: str | None = None
    intensity_unit: str | None = None
    sigma_unit: str | None = None
    resolution_unit: str | None = None
    slit_unit: str | None = None
    title: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()


def ranges(entry: Entry, where: str) -> list[Entry]:
    """Divide an entry whose q steps back into its ascending ranges: one a detector."""
    step = np.diff(entry.q)
    starts = np.flatnonzero(step < 0) + 1
    if starts.size == step.size:  # descending throughout
        return [entry]
    sizes = np.diff([0, *starts, entry.q.size])
    if sizes.min() < 3:
        raise refusal(
            where,
            f"q steps back {starts.size} times, and ranges of {sizes.min()} points are left",
            "these are no detectors to merge: sort it",
        )
    columns = {
        field.name: np.split(value, starts)
        for field in dataclasses.fields(entry)
        if isinstance(value := getattr(entry, field.name), np.ndarray)
    }
    return [
        dataclasses.replace(entry, **{name: parts[k] for name, parts in columns.items()})
        for k in range(sizes.size)
    ]


def to_curve(
    entry: Entry,
    where: str,
    *,
    q_unit: str | None = None,
    drop_bad: bool = False,
    average_repeats: bool = False,
) -> Curve:
    """Convert an entry to 1/nm and 1/cm, and check it.

    ``where`` names the file (and entry) in messages; the rest is as in
    :func:`diffscatter.io.load_curve`.
    """
    notes = list(entry.notes)
    factor = _q_factor(entry, where, q_unit, notes)
    columns = {"q": entry.q * factor}
    columns["intensity"], columns["sigma"] = _intensity(entry, where, notes)
    for key in ("resolution", "slit_length", "slit_width"):
        columns[key] = _extent(entry, key, where, factor, notes)
    columns = {key: values for key, values in columns.items() if values is not None}
    mask = np.zeros(entry.q.shape, bool) if entry.mask is None else entry.mask
    for key, values in {**columns, "mask": mask}.items():
        if values.shape != entry.q.shape:
            raise refusal(
                where,
                f"{key} has shape {values.shape}, q has {entry.q.shape}",
                "give one value of each per point",
            )
    columns = _kept(columns, ~mask, "masked in the file", notes)
    if drop_bad:
        columns = _kept(columns, ~_bad(columns), "not usable, dropped as asked", notes)
    if average_repeats:
        columns = averaged(columns, notes)
    if "sigma" not in columns:
        notes.append(NO_SIGMA)
    try:
        curve = checked_curve(**columns, name=where, notes=tuple(dict.fromkeys(notes)))
    except ValueError as error:
        raise refusal(where, *_with_option(str(error).removeprefix(f"{where}: "))) from None
    return replace(curve, name=entry.title, source=entry.source)


def _q_factor(entry: Entry, where: str, given: str | None, notes: list[str]) -> float:
    """The 1/nm in the entry's unit of q."""
    unit = entry.q_unit if given is None else given
    if unit is None:
        raise refusal(
            where,
            f"q runs from {_span(entry.q)} in a unit that the file does not state, or states "
            "in two ways",
            'give it: q_unit="1/A" or q_unit="1/nm"',
        )
    try:
        factor = q_factor(unit)
        stated = None if entry.q_unit is None else q_factor(entry.q_unit)
    except ValueError as error:
        if given is None:
            raise refusal(where, str(error), 'or overrule it: q_unit="1/A"') from None
        try:
            factor, stated = q_factor(given), None
        except ValueError as error:
            raise refusal(where, f"q_unit: {error}", "it is the inverse of a length") from None
    if given is not None and stated != factor:
        notes.append(f"q read in {given} as asked; the file states {entry.q_unit or 'no unit'}")
    return factor


def _intensity(entry: Entry, where: str, notes: list[str]):
    """Intensity and sigma in 1/cm, or as they are where the scale is arbitrary."""
    factor = _absolute(entry.intensity_unit)
    if factor is None and not any(note.startswith(ARBITRARY) for note in notes):
        unit = entry.intensity_unit
        notes.append(f"{ARBITRARY} ({f'stated: {unit}' if unit else 'none stated'})")
    if entry.sigma is None:
        return entry.intensity * (factor or 1.0), None
    own = factor if entry.sigma_unit is None else _absolute(entry.sigma_unit)
    if (own is None) != (factor is None):
        raise refusal(
            where,
            f"intensity is in {entry.intensity_unit!r} but sigma in {entry.sigma_unit!r}",
            "give both in one unit",
        )
    return entry.intensity * (factor or 1.0), entry.sigma * (own or 1.0)


def _absolute(unit: str | None) -> float | None:
    """The 1/cm in a unit of intensity, per steradian or not, or None if it is no such unit."""
    if not unit:
        return None
    text = re.sub(r"[\s*.]*(/sr|sr\^?-1|1/sr)\b", "", unit.strip().lower())
    text = {"cm2/cm3": "1/cm", "cm^2/cm^3": "1/cm"}.get(text, text)
    return intensity_factor(text)


def _extent(entry: Entry, key: str, where: str, factor: float, notes: list[str]):
    """A resolution, or half a slit's length or width, in 1/nm, or None."""
    values, words = getattr(entry, key), key.replace("_", " ")
    if values is None:
        return None
    if (values == 0).all():
        if key == "resolution":
            notes.append("resolution is zero throughout: absent")
        return None
    zero = int((values == 0).sum())
    if zero:
        notes.append(f"{words} is zero at {zero} of {values.size} points: sharp there")
    unit = entry.resolution_unit if key == "resolution" else entry.slit_unit
    if unit is None:
        return values * factor
    try:
        return values * q_factor(unit)
    except ValueError as error:
        raise refusal(where, f"{words}: {error}", "mend its unit in the file") from None


def _bad(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Rows that no fit can use."""
    bad = ~np.all([np.isfinite(values) for values in columns.values()], axis=0)
    bad |= columns["q"] <= 0
    sigma = columns.get("sigma")
    if sigma is not None and not (sigma == 0).all():
        bad |= sigma <= 0
    for key in ("resolution", "slit_length", "slit_width"):
        if key in columns:
            bad |= columns[key] < 0
    return bad


def _kept(columns, keep: np.ndarray, why: str, notes: list[str]):
    if keep.all():
        return columns
    rows = np.flatnonzero(~keep)
    notes.append(f"{rows.size} of {keep.size} rows {why}, first row {rows[0]}")
    return {key: values[keep] for key, values in columns.items()}


def averaged(columns: dict[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    """Merge neighbouring rows of equal q, weighted by 1/sigma^2.

    The mixture of Gaussians of one centre has the mean of their variances, so resolutions
    and slits average as squares. Rows that do not repeat keep their bits.
    """
    q, sigma = columns["q"], columns.get("sigma")
    first = np.diff(q, prepend=np.nan) != 0
    weight = np.ones_like(q)
    if sigma is not None and not (sigma == 0).all():
        if not (sigma > 0).all():
            return columns  # the checks will name the row
        weight = sigma**-2.0
    if first.all():
        return columns
    group = np.cumsum(first) - 1
    total = np.bincount(group, weight)
    mean = lambda values: np.bincount(group, weight * values) / total
    merge = {
        "q": lambda values: values[first],
        "intensity": mean,
        "sigma": lambda values: np.where((values == 0).all(), 0.0, total**-0.5),
    }
    extent = lambda values: np.sqrt(mean(values**2))
    single = np.bincount(group) == 1
    notes.append(
        f"{int((~single).sum())} repeated q averaged as asked, first at row "
        f"{int(np.flatnonzero(first)[np.argmin(single)])}"
    )
    return {
        key: np.where(single, values[first], merge.get(key, extent)(values))
        for key, values in columns.items()
    }


def _with_option(line: str) -> tuple[str, str]:
    """Split a message of the curve checks, and add the option of ours that does the mend."""
    problem, _, mend = line.partition("; ")
    if problem.startswith("q repeats"):
        mend += " (average_repeats=True averages them)"
    elif problem.startswith("q steps back"):
        mend += " (merge=True merges ascending ranges)"
    elif " rows, first row " in problem:
        mend += " (drop_bad=True drops them)"
    return problem, mend


def _span(q: np.ndarray) -> str:
    return f"{q.min():.4g} to {q.max():.4g}" if q.size else "nothing to nothing"
