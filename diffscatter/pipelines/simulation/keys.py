"""Every key of a simulation: its kind, its limits, its meaning, its value in the example."""

from dataclasses import dataclass
from typing import Any

__all__ = ["ABOUT", "TABLES", "Key"]


@dataclass(frozen=True)
class Key:
    """One key of a table.

    Attributes:
        kind: ``number``, ``whole``, ``text``, ``flag``, ``length``, ``wavevector``, ``sld``,
            ``energy``, ``table``, ``list N`` (N numbers) or ``lists N`` (several such).
        words: what it means, in one line.
        shown: its value in the example; a key with None there has none.
        default: without the key.
        above, least: limits of every number in it.
        choices: of a text.
        active: whether the example sets it, or shows it in a comment.
    """

    kind: str
    words: str
    shown: Any
    default: Any = None
    above: float | None = None
    least: float | None = None
    choices: tuple[str, ...] = ()
    active: bool = True


def _off(kind: str, words: str, shown: Any, **options: Any) -> Key:
    return Key(kind, words, shown, active=False, **options)


_PHYSICS = ("split-step", "wave-propagation", "multislice", "attenuated")

TABLES: dict[str, dict[str, Key]] = {
    "": {
        "name": _off("text", "of what is simulated", "silver"),
        "seed": Key("whole", "of all random numbers", 1, default=1, least=0),
    },
    "body": {
        "shape": Key(
            "text",
            "one of the 21 solids, or sphere, ellipsoid, cylinder, box",
            "truncated octahedron",
        ),
        "size": Key("length", "radius of a solid's corners, or of the sphere", 60.0, above=0.0),
        "semi_axes": _off("list 3", "of an ellipsoid, nm", [40.0, 50.0, 60.0], above=0.0),
        "radius": _off("length", "of a cylinder", 30.0, above=0.0),
        "length": _off("length", "of a cylinder", 90.0, above=0.0),
        "sides": _off("list 3", "of a box, nm", [60.0, 80.0, 50.0], above=0.0),
        "rotation": Key("list 3", "axis times angle, degrees", [20.0, 30.0, 0.0]),
        "stretch": _off("number", "of a solid along stretch_axis", 1.0, above=0.0),
        "stretch_axis": _off(
            "list 3",
            "in the solid's own axes; its highest symmetry by default",
            [0.0, 0.0, 1.0],
        ),
        "cut": _off(
            "number", "of a solid: a plane across stretch_axis, as a share of its reach", 0.7
        ),
        "file": _off(
            "text", "instead of a shape: a volume (nz, ny, nx), .npy or HDF5", "body.npy"
        ),
        "dataset": _off("text", "of HDF5", "density", default="density"),
        "pitch": _off("length", "voxel side of a file, where it states none", 2.0, above=0.0),
        "voxels": Key("whole", "along each axis of a shape's grid", 64, default=64, least=8),
        "box": _off(
            "length",
            "side of a shape's grid; as small as holds it by default",
            150.0,
            above=0.0,
        ),
    },
    "pattern": {
        "wavelength": Key("length", "or energy, in keV or as '91.8 eV'", 13.5, above=0.0),
        "energy": _off("energy", "instead of the wavelength", "91.8 eV", above=0.0),
        "material": Key("text", "a formula; or delta and beta", "Ag"),
        "density": _off(
            "number", "of the material, g/cm^3, where it is not known", 10.5, above=0.0
        ),
        "delta": _off("number", "n = 1 - delta + i beta", 0.1096),
        "beta": _off("number", "at least 0", 0.0793, least=0.0),
        "physics": Key(
            "text",
            "or wave-propagation, multislice, attenuated",
            "split-step",
            default="split-step",
            choices=_PHYSICS,
        ),
        "attenuation_length": _off(
            "length", "of the amplitude, for attenuated (no absolute scale)", 12.5, above=0.0
        ),
        "polarisation": Key(
            "text",
            "none, x, y, unpolarised",
            "none",
            default="none",
            choices=("none", "x", "y", "unpolarised"),
        ),
    },
    "detector": {
        "kind": Key(
            "text",
            "flat, spherical, or ewald (even steps of kx and ky)",
            "flat",
            default="ewald",
            choices=("flat", "spherical", "ewald"),
        ),
        "pixels": Key("list 2", "columns and rows", [128, 128], default=[128, 128], least=8),
        "distance": Key("length", "sample to detector, along the beam", "60 mm", above=0.0),
        "pixel": Key("length", "side of a pixel", "0.9 mm", above=0.0),
        "centre": _off("list 2", "column and row of the beam; n // 2 by default", [64.0, 64.0]),
        "tilt": _off("list 2", "of a flat one about x and y, degrees", [5.0, 0.0]),
        "q_max": _off(
            "wavevector",
            "of ewald: k_perp of pixel 0, at most 1.1 k (k by default)",
            0.3,
            above=0.0,
        ),
    },
    "mask": {
        "hole": Key("number", "radius about the beam, pixels", 5.0, least=0.0),
        "blind_spots": _off("lists 3", "column, row and radius of each, pixels", [[90, 40, 6]]),
        "rectangle": _off(
            "list 2", "columns and rows of a window that is kept", [110, 100], above=0.0
        ),
        "circle": _off("number", "radius of a disc that is kept, pixels", 60.0, above=0.0),
        "file": _off("text", "an image, not 0 where a pixel counts", "mask.png"),
    },
    "noise": {
        "photons": Key(
            "number", "in all pixels that count, on average; or fluence", 1e6, above=0.0
        ),
        "fluence": _off("number", "instead: incident photons per nm^2", 1e4, above=0.0),
        "poisson": Key("flag", "count photons; false: the average", True, default=True),
        "constant": Key("number", "background, counts a pixel", 0.05, default=0.0, least=0.0),
        "halo": _off(
            "list 2",
            "Gaussian background: counts at q = 0, width in 1/nm",
            [5.0, 0.05],
            least=0.0,
        ),
        "stray": _off(
            "list 3",
            "counts at q = 0, power of q and the q where it sets in, 1/nm",
            [20.0, 3.0, 0.03],
            least=0.0,
        ),
        "read": Key(
            "number", "standard deviation of reading, counts", 0.0, default=0.0, least=0.0
        ),
        "saturation": _off(
            "number", "counts at which a pixel is full, and masked", 60000.0, above=0.0
        ),
    },
    "curve": {
        "model": _off(
            "text", "a closed form, as diffscatter models; else [body]", "sphere@hard_sphere"
        ),
        "set": _off(
            "table", "its parameters, nm and 1/nm^2", {"radius": 6.0, "volfraction": 0.1}
        ),
        "polydispersity": _off("table", "of them", {"radius": "schulz:0.1"}),
        "contrast": Key("sld", "of [body]: sld less the solvent's", 1e-3),
        "volume_fraction": Key("number", "of [body]; 0.01 by default", 0.01, above=0.0),
        "background": Key("number", "of [body], 1/cm", 0.0),
        "q_min": Key("wavevector", "first point", 0.01, default=0.01, above=0.0),
        "q_max": Key("wavevector", "last point", 0.4, default=1.0, above=0.0),
        "points": Key("whole", "how many", 200, default=200, least=3),
        "spacing": Key(
            "text", "log or linear", "log", default="log", choices=("log", "linear")
        ),
        "resolution": _off("number", "standard deviation of q over q", 0.02, least=0.0),
        "relative_error": Key(
            "number",
            "sigma over intensity; noise is drawn from sigma",
            0.02,
            default=0.0,
            least=0.0,
        ),
        "error_floor": Key(
            "number",
            "sigma over the largest intensity, added in quadrature",
            1e-4,
            default=0.0,
            least=0.0,
        ),
    },
}

ABOUT = {
    "": "A body, its wide-angle pattern on a detector, and its small-angle curve.\n"
    "Lengths are in nm, wave vectors in 1/nm, or carry their unit, as '60 mm' or '0.02/A'.",
    "body": "What scatters.",
    "pattern": "Its wide-angle pattern; leave [pattern] out for a curve alone.",
    "detector": "Where the pattern is recorded.",
    "mask": "Which pixels count.",
    "noise": "What is counted.",
    "curve": "Its small-angle curve; leave [curve] out for a pattern alone.",
}
