"""Losses of heads against scipy's densities; intervals that cover what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from diffscatter.networks.heads import Classes, Proportion, Shares, dirichlet_nll

RNG = np.random.default_rng(0)
NLL = jax.jit(dirichlet_nll)


@pytest.mark.parametrize("concentration", [0.5, 3.0, 40.0, 1e3, 1e6])
def test_density_against_scipy(concentration):
    mean = np.array([0.2, 0.5, 0.3])
    draws = RNG.dirichlet(mean * max(concentration, 20.0), size=50)
    expected = -stats.dirichlet(mean * concentration).logpdf(draws.T)
    given = draws, np.log(mean), np.full(50, np.log(concentration))
    with jax.enable_x64(True):
        got = NLL(*map(jnp.asarray, given))
    # scipy's gamma functions, of s ln s, cancel to a few nats.
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-14 * concentration)
    single = NLL(*(jnp.asarray(a, jnp.float32) for a in given))
    # float32 knows a share and its logarithm to 6e-8, relative to a width of 1/sqrt(s).
    atol = 1e-5 + 4 * 6e-8 * np.sqrt(concentration) * 4
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=atol)


def test_gradient_of_the_density():
    nll = jax.jit(lambda z, r: dirichlet_nll(draws, jax.nn.log_softmax(z), r).sum())
    with jax.enable_x64(True):
        draws = jnp.asarray(RNG.dirichlet([4.0, 8.0], size=3))
        logits, log_s = jnp.asarray(RNG.normal(size=(3, 2))), jnp.array([0.5, 3.0, 9.0])
        check_grads(nll, (logits, log_s), order=1, modes=["rev"], rtol=1e-5)


def minimised(head, target, centres, spreads):
    """Return the numbers, the same for all targets, at which a head's loss is least."""
    raw = jnp.zeros(centres), jnp.zeros(spreads)
    rows = len(target)

    @jax.jit
    def descend(raw):
        loss = lambda raw: head.loss(
            tuple(jnp.broadcast_to(r, (rows, r.size)) for r in raw), target
        )
        step = lambda raw, _: (
            jax.tree.map(lambda r, g: r - 0.2 * g, raw, jax.grad(loss)(raw)),
            None,
        )
        return jax.lax.scan(step, raw, length=600)[0]

    return tuple(r[None] for r in descend(raw))


def test_proportion_learns_mean_spread_and_interval():
    head = Proportion(20.0, 100.0)
    truth = stats.beta(6, 3, loc=20, scale=80)
    target = truth.rvs(4000, random_state=1).astype(np.float32)
    target = np.append(target, np.full(500, np.nan, np.float32))  # nothing to be told there
    found = head.predict(minimised(head, jnp.asarray(target), 1, 1))
    there = target[:4000]
    # The cross-entropy's minimum is the mean of the sample itself.
    assert float(found.mean[0]) == pytest.approx(there.mean(), abs=1e-3)
    # Standard errors of a sample's spread and quantiles: 1.1 % and 0.5 nm.
    assert float(found.spread[0]) == pytest.approx(truth.std(), rel=0.04)
    low, high = found.interval(0.9)
    np.testing.assert_allclose([low[0], high[0]], truth.ppf([0.05, 0.95]), atol=1.5)
    covered = np.mean((there > low) & (there < high))
    assert covered == pytest.approx(0.9, abs=0.02)


def test_shares_learn_means_and_spreads():
    head, parameters = Shares(3), np.array([2.0, 5.0, 3.0])
    target = RNG.dirichlet(parameters, size=4000).astype(np.float32)
    found = head.predict(minimised(head, jnp.asarray(target), 3, 1))
    np.testing.assert_allclose(found.mean[0], target.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(found.spread[0], target.std(axis=0), rtol=0.05)
    assert float(found.mean.sum()) == pytest.approx(1.0, abs=1e-6)


def test_classes_learn_their_frequencies():
    target = jnp.array([0, 0, 0, 1, 1, 2, 0, 0, 0, 1])
    raw = minimised(Classes(3), target, 3, 0)
    np.testing.assert_allclose(Classes(3).predict(raw)[0], [0.6, 0.3, 0.1], atol=1e-3)


def test_the_spread_does_not_pull_at_the_mean():
    target, centres = np.array([0.1, 0.7, 0.9]), np.array([0.3, -1.0, 0.2])
    slope = jax.jit(jax.grad(lambda c, s: Proportion().loss((c[:, None], s), target)))
    # That of the binary cross-entropy, (m - t) / n, whatever the spread.
    expected = (1 / (1 + np.exp(-centres)) - target) / 3
    for spread in (0.0, 4.0):
        np.testing.assert_allclose(
            slope(centres, jnp.full((3, 1), spread)), expected, atol=1e-6
        )


def test_finite_at_the_ends_and_without_targets():
    slope = jax.jit(
        jax.value_and_grad(lambda raw, head, t: head.loss(raw, t)), static_argnums=1
    )
    nothing = np.full(3, np.nan)
    cases = ((Proportion(), np.array([0.0, 1.0, np.nan])), (Shares(3), np.eye(3)))
    for head, targets in (*cases, (Proportion(), nothing)):
        for centre, spread in ((0.0, 0.0), (60.0, 60.0), (-60.0, -60.0)):
            centres = np.full((3, head.centres), centre, np.float32)
            centres[:, 0] *= 2
            raw = centres, np.full((3, 1), spread, np.float32)
            found = jax.tree.leaves(slope(raw, head, targets))
            assert all(np.isfinite(leaf).all() for leaf in found)
            assert targets is not nothing or not any(np.any(leaf) for leaf in found)


def test_refusals():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        Classes(1)
    with pytest.raises(ValueError, match="low must be below high, got 3 and 3"):
        Proportion(3, 3)
    found = Proportion().predict((jnp.zeros((1, 1)), jnp.zeros((1, 1))))
    with pytest.raises(ValueError, match="between 0 and 1, got 90"):
        found.interval(90)
