"""Exact lattice average against the published pipeline, a pruned FFT and pyausaxs.

One sphere of R = 18 voxels in 50^3, off the lattice, float64, pitch 1. Errors are medians of
|I / closed form - 1| away from minima for q < pi/2; ``max`` stands in the record's details.
"""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
from harness import case, race, report
from rivals_saxs import published_pipeline, pyausaxs_debye

from diffscatter import shapes
from diffscatter.analysis import curve_error
from diffscatter.analytic import Sphere
from diffscatter.operators import saxs

M, RADIUS, CENTRE, LIMIT = 50, 18.0, (0.13, -0.21, 0.37), np.pi / 2
Q = np.linspace(0.02, LIMIT, 200) * (1 - 1e-9)
Q_PADDED = 2 * np.pi * np.arange(1, 3 * M) / (6 * M)


def exact(q):
    return np.asarray(Sphere(radius=RADIUS, contrast=1.0).amplitude(q)) ** 2


def judged(q):
    """Return a function giving the error of a curve on ``q``, and one giving details."""
    near = q <= LIMIT
    found = lambda curve: curve_error(np.asarray(curve)[near], exact(q[near]))
    return {
        "error": lambda c: found(c)["median"],
        "details": lambda c: {"max": found(c)["max"]},
    }


def gradient_cases(forwards, density):
    """Turn forward functions into value-and-gradient cases of sum(log I).

    Each gradient is judged along one random direction, against central differences of the
    same function.
    """
    direction = jnp.asarray(np.random.default_rng(0).normal(size=density.shape))
    direction = direction * (density > 0.01)
    cases = []
    for name, forward in forwards.items():
        loss = lambda d, f=forward: jnp.sum(jnp.log(f(d)))
        step = 1e-5
        slope = (loss(density + step * direction) - loss(density - step * direction)) / (
            2 * step
        )
        error = lambda r, s=slope: jnp.abs(jnp.vdot(r[1], direction) / s - 1)
        cases.append(case(name, jax.value_and_grad(loss), density, error=error))
    return cases


def main():
    ball = shapes.Sphere(radius=RADIUS, centre=CENTRE)
    soft = shapes.rasterise(ball, M, 1.0)
    cells = shapes.cell_averages(ball, M, 1.0)
    lifted = lambda d: saxs.intensity(d, 1.0, Q, voxel="point", blur=soft.blur)
    averaged = lambda d: saxs.intensity(d, 1.0, Q, voxel="average")
    far = Q / LIMIT * 0.8 * np.pi
    binned = lambda d: saxs.binned_intensity(d, 1.0)[1]
    own = judged(Q)
    forward = [
        case("saxs/rasterised points", lifted, soft.values, **own),
        case("saxs/cell averages", averaged, cells, **own),
        case(
            "saxs/cell averages to 0.8 pi",
            lambda d: saxs.intensity(d, 1.0, far, voxel="average"),
            cells,
            **judged(far),
        ),
        case("saxs/pruned FFT", binned, cells, **judged(Q_PADDED)),
        case(
            "saxs/published rfft",
            lambda d: published_pipeline(d, real=True),
            cells,
            **judged(Q_PADDED),
        ),
        case("saxs/published c2c", published_pipeline, cells, **judged(Q_PADDED)),
    ]
    rivals = ["saxs/published c2c", "saxs/published rfft", "saxs/pruned FFT"]
    if importlib.util.find_spec("pyausaxs"):
        run = pyausaxs_debye(soft.values, Q)
        lift = np.exp((Q * float(soft.blur)) ** 2)
        forward.append(case("saxs/pyausaxs", lambda: run() * lift, compiled=False, **own))
        rivals.append("saxs/pyausaxs")
    records = race(forward, baseline=rivals, repeats=5)

    gradients = gradient_cases(
        {
            "saxs-gradient/cell averages": averaged,
            "saxs-gradient/cell averages to 0.8 pi": forward[2].function,
            "saxs-gradient/pruned FFT": binned,
            "saxs-gradient/published rfft": forward[4].function,
            "saxs-gradient/published c2c": published_pipeline,
        },
        cells,
    )
    names = [f"saxs-gradient/{n}" for n in ("published c2c", "published rfft", "pruned FFT")]
    records += race(gradients, baseline=names, repeats=5)
    records += race([_large(100), _large(100, gradient=True)], repeats=3)
    report(records)


def _large(m, *, gradient=False):
    """The same sphere in m^3: how time and memory grow."""
    q = np.linspace(0.01, LIMIT, 200) * (1 - 1e-9)
    body = shapes.rasterise(shapes.Sphere(radius=0.36 * m, centre=CENTRE), m, 1.0)
    reference = np.asarray(Sphere(radius=0.36 * m, contrast=1.0).amplitude(q)) ** 2
    curve = lambda d: saxs.intensity(d, 1.0, q, voxel="point", blur=body.blur)
    error = lambda c: curve_error(c, reference)["median"]
    if not gradient:
        return case(f"saxs/rasterised points {m}", curve, body.values, error=error)
    loss = lambda d: (jnp.sum(jnp.log(c := curve(d))), c)
    run = jax.value_and_grad(loss, has_aux=True)
    return case(
        f"saxs-gradient/rasterised points {m}",
        run,
        body.values,
        error=lambda result: error(result[0][1]),
    )


if __name__ == "__main__":
    main()
