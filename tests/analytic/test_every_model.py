"""What must hold for every model of the registry: derivatives, limits, precision, batches.

Values are compared with independent formulas elsewhere, model by model.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffscatter.analytic import MODELS, Sample, build, get
from diffscatter.analytic.description import element

Q = np.array([0.0, 1e-6, 0.003, 0.05, 0.3, 0.7, 1.1])  # 1/nm
ROWS = 32
# Powers between 0 and 1, or just above 1, of what vanishes at the limit: a derivative that is
# infinite there, or that no difference converges to. Ours only has to be finite.
ENDLESS = {("guinier_porod", "s", 3.0), ("broad_peak", "correlation_length", 0.0)}
every = pytest.mark.parametrize("name", MODELS)


@functools.cache
def compiled(name):
    """Return value, derivatives by parameter and derivative by q of ``ROWS`` curves."""

    def one(p, q):
        def curve(p, shift):
            value = get(name).constructor(**p).specific_intensity(q + shift)
            return value, value

        (by_p, by_q), value = jax.jacfwd(curve, (0, 1), has_aux=True)(p, jnp.zeros(()))
        return value, by_p, by_q

    return jax.jit(jax.vmap(one))


def evaluate(name, rows, q=Q):
    """Evaluate many parameter sets, in double precision, each at ``q`` or at its own q."""
    q = np.broadcast_to(q, (len(rows), Q.size))
    parts = []
    with jax.enable_x64(True):
        for start in range(0, len(rows), ROWS):
            index = np.minimum(np.arange(start, start + ROWS), len(rows) - 1)
            stacked = {key: np.stack([rows[i][key] for i in index]) for key in rows[0]}
            parts.append(jax.tree.map(np.asarray, compiled(name)(stacked, q[index])))
    joined = jax.tree.map(lambda *a: np.concatenate(a)[: len(rows)], *parts)
    return joined


def draws(name, count, seed=5):
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), count)
        drawn = jax.vmap(get(name).random)(keys)
    return [{k: np.asarray(v[i], float) for k, v in drawn.items()} for i in range(count)]


def scalars(name):
    """Return name, field, index and limits of each number that a model has."""
    return [(p.name, *element(p.name), p.limits) for p in get(name).scalars()]


def at(p, case):
    """Return the value of a number of a model, named as in :func:`scalars`."""
    _, field, index, _ = case
    return p[field] if index is None else p[field][index]


def changed(p, field, index, value):
    new = np.array(p[field], float)
    new[() if index is None else index] = value
    return p | {field: new}


def column(derivatives, field, index):
    array = derivatives[field]
    return array if index is None else array[..., index]


def finite_from(name, values):
    """Return which q count: not those where a law is infinite by itself."""
    rises = np.isinf(values[..., 0]).all()
    return slice(2, None) if rises else slice(None)


@every
def test_describes_itself(name):
    model = get(name)
    assert model.name == name and model.title and model.equation and model.reference
    body = build(name)
    for p in model.parameters:
        assert p.unit in ("nm", "1/nm", "1/nm^2", "1/cm", "") and p.description
        default = np.asarray(p.default)
        assert (p.limits[0] <= default).all() and (default <= p.limits[1]).all()
        np.testing.assert_allclose(getattr(body, p.name), p.default, rtol=1e-6)
        if p.typical is not None:
            assert p.limits[0] <= p.typical[0] < p.typical[1] <= p.limits[1]


@every
def test_random_draws_are_sensible(name):
    rows = draws(name, 32)
    values, *_ = evaluate(name, rows)
    values = values[:, finite_from(name, values)]
    assert np.isfinite(values).all() and (values > 0).all()
    for case in scalars(name):
        drawn, (low, high) = np.array([at(row, case) for row in rows]), case[3]
        assert (drawn >= low).all() and (drawn <= high).all() and np.ptp(drawn) > 0, case


# A difference of fourth order is right at one step or another, where its error, (step q R)^4,
# and the rounding, 1e-13/step, are both small.
STEPS = (1e-3, 1e-5, 1e-7)
CENTRAL = (np.array([-2, -1, 1, 2]), np.array([1, -8, 8, -1]) / 12)
ONWARDS = (np.arange(5), np.array([-25, 48, -36, 16, -3]) / 12)


def assert_close(got, candidates, scale, what):
    """Hold to 1e-6, or to 1e-8 of what the derivative is like where it does not vanish."""
    candidates = np.array(candidates)
    error = np.abs(got - candidates) / (1e-6 * np.abs(candidates) + 1e-8 * np.abs(scale))
    worst = np.nanmin(error, axis=0).max()
    assert worst <= 1, f"{what}: {got} and {candidates} differ by {worst:.2g} times too much"


def check_derivatives(name, p, cases, stencil):
    """Compare derivatives with differences; a case is label, field, index, where, length."""
    offsets, weights = stencil
    rows = [
        changed(p, field, index, at + step * length * offset)
        for _, field, index, at, length in cases
        for step in STEPS
        for offset in offsets
    ]
    there = [changed(p, field, index, at) for _, field, index, at, _ in cases]
    values, by_p, by_q = evaluate(name, [p, *there, *rows])
    base, seen, n = values[0], finite_from(name, values[0]), 1 + len(cases)
    for array in (values, *by_p.values(), by_q):
        assert np.isfinite(array[:n, seen]).all()
    table = values[n:].reshape(len(cases), len(STEPS), offsets.size, Q.size)[..., seen]
    for i, (label, field, index, at, length) in enumerate(cases):
        if (name, label, float(at)) in ENDLESS:
            continue
        steps = zip(table[i], STEPS, strict=True)
        candidates = [weights @ rows / (step * length) for rows, step in steps]
        got = column(by_p, field, index)[1 + i, seen]
        assert_close(got, candidates, base[seen] / length, f"{label} at {at}")


@every
def test_derivatives_equal_central_differences(name):
    (p,) = draws(name, 1, seed=11)
    cases = [(*case[:3], at(p, case), at(p, case)) for case in scalars(name)]
    check_derivatives(name, p, cases, CENTRAL)


@every
def test_derivatives_with_respect_to_q(name):
    (p,) = draws(name, 1, seed=12)
    offsets, weights = CENTRAL
    value, _, by_q = (jax.tree.map(lambda a: a[0], t) for t in evaluate(name, [p]))
    seen, length = finite_from(name, value), np.maximum(Q, Q[2])
    moved = [Q + step * length * k for step in STEPS for k in offsets]
    values = evaluate(name, [p] * len(moved), np.abs(moved))[0][:, seen]
    table = values.reshape(len(STEPS), offsets.size, -1)
    steps = zip(table, STEPS, strict=True)
    candidates = [weights @ rows / (step * length[seen]) for rows, step in steps]
    # At rest the derivative of an even function is 0.
    assert_close(by_q[seen], candidates, (value / length)[seen], "q")


@every
def test_derivatives_at_the_limits(name):
    """One-sided differences at each end of each parameter: no size, no width, no volume."""
    (p,) = draws(name, 1, seed=3)
    cases = [
        (*case[:3], limit, at(p, case) - limit)
        for case in scalars(name)
        for limit in filter(np.isfinite, case[3])
    ]
    if cases:
        check_derivatives(name, p, cases, ONWARDS)


@every
def test_finite_everywhere_inside_the_limits(name):
    """Parameters at their limits, far outside their usual ranges, and any mix of these."""
    rng = np.random.default_rng(7)
    rows = draws(name, ROWS, seed=23)
    for row in rows:
        for case in scalars(name):
            (_, field, index, limits), usual = case, at(row, case)
            choices = [usual, usual, usual * 10, usual / 10, *filter(np.isfinite, limits)]
            row.update(changed(row, field, index, np.clip(rng.choice(choices), *limits)))
    values, by_p, by_q = evaluate(name, rows, Q[-1] * np.arange(1, Q.size + 1) / Q.size)
    assert np.isfinite(values).all() and (values >= 0).all()
    for key, array in by_p.items():
        assert np.isfinite(array).all(), key
    assert np.isfinite(by_q).all()


@every
def test_backward_equals_forward(name):
    (p,) = draws(name, 1, seed=2)
    _, by_p, by_q = evaluate(name, [p])
    with jax.enable_x64(True):
        total = lambda p, q: jnp.sum(get(name).constructor(**p).specific_intensity(q))
        back_p, back_q = jax.jit(jax.grad(total, (0, 1)))(p, Q[2:])
    for key, array in back_p.items():
        np.testing.assert_allclose(array, by_p[key][0, 2:].sum(axis=0), rtol=1e-8, atol=1e-300)
    np.testing.assert_allclose(back_q, by_q[0, 2:], rtol=1e-8, atol=1e-300)


@every
def test_single_precision(name):
    (p,) = draws(name, 1, seed=8)
    exact = evaluate(name, [p])[0][0]
    seen = finite_from(name, exact)
    model = get(name).constructor(**{k: v.astype(np.float32) for k, v in p.items()})
    got = np.asarray(Sample(model=model)(Q.astype(np.float32)))
    assert got.dtype == np.float32
    got, exact = got[seen], exact[seen]
    bright = exact > 1e-6 * exact.max()
    np.testing.assert_allclose(got[bright], exact[bright], rtol=1e-3)


@every
def test_batches_equal_single_calls(name):
    defaults = {p.name: np.asarray(p.default, float) for p in get(name).parameters}
    rows = [defaults, *draws(name, 1, seed=31)]
    values = evaluate(name, rows)[0]
    assert np.isfinite(values[:, 2:]).all()
    with jax.enable_x64(True):
        single = jax.jit(lambda p: get(name).constructor(**p).specific_intensity(Q))
        for row, value in zip(rows, values, strict=True):
            # One plan, that of the largest, serves a batch: equal to the quadrature's 1e-10.
            np.testing.assert_allclose(single(row), value, rtol=1e-9)


@every
def test_bad_input_is_refused_by_name(name):
    model, (p,) = get(name), draws(name, 1)
    with pytest.raises(ValueError, match="q must be finite"):
        Sample(model=build(name))([0.1, np.nan])
    for label, field, index, (low, high) in scalars(name):
        broken = model.constructor(**changed(p, field, index, np.nan))
        with pytest.raises(ValueError, match=f"model.{field} must be finite"):
            Sample(model=broken)([0.1])
        with pytest.raises(ValueError, match=rf"{name}: {field}.* must be finite and in \["):
            build(name, **{label: np.nan})
        for outside in (low - 1, high + 1):
            if np.isfinite(outside):
                with pytest.raises(ValueError, match=rf"{name}: {field}.* must be finite"):
                    build(name, **{label: outside})
    with pytest.raises(ValueError, match=f"{name} has no parameter 'colour'; it has"):
        build(name, colour=1.0)
