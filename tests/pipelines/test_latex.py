"""The packaged latex curve against the slit-smeared curve of the same sample.

All fringes of the SANS curve lie within its resolution; the USANS curve resolves them. Two
instruments, two smearings, one particle: the sizes must agree.
"""

from pathlib import Path

import jax
import numpy as np
import pytest

from diffscatter import analytic, io
from diffscatter.fitting import fit_curve
from diffscatter.instrument import Smear
from diffscatter.pipelines import fit

FILE = (
    Path(__file__).parents[3] / "shared" / "data" / "curves" / "sasdata" / "latex_smeared.xml"
)
SLIT = 1.17  # dQl of the file, 1/nm


def slit(q, length, points=2000):
    """I_s(q) = integral of I(sqrt(q^2 + u^2)) du / length, linear between table points."""
    table = np.geomspace(q[0], 1.1 * length, points)
    edges = np.concatenate([[0], np.geomspace(1e-4, length, 60)])
    x, w = np.polynomial.legendre.leggauss(12)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    u, weight = (middle + half * x).ravel(), (half * w).ravel() / length
    matrix = np.zeros((q.size, points))
    for row, value in zip(matrix, q, strict=True):
        at = np.sqrt(value**2 + u**2)
        low = np.clip(np.searchsorted(table, at) - 1, 0, points - 2)
        share = (at - table[low]) / (table[low + 1] - table[low])
        np.add.at(row, low, weight * (1 - share))
        np.add.at(row, low + 1, weight * share)
    return Smear(q=table, matrix=matrix, size=np.inf)


@pytest.mark.slow
@pytest.mark.skipif(not FILE.exists(), reason="the measured USANS curve is not there")
def test_two_instruments_see_one_size():
    with jax.enable_x64(True):
        fine = io.load_curve(FILE, entry=1)
        spheres = analytic.Polydisperse(
            model=analytic.Sphere(radius=240.0, contrast=1e-4),
            distribution=analytic.Gaussian(width=0.05),
        )
        usans = fit_curve(
            analytic.Sample(model=spheres, scale=0.2, background=1.0),
            fine,
            free={
                "radius": (150.0, 350.0),
                "width": (0.005, 0.2),
                "scale": (1e-4, 1e2),
                "background": (-10.0, 20.0),
            },
            smear=slit(np.asarray(fine.q), SLIT),
            starts=0,
        )
        sans = fit(
            io.load_sample("latex_sans"),
            "sphere",
            polydispersity={"radius": "gaussian"},
            vary={"radius": (100.0, 400.0), "radius_width": (0.005, 0.3)},
            starts=2,
        )
    assert usans.reduced_chi2 < 1.5
    assert usans.parameters["radius"] == pytest.approx(230.7, abs=1.0)
    gap = abs(sans.parameters["radius"] - usans.parameters["radius"])
    assert gap < 2 * sans.uncertainties["radius"]
