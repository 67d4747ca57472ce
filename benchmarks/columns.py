"""Columns of a convex body against its voxels: a silver octahedron at 13.5 nm, 128^2 pixels.

Half-spaces to the pattern of the whole hemisphere, float32, with refraction. The reference is
the multi-slice sum of 320^3 voxels filled by share, in double precision. Errors are maxima
relative to the maximum, and the root mean square on the logarithmic scale that patterns are
compared on, from the maximum down to 1e-4 of it. The gradient is that of sum |f|^2 with the
planes; it is judged by that of 97 columns in double precision.
"""

import jax
import jax.numpy as jnp
import numpy as np
from harness import case, race, report

from diffscatter.operators import columns, multislice
from diffscatter.shapes.heights import heights
from diffscatter.shapes.occupancy import occupancy
from diffscatter.shapes.solids import solid

WAVELENGTH, CHI = 13.5, -0.1096 + 0.0793j
HALF = 66.0  # nm, of the window about the body
AXIS = 2 * np.pi / 850 * (np.arange(128) - 64)  # 1/nm
INSIDE = np.hypot(AXIS[:, None], AXIS) < 2 * np.pi / WAVELENGTH
COLUMNS, VOXELS, FINE = (33, 49, 65, 97), (64, 128, 192), 320


def body():
    found = solid("octahedron", size=64.0, rotation=(0.5, 0.3, 0.2), stretch=0.8)
    return np.asarray(found.normals), np.asarray(found.offsets)


def by_columns(n, dtype=jnp.float32):
    pitch = 2 * HALF / (n - 1)
    axis = np.asarray((np.arange(n) - n // 2) * pitch, dtype)

    def amplitude(normals, offsets):
        front, thickness, coverage = heights(normals, offsets, axis, axis)
        return columns.amplitude(
            front, thickness, pitch, WAVELENGTH, AXIS, AXIS, chi=CHI, coverage=coverage
        )

    return amplitude


def by_voxels(n):
    pitch = 2 * HALF / n

    def amplitude(normals, offsets):
        density = occupancy(normals, offsets, n, pitch, oversampling=1)
        chi = CHI * density.astype(jnp.result_type(density.dtype, jnp.complex64))
        return multislice.amplitude(chi, pitch, WAVELENGTH, AXIS, AXIS)

    return amplitude


def shown(f):
    intensity = np.abs(np.asarray(f)) ** 2
    return np.log1p(intensity / (1e-4 * intensity.max())) / np.log1p(1e4)


def main():
    planes = body()
    exact = np.asarray(by_voxels(FINE)(*planes))
    peak = np.abs(exact).max()
    error = lambda f: np.abs(np.asarray(f) - exact)[INSIDE].max() / peak
    rms = lambda f: {"log rms": np.sqrt(np.mean((shown(f) - shown(exact))[INSIDE] ** 2))}
    single = tuple(np.float32(part) for part in planes)
    ways = {f"{n} columns": by_columns(n) for n in COLUMNS}
    ways |= {f"{n}^3 voxels": by_voxels(n) for n in VOXELS}
    cases = [
        case(f"columns/{name}", way, *single, error=error, details=rms)
        for name, way in ways.items()
    ]
    records = race(cases, baseline="columns/192^3 voxels", repeats=5)

    def brightness(way):
        def total(normals, offsets):
            f = way(normals, offsets)
            return jnp.sum(f.real**2 + f.imag**2)

        return jax.value_and_grad(total, argnums=(0, 1))

    double = brightness(by_columns(97, jnp.float64))(*planes)[1][1]
    slope = lambda found: np.abs(np.asarray(found[1][1]) - double).max() / abs(double).max()
    chosen = ("65 columns", "97 columns", "64^3 voxels", "128^3 voxels")
    cases = [
        case(f"columns, gradient/{name}", brightness(ways[name]), *single, error=slope)
        for name in chosen
    ]
    report(records + race(cases, baseline="columns, gradient/128^3 voxels", repeats=5))


if __name__ == "__main__":
    main()
