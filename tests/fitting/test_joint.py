"""Several curves with shared parameters, and priors, against scipy on stacked residuals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from curves import Q, ball, guinier, noisy
from scipy.optimize import least_squares

from diffscatter.core.data import Curve
from diffscatter.core.pytree import replace, struct
from diffscatter.fitting import (
    Bounds,
    GaussianPrior,
    LognormalPrior,
    fit_curve,
    fit_curves,
)
from diffscatter.fitting.parameters import joint_parameters

SHORT = Q[::2]
FREE = {"size": (0.5, 50), "scale": (1e-3, 1e6), "background": (0, 10)}


def named(curve, name):
    return replace(curve, name=name)


def pair():
    """One size in two curves of unlike length, level and noise."""
    with jax.enable_x64(True):
        weak = named(noisy(guinier(5.0, 100.0, 1.0), 0, error=0.05), "weak")
        strong = named(noisy(guinier(5.0, 400.0, 2.0), 1, error=0.02, q=SHORT), "strong")
    return [weak, strong]


def stacked(curves, values):
    size, *levels = values
    parts = []
    for curve, scale, background in zip(curves, levels[::2], levels[1::2], strict=True):
        q, data, sigma = (np.asarray(a, float) for a in (curve.q, curve.intensity, curve.sigma))
        model = scale * np.exp(-((q * size) ** 2) / 3) + background
        parts.append((model - data) / sigma)
    return np.concatenate(parts)


def by_scipy(curves, extra=lambda values: []):
    residuals = lambda values: np.concatenate([stacked(curves, values), extra(values)])
    found = least_squares(
        residuals, [5, 100, 1, 400, 2], xtol=1e-14, ftol=1e-14, gtol=1e-14, x_scale="jac"
    )
    return found.x, np.linalg.inv(found.jac.T @ found.jac), 2 * found.cost


ORDER = ["size", "scale[weak]", "background[weak]", "scale[strong]", "background[strong]"]


@pytest.fixture(scope="module")
def joint():
    with jax.enable_x64(True):
        return fit_curves(guinier(6.0), pair(), shared=["size"], free=FREE, starts=4)


def close(result, values, covariance, order=ORDER):
    """The solver stops within 1e-3 sigma; scipy's Jacobian is good to about 1e-6."""
    sigma = np.sqrt(np.diag(covariance))
    got = np.array([result.parameters[name] for name in order])
    assert (np.abs(got - values) < 1e-3 * sigma).all()
    at = [list(result.parameters).index(name) for name in order]
    scale = np.outer(sigma, sigma)
    np.testing.assert_allclose(
        result.covariance[np.ix_(at, at)] / scale, covariance / scale, atol=2e-3
    )


def test_shared_size_is_scipys_on_the_stacked_residuals(joint):
    curves = pair()
    values, covariance, chi2 = by_scipy(curves)
    close(joint, values, covariance)
    assert joint.converged and joint.starts_agreed == joint.starts
    np.testing.assert_allclose(joint.chi2, chi2, rtol=1e-5)
    assert joint.dof == Q.size + SHORT.size - 5


