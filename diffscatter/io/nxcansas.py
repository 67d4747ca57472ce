"""NXcanSAS: curves in HDF5, read with every unit converted, written so that others read them.

    /SASentry/SASdata: I(@units, @uncertainties), Q(@units, @resolutions), Idev, Qdev | dQw, dQl

https://manual.nexusformat.org/classes/applications/NXcanSAS.html. Own reader, because common
loaders need unit attributes, drop NaN rows silently and leave 1/m unconverted.
"""

from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from diffscatter.core.data import Curve
from diffscatter.core.files import atomic
from diffscatter.io.entries import Entry
from diffscatter.io.guard import FileError, label, refusal
from diffscatter.io.hdf5 import (
    children,
    follow,
    numbers,
    open_file,
    texts,
    write_attributes,
    write_text,
)

__all__ = ["has_curves", "read_nxcansas", "write_nxcansas"]

_DEPTH = 4  # of groups searched for SASdata: NXentry / SASentry / SASdata, and one to spare
_NOTE = "sasnote01"


def read_nxcansas(path: Path) -> list[Entry | FileError]:
    """Return the entries of a file, one for each SASdata, in the order of their names.

    An entry that cannot be read (a 2-D image beside the curves) stands as the error that
    choosing it raises.

    Raises:
        FileError: if the file is damaged, reads other files, or holds no SASdata.
    """
    where = label(path)
    with open_file(path) as file:
        found = list(_sasdata(file, where, _DEPTH))
        if not found:
            raise refusal(
                where,
                "has no SASdata group with I and Q",
                "export the curve as NXcanSAS, canSAS XML or text",
            )
        entries = []
        for entry, group in found:
            shared = sum(other == entry for other, _ in found) > 1
            try:
                entries.append(_entry(entry, group, f"{where}, entry {len(entries)}", shared))
            except FileError as error:
                entries.append(error)
        return entries


def has_curves(path: Path) -> bool:
    """Return whether a file has a SASdata group, sound or not."""
    with open_file(path) as file:
        return any(True for _ in _sasdata(file, label(path), _DEPTH))


def _sasdata(group: h5py.Group, where: str, depth: int):
    """Yield the (parent, group) of every SASdata below ``group``."""
    for _, child in children(group, where):
        kinds = texts(child, "canSAS_class") or texts(child, "NX_class") or [""]
        if kinds[0] == "SASdata" or (kinds[0] == "NXdata" and _has_curve(child)):
            yield group, child
        elif depth > 1 and kinds[0] in ("SASentry", "NXentry", "NXsubentry", "SASroot"):
            yield from _sasdata(child, where, depth - 1)


def _has_curve(group: h5py.Group) -> bool:
    return all(group.get(name, getlink=True) is not None for name in ("I", "Q"))


def _entry(parent: h5py.Group, group: h5py.Group, where: str, shared: bool) -> Entry:
    def dataset(name: str) -> h5py.Dataset | None:
        node = follow(group, name, where)
        return node if isinstance(node, h5py.Dataset) else None

    def column(name: str | None) -> np.ndarray | None:
        node = dataset(name) if name else None
        return None if node is None else np.squeeze(numbers(node, where))

    def unit(name: str | None) -> str | None:
        node = dataset(name) if name else None
        found = None if node is None else texts(node, "units", "unit")
        return found[0] or None if found else None

    signal = (texts(group, "signal") or ["I"])[0]
    axes = texts(group, "I_axes", "axes") or ["Q"]
    axis = axes[0] if len(axes) == 1 else "Q"
    i_node, q_node = dataset(signal), dataset(axis)
    for name, node in ((signal, i_node), (axis, q_node)):
        if node is None:
            raise refusal(where, f"{group.name} has no dataset {name!r}", "mend the file")
    if max(i_node.shape or (0,)) != i_node.size or q_node.size != i_node.size:
        raise refusal(
            where,
            f"{signal} has shape {i_node.shape}, {axis} {q_node.shape}: no single I(Q)",
            "save one curve an entry",
        )
    if "scaling_factor" in i_node.attrs:
        raise refusal(
            where, f"{signal} has a scaling_factor", "multiply it into I and Idev in the file"
        )
    named = texts(i_node, "uncertainties", "uncertainty", "errors") or texts(
        group, "I_uncertainties", "I_uncertainty"
    )
    sigma = named[0] if named else "Idev"
    notes = list(_stored_notes(parent, where, "notes"))
    resolutions = texts(q_node, "resolutions") or [
        name for name in ("Qdev", "dQw", "dQl") if dataset(name) is not None
    ]
    pinhole, length, width = _resolution_names(resolutions)
    shape = (texts(q_node, "resolutions_description") or ["Gaussian"])[-1]
    if pinhole and shape.lower() != "gaussian":
        notes.append(f"resolution of type {shape!r} is not a Gaussian's sigma: not applied")
        pinhole = None
    for name in [*(named or []), *resolutions]:
        if dataset(name) is None:
            raise refusal(
                where, f"{name!r} is named by an attribute but absent", "mend the file"
            )
    mask = column((texts(group, "mask") or ["mask"])[0])
    return Entry(
        q=np.atleast_1d(column(axis)),
        intensity=np.atleast_1d(column(signal)),
        sigma=column(sigma),
        resolution=column(pinhole),
        slit_length=column(length),
        slit_width=column(width),
        mask=None if mask is None else mask.astype(bool),
        q_unit=unit(axis),
        intensity_unit=unit(signal),
        sigma_unit=unit(sigma),
        resolution_unit=unit(pinhole),
        slit_unit=unit(length or width),
        title=_title(parent, group, where, shared),
        source=next(iter(_stored_notes(parent, where, "source")), ""),
        notes=tuple(notes),
    )


