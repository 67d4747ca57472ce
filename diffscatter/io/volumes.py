"""Volumes from files: .npy, and the bodies that our own runs write into ``result.h5``."""

from pathlib import Path

import numpy as np

from diffscatter.io.guard import kind_of, label, read_array, refusal, regular_file

__all__ = ["load_volume"]

_MAX_VOXELS = 2**27  # 512^3


def load_volume(
    path: str | Path, *, dataset: str = "density"
) -> tuple[np.ndarray, float | None]:
    """Load a volume ``(nz, ny, nx)`` and its pitch.

    Args:
        path: ``.npy`` with real numbers, or HDF5.
        dataset: of HDF5; its attribute ``pitch``, in nm, is read where there is one.

    Returns:
        The volume in double precision, and the voxel side in nm or None.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: in one line that names the file, the value and the mend.
    """
    path = regular_file(path)
    where, kind, pitch = label(path), kind_of(path), None
    if kind == "npy":
        values = np.asarray(read_array(path, _MAX_VOXELS), float)
    elif kind == "hdf5":
        from diffscatter.io.hdf5 import follow, numbers, open_file, texts

        with open_file(path) as file:
            node = follow(file, dataset, where)
            if node is None:
                names = ", ".join(sorted(file)[:10]) or "nothing"
                raise refusal(where, f"has no dataset {dataset!r}", f"it holds {names}")
            values = numbers(node, where, _MAX_VOXELS)
            stated = (texts(node, "pitch") or [""])[0]
        try:
            pitch = float(stated) if stated else None
        except ValueError:
            raise refusal(where, f"{dataset} has the pitch {stated!r}", "mend it") from None
    else:
        raise refusal(where, "is neither .npy nor HDF5", "save the volume as one of them")
    if values.ndim != 3 or 0 in values.shape:
        raise refusal(where, f"holds shape {values.shape}", "give a volume (nz, ny, nx)")
    if not np.isfinite(values).all():
        raise refusal(where, "holds NaN or infinite voxels", "mend them")
    if pitch is not None and not (np.isfinite(pitch) and pitch > 0):
        raise refusal(where, f"{dataset} has the pitch {pitch}", "it must be above 0 nm")
    return values, pitch
