"""Fit a measured small-angle curve, and see what its resolution does to the answer.

SAXS curves have many local minima, so one start can end on a wrong size with a tiny error bar:
the fit runs from many at once and says how many agree. The instrument smears the curve,

    I_s(q) = integral R(q, q') I(q') dq',

and where the smearing is wider than the fringes, leaving it out changes the size itself.
The data: SANS of polystyrene latex in D2O, packaged with the library.
"""

import argparse
from pathlib import Path

import jax

from diffscatter import io, pipelines, plotting


def main(starts=16, output=Path("fit_curve.png")):
    curve = io.load_sample("latex_sans")
    ranges = {"radius": (100.0, 400.0), "radius_width": (0.005, 0.3)}  # nm; relative
    fits = {}
    for name, resolution in (("with its resolution", "auto"), ("without", None)):
        fits[name] = pipelines.fit(
            curve,
            "sphere",
            polydispersity={"radius": "gaussian"},
            vary=ranges,
            resolution=resolution,
            starts=starts,
        )
        print(f"\n{name}:\n{fits[name]}")
    figure = plotting.curve_fit(curve, fits["with its resolution"].fitted)
    figure.savefig(output, dpi=120)
    print(f"\nwrote {output}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--starts", type=int, default=16, help="random starts (16)")
    arguments.add_argument("--output", type=Path, default=Path("fit_curve.png"))
    main(**vars(arguments.parse_args()))
