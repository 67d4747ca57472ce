"""Differentiate a wide-angle diffraction pattern with respect to the body that made it.

A silica cylinder of 70 nm in soft X-rays (13.5 nm) scatters through large angles, so one
pattern depends on its size *and* on its orientation in space. Automatic differentiation gives
the derivative of every pixel with respect to every parameter at once; here: which pixels know
the tilt of the cylinder, and how well could a million photons tell it?

    d ln I / d tilt   ->   sigma(tilt) = 1 / sqrt(sum over pixels of counts (d ln I / d tilt)^2)
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from diffscatter import shapes
from diffscatter.operators import multislice

WAVELENGTH = 13.5  # nm
# n - 1 of SiO2 (2.2 g/cm^3) at 13.5 nm: Henke, At. Data Nucl. Data Tables 54, 181 (1993)
CHI = -0.02197 + 0.01077j
PITCH = 3.0  # nm; below a quarter of the wavelength
K = jnp.asarray((np.arange(96) - 48) * 0.005)  # 1/nm, up to 31 degrees


def pattern(parameters, voxels):
    """Return dsigma/dOmega (nm^2) on the detector of a tilted cylinder."""
    body = shapes.Cylinder(
        radius=parameters["radius"],
        length=parameters["length"],
        rotation=parameters["tilt"] * jnp.array([1.0, 0.0, 0.0]),  # about x, rad
    )
    filled = shapes.cell_averages(body, voxels, PITCH, oversampling=2)
    f = multislice.amplitude(CHI * filled, PITCH, WAVELENGTH, K, K)
    return f.real**2 + f.imag**2


def main(voxels=40, output=Path("differentiate_pattern.png")):
    start = {"radius": 25.0, "length": 70.0, "tilt": 0.6}  # nm, nm, rad
    parameters = {name: jnp.asarray(value) for name, value in start.items()}
    model = jax.jit(lambda p: pattern(p, voxels))
    image = model(parameters)
    # Three parameters, nine thousand pixels: one forward-mode pass a parameter.
    slopes = jax.jit(jax.jacfwd(lambda p: jnp.log(pattern(p, voxels))))(parameters)

    counts = 1e6 * image / image.sum()
    for name, slope in slopes.items():
        step = 1e-5 * parameters[name]
        moved = [model(parameters | {name: parameters[name] + s}) for s in (step, -step)]
        difference = (jnp.log(moved[0]) - jnp.log(moved[1])) / (2 * step)
        error = jnp.abs(slope - difference).max() / jnp.abs(slope).max()
        alone = 1 / jnp.sqrt(jnp.sum(counts * slope**2))
        unit = "rad" if name == "tilt" else "nm"
        print(
            f"{name:7s} {float(parameters[name]):6.2f} {unit}: a million photons give "
            f"+-{float(alone):.1e} {unit} (the others known); "
            f"gradient against differences {float(error):.0e}"
        )

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    extent = [float(K[0]), float(K[-1])] * 2
    axes[0].imshow(np.log10(image), extent=extent, origin="lower", cmap="inferno")
    axes[0].set(title=r"$\log_{10} I$", xlabel="$k_x$ (1/nm)", ylabel="$k_y$ (1/nm)")
    tilt = np.asarray(slopes["tilt"])
    top = np.percentile(np.abs(tilt), 99)
    shown = axes[1].imshow(
        tilt, extent=extent, origin="lower", cmap="RdBu_r", vmin=-top, vmax=top
    )
    axes[1].set(title=r"$\partial \ln I\,/\,\partial$ tilt (1/rad)", xlabel="$k_x$ (1/nm)")
    figure.colorbar(shown, ax=axes[1])
    figure.savefig(output, dpi=120)
    print(f"wrote {output}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voxels", type=int, default=40, help="along each axis (40)")
    arguments.add_argument("--output", type=Path, default=Path("differentiate_pattern.png"))
    main(**vars(arguments.parse_args()))
