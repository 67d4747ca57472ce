"""Do 90 % intervals of the library's own models hold the truth in 90 % of noisy fits?

The long run, 2000 fits a model and cylinders too, is ``benchmarks/interval_coverage.py``.
"""

import jax
import numpy as np
import pytest
from scipy import stats

from diffscatter import analytic
from diffscatter.fitting import fit_batch

TRIALS, LEVEL = 400, 0.9
TRUTH = {
    "radius": 6.0,
    "thickness": 2.0,
    "shell_contrast": 2e-4,
    "scale": 0.01,
    "background": 0.01,
}
FREE = {
    "radius": (2.0, 15.0),
    "thickness": (0.3, 6.0),
    "shell_contrast": (2e-5, 1e-3),
    "scale": (1e-4, 1.0),
    "background": (-1.0, 1.0),
}


@pytest.mark.slow
def test_core_shell_spheres():
    with jax.enable_x64(True):
        q = np.geomspace(0.05, 3.0, 100)
        body = analytic.CoreShellSphere(
            radius=TRUTH["radius"],
            thickness=TRUTH["thickness"],
            core_contrast=1e-4,
            shell_contrast=TRUTH["shell_contrast"],
        )
        sample = analytic.Sample(model=body, scale=0.01, background=0.01)
        clean = np.asarray(sample(q))
        sigma = 0.02 * clean + 2e-5 * clean.max()
        noise = np.random.default_rng(7).normal(size=(TRIALS, q.size))
        result = fit_batch(sample, q, clean + sigma * noise, sigma, free=FREE, starts=0)
    assert result.converged.all()
    ends = result.interval(LEVEL)
    truth = np.array([TRUTH[name] for name in result.names])
    inside = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).sum(axis=0)
    # five counts: each within the 99.99 % range of its binomial law
    low, high = stats.binom.interval(0.9999, TRIALS, LEVEL)
    assert ((inside >= low) & (inside <= high)).all(), inside / TRIALS
    # and the pulls are standard normal: mean and spread within five standard errors
    pulls = (result.values - truth) / result.uncertainties
    assert (np.abs(pulls.mean(axis=0)) < 5 / np.sqrt(TRIALS)).all()
    assert (np.abs(pulls.std(axis=0) - 1) < 5 / np.sqrt(2 * TRIALS)).all()
