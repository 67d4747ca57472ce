"""Curves from files and into files, in 1/nm and 1/cm."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve, checked_curve
from diffscatter.core.pytree import replace
from diffscatter.io.ascii import read_text
from diffscatter.io.entries import Entry, ranges, to_curve
from diffscatter.io.guard import (
    FileError,
    kind_of,
    label,
    read_array,
    read_bytes,
    refusal,
    regular_file,
)
from diffscatter.io.merge import merge_curves

__all__ = ["inspect_curves", "load_curve", "load_curves", "load_sample", "save_curve"]


def load_curve(
    path: str | Path,
    *,
    q_unit: str | None = None,
    entry: int | str | None = None,
    columns: str | None = None,
    drop_bad: bool = False,
    average_repeats: bool = False,
    merge: bool = False,
) -> Curve:
    """Load a scattering curve: NXcanSAS, canSAS XML, text in columns (may be gzipped) or .npy.

    The content decides what the file is. Nothing is repaired silently: what the reader had to
    decide stands in the curve's ``notes``, and what no fit can use is refused.

    Args:
        path: the file.
        q_unit: unit of q, as ``"1/A"`` or ``"1/nm"``: needed where the file does not state it,
            and overrules the file where it does.
        entry: number (from 0) or title of the entry, where a file holds several.
        columns: what the columns of a text hold, as ``"q,I,sigma,dq"``, ``-`` for one to skip;
            by default their titles decide, then their position.
        drop_bad: drop the rows that no fit can use (NaN, q <= 0, sigma <= 0) and note it.
        average_repeats: average neighbouring rows of equal q (weights 1/sigma^2) and note it.
        merge: merge the entries, or the ascending ranges of one whose q steps back, by
            :func:`~diffscatter.io.merge_curves`, and note it.

    Returns:
        A :class:`~diffscatter.core.data.Curve` with q in 1/nm and intensity in 1/cm. An
        intensity in arbitrary units keeps its numbers, and ``notes`` says so.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: in one line that names the file, the value and the mend.
    """
    path = regular_file(path)
    entries = _entries(path, columns)
    options = dict(q_unit=q_unit, drop_bad=drop_bad, average_repeats=average_repeats)
    if merge:
        return _merged(entries, entry, path, options)
    if entry is None and len(entries) > 1:
        raise refusal(
            label(path), f"holds {_listing(entries)}", "choose one (entry=0) or use load_curves"
        )
    index = _index(entries, 0 if entry is None else entry, label(path))
    return _curve(entries, index, path, options)


def load_curves(
    path: str | Path,
    *,
    q_unit: str | None = None,
    columns: str | None = None,
    drop_bad: bool = False,
    average_repeats: bool = False,
) -> tuple[Curve, ...]:
    """Load every entry of a file; arguments and errors as in :func:`load_curve`."""
    options = dict(q_unit=q_unit, drop_bad=drop_bad, average_repeats=average_repeats)
    found = inspect_curves(path, columns=columns, **options)
    for curve in found:
        if isinstance(curve, FileError):
            raise curve
    return found


def inspect_curves(
    path: str | Path,
    *,
    q_unit: str | None = None,
    columns: str | None = None,
    drop_bad: bool = False,
    average_repeats: bool = False,
) -> tuple[Curve | FileError, ...]:
    """Load every entry of a file; where one cannot be used, its error stands in its place.

    Arguments as in :func:`load_curve`; what is wrong with the whole file is raised.
    """
    path = regular_file(path)
    options = dict(q_unit=q_unit, drop_bad=drop_bad, average_repeats=average_repeats)
    entries, found = _entries(path, columns), []
    for k in range(len(entries)):
        try:
            found.append(_curve(entries, k, path, options))
        except FileError as error:
            found.append(error)
    return tuple(found)


def save_curve(path: str | Path, curve: Curve, *, fit: np.ndarray | None = None) -> None:
    """Save a curve as NXcanSAS, completely or not at all.

    :func:`load_curve` returns the same bits, name, source and notes.

    Args:
        path: the file to write; an existing one is replaced in one step.
        curve: q in 1/nm, intensity in 1/cm (or in arbitrary units, if its notes say so).
        fit: a model's intensity at ``curve.q``, stored as ``Imodel``. Shape ``(nq,)``.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if the curve is not sound, or ``fit`` has another shape or is not finite.
    """
    from diffscatter.io.nxcansas import write_nxcansas

    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{label(path)}: no such folder: {path.parent}")
    checked_curve(**curve.columns, name=curve.name or label(path))
    if fit is not None:
        if np.shape(fit) != np.shape(curve.q):
            raise ValueError(
                f"fit must have the shape of q {np.shape(curve.q)}, got {np.shape(fit)}"
            )
        check_finite("fit", fit)
    write_nxcansas(path, curve, fit)


def load_sample(name: str) -> Curve:
    """Load a measured curve that comes with the package.

    ``"latex_sans"``: SANS of 0.5 um polymer latex in D2O with pinhole resolution, 299 points;
    ``source`` and ``samples/LATEX_SANS_LICENSE.txt`` state the origin and the licence. Made in
    double precision (``with jax.enable_x64(True):``) from sasdata's latex_smeared.xml by::

        curve = load_curve("latex_smeared.xml", entry=0, average_repeats=True)
        save_curve("latex_sans.h5", replace(curve, source="PyPI package sasdata 0.11.0, ..."))

    Raises:
        ValueError: if there is no such sample.
    """
    folder = files("diffscatter.io") / "samples"
    known = sorted(item.name[:-3] for item in folder.iterdir() if item.name.endswith(".h5"))
    if name not in known:
        raise ValueError(f"sample {name!r} is not known; give one of {', '.join(known)}")
    with as_file(folder / f"{name}.h5") as path:
        return load_curve(path)


def _entries(path: Path, columns: str | None) -> list[Entry | FileError]:
    """Everything that a file holds; heavy readers are imported when they are needed."""
    kind = kind_of(path)
    if columns is not None and kind not in ("text", "npy"):
        raise refusal(label(path), f"is {kind}: its columns have names", "leave out columns")
    if kind == "hdf5":
        from diffscatter.io.nxcansas import read_nxcansas

        return read_nxcansas(path)
    if kind == "xml":
        from diffscatter.io.cansas_xml import read_xml

        return read_xml(read_bytes(path), label(path))
    if kind == "npy":
        return [_from_array(read_array(path), label(path))]
    return read_text(read_bytes(path), label(path), columns)


def _from_array(table: np.ndarray, where: str) -> Entry:
    if table.ndim != 2 or not 2 <= table.shape[1] <= 4:
        raise refusal(
            where, f"has shape {table.shape}", "save one row a point: (n, 2 to 4) for q, I, ..."
        )
    names = ("q", "intensity", "sigma", "resolution")
    columns = dict(zip(names, np.array(table.T, dtype=np.float64), strict=False))
    return Entry(**columns, notes=(f"columns by position: {', '.join(columns)}",))


def _curve(entries: list[Entry | FileError], k: int, path: Path, options: dict) -> Curve:
    if isinstance(entries[k], FileError):
        raise entries[k]
    where = label(path) if len(entries) == 1 else f"{label(path)}, entry {k}"
    curve = to_curve(entries[k], where, **options)
    return replace(
        curve, name=curve.name or path.name.split(".")[0], source=curve.source or path.name
    )


def _merged(entries, entry: int | str | None, path: Path, options: dict) -> Curve:
    """Return all ranges of all entries, or of one, as one curve."""
    if entry is not None:
        entries = [entries[_index(entries, entry, label(path))]]
    parts = []
    for k, found in enumerate(entries):
        if isinstance(found, FileError):
            raise found
        where = label(path) if len(entries) == 1 else f"{label(path)}, entry {k}"
        parts += ranges(found, where)
    curves = [_curve(parts, k, path, options) for k in range(len(parts))]
    if len(curves) == 1:
        return replace(curves[0], notes=(*curves[0].notes, "one range: nothing to merge"))
    try:
        return merge_curves(curves)
    except ValueError as error:
        raise refusal(label(path), *str(error).split("; ", 1)) from None


def _index(entries: list[Entry | FileError], entry: int | str, where: str) -> int:
    if isinstance(entry, str):
        hits = [k for k, found in enumerate(entries) if _title(found) == entry]
        if len(hits) == 1:
            return hits[0]
    elif entry in range(len(entries)):
        return int(entry)
    raise refusal(
        where, f"entry {entry!r} is not one of {_listing(entries)}", "choose one of them"
    )


def _listing(entries: list[Entry | FileError]) -> str:
    lines = [
        f"{k} {_title(found)[:60]!r} "
        + ("(not a curve)" if isinstance(found, FileError) else f"({found.q.size} points)")
        for k, found in enumerate(entries[:10])
    ]
    more = [f"and {len(entries) - 10} more"] if len(entries) > 10 else []
    return f"{len(entries)} entries: {', '.join([*lines, *more])}"


def _title(entry: Entry | FileError) -> str:
    return entry.title if isinstance(entry, Entry) else "unreadable"