def _resolution_names(names: list[str]) -> tuple[str | None, str | None, str | None]:
    """Tell the pinhole's sigma, the slit's length and its width apart, by their names.

    Two without a known name are a slit's, in the order of the definition: width, length.
    """
    length = next((name for name in names if name.lower() == "dql"), None)
    width = next((name for name in names if name.lower() == "dqw"), None)
    rest = [name for name in names if name not in (length, width)]
    if len(rest) == 2 and not (length or width):
        return None, rest[1], rest[0]
    return (rest[0] if rest else None), length, width


def _title(parent: h5py.Group, group: h5py.Group, where: str, shared: bool) -> str:
    node = follow(parent, "title", where)
    found = texts(node) if isinstance(node, h5py.Dataset) else None
    title = found[0] if found and found[0] else parent.name.rpartition("/")[2]
    return f"{title} ({group.name.rpartition('/')[2]})" if shared else title


def _stored_notes(parent: h5py.Group, where: str, name: str) -> list[str]:
    """What our own writer noted beside a curve."""
    node = follow(parent, f"{_NOTE}/{name}", where)
    return (texts(node) or []) if isinstance(node, h5py.Dataset) else []


def write_nxcansas(path: Path, curve: Curve, fit: np.ndarray | None) -> None:
    """Write a checked curve, and a model intensity beside it, completely or not at all.

    HDF5 1.10 has checksums on its metadata, and each dataset gets one (Fletcher-32), so that a
    changed byte is noticed wherever it lies.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        write_attributes(
            file,
            NX_class="NXroot",
            default="sasentry01",
            creator=f"diffscatter {version('diffscatter')}",
        )
        entry = file.create_group("sasentry01")
        write_attributes(entry, NX_class="NXentry", canSAS_class="SASentry", version="1.1")
        write_attributes(entry, default="sasdata01")
        for name, value in (("definition", "NXcanSAS"), ("title", curve.name), ("run", "-")):
            write_text(entry, name, [value])
        data = entry.create_group("sasdata01")
        write_attributes(
            data, NX_class="NXdata", canSAS_class="SASdata", signal="I", I_axes="Q", axes="Q"
        )
        data.attrs["Q_indices"] = np.array([0], np.int32)
        length, width = curve.slit_length, curve.slit_width
        if length is not None or width is not None:  # others tell them by their order
            none = np.zeros_like(curve.q)
            length, width = (none if v is None else v for v in (length, width))
        unit = "a.u." if curve.arbitrary else "1/cm"
        columns = {
            "Q": (curve.q, "1/nm"),
            "I": (curve.intensity, unit),
            "Idev": (curve.sigma, unit),
            "Qdev": (curve.resolution, "1/nm"),
            "dQw": (width, "1/nm"),
            "dQl": (length, "1/nm"),
            "Imodel": (fit, unit),
        }
        for name, (values, units) in columns.items():
            if values is not None:
                node = data.create_dataset(name, data=np.asarray(values), fletcher32=True)
                write_attributes(node, units=units)
        if curve.sigma is not None:
            write_attributes(data["I"], uncertainties="Idev")
        resolutions = [name for name in ("dQw", "dQl", "Qdev") if name in data]
        if resolutions:
            write_attributes(data["Q"], resolutions=resolutions)
        if resolutions == ["Qdev"]:
            write_attributes(data["Q"], resolutions_description="Gaussian")
        if fit is not None:
            write_attributes(data, auxiliary_signals="Imodel")
        note = entry.create_group(_NOTE)
        write_attributes(note, NX_class="NXcollection", canSAS_class="SASnote")
        for name, lines in (("source", [curve.source]), ("notes", list(curve.notes))):
            if any(lines):
                write_text(note, name, lines)
