"""Form factors, populations and their gradients against sasmodels and midas-saxs.

500 points, q = 1e-3..0.5 1/A, logarithmic; float64. Populations are Gaussian, 10 % wide;
sasmodels sums 35 sizes up to three widths away, ours are taken on the same grid and as the
converged integral. Ours is one compiled program that takes the parameters; sasmodels a kernel
made once and called with them, in C with one thread. The error is the largest relative one
away from minima, against brute force (``exact_curves``): of the same sum where a name says
"same grid" or "sasmodels", of the integral otherwise. In ``details`` the error of the grid
itself. Gradients are those of sum(log I) by all parameters, judged against fourth-order
differences of the brute force; the error is the largest relative one of a component.
"""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
from exact_curves import exact_curve
from harness import case, race, report
from rivals_curves import Sasmodels, midas_spheres

from diffscatter.analysis import curve_error
from diffscatter.analytic import Lognormal, Polydisperse, Sphere, from_sasmodels

Q = np.geomspace(1e-3, 0.5, 500)
COMMON = {"scale": 0.01, "background": 1e-3}
SOLID = {"sld": 4.0, "sld_solvent": 1.0}
SHELLED = {"sld_core": 1.0, "sld_shell": 4.0, "sld_solvent": 6.0}
PAIR = {"radius_pd": 0.1, "length_pd": 0.1}
CURVES = {
    "sphere": ("sphere", {"radius": 50.0} | SOLID),
    "polydisperse sphere": ("sphere", {"radius": 50.0, "radius_pd": 0.1} | SOLID),
    "polydisperse core-shell sphere": (
        "core_shell_sphere",
        {"radius": 60.0, "thickness": 20.0, "radius_pd": 0.1} | SHELLED,
    ),
    "ellipsoid": ("ellipsoid", {"radius_polar": 20.0, "radius_equatorial": 80.0} | SOLID),
    "cylinder L 400": ("cylinder", {"radius": 20.0, "length": 400.0} | SOLID),
    "cylinder L 5000": ("cylinder", {"radius": 20.0, "length": 5000.0} | SOLID),
    "cylinder 35 x 35": ("cylinder", {"radius": 20.0, "length": 400.0} | SOLID | PAIR),
}
BATCH = 1000


def grid_keys(values):
    return {f"{key}_n": 35 for key in values if key.endswith("_pd")}


def ours(name, values, *, grid):
    """Return I(Q) as a function of the parameters, in the order of ``values``."""
    fixed = grid_keys(values) if grid else {}
    return lambda p: from_sasmodels(name, fixed | dict(zip(values, p, strict=True)))(Q)


def judged(name, values, *, grid):
    """Return how a curve is judged: against the same sum, or against the integral."""
    exact = exact_curve(name, values, Q, grid=grid)
    found = {"error": lambda got: curve_error(got, exact)["max"]}
    if grid:
        integral = exact_curve(name, values, Q)
        found["details"] = {"error of the grid": curve_error(exact, integral)["max"]}
    return found


def single_curves():
    records = []
    for title, (name, values) in CURVES.items():
        values = values | COMMON
        spread = bool(grid_keys(values))
        p = jnp.array(list(values.values()))
        rival = Sasmodels(name, Q, grid_keys(values))
        on_grid, integral = (judged(name, values, grid=g) for g in (spread, False))
        cases = [
            case(f"curves/{title}", ours(name, values, grid=False), p, **integral),
            case(
                f"curves/{title}, sasmodels",
                lambda rival=rival, v=values: rival(v),
                compiled=False,
                **on_grid,
            ),
        ]
        if spread:
            same = ours(name, values, grid=True)
            cases.insert(1, case(f"curves/{title}, same grid", same, p, **on_grid))
        records += race(cases, baseline=cases[-1].name, repeats=None if not spread else 7)
    return records


def log_sum(curve):
    return lambda p: jnp.sum(jnp.log(curve(p)))


def exact_gradient(name, values, *, grid):
    """Differentiate sum(log I) of the brute force, to fourth order."""
    total = lambda v: np.log(exact_curve(name, v, Q, grid=grid)).sum()
    slopes = []
    for key, value in values.items():
        h = 3e-4 * value
        near, far = (
            total(values | {key: value + n * h}) - total(values | {key: value - n * h})
            for n in (1, 2)
        )
        slopes.append((8 * near - far) / (12 * h))
    return np.array(slopes)


def gradients():
    records = []
    for title in ("polydisperse sphere", "polydisperse core-shell sphere", "cylinder 35 x 35"):
        name, values = CURVES[title]
        values = values | COMMON
        p = jnp.array(list(values.values()))
        rival = Sasmodels(name, Q, grid_keys(values))
        slopes = {grid: exact_gradient(name, values, grid=grid) for grid in (False, True)}
        error = lambda gradient, grid, s=slopes: np.abs(
            np.asarray(gradient) / s[grid] - 1
        ).max()

        def theirs(rival=rival, values=values):
            here, rows = rival.slopes(values)
            return np.log(here).sum(), (rows / here).sum(axis=1)

        cases = []
        for what, grid in (("", False), (", same grid", True)):
            curve = ours(name, values, grid=grid)
            gradient = jax.value_and_grad(log_sum(curve))
            judge = lambda got, g=grid, e=error: e(got[1], g)
            cases.append(case(f"curves-gradient/{title}{what}", gradient, p, error=judge))
        judge = lambda got, e=error: e(got[1], True)
        rival_name = f"curves-gradient/{title}, sasmodels"
        cases.append(case(rival_name, theirs, compiled=False, error=judge))
        records += race(cases, baseline=rival_name, repeats=5)
    return records


