"""Patterns in HDF5: CXI and NeXus read, CXI written.

    /entry_1/instrument_1/detector_1: data, mask, distance, x_pixel_size, y_pixel_size
    /entry_1/instrument_1/source_1: energy, wavelength      /entry_1/data_1: data, kx, ky

F. Maia, *Nat. Methods* 9 (2012) 854; https://cxidb.org/cxi.html; lengths in m and energies in J
where no ``units`` say otherwise. NeXus calls some of them otherwise (``pixel_mask``,
``detector_distance``, ``incident_wavelength``) and is read too.
"""

import contextlib
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from diffscatter.core.data import Pattern
from diffscatter.core.files import atomic
from diffscatter.core.units import energy_to_wavelength
from diffscatter.io.frame import Frame, chosen, in_nm
from diffscatter.io.guard import MAX_PIXELS, FileError, label, refusal
from diffscatter.io.hdf5 import (
    follow,
    numbers,
    open_file,
    texts,
    write_attributes,
    write_text,
)

__all__ = ["read_cxi", "write_cxi"]

_DEPTH = 5  # of groups that are searched
_MAX_NODES = 10_000
_IMAGES = (
    "entry_1/data_1/data",
    "entry_1/image_1/data",
    "entry_1/instrument_1/detector_1/data",
    "entry/data/data",
    "entry/instrument/detector/data",
)
_MASKS = ("mask", "pixel_mask")
# Bits of CXI and NeXus that say: gap, saturated, hot, dead, shadowed, noisy, to be left out.
_BAD = 0x17DF
_KEV = {"j": 1 / 1.602176634e-16, "ev": 1e-3, "kev": 1.0}


def read_cxi(path: Path, frame: int | None, dataset: str | None) -> Frame:
    """Return one image of a file, with mask, axes and geometry where they are beside it.

    Args:
        path: of the file.
        frame: which of several images.
        dataset: path of the image inside the file, where that is not clear.

    Raises:
        FileError: if the file is damaged, reads other files, or does not say which image.
    """
    where = label(path)
    with open_file(path) as file:
        known = dict(_datasets(file, where))
        name = _image_name(file, known, dataset, where)
        node = known[name]
        if len(node.shape or ()) not in (2, 3):
            raise refusal(where, f"{name} has shape {node.shape}", "give (ny, nx) or a stack")
        stack = len(node.shape) == 3
        index = chosen(node.shape[0], frame, where) if stack else None
        if not stack:
            chosen(1, frame, where)
        image = _read(node, where, frame=index)
        near = sorted(known, key=lambda other: -len(_shared(name, other)))
        first = lambda *names: next((n for n in near if n.rsplit("/", 1)[-1] in names), None)
        mask_name = first(*_MASKS)
        mask = None
        if mask_name not in (None, name):
            flags = known[mask_name]
            one = index if stack and flags.shape == node.shape else None
            bits = _read(flags, where, frame=one)
            whole = bits.dtype.kind in "iu"
            mask = (bits.astype(np.int64) & _BAD if whole else bits) == 0
        axes = {axis: first(axis) for axis in ("kx", "ky")}
        value = lambda *names: _scalar(known, first(*names), where)
        length = lambda *names: _length(*value(*names))
        pair = lambda x, y: None if x is None or y is None else (x, y)
        note = follow(file, "entry_1/note_1", where)
        own = lambda key: _words(note, key, where)
        return Frame(
            image=image,
            mask=mask,
            **{a: None if n is None else numbers(known[n], where) for a, n in axes.items()},
            wavelength=length("wavelength", "incident_wavelength") or _photon(value),
            distance=length("distance", "detector_distance"),
            pixel=pair(length("x_pixel_size"), length("y_pixel_size")),
            centre=pair(value("beam_center_x")[0], value("beam_center_y")[0]),
            saturation=value("saturation_value")[0],
            title=next(iter(own("name")), ""),
            source=next(iter(own("source")), ""),
            notes=tuple(own("notes")),
        )


def _datasets(group: h5py.Group, where: str, depth: int = _DEPTH) -> Iterator:
    """Yield the (path, dataset) of everything inside the file; links that leave it are not
    followed here."""
    if len(group) > _MAX_NODES:
        raise refusal(where, f"{group.name} has {len(group)} members", "split the file")
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            continue
        try:
            node = follow(group, name, where)
        except FileError:
            continue  # a dangling link matters only to who asks for it
        if isinstance(node, h5py.Dataset):
            yield f"{group.name.rstrip('/')}/{name}".lstrip("/"), node
        elif isinstance(node, h5py.Group) and depth > 1:
            yield from _datasets(node, where, depth - 1)


def _image_name(file: h5py.File, known: dict, dataset: str | None, where: str) -> str:
    """Return the path of the image, by what is asked, NeXus' default, custom, or exclusion."""
    if dataset is not None:
        name = dataset.strip("/")
        if name not in known:
            node = follow(file, name, where)  # says why, where it leads out of the file
            if not isinstance(node, h5py.Dataset):
                raise refusal(where, f"has no dataset {dataset!r}", f"it has {_listing(known)}")
            known[name] = node
        return name
    group: h5py.Group | h5py.Dataset | None = file
    while isinstance(group, h5py.Group) and "default" in group.attrs:
        group = follow(group, (texts(group, "default") or [""])[0], where)
    signal = texts(group, "signal") if isinstance(group, h5py.Group) else None
    usual = [f"{group.name}/{signal[0]}".strip("/")] if signal else []
    for name in (*usual, *_IMAGES):
        if name in known:
            return name
        # A master file of Eiger detectors has links to other files here: say so.
        if follow(file, name, where) is not None:
            raise refusal(where, f"{name} is no dataset", "name the image: dataset=...")
    images = [
        name
        for name, node in known.items()
        if len(node.shape or ()) in (2, 3)
        and node.dtype.kind in "iuf"
        and name.rsplit("/", 1)[-1] not in _MASKS
    ]
    if len(images) == 1:
        return images[0]
    if not images:
        images = [name for name in known if name.rsplit("/", 1)[-1] in _MASKS]
        if len(images) == 1:
            return images[0]  # a mask in a file of its own
        raise refusal(where, "holds no image (ny, nx)", "name it: dataset=...")
    raise refusal(where, f"holds {_listing(images)}", 'choose one (dataset="NAME")')


