"""L-BFGS: the same optimum as Levenberg-Marquardt, and many parameters at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Q, guinier, noisy

from diffscatter.core.pytree import struct
from diffscatter.fitting import fit_curve

FREE = {"size": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}


def test_it_ends_where_levenberg_marquardt_does():
    with jax.enable_x64(True):
        curve = noisy(guinier(), 0)
        lm, lbfgs = (
            fit_curve(guinier(6.0), curve, free=FREE, starts=2, method=method)
            for method in ("lm", "lbfgs")
        )
    assert lbfgs.converged and lbfgs.starts_agreed == 3
    for name, value in lm.parameters.items():
        assert abs(lbfgs.parameters[name] - value) < 0.01 * lm.uncertainties[name]
    np.testing.assert_allclose(lbfgs.chi2, lm.chi2, rtol=1e-6)
    np.testing.assert_allclose(lbfgs.covariance, lm.covariance, rtol=1e-2)


@struct
class Steps:
    """A curve of as many levels as there are knots, smoothed onto q."""

    levels: object

    def __call__(self, q):
        knots = jnp.linspace(0, 1, self.levels.size)
        at = jnp.linspace(0, 1, q.size)
        weights = jnp.exp(-(((at[:, None] - knots) * self.levels.size) ** 2))
        return jnp.exp(weights @ self.levels)


def test_many_parameters():
    with jax.enable_x64(True):
        true = Steps(levels=np.sin(np.arange(40.0)))
        curve = noisy(true, 1, error=0.01, q=Q)
        start = Steps(levels=np.zeros(40))
        result = fit_curve(start, curve, free={"levels": (-5, 5)}, starts=0, method="lbfgs")
    assert result.converged and result.reduced_chi2 < 1 + 5 * np.sqrt(2 / 40)


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="method must be one of lm, lbfgs, got 'newton'"):
        fit_curve(guinier(), noisy(guinier(), 0), free=FREE, method="newton")
