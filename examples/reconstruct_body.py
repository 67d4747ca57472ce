"""Find the shape of a silver particle from one noisy wide-angle pattern.

At 13.5 nm a particle of 90 nm scatters over the whole hemisphere, and light from its front and
from its back meets there with different phases: one pattern knows the third dimension, though
no phase was recorded. Here a truncated octahedron scatters a few million photons, all orders of
one-way multiple scattering included; a convex body is found that explains them, and laid on
the truth where the beam sees it.

    data ~ Poisson(s |f(truth)|^2)   ->   convex body with ln I as in the data
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter import pipelines, shapes
from diffscatter.analysis import compare_bodies
from diffscatter.core.data import checked_pattern
from diffscatter.core.materials import Material
from diffscatter.operators import propagation
from diffscatter.plotting_reconstruction import surface_of_planes, views
from diffscatter.shapes import solids

WAVELENGTH, PHOTONS = 13.5, 3e6
PITCH = 2.5  # nm; below a quarter of the wavelength
Q_MAX = 0.44  # 1/nm: 71 degrees


def measured(body, silver, pixels, key):
    """Return a pattern of ``PHOTONS`` photons scattered by a body of index 1 + silver."""
    density = shapes.cell_averages(body, 48, PITCH, oversampling=2)
    chi = jnp.asarray(silver * density, jnp.complex64)
    k = (np.arange(pixels) - pixels // 2) * (Q_MAX / (pixels // 2))
    f = propagation.split_step(chi, PITCH, WAVELENGTH, k, k)
    expected = jnp.abs(f) ** 2
    counts = jax.random.poisson(key, PHOTONS * expected / expected.sum())
    return checked_pattern(np.asarray(counts), kx=k, ky=k, name="silver")


def main(pixels=80, start="both", method="auto", output=Path("reconstruct_body.png")):
    silver = Material("Ag").chi(wavelength=WAVELENGTH)  # n - 1, Henke
    truth = solids.solid("truncated octahedron", size=45.0, rotation=(0.5, 0.3, -0.8))
    pattern = measured(truth, silver, pixels, jax.random.key(1))

    found = pipelines.reconstruct(
        pattern, wavelength=WAVELENGTH, chi=silver, start=start, method=method
    )
    print(f"{found.status}; found as {found.solid or found.method} in {found.seconds:.0f} s")
    n = found.density.shape[0]
    same = np.asarray(shapes.cell_averages(truth, n, found.pitch, oversampling=2))
    score = compare_bodies(found.density, same, found.pitch)
    print(
        f"overlap with the truth {score.seen:.3f} where the beam sees it, {score.full:.3f} in "
        f"all (intersection over union); surfaces {score.chamfer:.1f} nm apart"
    )
    surface = surface_of_planes(found.normals, found.offsets)
    near = found.determined & (found.density > 0.5)
    views(surface, near, found.pitch).savefig(output, dpi=120)
    print(f"wrote {output}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pixels", type=int, default=80, help="of an edge (80)")
    arguments.add_argument("--start", default="both", help="both, library or cold (both)")
    arguments.add_argument("--method", default="auto", help="auto, solid or facets (auto)")
    arguments.add_argument("--output", type=Path, default=Path("reconstruct_body.png"))
    main(**vars(arguments.parse_args()))
