"""A fit of a polydisperse core-shell sphere from 64 starts, against scipy and bumps.

Six free parameters, 200 points with 2 % noise. The rivals compute the curve with sasmodels and
begin at the starts that our search chose, whose choice counts on our side only. The error is
the distance of the best end from the truth, in standard deviations of the worst parameter;
beside it stand the share of starts that came to the lowest minimum, and the time of one start.
Compilation is a record of its own.
"""

import time

import numpy as np
from harness import case, device, race, report
from rivals_fits import bumps_fits, scipy_fits

from diffscatter import analytic
from diffscatter.core.data import Curve
from diffscatter.fitting import fit_curve
from diffscatter.fitting.curve import starting_places
from diffscatter.fitting.multistart import chosen_starts
from diffscatter.report import versions

STARTS = 64
BOUNDS = {
    "radius": (1.0, 50.0),
    "thickness": (0.2, 20.0),
    "width": (0.01, 0.5),
    "shell_contrast": (-1e-3, 1e-3),
    "scale": (1e-5, 10.0),
    "background": (0.0, 1.0),
}
TRUTH = [6.0, 2.0, 0.1, 2e-4, 0.01, 0.01]
GUESS = [4.0, 1.5, 0.15, 1.5e-4, 0.02, 0.02]


def sample(radius, thickness, width, shell_contrast, scale, background):
    body = analytic.CoreShellSphere(
        radius=radius,
        thickness=thickness,
        core_contrast=1e-4,
        shell_contrast=shell_contrast,
    )
    population = analytic.Polydisperse(model=body, distribution=analytic.Gaussian(width=width))
    return analytic.Sample(model=population, scale=scale, background=background)


def measured(points=200, seed=0):
    q = np.geomspace(0.02, 3.0, points)
    clean = np.asarray(sample(*TRUTH)(q))
    sigma = 0.02 * clean + 1e-3
    noise = np.random.default_rng(seed).normal(size=points)
    return Curve(q=q, intensity=clean + sigma * noise, sigma=sigma)


def record(name, seconds, cpu, error, **details):
    found = device()
    return {
        "name": name,
        "error": error,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "details": details,
        "device": found["name"],
        "cores": found["cores"],
        "x64": True,
        "versions": versions(),
    }


def timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def single_fits(curve):
    """Race the rivals over one curve from 64 starts."""
    ours = lambda: fit_curve(sample(*GUESS), curve, free=BOUNDS, starts=STARTS - 1)
    result, wall, cpu = timed(ours)
    sigma = np.array(list(result.uncertainties.values()))
    start, places, linear = starting_places(result.problem, STARTS - 1, 32, None)
    starts = np.asarray(chosen_starts(result.problem, start, places, linear=linear))
    q, data, errors = (np.asarray(a) for a in (curve.q, curve.intensity, curve.sigma))

    def ends():
        result = ours()
        return result.start_parameters, result.start_losses

    away = lambda found: np.max(np.abs(found[0][np.argmin(found[1])] - TRUTH) / sigma)
    reached = lambda found: {
        # sasmodels' quadrature shifts the loss of the same optimum by less than this
        "starts_at_the_optimum": float(np.mean(found[1] < result.chi2 + 5)),
        "lowest_chi2": float(found[1].min()),
        "starts": STARTS,
    }
    options = dict(error=away, details=reached, compiled=False)
    rivals = {"scipy + sasmodels": scipy_fits, "bumps + sasmodels": bumps_fits}
    cases = [case("curve fits/diffscatter", ends, **options)] + [
        case(f"curve fits/{name}", make(q, data, errors, BOUNDS, starts), **options)
        for name, make in rivals.items()
    ]
    records = race(cases, baseline=[c.name for c in cases[1:]], repeats=1)
    for found in records:
        found["details"]["cpu_seconds_a_start"] = found["cpu_seconds"] / STARTS
    again = records[0]["seconds"], records[0]["cpu_seconds"]
    compiling = record(
        "curve fits/diffscatter, compiling",
        wall - again[0],
        cpu - again[1],
        records[0]["error"],
    )
    return [*records, compiling]


def main():
    report(single_fits(measured()))


if __name__ == "__main__":
    main()