def batches():
    """A thousand different core-shell spheres, one compiled call against one call each."""
    name, values = CURVES["polydisperse core-shell sphere"]
    values = values | COMMON
    rng = np.random.default_rng(0)
    start = np.array(list(values.values()))
    many = start * rng.uniform(0.8, 1.25, (BATCH, start.size))
    dictionaries = [dict(zip(values, row.tolist(), strict=True)) for row in many]
    rival = Sasmodels(name, Q, grid_keys(values))
    some = slice(0, BATCH, 200)
    exact = [[exact_curve(name, v, Q, grid=g) for v in dictionaries[some]] for g in (0, 1)]

    def judge(grid):
        worst = lambda a, b: max(curve_error(x, y)["max"] for x, y in zip(a, b, strict=True))
        return lambda got: worst(np.asarray(got)[some], exact[grid])

    def judge_slopes(grid):
        slopes = [exact_gradient(name, v, grid=grid) for v in dictionaries[some]]
        return lambda got: np.abs(np.asarray(got)[some] / np.array(slopes) - 1).max()

    def differences():
        rows = [rival.slopes(v) for v in dictionaries]
        return np.array([(slopes / here).sum(axis=1) for here, slopes in rows])

    p = jnp.array(many)
    # An accelerator is filled by many curves at a time, a core by the points of one.
    at_once = None if jax.default_backend() == "cpu" else 250
    values_of, slopes_of = [], []
    for what, grid in (("", False), (", same grid", True)):
        curve = ours(name, values, grid=grid)
        mapped = lambda p, f=curve: jax.lax.map(f, p, batch_size=at_once)
        values_of.append(case(f"curves-batch/1000 curves{what}", mapped, p, error=judge(grid)))
        slope = jax.grad(log_sum(curve))
        mapped = lambda p, f=slope: jax.lax.map(f, p, batch_size=at_once)
        slopes_of.append(
            case(f"curves-batch/1000 gradients{what}", mapped, p, error=judge_slopes(grid))
        )
    theirs = lambda: np.array([rival(v) for v in dictionaries])
    names = [f"curves-batch/1000 {what}, sasmodels" for what in ("curves", "gradients")]
    values_of.append(case(names[0], theirs, compiled=False, error=judge(True)))
    slopes_of.append(case(names[1], differences, compiled=False, error=judge_slopes(True)))
    return race(values_of, baseline=names[0], repeats=3) + race(
        slopes_of, baseline=names[1], repeats=3
    )


def against_midas():
    """Lognormal spheres, value and gradient by radius and width, as midas-saxs takes them."""
    radius, width = 50.0, 0.1
    value, gradient = midas_spheres(Q)

    def curve(p):
        model = Sphere(radius=p[0], contrast=1.0)
        return Polydisperse(model=model, distribution=Lognormal(width=p[1])).intensity(Q)

    exact = lambda r, w: _lognormal(r, w)
    slopes = []
    for i, (r, w) in enumerate([(radius, width)] * 2):
        h = 3e-4 * (r, w)[i]
        at = lambda n, i=i, h=h: np.log(
            exact(radius + n * h * (i == 0), width + n * h * (i == 1))
        )
        slopes.append((8 * (at(1) - at(-1)) - (at(2) - at(-2))).sum() / (12 * h))
    p = jnp.array([radius, width])
    judge = {"error": lambda got: curve_error(got, exact(radius, width))["max"]}
    judge_slopes = {"error": lambda got: np.abs(np.asarray(got) / slopes - 1).max()}
    first = [
        case("curves-midas/lognormal spheres", curve, p, **judge),
        case(
            "curves-midas/lognormal spheres, midas-saxs",
            lambda: value(radius, width),
            compiled=False,
            **judge,
        ),
    ]
    second = [
        case("curves-midas/gradient", jax.grad(log_sum(curve)), p, **judge_slopes),
        case(
            "curves-midas/gradient, midas-saxs",
            lambda: gradient(radius, width),
            compiled=False,
            **judge_slopes,
        ),
    ]
    return race(first, baseline=first[1].name) + race(second, baseline=second[1].name)


def _lognormal(radius, width):
    t, w = np.polynomial.legendre.leggauss(300)
    t, w = 9 * t, w * np.exp(-((9 * t) ** 2) / 2)
    # The sixth power of x moves the weight up by six widths' widths.
    sizes = radius * np.exp(width * t)
    return ((4 / 3 * np.pi * sizes**3 * _kernel(Q[:, None] * sizes)) ** 2) @ (w / w.sum())


def _kernel(x):
    return 3 * (np.sin(x) - x * np.cos(x)) / x**3


def main():
    records = []
    if importlib.util.find_spec("sasmodels"):
        records += single_curves() + gradients() + batches()
    if importlib.util.find_spec("midas_saxs"):
        records += against_midas()
    if not records:
        raise SystemExit("the rivals are not installed: pip install -e '.[benchmark]'")
    report(records)


if __name__ == "__main__":
    main()
