"""Wide-angle operators against Mie spheres: error by angle, error against cost, and rivals.

Spheres of silver and helium at 13.5 nm (and others of made-up index), voxels of at most 2.5 nm
with exact occupancy, float32, on the absolute scale, nothing fitted. Error: rms of
log10(|f|^2 / (|S1|^2/k^2)) from 2 to 45 degrees in steps of .25 (scattnlay). Then 192^3 voxels
to 128^2 pixels on FFTs padded to 512, against pyMSFT where it is installed (Python 3.12 and
newer), else its steps on pyFFTW; error there: the largest difference from the rival's pattern
inside 60 degrees, relative to its maximum; of a gradient, from that in double precision.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import rivals_propagation as rivals
from harness import case, race, report
from scattnlay import scattnlay

from diffscatter.operators import born, cross_sections, multislice
from diffscatter.operators.propagation import split_step, wave_propagation

WAVELENGTH = 13.5
K = 2 * np.pi / WAVELENGTH
MATERIALS = {"Ag": -0.1096 + 0.0793j, "He": -0.00393 + 0.00123j}
OTHERS = {"n .95+.02i": -0.05 + 0.02j, "n 1.02+.03i": 0.02 + 0.03j, "n .9+.01i": -0.1 + 0.01j}
RADII = (50, 75, 100, 150)
ANGLE = np.deg2rad(np.append(0, np.arange(2, 45.01, 0.25)))
RANGES = ((2, 30), (30, 45), (2, 45))
N, PAD, PIXELS, PITCH = 192, 512, 128, 318.75 / 192


def occupancy(radius, pitch, samples=8):
    """Return the share of every cell inside a sphere, with an empty cell around it."""
    n = 2 * (int(np.ceil(radius / pitch)) + 1)
    axis = np.arange(n) - n // 2
    squares = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    size = radius / pitch
    found = (squares < size**2).astype(float)
    surface = np.argwhere(np.abs(np.sqrt(squares) - size) < 0.9)
    offset = (np.arange(samples) + 0.5) / samples - 0.5
    points = np.stack(np.meshgrid(offset, offset, offset, indexing="ij"), -1).reshape(-1, 3)
    cells = surface - n // 2
    distance = (cells**2).sum(1)[:, None] + 2 * cells @ points.T + (points**2).sum(1)
    found[tuple(surface.T)] = (distance < size**2).mean(1)
    return found


def mie(radius, chi):
    """Return |S1|^2/k^2 at ANGLE and the extinction cross-section."""
    _, extinction, *_, s1, _ = scattnlay(np.array([K * radius]), np.array([1 + chi]), ANGLE)
    return np.abs(np.ravel(s1)) ** 2 / K**2, float(extinction) * np.pi * radius**2


def operators(chi):
    """Return the operators by name, as functions of occupancy and pitch."""
    pixels = K * np.sin(ANGLE), np.zeros(1)
    squared = chi * (1 + chi / 2)  # (n^2 - 1)/2

    def of(function, contrast, **options):
        return lambda filled, pitch: function(
            jnp.asarray(contrast, jnp.complex64) * filled, pitch, WAVELENGTH, *pixels, **options
        )

    return {
        "Born": of(born.amplitude, squared),
        "straight rays, absorption alone": of(multislice.amplitude, 1j * chi.imag),
        "straight rays": of(multislice.amplitude, chi),
        "split step": of(split_step, chi),
        "wave propagation": of(wave_propagation, chi, n=1 + chi),
    }


def sphere(name, function, radius, pitch, chi):
    """Return the case of one operator and one sphere."""
    exact, extinction = mie(radius, chi)

    def figures(f):
        f = np.asarray(f)[0]
        ratio, degrees = np.abs(f) ** 2 / exact, np.rad2deg(ANGLE)
        found = {"extinction": cross_sections.extinction(f[0], WAVELENGTH) / extinction - 1}
        for low, high in RANGES:
            part = ratio[(degrees >= low - 1e-6) & (degrees <= high + 1e-6)]
            found[f"rms {low}-{high}"] = np.sqrt(np.mean(np.log10(part) ** 2))
            found[f"median {low}-{high}"] = np.median(np.abs(part - 1))
        return {key: float(value) for key, value in found.items()}

    filled = jnp.asarray(occupancy(radius, pitch), jnp.float32)
    error = lambda f: figures(f)["rms 2-45"]
    return case(name, function, filled, pitch, error=error, details=figures, compiled=False)


def spheres():
    """Return the records of all operators against Mie, and of error against cost."""
    cases = []
    for material, chi in (MATERIALS | OTHERS).items():
        for radius in RADII if material in MATERIALS else (75,):
            pitch = min(2.5, radius / 40)
            cases += [
                sphere(f"mie/{material} {radius} nm, {name}", function, radius, pitch, chi)
                for name, function in operators(chi).items()
                if material in MATERIALS or name in ("split step", "wave propagation")
            ]
    chi, radius = MATERIALS["Ag"], 100
    for pitch in (1.25, 1.67, 3.3):  # and 2.5 above
        cases += [
            sphere(f"mie cost/{name}, pitch {pitch}", function, radius, pitch, chi)
            for name, function in operators(chi).items()
        ]
    n = len(occupancy(radius, 2.5))
    for factor in (1.5, 2, 3, 5):
        options = dict(kx=K * np.sin(ANGLE), ky=np.zeros(1), pad=int(factor * n))
        for name, function in (
            ("split step", split_step),
            ("wave propagation", partial(wave_propagation, n=1 + chi)),
        ):
            padded = lambda filled, pitch, function=function, options=options: function(
                jnp.asarray(chi, jnp.complex64) * filled, pitch, WAVELENGTH, **options
            )
            label = f"mie cost/{name}, pitch 2.5, box {factor} diameters"
            cases.append(sphere(label, padded, radius, 2.5, chi))
    return race(cases, repeats=1)


def table(records):
    """Print rms and median by range of angles."""
    headings = [f"{low}-{high}" for low, high in RANGES]
    print("\nrms of log10 / median deviation by angle; extinction")
    for record in records:
        found = record["details"]
        cells = (f"{found[f'rms {h}']:.4f} / {found[f'median {h}']:.4f}" for h in headings)
        print(f"{record['name']:55s} {' | '.join(cells)} | {found['extinction']:+.4f}")


def races():
    """Race both operators and their gradients against the rivals' patterns."""
    axis = np.arange(N) - N // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    volume = MATERIALS["Ag"] * np.clip(0.31 * N - distance + 0.5, 0, 1)
    kx = 2 * np.pi / (PAD * PITCH) * (np.arange(PIXELS) - PIXELS // 2)
    seen = kx[:, None] ** 2 + kx**2 < (K * np.sin(np.pi / 3)) ** 2
    middle = slice(PAD // 2 - PIXELS // 2, PAD // 2 + PIXELS // 2)
    single = jnp.asarray(volume, jnp.complex64)
    geometry = dict(pitch=PITCH, wavelength=WAVELENGTH, kx=kx, ky=kx, voxel="point")
    found = []
    for group, ours, theirs, padded in (
        ("propagation", split_step, rivals.propagation, {"pad": PAD}),
        ("straight rays", multislice.amplitude, rivals.multislice, {}),
    ):
        rival = theirs(volume, PITCH, WAVELENGTH, PAD)
        pattern = rival()[middle, middle] * (PITCH**2 / WAVELENGTH) ** 2
        error = lambda f, pattern=pattern: (
            np.abs(np.abs(np.asarray(f)) ** 2 - pattern)[seen].max() / pattern.max()
        )

        def total(chi, ours=ours, padded=padded):
            f = ours(chi, **geometry, **padded)
            return jnp.sum(f.real**2 + f.imag**2)

        exact = jax.jit(jax.grad(total))(jnp.asarray(volume))
        slope = lambda result, exact=exact: (
            np.abs(np.asarray(result[1]) - exact).max() / np.abs(exact).max()
        )
        run = partial(ours, **geometry)
        label = f"{group}/{rivals.name()}"
        cases = [
            case(label, rival, error=lambda _: 0.0, compiled=False),
            case(f"{group}/ours", run, single, error=error),
            case(f"{group}/ours, gradient", jax.value_and_grad(total), single, error=slope),
        ]
        if padded:
            cases.append(
                case(f"{group}/ours, same box", partial(run, **padded), single, error=error)
            )
        found += race(cases, baseline=label, repeats=5)
    return found


def main():
    report(races())
    against_mie = spheres()
    report(against_mie)
    table(against_mie)


if __name__ == "__main__":
    main()
