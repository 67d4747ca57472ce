"""Free-form size distributions: error beside time, against pyirena's.

Two lognormal populations of spheres, diameters (medians) 15.2 and 23.6 nm, 8 % wide, of equal
volume fraction; 300 points, logarithmic from .02 to 2.5 1/nm; normal errors of 1e5 counts at
the highest point and 1 %. Ten seeds; each case works through all of them, so a time is that of
ten curves. The error is the largest of all mean diameters by number against the truth, in nm;
the details hold their means and spreads, the widths, and how many curves had more or fewer than
two populations. Our times include the bands; pyirena's have none. Both know the range of sizes,
diameters from 5 to 60 nm, ours with 96 nodes and pyirena's with its 200 bins. A population of
pyirena's is what lies on either side of the lowest point between the medians.

``size_distribution/false splits``: 100 curves of one Gaussian population (diameter 18 nm, 8 %),
Poisson counts of 1e5 at the lowest q; the error is the share with more than one population.
``size_distribution/two gaussians``: two of equal numbers, otherwise alike, ten
seeds; the error is that of the peaks' positions, the modes by number.
"""

import importlib.util

import numpy as np
from harness import case, race, report

from diffscatter.analytic import Gaussian, Lognormal, Polydisperse, Sphere
from diffscatter.core.data import Curve
from diffscatter.pipelines import size_distribution

Q = np.geomspace(0.02, 2.5, 300)
DIAMETERS, WIDTH, SEEDS = (15.2, 23.6), 0.08, 10
LOGNORMAL_MEANS = np.array(DIAMETERS) * np.exp(WIDTH**2 / 2)
SIZES = (2.5, 30.0)  # radii


def mixed(kind, diameters, fractions):
    parts = [
        Polydisperse(
            model=Sphere(radius=d / 2, contrast=1e-3), distribution=kind(width=WIDTH)
        ).specific_intensity(Q)
        for d in diameters
    ]
    return np.asarray(sum(f * p for f, p in zip(fractions, parts, strict=True)))


def normal_curves():
    expected = mixed(Lognormal, DIAMETERS, (1.0, 1.0))
    expected = expected * 1e5 / expected.max()
    sigma = np.sqrt(expected + (0.01 * expected) ** 2)
    noise = [np.random.default_rng(seed).normal(size=Q.size) for seed in range(SEEDS)]
    return [Curve(q=Q, intensity=expected + sigma * n, sigma=sigma) for n in noise]


def counted_curves(diameters, seeds):
    expected = mixed(Gaussian, diameters, np.array(diameters) ** 3)
    expected = expected * 1e5 / expected[0]
    counts = [np.random.default_rng(seed).poisson(expected) for seed in range(seeds)]
    sigma = [np.sqrt(np.maximum(c, 1.0)) for c in counts]
    return [
        Curve(q=Q, intensity=c.astype(float), sigma=s)
        for c, s in zip(counts, sigma, strict=True)
    ]


def ours(curves):
    """Return mean diameter, width in percent and mode of each population, NaN where there are
    fewer. Shape ``(curves, 4, 3)``."""
    found = np.full((len(curves), 4, 3), np.nan)
    for row, curve in zip(found, curves, strict=True):
        result = size_distribution(curve, "sphere", sizes=SIZES, points=96)
        for place, p in zip(row, result.populations, strict=False):
            place[:] = 2 * p.number_mean, 100 * p.number_width, 2 * p.number_mode
    return found


def pyirena(curves, method):
    from pyirena.core.sizes import SizesDistribution

    found = np.full((len(curves), 4, 3), np.nan)
    for row, curve in zip(found, curves, strict=True):
        fit = SizesDistribution()
        fit.method, fit.r_min, fit.r_max = method, 10 * SIZES[0], 10 * SIZES[1]
        q, data, sigma = (np.asarray(v, float) for v in (curve.q, curve.intensity, curve.sigma))
        fit.fit(q / 10, data, sigma)
        diameters, edges = fit.r_grid / 5, np.gradient(fit.r_grid)
        number = fit.distribution * edges / fit.r_grid**3
        between = np.flatnonzero((diameters > DIAMETERS[0]) & (diameters < DIAMETERS[1]))
        valley = between[np.argmin(fit.distribution[between])]
        for place, part in zip(row, (slice(0, valley), slice(valley, None)), strict=False):
            n, d = number[part], diameters[part]
            near = (
                d > 0.7 * d[np.argmax(n * d**3)]
            )  # small sizes of no volume are most of the number
            n, d = n[near], d[near]
            mean = n @ d / n.sum()
            place[:2] = mean, 100 * np.sqrt(n @ (d - mean) ** 2 / n.sum()) / mean
    return found


def count(found):
    return np.isfinite(found[:, :, 0]).sum(axis=1)


def judged(truth, column=0):
    right = lambda found: found[count(found) == len(truth)][:, : len(truth)]

    def details(found):
        mean, spread = right(found).mean(axis=0), right(found).std(axis=0)
        return {
            "wrong_number_of_populations": int(np.sum(count(found) != len(truth))),
            "mean_diameters": mean[:, 0].tolist(),
            "spread_of_diameters": spread[:, 0].tolist(),
            "mean_widths_percent": mean[:, 1].tolist(),
            "spread_of_widths": spread[:, 1].tolist(),
            "largest_error_of_means": float(np.abs(right(found)[:, :, 0] - truth).max()),
        }

    error = lambda found: float(np.abs(right(found)[:, :, column] - truth).max())
    return {"error": error, "details": details}


def main():
    curves = normal_curves()
    own = judged(LOGNORMAL_MEANS)
    cases = [
        case("size_distribution/ours with bands", lambda: ours(curves), compiled=False, **own)
    ]
    rivals = []
    if importlib.util.find_spec("pyirena"):
        for method in ("maxent", "tnnls"):
            name = f"size_distribution/pyirena {method}"
            run = lambda method=method: pyirena(curves, method)
            cases.append(case(name, run, compiled=False, **own))
            rivals.append(name)
    records = race(cases, baseline=rivals, repeats=3)

    single = counted_curves((18.0,), 100)
    split = lambda found: float(np.mean(count(found) != 1))
    twice = counted_curves(DIAMETERS, SEEDS)
    records += race(
        [
            case(
                "size_distribution/false splits",
                lambda: ours(single),
                compiled=False,
                error=split,
            ),
            case(
                "size_distribution/two gaussians",
                lambda: ours(twice),
                compiled=False,
                **judged(np.array(DIAMETERS), column=2),
            ),
        ],
        repeats=1,
    )
    report(records)


if __name__ == "__main__":
    main()