def _listing(names) -> str:
    names = list(names)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def _read(node: h5py.Dataset, where: str, *, frame: int | None) -> np.ndarray:
    """Return an image in the type that it has, with the filters of detectors where needed."""
    filters = node.id.get_create_plist()
    codes = [filters.get_filter(k)[0] for k in range(filters.get_nfilters())]
    if not all(map(h5py.h5z.filter_avail, codes)):
        with contextlib.suppress(ImportError):
            import hdf5plugin  # noqa: F401
        if not all(map(h5py.h5z.filter_avail, codes)):
            raise refusal(
                where,
                f"{node.name} is packed by filters that HDF5 lacks ({codes})",
                "pip install hdf5plugin",
            )
    return numbers(node, where, MAX_PIXELS, frame=frame, dtype=None)


def _shared(a: str, b: str) -> list[str]:
    """Return the groups that two paths have in common."""
    pairs = list(zip(a.split("/")[:-1], b.split("/")[:-1], strict=False))
    same = next((k for k, (x, y) in enumerate(pairs) if x != y), len(pairs))
    return [x for x, _ in pairs[:same]]


def _scalar(known: dict, name: str | None, where: str) -> tuple[float | None, str]:
    """Return a number and its unit, ``""`` where none is stated."""
    if name is None or known[name].size != 1 or known[name].dtype.kind not in "iuf":
        return None, ""
    found = float(np.ravel(numbers(known[name], where))[0])
    return found, (texts(known[name], "units", "unit") or [""])[0]


def _length(value: float | None, unit: str) -> float | None:
    """Return nm; a unit that is none is left to the user, as no length at all."""
    try:
        return None if value is None else in_nm(value, unit or "m")
    except ValueError:
        return None


def _photon(value) -> float | None:
    """Return the wavelength in nm of the photon energy beside an image."""
    energy, unit = value("energy", "incident_energy", "photon_energy")
    if energy is None or not (math.isfinite(energy) and energy > 0):
        return None
    # Without a unit, CXI means J; what is no such small number is in eV.
    kev = _KEV.get(unit.lower() or ("j" if energy < 1e-10 else "ev"))
    return None if kev is None else energy_to_wavelength(energy * kev)


def _words(note: h5py.Group | None, key: str, where: str) -> list[str]:
    """What our own writer noted beside an image."""
    node = follow(note, key, where) if isinstance(note, h5py.Group) else None
    return (texts(node) or []) if isinstance(node, h5py.Dataset) else []


def write_cxi(path: Path, pattern: Pattern) -> None:
    """Write a checked pattern, completely or not at all, with a checksum on every dataset."""
    with atomic(path) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        write_attributes(file, NX_class="NXroot", default="entry_1")
        write_attributes(file, creator=f"diffscatter {version('diffscatter')}")
        file.create_dataset("cxi_version", data=np.array([160]), fletcher32=True)
        entry, instrument, detector, source, data = (
            _group(file, *pair)
            for pair in (
                ("entry_1", "NXentry"),
                ("entry_1/instrument_1", "NXinstrument"),
                ("entry_1/instrument_1/detector_1", "NXdetector"),
                ("entry_1/instrument_1/source_1", "NXsource"),
                ("entry_1/data_1", "NXdata"),
            )
        )
        write_attributes(entry, default="data_1")
        write_attributes(data, signal="data")

        def put(group, name: str, values, unit: str = ""):
            if values is None:
                return
            values = np.atleast_1d(np.asarray(values))
            packed = {"compression": "gzip", "shuffle": True} if values.ndim > 1 else {}
            node = group.create_dataset(name, data=values, fletcher32=True, **packed)
            if unit:
                write_attributes(node, units=unit)

        put(detector, "data", pattern.image)
        data["data"] = detector["data"]
        if pattern.mask is not None:
            put(detector, "mask", (~pattern.counts).astype(np.uint32))
        put(data, "kx", pattern.kx, "1/nm")
        put(data, "ky", pattern.ky, "1/nm")
        metres = lambda value: None if value is None else float(f"{value * 1e-9:.15g}")
        put(source, "wavelength", metres(pattern.wavelength), "m")
        put(detector, "distance", metres(pattern.distance), "m")
        for k, axis in enumerate("xy"):
            if pattern.pixel is not None:
                put(detector, f"{axis}_pixel_size", metres(pattern.pixel[k]), "m")
            if pattern.centre is not None:
                put(detector, f"beam_center_{axis}", pattern.centre[k] + 0.5, "pixel")
        note = _group(file, "entry_1/note_1", "NXnote")
        lines = {"name": [pattern.name], "source": [pattern.source], "notes": pattern.notes}
        for name, values in lines.items():
            if any(values):
                write_text(note, name, list(values))


def _group(file: h5py.File, name: str, kind: str) -> h5py.Group:
    group = file.create_group(name)
    write_attributes(group, NX_class=kind)
    return group
