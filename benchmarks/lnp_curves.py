"""Curves of lipid nanoparticles: the exact operator against the published pipeline.

First a ball of 96 nm in the published 100^3 voxels of 1 nm, padded to 600^3 as published, in
one run with our operator on the same voxels and with the whole of our route: body, grid of at
most 0.5 nm, curve to 3 1/nm. Errors are medians of |I / closed form - 1| away from minima up to
pi/2 1/nm (published voxels) or 3 1/nm (ours). The published pipeline runs in single precision
(7 GB; in double it would need 14): its errors are not of rounding.

Then all 81 sizes from 20 to 100 nm of types 1 to 4 in one piece, compilation included; their
error is the largest median of a ball's.

    python benchmarks/lnp_curves.py [--many]     # only the 324 curves
"""

import argparse
import time

import jax.numpy as jnp
import numpy as np
from harness import case, race, report, single
from rivals_saxs import published_pipeline

from diffscatter.analysis import curve_error
from diffscatter.analytic import Sphere
from diffscatter.datasets import lnp
from diffscatter.operators import saxs
from diffscatter.shapes import Nanoparticle
from diffscatter.shapes.lnp import hard_voxels

SIZE, M = 96.0, 100
Q_VOXELS = np.linspace(0.04, np.pi / 2, 500)
Q_PADDED = 2 * np.pi * np.arange(1, 3 * M) / (6 * M)


def median_error(curve, q, size=SIZE, limit=np.inf):
    near = q <= limit
    exact = np.asarray(Sphere(radius=size / 2, contrast=9.0).amplitude(q[near])) ** 2
    return curve_error(np.asarray(curve, float)[near], exact)["median"]


def against_published():
    ball = Nanoparticle(kind=4, size=SIZE)
    voxels = jnp.asarray(hard_voxels(ball, M))
    padded = lambda curve: median_error(curve, Q_PADDED, limit=np.pi / 2)
    cases = [
        case("lnp/published 100^3", published_pipeline, voxels.astype("float32"), error=padded),
        case(
            "lnp/published 100^3, streamed",
            lambda v: saxs.binned_intensity(v, 1.0)[1],
            voxels,
            error=padded,
        ),
        case(
            "lnp/exact 100^3",
            lambda v: saxs.intensity(v, 1.0, Q_VOXELS, voxel="box"),
            voxels,
            error=lambda curve: median_error(curve, Q_VOXELS),
        ),
        case(
            "lnp/exact from body to 3 per nm",
            lambda: lnp.exact_curve(ball),
            compiled=False,
            error=lambda curve: median_error(curve, lnp.Q),
        ),
    ]
    return race(cases, baseline=[c.name for c in cases[:2]], repeats=1)


def many():
    """Return the record of the 81 published sizes of types 1 to 4, computed in one piece."""
    wall, cpu = time.perf_counter(), time.process_time()
    told = lambda done, total: print(f"\r{done} of {total} curves", end="", flush=True)
    base = lnp.base_curves((1, 2, 3, 4), progress=told)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print()
    balls = zip(base.intensity[base.kinds.index(4)], base.sizes, strict=True)
    worst = max(median_error(curve, base.q, size) for curve, size in balls)
    return [single("lnp/324 curves", worst, wall, cpu, {"curves": 4 * len(base.sizes)})]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--many", action="store_true", help="only the 324 curves")
    only = parser.parse_args().many
    report(([] if only else against_published()) + many())
