"""What a flat detector records of a silver particle, and how well it knows its own distance.

A truncated octahedron of silver scatters soft X-rays (13.5 nm) through wide angles, multiple
scattering included. The amplitude on even steps of k becomes an image on pixels of equal size,

    k_perp = k (X, Y) / sqrt(X^2 + Y^2 + D^2),   N = I0 |f|^2 p^2 cos^3(theta) / D^2,

photons are counted, the beam leaves through a hole. All of it is differentiable in the
geometry: one forward-mode pass tells how far off a distance could be before the counts show it.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter import plotting, shapes
from diffscatter.core.materials import Material
from diffscatter.instrument import FlatDetector, axes_for, expected_photons, record
from diffscatter.instrument.mask import central_hole
from diffscatter.instrument.noise import poisson
from diffscatter.operators import propagation
from diffscatter.shapes.solids import solid

WAVELENGTH = 13.5  # nm
RADIUS, PHOTONS = 60.0, 1e6  # nm; on the detector
DISTANCE, WIDTH = 68.0, 80.0  # mm, of the detector


def main(voxels=64, pixels=128, output=Path("simulate_pattern.png")):
    chi = Material("Ag").chi(wavelength=WAVELENGTH)
    body = solid("truncated octahedron", size=RADIUS, rotation=(0.3, 0.5, 0.0))
    pitch = 2.1 * RADIUS / voxels
    density = shapes.cell_averages(body, voxels, pitch, oversampling=4)

    def detector(distance):
        return FlatDetector(
            distance=distance, pixel=WIDTH / pixels, tilt=(0.05, 0.0), shape=(pixels, pixels)
        )

    kx, ky = axes_for(detector(DISTANCE), WAVELENGTH, 2 * RADIUS)
    amplitude = propagation.split_step(chi * density, pitch, WAVELENGTH, kx, ky)

    def photons(distance):
        """Return photons per incident photon and nm^2, and which pixels are known."""
        seen, known = record(amplitude, kx, ky, detector(distance), WAVELENGTH)
        waves = detector(distance).pixels(WAVELENGTH)
        return expected_photons(seen.real**2 + seen.imag**2, waves, 1.0), known

    at = jnp.asarray(DISTANCE)
    (share, known), (slope, _) = jax.jvp(jax.jit(photons), (at,), (jnp.ones_like(at),))
    mask = np.asarray(known & central_hole(share.shape, pixels / 25))
    fluence = PHOTONS / float(share[mask].sum())
    counts = np.asarray(poisson(fluence * share, key=jax.random.key(1)))
    print(
        f"{counts[mask].sum():.0f} photons in {mask.sum()} pixels, {fluence:.3g} per nm^2 came"
    )

    # Cramer and Rao, the brightness of the beam unknown: what scales all counts tells nothing.
    mean, change = (fluence * np.asarray(v)[mask] for v in (share, slope))
    change = change - mean * change.sum() / mean.sum()
    sigma = 1 / np.sqrt(np.sum(change**2 / np.maximum(mean, 1e-12)))
    print(
        f"they tell the distance to +-{1e3 * sigma:.0f} um of {DISTANCE:g} mm, the body known"
    )

    images = {"counted": counts, "mean": np.asarray(fluence * share)}
    shown = {title: np.maximum(image, 0.3) for title, image in images.items()}
    plotting.pattern(shown, mask=mask, unit="photons").savefig(output)
    print(f"wrote {output}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voxels", type=int, default=64, help="along each axis (64)")
    arguments.add_argument("--pixels", type=int, default=128, help="along each axis (128)")
    arguments.add_argument("--output", type=Path, default=Path("simulate_pattern.png"))
    main(**vars(arguments.parse_args()))