def test_each_curve_has_its_part(joint):
    curves = pair()
    assert [c.name for c in joint.curves] == ["weak", "strong"]
    for part, curve in zip(joint.curves, curves, strict=True):
        assert part.fitted.shape == curve.q.shape
        with jax.enable_x64(True):
            np.testing.assert_allclose(part.fitted, part.model(curve.q), rtol=1e-12)
        residuals = (part.fitted - np.asarray(curve.intensity)) / np.asarray(curve.sigma)
        np.testing.assert_allclose(part.residuals, residuals, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(part.chi2, np.sum(part.residuals**2), rtol=1e-12)
        np.testing.assert_allclose(part.reduced_chi2, part.chi2 / part.dof)
        # its own scale and background, and some of the size
        assert 2 < curve.q.size - part.dof < 3
    assert sum(part.dof for part in joint.curves) == pytest.approx(joint.dof)
    np.testing.assert_allclose(joint.chi2, sum(part.chi2 for part in joint.curves))
    assert float(joint.model[0].shape.size) == float(joint.model[1].shape.size)
    assert "strong: reduced chi2" in str(joint)


def test_one_curve_is_a_joint_fit_of_one(joint):
    curve = pair()[0]
    with jax.enable_x64(True):
        single = fit_curve(guinier(6.0), curve, free=FREE, starts=4)
        same = fit_curves([guinier(6.0)], [curve], free=FREE, starts=4)
    assert same.parameters == single.parameters
    np.testing.assert_array_equal(same.covariance, single.covariance)
    np.testing.assert_allclose(single.curves[0].dof, single.dof)
    # two curves know the size better than one
    assert joint.uncertainties["size"] < single.uncertainties["size"]


def test_models_that_differ_share_by_label():
    """A ball's radius and a Guinier law's radius of gyration, wrongly taken for one number."""
    q = np.geomspace(0.02, 0.2, 40)
    curves = [noisy(ball(5.0), 3), noisy(guinier(5.0 * 0.6**0.5, 50.0, 1.0), 4, 0.005, q)]
    radius = Bounds(1, 20, label="length")
    with jax.enable_x64(True):
        result = fit_curves(
            [ball(4.0), guinier(4.0)],
            curves,
            free=[
                {"radius": radius, "scale": (1, 1e3), "background": (0, 9)},
                {"size": Bounds(2, 30, label="length"), "scale": (1, 1e3)},
            ],
            shared=["length"],
            starts=4,
        )
    assert list(result.parameters) == ["length", "scale[0]", "background[0]", "scale[1]"]
    assert result.bounds["length"] == (2.0, 20.0)
    assert float(result.model[0].shape.radius) == float(result.model[1].shape.size)
    assert result.fixed == {"background[1]": 1.0}
    for which in ("the models do not", "residuals of 0 exceed", "the model of 1 does not"):
        assert any(text.startswith(which) for text in result.warnings)


PRIORS = {"size": LognormalPrior(4.8, 0.01), "background": GaussianPrior(1.5, 0.2)}


def test_priors_are_residuals():
    curves = pair()
    extra = lambda v: [np.log(v[0] / 4.8) / 0.01, (v[2] - 1.5) / 0.2, (v[4] - 1.5) / 0.2]
    values, covariance, chi2 = by_scipy(curves, extra)
    with jax.enable_x64(True):
        result = fit_curves(
            guinier(6.0), curves, shared=["size"], free=FREE, starts=4, priors=PRIORS
        )
    close(result, values, covariance)
    np.testing.assert_allclose(result.chi2, chi2, rtol=1e-5)
    assert result.dof == Q.size + SHORT.size + 3 - 5
    assert result.residuals.size == Q.size + SHORT.size
    assert result.priors["background[strong]"] == GaussianPrior(1.5, 0.2)
    np.testing.assert_allclose(
        list(result.prior_residuals.values()), extra(values), rtol=1e-3, atol=1e-3
    )
    assert "prior of size: 4.8 times or over 1.01" in str(result)


@struct
class Twice:
    first: object
    second: object

    def __call__(self, q):
        return self.first * self.second * jnp.exp(-((5 * q) ** 2) / 3)


def test_a_prior_decides_what_the_data_leave_open():
    """Only the product of two factors is seen; a prior on one gives the other."""
    curve = noisy(guinier(5.0, 100.0, 0.0), 2)
    with jax.enable_x64(True):
        result = fit_curve(
            Twice(first=10.0, second=10.0),
            curve,
            free={"first": (1, 1000), "second": (1, 1000)},
            starts=0,
            priors={"first": GaussianPrior(20.0, 1.0)},
        )
    np.testing.assert_allclose(result.parameters["first"], 20, rtol=1e-3)
    np.testing.assert_allclose(result.uncertainties["first"], 1, rtol=1e-3)
    np.testing.assert_allclose(result.parameters["second"], 5, rtol=0.02)


def test_the_plan_ties_what_is_shared():
    models = [guinier(4.0), guinier(6.0)]
    free = [{"size": (1, 9), "scale": (1, 200)}, {"size": (2, 20), "scale": (1, 300)}]
    plan = joint_parameters(models, free, ["size"], ["a", "b"])
    assert plan.names == ("size", "scale[a]", "scale[b]")
    np.testing.assert_array_equal(plan.low, [2, 1, 1])
    np.testing.assert_array_equal(plan.high, [9, 200, 300])
    np.testing.assert_array_equal(plan.values(models), [4.0, 100.0, 100.0])
    first, second = plan.insert(models, jnp.array([7.0, 8.0, 9.0]))
    assert [float(m.shape.size) for m in (first, second)] == [7.0, 7.0]
    assert [float(m.scale) for m in (first, second)] == [8.0, 9.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": ["radius"]}, "shared 'radius' is not free; free are size, scale"),
        ({"free": [FREE]}, "free has 1 entries for 2 curves"),
        ({"free": [FREE, {**FREE, "size": (60, 70)}]}, "size starts at 5, outside"),
        ({"priors": {"radius": GaussianPrior(1, 1)}}, "prior of 'radius': not a free"),
        ({"priors": {"size": 5}}, "prior of size must be a GaussianPrior"),
        ({"loss": ["chi2", "l1"]}, "one of chi2, poisson, log"),
    ],
)
def test_bad_joint_input(options, message):
    with pytest.raises(ValueError, match=message):
        fit_curves(guinier(), pair(), **{"free": FREE, "shared": ["size"], **options})


def test_bad_curves_and_priors():
    bare = Curve(q=Q, intensity=np.ones(Q.size), name="bare")
    with pytest.raises(ValueError, match="curve bare has no errors and others have"):
        fit_curves(guinier(), [pair()[0], bare], free=FREE)
    with pytest.raises(ValueError, match="at least one curve"):
        fit_curves(guinier(), [], free=FREE)
    disjoint = [{"size": (1, 5.5)}, {"size": (5.5, 9)}]
    with pytest.raises(ValueError, match="shared size leave nothing between"):
        fit_curves([guinier(5.0), guinier(6.0)], pair(), free=disjoint, shared=["size"])
    with pytest.raises(ValueError, match="sigma > 0, got 1 and 0"):
        GaussianPrior(1.0, 0.0)
    with pytest.raises(ValueError, match="above 0, got -1"):
        LognormalPrior(-1.0, 0.1)
