"""Posteriors of drawn curves hold the truth; an evidence is the integral over a grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.datasets import lnp
from diffscatter.pipelines.mixture_model import MixtureModel
from diffscatter.pipelines.mixture_starts import starting_places
from diffscatter.pipelines.mixtures import Starts, fit_mixtures
from tests.shapes import closed_forms

Q = np.linspace(0.04, 1.5, 60)
KEY = jax.random.key(5)
FEW = {"draws": 256, "rounds": 3, "components": 32, "descents": 6}


def base(q=Q):
    """Hollow balls for type 3 and full ones for type 4."""
    ball = lambda radius: closed_forms.sphere_amplitude(q, radius)
    curves = [
        [(9 * ball(size / 2) - hole * ball(0.4 * size)) ** 2 for size in lnp.TRAINED]
        for hole in (6.0, 0.0)
    ]
    return lnp.Base(kinds=(3, 4), sizes=lnp.TRAINED, q=q, intensity=np.array(curves))


BASE = base()


def truth(mixture):
    return Starts(
        fractions=mixture.fractions,
        fractions_sigma=0.1 + 0 * mixture.fractions,
        means=mixture.means,
        means_sigma=2.0 + 0 * mixture.means,
    )


@pytest.fixture(scope="module")
def drawn():
    return jax.device_get(jax.jit(lnp.sampler(BASE, "classify"), static_argnums=1)(KEY, 63))


@pytest.fixture(scope="module")
def sparse(drawn):
    """A loud curve of type 4 alone with a few points: a grid sees its whole posterior."""
    loud = (drawn.target == 1) & (drawn.means[:, 1] < 60)
    chosen = np.flatnonzero(loud)[np.argmax(drawn.strength[loud])]
    curve = np.full(Q.size, np.nan, np.float32)
    curve[::5] = drawn.curves[chosen, ::5]
    return curve


@pytest.fixture(scope="module")
def fitted(drawn, sparse):
    """The fits of the drawn curves, and of the sparse one after them, with one program."""
    known = truth(drawn)
    more = lambda values: np.concatenate([values, np.full((1, 2), np.nan)])
    starts = Starts(**{name: more(values) for name, values in vars(known).items()})
    curves = np.concatenate([drawn.curves, sparse[None]])
    return fit_mixtures(curves, BASE, key=KEY, starts=starts, **FEW)


def test_probabilities_are_what_they_say(drawn, fitted):
    shares = fitted.probabilities[:63]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-9)
    best = shares.max(axis=1)
    right = shares.argmax(axis=1) == drawn.target
    # Right as often as the probabilities say, within 4 standard errors and one curve.
    assert abs(right.sum() - best.sum()) < 4 * np.sqrt(np.sum(best * (1 - best))) + 1
    assert right.mean() > 0.7


def test_intervals_hold_the_truth_and_residuals_are_noise(drawn, fitted):
    n = 63
    # 3 to 7 numbers from 60 points.
    assert abs(fitted.chi2[:n].mean() - 55 / 60) < 3 / 60 + 4 * np.sqrt(2 / 60 / n)
    there = drawn.fractions > 0
    for name in ("means", "deviations"):
        low, _, high = getattr(fitted, f"{name}_interval")[:, :n]
        true = getattr(drawn, name)
        inside = ((low <= true) & (true <= high))[there]
        assert abs(inside.mean() - 0.9) < 4 * np.sqrt(0.09 / there.sum())
    # Called pure where nothing shows the other type: then the interval is one end.
    sure = (drawn.target == 2) & (fitted.probabilities[:n, 2] > 0.99)
    low, high = fitted.fraction_interval[:n].T
    inside = ((low <= drawn.fractions[:, 0]) & (drawn.fractions[:, 0] <= high))[sure]
    assert abs(inside.mean() - 0.9) < 4 * np.sqrt(0.09 / sure.sum())
    assert np.median(fitted.effective) > 100
    assert fitted.fraction.shape == fitted.fraction_sigma.shape == (n + 1,)


def test_an_evidence_is_the_integral_over_a_grid(sparse, fitted):
    with jax.enable_x64(True):
        model = MixtureModel(
            curves=BASE.intensity[1:],
            sizes=BASE.sizes,
            spread=np.array(lnp.SPREADS["text"]),
            strength=np.log(lnp.STRENGTH),
            model_error=np.array(1e-4),
            linear=False,
            scale_free=False,
            own_noise=True,
        )
        density = lambda z: model.log_density(z, jnp.asarray(sparse, float), None)
        grid = lambda z: jax.lax.map(density, z, batch_size=4096)
        steps = (0.01, 0.5, 0.25)
        axes = [np.arange(-4, 4 + s / 2, s) for s in steps]
        places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        heights = np.asarray(jax.jit(grid)(places))
    exact = np.logaddexp.reduce(heights) + np.log(np.prod(steps))
    assert abs(fitted.log_evidence[-1, 1] - exact) < 4 / np.sqrt(fitted.effective[-1]) + 0.02


def test_other_units_axes_and_errors():
    """The same curves with a scale of their own, on another axis, with errors given."""
    q = np.geomspace(0.03, 1.2, 70)
    inside = q >= Q[0]
    fine = base(np.concatenate([[0.02], q, [1.5]]))
    sample = jax.jit(lnp.sampler(fine, "fraction"), static_argnums=1)
    mixture = jax.device_get(sample(jax.random.fold_in(KEY, 1), 24))
    clean = np.asarray(mixture.intensity, float)[:, 1:-1] * 1e-9
    sigma = 0.03 * clean + 1e-6 * clean.max(axis=1, keepdims=True)
    noisy = clean + sigma * np.random.default_rng(2).normal(size=clean.shape)
    model = base(np.linspace(0.04, 1.5, 500))  # twenty points a fringe, for the spline
    options = {"starts": truth(mixture), "q": q, "sigma": sigma, "linear": True}
    options |= {"task": "fraction", "scale_free": True}
    found = fit_mixtures(noisy, model, key=KEY, **options, **FEW)
    again = fit_mixtures(1e4 * noisy, model, key=KEY, **options | {"sigma": 1e4 * sigma}, **FEW)
    np.testing.assert_allclose(again.fraction, found.fraction, atol=1e-6)
    np.testing.assert_allclose(again.curve[:, inside], 1e4 * found.curve[:, inside], rtol=1e-6)
    assert np.isnan(found.curve[:, ~inside]).all() and np.isfinite(found.curve[:, inside]).all()
    assert (np.abs(found.chi2 - 0.95) < 0.1 + 4 * np.sqrt(2 / inside.sum())).all()
    assert (found.probabilities == 1).all()
    low, high = found.fraction_interval.T
    inside = (low <= mixture.target) & (mixture.target <= high)
    assert abs(inside.mean() - 0.9) < 4 * np.sqrt(0.09 / 24)


def test_shares_are_the_priors_and_back():
    z = np.random.default_rng(3).normal(size=(4000, 11)).astype(np.float32)
    model = MixtureModel(
        curves=np.ones((4, 81, 1)),
        sizes=lnp.TRAINED,
        spread=np.array([1.0, 4.0]),
        strength=np.array([0.0, 1.0]),
        model_error=np.array(0.0),
        linear=False,
        scale_free=False,
        own_noise=False,
    )
    populations = jax.jit(jax.vmap(model.populations))
    fractions = np.asarray(populations(z)[0])
    np.testing.assert_allclose(fractions.sum(axis=1), 1.0, rtol=1e-5)
    # Dirichlet(1, 1, 1, 1): means 1/4, variances 3/80.
    assert np.abs(fractions.mean(axis=0) - 0.25).max() < 4 * np.sqrt(3 / 80 / 4000)
    np.testing.assert_allclose(fractions.var(axis=0), 3 / 80, rtol=0.15)
    begin = starting_places(
        KEY,
        model,
        Starts(
            fractions=fractions[:50],
            fractions_sigma=0 * fractions[:50],
            means=np.full((50, 4), 40.0),
            means_sigma=np.full((50, 4), np.nan),
        ),
        (50, 4),
    )
    back = populations(begin[:, 0])
    safe = fractions[:50].min(axis=1) > 1e-3
    np.testing.assert_allclose(back[0][safe], fractions[:50][safe], atol=1e-3)
    np.testing.assert_allclose(back[1], 40.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "weights"}, r"base holds types \(3, 4\); weights needs \[1, 2\] too"),
        ({"descents": 0}, "descents must be at least 1, got 0"),
        ({"model_error": -1.0}, "model_error must be at least 0 and below 1, got -1.0"),
        ({"q": Q[:-1]}, r"curves must be \(n, m\) on q"),
        ({"linear": True}, "linear intensities need sigma"),
        ({"sigma": np.zeros(60)}, "sigma must be above 0"),
        ({"q": Q + 1.4}, "must have 10 points or more between 0.04 and 1.5 1/nm, got 3"),
    ],
)
def test_refusals(change, words):
    with pytest.raises(ValueError, match=words):
        fit_mixtures(np.ones((2, 60)), BASE, key=KEY, **change)
