"""Curves of lipid nanoparticles: the exact operator against the published pipeline.

First a ball of 96 nm in the published 100^3 voxels of 1 nm, padded to 600^3 as published, in
one run with our operator on the same voxels and with the whole of our route: body, grid of at
most 0.5 nm, curve to 3 1/nm. Errors are medians of |I / closed form - 1| away from minima up to
pi/2 1/nm (published voxels) or 3 1/nm (ours). The published pipeline runs in single precision
(7 GB; in double it would need 14): its errors are not of rounding.

Then sizes of 30, 50, 70 and 90 nm of types 1 to 4, which stand for the 81 from 20 to 100 nm:
``cpu_seconds_of_324`` in the record's details is 81/4 of their time, compilation apart.
"""

import time

import jax.numpy as jnp
import numpy as np
from harness import case, measure, race, report
from rivals_saxs import published_pipeline

from diffscatter.analysis import curve_error
from diffscatter.analytic import Sphere
from diffscatter.datasets import lnp
from diffscatter.operators import saxs
from diffscatter.shapes import Nanoparticle
from diffscatter.shapes.lnp import hard_voxels

SIZE, M = 96.0, 100
BANDS = (30.0, 50.0, 70.0, 90.0)  # nm, in the middle of four equal bands
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
    spent = []

    def curves():
        start = time.process_time()
        found = {
            (kind, size): lnp.exact_curve(Nanoparticle(kind=kind, size=size))
            for kind in (1, 2, 3, 4)
            for size in BANDS
        }
        found = {at: np.asarray(curve) for at, curve in found.items()}
        spent.append(time.process_time() - start)
        return np.stack([found[4, size] for size in BANDS])

    error = lambda balls: max(
        median_error(curve, lnp.Q, size) for curve, size in zip(balls, BANDS, strict=True)
    )
    record = measure("lnp/16 curves of 324", curves, repeats=1, compiled=False, error=error)
    warm = record["cpu_seconds"]
    record["details"] = {
        "cpu_seconds_of_324": warm * 81 / 4,
        "compilation_cpu_seconds": spent[0] - warm,
    }
    print(*(f"{name} {value:.0f}" for name, value in record["details"].items()), sep="\n")
    return [record]


if __name__ == "__main__":
    report(against_published() + many())
