"""Mixtures of lipid nanoparticles: the ceiling of each task, and networks against gradients.

**Ceilings** (``lnp-ceiling``). The posterior of each test curve under the very simulator that
drew it, base curves, priors and noise: no estimate from the curve can be better on average.
Starts are the truth, others about it and some from the prior, so that no optimum is missed;
probabilities come from evidences, numbers are posterior means. Two figures for each score,
``found`` against the truth and ``foretold`` by the posteriors themselves (the mean of the
largest probability, the mean variance); the error is their difference. Protocols are those of
``diffscatter train``: *honest*, exact curves of sizes that no training saw and distributions of
1 to 4 nm; *published*, the published pipeline and distributions of 0.1 to 0.4 nm.

**Comparison** (``lnp-mixture``, with ``--fraction`` or ``--weights``). The same noisy curves of
held-out bodies through a trained network, through the gradient fit from starts of the prior,
and through the gradient fit from the network's answer; the simulator of the fit holds the
bodies of training. The error is the largest distance of an interval's coverage from 0.9.
Seconds are those of the whole batch, compilation of the fits included.

    python benchmarks/lnp_posterior.py [--curves 1000] [--tasks fraction-honest]
        [--classify RUN/lnp-classify-ours-honest-0.h5]      # its recall beside the ceiling's
    python benchmarks/lnp_posterior.py --curves 0 --comparison 2000
        [--fraction RUN/lnp-fraction-ours-honest-0.h5]
        [--weights RUN/lnp-weights-ours-honest-0.h5]

RUN is the folder of ``benchmarks/lnp_training.py --weights RUN``.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from harness import device, report, single
from reporting import RESULTS

from diffscatter import plotting_learning
from diffscatter.analysis import classification_scores, coverage, regression_scores
from diffscatter.cli.options import cache_folder
from diffscatter.core.files import atomic
from diffscatter.datasets import lnp
from diffscatter.pipelines.mixtures import Starts, fit_mixtures
from diffscatter.pipelines.tasks import TASKS
from diffscatter.pipelines.train import PROTOCOLS
from diffscatter.training import load_weights

CEILINGS = (
    ("classify", "honest"),
    ("fraction", "honest"),
    ("mixed", "honest"),
    ("weights", "honest"),
    ("classify", "published"),
    ("fraction", "published"),
)
# Draws a round, rounds, laws: more unknowns need more, and so do narrow distributions, of which
# two sizes are left and nothing says where between them the mean is.
EFFORT = {
    "classify, honest": (256, 3, 32),
    "fraction, honest": (256, 3, 32),
    "weights, honest": (2048, 4, 128),
    "mixed, honest": (1024, 4, 64),
    "classify, published": (1024, 4, 64),
    "fraction, published": (1024, 4, 64),
}
DESCENTS = 8


def bases(task, protocol, cache):
    """Return base curves of training and of test."""
    chosen, kinds = PROTOCOLS[protocol], lnp.TASKS[task]
    of = lambda sizes: lnp.base_curves(kinds, sizes, route=chosen["route"], folder=cache)
    trained = of(lnp.TRAINED)
    return trained, of(lnp.HELD_OUT) if chosen["held_out"] else trained


def drawn(task, protocol, base, count, seed):
    """Return a mixture of ``count`` curves, on the host."""
    sample = jax.jit(
        lnp.sampler(base, task, spread=PROTOCOLS[protocol]["spread"]), static_argnums=1
    )
    return jax.device_get(sample(jax.random.key(seed), count))


def truth(mixture):
    """Return starts at the truth and about it."""
    some = np.ones_like(mixture.fractions)
    return Starts(
        fractions=mixture.fractions,
        fractions_sigma=0.1 * some,
        means=np.where(mixture.fractions > 0, mixture.means, np.nan),
        means_sigma=3.0 * some,
    )


def timed(label, *arguments, **options):
    """Return a fit, and its seconds and CPU seconds."""
    told = lambda done, total: print(f"\r{label}: {done} of {total}", end="", flush=True)
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit_mixtures(*arguments, progress=told, **options)
    print()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def ceiling(task, protocol, count, cache, seed=11):
    """Return a record, the mixture and its posteriors."""
    base = bases(task, protocol, cache)[1]
    mixture = drawn(task, protocol, base, count, seed)
    name = f"{task}, {protocol}"
    draws, rounds, components = EFFORT[name]
    fit, wall, cpu = timed(
        name,
        mixture.curves,
        base,
        key=jax.random.key(seed + 1),
        task=task,
        spread=PROTOCOLS[protocol]["spread"],
        starts=truth(mixture),
        descents=DESCENTS,
        draws=draws,
        rounds=rounds,
        components=components,
    )
    scores = (by_class if task in ("classify", "mixed") else by_number)(task, mixture, fit)
    few, some = np.quantile(fit.effective, [0.05, 0.5])
    details = scores | {
        "curves": count,
        "effective_draws": [float(few), float(some)],
        "chi2": float(fit.chi2.mean()),
        "seconds_a_curve": wall / count,
    }
    error = abs(scores["found"] - scores["foretold"])
    return single(f"lnp-ceiling/{name}", error, wall, cpu, details), mixture, fit


def by_class(task, mixture, fit):
    shares = fit.probabilities
    if task == "mixed":
        shares = np.stack([shares[:, :-1].sum(axis=1), shares[:, -1]], axis=1)
    scores = classification_scores(shares, mixture.target)
    called = shares.argmax(axis=1) == shares.shape[1] - 1
    first = mixture.fractions[:, 0]
    mixed = mixture.target == shares.shape[1] - 1
    well = mixed & (first > 0.2) & (first < 0.8)
    spread = np.sqrt(scores["accuracy"] * (1 - scores["accuracy"]) / len(called))
    return scores | {
        "found": scores["accuracy"],
        "foretold": float(shares.max(axis=1).mean()),
        "standard_error": float(spread),
        "mixture_recall": float(called[mixed].mean()),
        "mixture_recall_well_mixed": float(called[well].mean()),
    }


def by_number(task, mixture, fit):
    target = mixture.target if task == "weights" else mixture.fractions[:, :1]
    told = fit.fractions[:, : target.shape[1]]
    variance = fit.fractions_sigma[:, : target.shape[1]] ** 2
    scores = regression_scores(told, target)
    each = [regression_scores(f, t)["r2"] for f, t in zip(told.T, target.T, strict=True)]
    ends = fit.fractions_interval[[0, 2], :, : target.shape[1]]
    return scores | {
        "found": scores["r2"],
        "foretold": float(1 - variance.mean() / np.var(target)),
        "r2_each": each,
        "foretold_mse": float(variance.mean()),
        "coverage": coverage(*ends, target),
    }


def network(task, path, points):
    """Return ``predict(curves)`` of trained weights of ours."""
    plan = TASKS[f"lnp-{task}"].plans["ours"]
    model = plan.build(points, jax.random.key(0))
    load_weights(path, model)
    return lambda curves: jax.device_get(jax.jit(plan.predict)(model, curves))


def compared(task, count, weights, cache, seed=21):
    """Return records of network, gradient, and both, on the same curves."""
    trained, held_out = bases(task, "honest", cache)
    mixture = drawn(task, "honest", held_out, count, seed)
    predict = network(task, weights, trained.q.size)
    predict(mixture.curves)  # compiled
    wall, cpu = time.perf_counter(), time.process_time()
    told = predict(mixture.curves)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sizes = [told[f"mean_size_type{kind}"] for kind in lnp.TASKS[task]]
    each = lambda what: np.stack([getattr(size, what) for size in sizes], axis=1)
    if task == "fraction":
        share = told["fraction"]
        guess = Starts.of_two(share.mean, share.spread, each("mean"), each("spread"))
        shares = [(share.mean, *share.interval())]
    else:
        share = told["weights"]
        guess = Starts(share.mean, share.spread, each("mean"), each("spread"))
        shares = list(zip(share.mean.T, *(end.T for end in share.interval()), strict=True))
    numbers = shares + [(size.mean, *size.interval()) for size in sizes]
    found = [scored(f"{task}, network", task, mixture, numbers, wall, cpu)]
    draws, rounds, components = EFFORT[f"{task}, honest"]
    for name, start in (("gradient", None), ("network and gradient", guess)):
        fit, wall, cpu = timed(
            name,
            mixture.curves,
            trained,
            key=jax.random.key(seed),
            task=task,
            starts=start,
            draws=draws,
            rounds=rounds,
            components=components,
        )
        low, _, high = fit.fractions_interval
        column = lambda k, *parts: tuple(part[:, k] for part in parts)
        numbers = [column(k, fit.fractions, low, high) for k in range(len(shares))]
        low, _, high = fit.means_interval
        numbers += [column(k, fit.means, low, high) for k in range(len(sizes))]
        more = {"effective_draws": np.quantile(fit.effective, [0.05, 0.5]).tolist()}
        found.append(scored(f"{task}, {name}", task, mixture, numbers, wall, cpu, more))
    return found


def scored(name, task, mixture, numbers, wall, cpu, more=()):
    """Return the record of one way: errors and coverages of fractions and mean sizes."""
    kinds = lnp.TASKS[task]
    labels = ["alpha"] if task == "fraction" else [f"fraction_type{kind}" for kind in kinds]
    truths = [*mixture.fractions.T[: len(labels)], *mixture.means.T]
    labels += [f"mean_size_type{kind}" for kind in kinds]
    details = {"curves": len(truths[0]), "seconds_a_curve": wall / len(truths[0])} | dict(more)
    for label, true, (value, low, high) in zip(labels, truths, numbers, strict=True):
        scores = regression_scores(value, true)
        details[label] = scores | {"coverage": coverage(low, high, true)}
    error = max(abs(details[label]["coverage"] - 0.9) for label in labels)
    return single(f"lnp-mixture/{name}", error, wall, cpu, details)


def draw_recall(mixture, fit, weights):
    """Draw the recall of mixtures against alpha: the ceiling's and, if given, a network's."""
    mixed = mixture.target == 2
    called = {"ceiling": fit.probabilities}
    if weights is not None:
        told = network("classify", weights, mixture.curves.shape[1])(mixture.curves)
        called["network"] = told["kind"]
    figure = plotting_learning.recall(
        mixture.fractions[mixed, 0],
        {name: shares[mixed].argmax(axis=1) == 2 for name, shares in called.items()},
    )
    with atomic(RESULTS / f"{device()['name']}-lnp-recall.png") as path:
        figure.savefig(path, format="png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=1000, help="a ceiling (1000; 0: none)")
    parser.add_argument("--tasks", nargs="*", help="of the ceilings, as classify-honest")
    parser.add_argument("--comparison", type=int, default=2000, help="curves (2000)")
    parser.add_argument("--fraction", type=Path, help="weights of lnp-fraction to compare")
    parser.add_argument("--weights", type=Path, help="weights of lnp-weights to compare")
    parser.add_argument("--classify", type=Path, help="weights of lnp-classify to draw")
    parser.add_argument(
        "--cache", type=Path, default=cache_folder("lnp"), help="of base curves"
    )
    options = parser.parse_args()
    for task, protocol in CEILINGS:
        if options.curves and (not options.tasks or f"{task}-{protocol}" in options.tasks):
            found, mixture, fit = ceiling(task, protocol, options.curves, options.cache)
            print(found["details"])
            report([found])
            if (task, protocol) == ("classify", "honest"):
                draw_recall(mixture, fit, options.classify)
    for task, path in (("fraction", options.fraction), ("weights", options.weights)):
        if path is not None:
            found = compared(task, options.comparison, path, options.cache)
            for each in found:
                print(each["name"], each["details"])
            report(found)


if __name__ == "__main__":
    main()
