"""What multiple scattering does to a wide-angle pattern, and what it tells about the material.

A silver sphere of 100 nm at 13.5 nm. Straight rays miss how the wave spreads inside the body;
the split step carries it from slice to slice. Mie's exact answer is the judge, on the absolute
scale. The same call is differentiable, here with respect to the refractive index
n = 1 - delta + i beta:

    d ln I / d delta,  d ln I / d beta   ->   how well a pattern measures n
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from diffscatter import shapes
from diffscatter.operators import cross_sections, multislice, propagation

RADIUS, WAVELENGTH = 50.0, 13.5  # nm
K = 2 * np.pi / WAVELENGTH
# 1 - n of silver at 13.5 nm: Henke, At. Data Nucl. Data Tables 54, 181 (1993)
DELTA, BETA = 0.1096, 0.0793
# |S1|^2/k^2 in nm^2 at 0, 10, ... 40 degrees: exact, by scattnlay 2.4
MIE = [338594.9, 2280.592, 1667.884, 695.7422, 241.5079]
MIE_ANGLES = np.deg2rad([0, 10, 20, 30, 40])


def main(voxels=42, output=Path("multiple_scattering.png")):
    pitch = 2 * RADIUS / (voxels - 2)
    filled = shapes.cell_averages(shapes.Sphere(radius=RADIUS), voxels, pitch, oversampling=4)
    angle = np.deg2rad(np.linspace(0, 45, 91))
    pixels = K * np.sin(angle), np.zeros(1)

    def pattern(operator, delta, beta):
        """Return dsigma/dOmega (nm^2) from 0 to 45 degrees, and the amplitude at 0."""
        chi = (-delta + 1j * beta) * filled
        f = operator(chi, pitch, WAVELENGTH, *pixels)[0]
        return f.real**2 + f.imag**2, f[0]

    split = jax.jit(lambda delta, beta: pattern(propagation.split_step, delta, beta))
    image, forward = split(DELTA, BETA)
    straight, _ = pattern(multislice.amplitude, DELTA, BETA)
    extinction = cross_sections.extinction(forward, WAVELENGTH)
    print(f"extinction {float(extinction):.0f} nm^2, area {np.pi * RADIUS**2:.0f} nm^2")
    print("angle   exact (nm^2)   split step   straight rays")
    for theta, exact in zip(MIE_ANGLES, MIE, strict=True):
        found, ray = (np.interp(theta, angle, np.asarray(I)) for I in (image, straight))
        print(f"{np.rad2deg(theta):5.0f} {exact:14.0f} {found:12.0f} {ray:15.0f}")

    slopes = jax.jit(jax.jacfwd(lambda d, b: jnp.log(split(d, b)[0]), argnums=(0, 1)))
    by_delta, by_beta = slopes(DELTA, BETA)
    step = 1e-5
    moved = [jnp.log(split(DELTA, BETA + s)[0]) for s in (step, -step)]
    difference = (moved[0] - moved[1]) / (2 * step)
    error = jnp.abs(by_beta - difference).max() / jnp.abs(by_beta).max()
    print(f"d ln I / d beta against differences: {float(error):.0e}")

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    degrees = np.rad2deg(angle)
    axes[0].semilogy(degrees, image, label="split step")
    axes[0].semilogy(degrees, straight, "--", label="straight rays")
    axes[0].semilogy(np.rad2deg(MIE_ANGLES), MIE, "ko", label="Mie")
    axes[0].set(xlabel="angle (degrees)", ylabel=r"$d\sigma/d\Omega$ (nm$^2$)")
    axes[1].plot(degrees, by_delta, label=r"$\partial \ln I/\partial\delta$")
    axes[1].plot(degrees, by_beta, label=r"$\partial \ln I/\partial\beta$")
    axes[1].set(xlabel="angle (degrees)")
    for part in axes:
        part.legend()
    figure.savefig(output, dpi=120)
    print(f"wrote {output}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voxels", type=int, default=42, help="along each axis (42)")
    arguments.add_argument("--output", type=Path, default=Path("multiple_scattering.png"))
    main(**vars(arguments.parse_args()))
