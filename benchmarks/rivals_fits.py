"""The rivals of the curve fits: sasmodels' curves under scipy's and bumps' least squares."""

import contextlib
import io

import numpy as np

__all__ = ["bumps_fits", "scipy_fits"]

# sasmodels' name, its unit over ours, for each of our parameters.
NAMES = {
    "radius": ("radius", 10.0),
    "thickness": ("thickness", 10.0),
    "width": ("radius_pd", 1.0),
    "shell_contrast": ("sld_shell", 1e4),
    "scale": ("scale", 1.0),
    "background": ("background", 1.0),
}
FIXED = {
    "sld_core": 1.0,
    "sld_solvent": 0.0,
    "radius_pd_type": "gaussian",
    "radius_pd_n": 40,
    "radius_pd_nsigma": 3,
}


def scipy_fits(q, data, sigma, bounds, starts):
    """Return a function that fits from all starts: parameters ``(starts, n)`` and losses.

    Trust-region reflective with the bounds, columns scaled by the Jacobian, which is taken by
    finite differences.
    """
    from sasmodels.core import load_model
    from sasmodels.direct_model import call_kernel
    from scipy.optimize import least_squares

    kernel = load_model("core_shell_sphere").make_kernel([q / 10])
    names, units = zip(*(NAMES[name] for name in bounds), strict=True)
    units, (low, high) = np.array(units), np.array(list(bounds.values())).T

    def residuals(values):
        given = dict(zip(names, values * units, strict=True))
        return (call_kernel(kernel, {**FIXED, **given}, cutoff=1e-5) - data) / sigma

    def fit(start):
        start = np.clip(start, low + 1e-6 * (high - low), high - 1e-6 * (high - low))
        found = least_squares(residuals, start, bounds=(low, high), x_scale="jac")
        return found.x, 2 * found.cost

    return lambda: _all(fit, starts)


def bumps_fits(q, data, sigma, bounds, starts):
    """Return a function that fits from all starts by bumps' Levenberg-Marquardt (MPFIT)."""
    from bumps.fitproblem import FitProblem
    from bumps.fitters import fit as bumps_fit
    from sasmodels.bumps_model import Experiment, Model
    from sasmodels.core import load_model
    from sasmodels.data import Data1D

    curve = Data1D(x=q / 10, y=data, dy=sigma)
    kernel = load_model("core_shell_sphere")

    def fit(start):
        given = {NAMES[n][0]: v * NAMES[n][1] for n, v in zip(bounds, start, strict=True)}
        model = Model(kernel, **{**FIXED, **given})
        for name, ends in bounds.items():
            theirs, unit = NAMES[name]
            getattr(model, theirs).range(*(np.array(ends) * unit))
        problem = FitProblem(Experiment(data=curve, model=model, cutoff=1e-5))
        labels = problem.labels()
        with contextlib.redirect_stdout(io.StringIO()):
            found = bumps_fit(problem, method="lm", verbose=False)
        by_name = dict(zip(labels, found.x, strict=True))
        values = [by_name[NAMES[n][0]] / NAMES[n][1] for n in bounds]
        return np.array(values), 2 * problem.nllf(found.x)

    return lambda: _all(fit, starts)


def _all(fit, starts):
    ends = [fit(np.array(start)) for start in starts]
    return np.array([values for values, _ in ends]), np.array([loss for _, loss in ends])
