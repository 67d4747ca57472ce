"""How often 90 % intervals of noisy fits hold the truth: the figure must be 90 %.

Each of 2000 curves is the truth plus Gaussian noise of its own; all are fitted in one batch,
from the truth's neighbourhood and from random starts. The error is the largest distance of a
parameter's coverage from 0.9; its own standard error is 0.007. Seconds are those of the whole
batch, compilation included.
"""

import time

import numpy as np
from harness import device, report

from diffscatter import analytic
from diffscatter.fitting import fit_batch, free_parameters
from diffscatter.report import versions

LEVEL, TRIALS = 0.9, 2000


def core_shells():
    """200 points; radius, thickness, shell contrast, scale and background free."""
    body = analytic.CoreShellSphere(
        radius=6.0, thickness=2.0, core_contrast=1e-4, shell_contrast=2e-4
    )
    model = analytic.Sample(model=body, scale=0.01, background=0.01)
    free = {
        "radius": (2.0, 15.0),
        "thickness": (0.3, 6.0),
        "shell_contrast": (2e-5, 1e-3),
        "scale": (1e-4, 1.0),
        "background": (-1.0, 1.0),
    }
    return model, np.geomspace(0.05, 3.0, 200), free, 3


def cylinders():
    """64 points; radius, its width, length, scale and background free."""
    body = analytic.Polydisperse(
        model=analytic.Cylinder(radius=3.0, length=20.0, contrast=2e-4),
        parameter="radius",
        distribution=analytic.Gaussian(width=0.12),
    )
    model = analytic.Sample(model=body, scale=0.01, background=0.01)
    free = {
        "radius": (1.0, 8.0),
        "width": (0.005, 0.5),
        "length": (5.0, 100.0),
        "scale": (1e-4, 1.0),
        "background": (-1.0, 1.0),
    }
    return model, np.geomspace(0.03, 2.0, 64), free, 0


def noisy(model, q, count, seed=1):
    """Return ``count`` noisy copies of a model's curve, 2 % and a floor, and their errors."""
    clean = np.asarray(model(q))
    sigma = 0.02 * clean + 2e-5 * clean.max()
    noise = np.random.default_rng(seed).normal(size=(count, q.size))
    return clean + sigma * noise, sigma


def covered(model, free, result, level=LEVEL):
    """Return the share of fits whose interval holds the truth, by parameter."""
    ends = result.interval(level)
    truth = truth_of(model, free)
    inside = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
    return dict(zip(result.names, inside.mean(axis=0).tolist(), strict=True))


def truth_of(model, free):
    return np.asarray(free_parameters(model, free).values(model))


def record(name, setting, trials=TRIALS):
    model, q, free, starts = setting()
    data, sigma = noisy(model, q, trials)
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit_batch(model, q, data, sigma, free=free, starts=starts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    shares = covered(model, free, found)
    relative = np.median(found.uncertainties / found.values, axis=0)
    return {
        "name": f"coverage/{name}",
        "error": max(abs(share - LEVEL) for share in shares.values()),
        "seconds": wall,
        "cpu_seconds": cpu,
        "details": {
            "trials": trials,
            "points": q.size,
            "starts": starts + 1,
            "coverage": shares,
            "converged": int(found.converged.sum()),
            "mean_reduced_chi2": float(found.reduced_chi2.mean()),
            "relative_errors": dict(zip(found.names, relative.tolist(), strict=True)),
        },
        "device": device()["name"],
        "cores": device()["cores"],
        "x64": True,
        "versions": versions(),
    }


SETTINGS = {"core-shell spheres": core_shells, "polydisperse cylinders": cylinders}


def main():
    for name, setting in SETTINGS.items():
        found = record(name, setting)
        print(found["details"])
        report([found])


if __name__ == "__main__":
    main()
