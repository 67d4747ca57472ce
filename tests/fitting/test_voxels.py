"""Voxel fits through a linear forward model whose solution is known, and how they stop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from diffscatter.core.pytree import struct
from diffscatter.fitting import fit_voxels

SHAPE = (5, 6, 7)


@struct
class Linear:
    """Random projections: more of them than voxels determine the body."""

    matrix: object

    def __call__(self, density):
        return jnp.einsum("ij,j->i", self.matrix, density.ravel(), precision="highest")


def body():
    density = np.zeros(SHAPE, np.float32)
    density[1:4, 2:5, 1:6] = 1
    return density


def problem(rows, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    matrix = (rng.normal(size=(rows, body().size)) / 14).astype(np.float32)
    data = matrix @ body().ravel() + noise * rng.normal(size=rows).astype(np.float32)
    return Linear(matrix=matrix), data


@pytest.mark.parametrize("transform", ["occupancy", "positive", "free"])
def test_recovers_a_body_that_the_data_determine(transform):
    forward, data = problem(600)
    sigma = np.float32(0.05)
    fit = fit_voxels(forward, data, SHAPE, sigma=sigma, transform=transform, steps=400)
    assert fit.status == "completed 400 steps" and fit.completed and fit.steps == 400
    error = np.linalg.norm(np.asarray(fit.density) - body())
    # |A (p - p0)|^2 is m sigma^2 misfit; no singular value of A is smaller than the least
    least = np.linalg.svd(forward.matrix, compute_uv=False).min()
    assert error <= 1.01 * sigma * np.sqrt(600 * fit.misfit) / least
    assert fit.misfit < 0.05 and fit.history[-1] < 1e-3 * fit.history[0]
    assert fit.density.dtype == jnp.float32
    np.testing.assert_allclose(fit.fitted, forward(fit.density), rtol=1e-5, atol=1e-5)


def test_regularizers_help_where_data_are_few():
    forward, data = problem(120, noise=0.02)
    options = dict(sigma=np.float32(0.02), steps=400)
    plain = fit_voxels(forward, data, SHAPE, **options)
    smooth = fit_voxels(forward, data, SHAPE, tv=20.0, binary=5.0, **options)
    error = lambda fit: np.abs(np.asarray(fit.density) - body()).mean()
    # both describe the data; the flat, binary one is the body
    assert plain.misfit < 2 and smooth.misfit < 2
    assert error(smooth) < 0.6 * error(plain)


def test_starts_from_a_given_density_and_another_optimiser():
    forward, data = problem(600)
    fit = fit_voxels(
        forward, data, body(), sigma=np.float32(1.0), steps=3, optimiser=optax.sgd(0.0)
    )
    # ends of the range move in by a thousandth, and no step is taken
    np.testing.assert_allclose(fit.density, np.clip(body(), 1e-3, 1 - 1e-3), rtol=1e-4)
    np.testing.assert_allclose(fit.history, fit.history[0])


def test_poisson_counts_through_positive_densities():
    rng = np.random.default_rng(3)
    matrix = rng.uniform(0, 1, (900, body().size)).astype(np.float32)
    counts = rng.poisson(matrix @ body().ravel()).astype(np.float32)
    fit = fit_voxels(Linear(matrix=matrix), counts, SHAPE, loss="poisson", steps=300)
    # a deviance of about one a count, less what 210 voxels in 900 counts can absorb
    assert 0.6 < fit.misfit < 1.1


def test_a_loss_that_is_no_number_stops_with_the_step_and_keeps_the_density():
    forward, data = problem(600)

    def breaking(density):
        return forward(density) * jnp.where(density.max() > 0.9, jnp.nan, 1.0)

    options = dict(sigma=np.float32(0.05), chunk=7, optimiser=optax.adam(0.1))
    fit = fit_voxels(breaking, data, SHAPE, steps=200, **options)
    assert not fit.completed and 0 < fit.steps < 200
    assert f"stopped after step {fit.steps}:" in fit.status
    assert float(fit.density.max()) <= 0.9 and np.isfinite(fit.loss)
    assert np.isfinite(fit.history).all()

    last = fit_voxels(breaking, data, SHAPE, steps=fit.steps, **options)
    # the step that broke it is the last one: found all the same
    assert last.status == fit.status and np.isfinite(last.loss)

    never = fit_voxels(
        lambda d: forward(d) * jnp.nan, data, SHAPE, sigma=np.float32(1.0), steps=5
    )
    assert "stopped after step 0" in never.status and never.steps == 0


def test_progress_and_interruption():
    forward, data = problem(600)
    seen = []

    def watch(step, loss, density):
        seen.append((step, loss, density.shape))
        if step >= 40:
            raise KeyboardInterrupt

    fit = fit_voxels(
        forward, data, SHAPE, sigma=np.float32(0.05), steps=100, chunk=20, on_chunk=watch
    )
    assert [step for step, _, _ in seen] == [20, 40] and seen[0][2] == SHAPE
    assert fit.status == "interrupted after 40 of 100 steps" and not fit.completed
    assert fit.history.shape == (40,) and fit.loss < fit.history[0]


def test_one_trace_for_any_data_weights_and_last_chunk():
    counted = []

    @struct
    class Counting:
        matrix: object

        def __call__(self, density):
            counted.append(1)
            return self.matrix @ density.ravel()

    for seed, tv in ((0, 0.0), (1, 2.0)):
        forward, data = problem(50, seed)
        count = len(counted)
        fit_voxels(Counting(matrix=forward.matrix), data, SHAPE, tv=tv, steps=25, chunk=10)
        if seed:
            # only the shape check, which is not compiled, looks again
            assert len(counted) == count + 1


def test_the_same_key_gives_the_same_body():
    forward, data = problem(100)
    options = dict(sigma=np.float32(0.05), steps=20)
    first = fit_voxels(forward, data, SHAPE, **options)
    again = fit_voxels(forward, data, SHAPE, key=jax.random.key(0), **options)
    other = fit_voxels(forward, data, SHAPE, key=jax.random.key(1), **options)
    np.testing.assert_array_equal(first.density, again.density)
    assert np.abs(first.density - other.density).max() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": np.ones(7, np.float32)},
            r"forward gives shape \(50,\), the data have \(7,\)",
        ),
        ({"sigma": np.float32(0)}, "sigma must be above 0, got 0"),
        ({"sigma": np.ones(3, np.float32)}, r"sigma must be a scalar or of the data's shape"),
        ({"initial": np.full(SHAPE, 1.5)}, r"initial must lie in \[0, 1\].*1.5 to 1.5"),
        ({"initial": np.full(SHAPE, np.nan)}, "initial must be finite"),
        ({"initial": (5, 0)}, "initial must be a density or a shape"),
        ({"transform": "cubic"}, "transform must be one of occupancy, positive, free"),
        ({"loss": "l1"}, "loss must be one of"),
        ({"loss": "poisson", "data": -np.ones(50, np.float32)}, "counts >= 0"),
        ({"steps": 0}, "steps and chunk must be at least 1"),
        ({"tv": -1.0}, "tv must be at least 0, got -1"),
    ],
)
def test_bad_input(changes, message):
    forward, data = problem(50)
    arguments = {"data": data, "initial": SHAPE, **changes}
    with pytest.raises(ValueError, match=message):
        fit_voxels(forward, **arguments)
