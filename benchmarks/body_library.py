"""Libraries of random bodies: time to build and to match, and how often a match is right.

Silver clusters of the wide-angle data set's recipe, training and test set, as published
displays: absorption alone (12.5 nm), log(1 + I/c) with a random c, 8 bits, 128 x 128 pixels.
They are not in the library, whose rotations, stretches and sizes are its own.

``body_library/build``: 250 bodies; the error is one minus the mean correlation of their maps,
as displayed, with maps of 96 columns and a full detector. ``body_library/match``: one pattern
against 30 000; the error is the share of 40 whole clusters whose solid is not among the 24
best; the details have the share that comes first, the same with a hole of 6 pixels and a
window of 72 x 60, and that of 40 cut clusters. Random hulls, no solid of the library, are left
out. ``body_library/voxels``: a truncated icosidodecahedron on 64^3; the error is that of its
volume.

The library is that of the user's cache folder, built first where it is not there: a minute and
a half of one core.
"""

import tempfile

import jax
import jax.numpy as jnp
import numpy as np
from harness import measure, report

from diffscatter.datasets import clusters
from diffscatter.operators import columns
from diffscatter.pipelines.bodies.library import library
from diffscatter.pipelines.bodies.match import match
from diffscatter.pipelines.bodies.polar import polar_map
from diffscatter.shapes import solid, solids
from diffscatter.shapes.heights import heights
from diffscatter.shapes.occupancy import occupancy

WAVELENGTH, LENGTH = 13.5, 12.5
K = 2 * np.pi / WAVELENGTH
CHI = 1j * WAVELENGTH / (2 * np.pi * LENGTH)
AXIS = (np.arange(128) - 64) * 2 * np.pi / (512 * clusters.BOX / 192)
PHYSICS = {"wavelength": WAVELENGTH, "q_max": AXIS[-1], "chi": CHI}
OFFSETS = (84.0, 386.0)  # nm^2: those of the published patterns
CLUSTERS = 40


@jax.jit
def field(front, thickness, coverage, pitch):
    return columns.amplitude(
        front, thickness, pitch, WAVELENGTH, AXIS, AXIS, chi=CHI, coverage=coverage, terms=48
    )


def pattern(normals, offsets, radius):
    """Return |f|^2 in nm^2 of a body that reaches to ``radius``, by 96 columns."""
    pitch = radius / 46
    x = ((np.arange(96) - 48) * pitch).astype(np.float32)
    planes = (np.asarray(values, np.float32) for values in (normals, offsets))
    return np.abs(np.asarray(field(*heights(*planes, x, x), jnp.float32(pitch)))) ** 2


def display(intensity, offset):
    shown = np.log1p(intensity / offset)
    return np.round(255 * (shown - shown.min()) / np.ptp(shown)) / 255


def drawn(seed, cut):
    """Return names and displays of clusters."""
    random, named = np.random.default_rng(seed), []
    names = tuple(name for name in solids.NAMES if name != solids.HULL)
    for key in jax.random.split(jax.random.key(seed), CLUSTERS):
        found = clusters.draw(key=key, cut=cut, names=names)
        reach = 1.02 * found.size * max(1, found.stretch)
        offset = np.exp(random.uniform(*np.log(OFFSETS)))
        intensity = pattern(found.body.normals, found.body.offsets, reach)
        named.append((found.name, display(intensity, offset)))
    return named


def ranks(book, named, mask):
    """Return the place of the right solid among the matches of each, 24 where it is missing."""
    found = []
    for name, image in named:
        values, weights = polar_map(image, AXIS, AXIS, book.grid(WAVELENGTH), mask)
        names = [c.name for c in match(book, values, weights, wavelength=WAVELENGTH)]
        found.append(names.index(name) if name in names else 24)
    return np.array(found)


def build():
    with tempfile.TemporaryDirectory() as folder:
        return library(**PHYSICS, count=250, folder=folder)


def differs(book):
    """Return one minus the mean correlation of every tenth body's map with a finer one."""
    found = []
    for index in range(0, len(book.bodies), 10):
        normals, offsets = book.bodies.unit_planes(index)
        normals = normals @ np.linalg.inv(WAVELENGTH * book.bodies.matrices[index])
        length = np.linalg.norm(normals, axis=1)
        radius = WAVELENGTH * book.bodies.halves[index]
        fine = pattern(normals / length[:, None], offsets / length, radius)
        image = np.log1p(fine / OFFSETS[0])
        expected, _ = polar_map(image, AXIS, AXIS, book.grid(WAVELENGTH))
        logs = book.logs[index].astype(float) + 2 * np.log(WAVELENGTH)
        got = np.logaddexp(0, logs - np.log(OFFSETS[0]))
        found.append(np.corrcoef(got.ravel(), expected.ravel())[0, 1])
    return 1 - np.mean(found)


def matched():
    book = library(**PHYSICS)
    row, column = np.mgrid[-64:64, -64:64]
    whole = np.hypot(row, column) <= 62.5
    seen = whole & (np.hypot(row, column) >= 6) & (abs(column) <= 36) & (abs(row) <= 30)
    named = drawn(99, cut=False)
    places = {
        "whole": ranks(book, named, whole),
        "hole_and_window": ranks(book, named, seen),
        "cut": ranks(book, drawn(98, cut=True), whole),
    }
    details = {f"{kind}_first": np.mean(place == 0) for kind, place in places.items()}
    details |= {f"{kind}_of_24": np.mean(place < 24) for kind, place in places.items()}
    details["megabytes"] = (book.logs.nbytes + book.rings.nbytes) / 1e6
    image = named[0][1]
    values, weights = polar_map(image, AXIS, AXIS, book.grid(WAVELENGTH), whole)

    def one():
        found = match(book, values, weights, wavelength=WAVELENGTH)
        return np.array([candidate.score for candidate in found])

    return measure(
        "body_library/match",
        one,
        error=lambda _: 1 - details["whole_of_24"],
        details=details,
        compiled=False,
    )


def voxels():
    body = solid("truncated icosidodecahedron", size=120.0, rotation=(0.3, 0.2, 0.9))
    pitch = clusters.BOX / 64
    volume = float(body.volume)
    planes = (jnp.asarray(v, jnp.float32) for v in (body.normals, body.offsets))
    return measure(
        "body_library/voxels",
        lambda normals, offsets: occupancy(normals, offsets, 64, pitch),
        *planes,
        error=lambda filled: abs(float(filled.sum()) * pitch**3 / volume - 1),
    )


if __name__ == "__main__":
    built = measure(
        "body_library/build",
        lambda: build().logs,
        error=lambda _: differs(build()),
        details={"bodies": 250},
        compiled=False,
        repeats=3,
    )
    report([voxels(), built, matched()])
