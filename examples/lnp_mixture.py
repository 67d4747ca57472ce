"""How much of each of two kinds of lipid nanoparticle is in a mixture, from one noisy curve.

The pipeline of T. Li, *Physics-based SAXS Simulation and ML Characterization of LNPs* (Cornell
University, 2025), in one script, and the step that it lacks. Bodies of two types k and of many
sizes D become base curves, weighted by a lognormal law of sizes within a type, and by number
across types; noise makes each a measurement,

    I(q) = alpha sum_D w_3(D) I_3(q; D) + (1 - alpha) sum_D w_4(D) I_4(q; D),
    ln I' ~ normal(ln I - s^2/2, s^2),   s^2 = ln(1 + alpha_n / I).

A network learns from endless draws to tell alpha and the mean sizes, with their errors. It is
tested on curves of bodies whose sizes lie between those that it was taught. Then a fit through
the same mixtures starts where the network ends: the network finds the right minimum among many,
the likelihood says how well the curve determines what is in it.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter import networks, plotting_learning
from diffscatter.analysis import coverage, regression_scores
from diffscatter.cli.options import cache_folder
from diffscatter.datasets import lnp
from diffscatter.pipelines.mixtures import Starts, fit_mixtures
from diffscatter.pipelines.tasks import TASKS
from diffscatter.training import train

NAMES = ("fraction", "mean_size_type3", "mean_size_type4")
TESTS = 1000


def main(sizes=81, steps=2000, fits=32, output=Path("lnp_mixture.png")):
    first, scale, draws, test, fit = jax.random.split(jax.random.key(1), 5)

    # Bodies and their curves: minutes the first time, then they lie in the user's cache.
    taught = np.linspace(20.0, 100.0, sizes)  # nm
    between = (taught[1:] + taught[:-1]) / 2
    folder = cache_folder("lnp")
    base, held_out = (
        lnp.base_curves((3, 4), some, folder=folder) for some in (taught, between)
    )
    sample, test_sample = (lnp.sampler(b, "fraction") for b in (base, held_out))
    sample_once = jax.jit(sample, static_argnums=1)
    targets = TASKS["lnp-fraction"].targets

    # A network that is taught on draws.
    heads = dict.fromkeys(NAMES, networks.Proportion(*lnp.MEANS))
    heads["fraction"] = networks.Proportion()
    network = networks.ComponentNet(base.q.size, heads, key=first)
    seen = sample_once(scale, 1024)
    networks.fit_input(network, seen.curves, jnp.log10(seen.intensity))

    def draw(key, batch):
        mixture = sample(key, batch)
        return mixture.curves, targets(mixture)

    def loss(network, curves, truth):
        return sum(network.losses(curves, truth).values())

    training = train(network, loss, draw, key=draws, steps=steps, batch=256)
    print(f"{training.status}")

    # What it tells of bodies that it never met.
    mixture = jax.jit(test_sample, static_argnums=1)(test, TESTS)
    truth = jax.device_get(targets(mixture))
    told = jax.device_get(jax.jit(training.model.predict)(mixture.curves))
    print(f"\nnetwork alone, {TESTS} curves of sizes that it was not taught:")
    for name in NAMES:
        scores = regression_scores(told[name].mean, truth[name])
        inside = coverage(*told[name].interval(0.9), truth[name])
        print(
            f"  {name}: R2 {scores['r2']:.4f}, mean error {scores['mae']:.4f}, "
            f"intervals of 90 % hold {inside:.1%}"
        )

    # The fit that starts there, of some of them.
    some = {name: told[name].mean[:fits] for name in NAMES}
    spread = {name: told[name].spread[:fits] for name in NAMES}
    pair = lambda values: np.stack([values[name] for name in NAMES[1:]], axis=1)
    starts = Starts.of_two(some["fraction"], spread["fraction"], pair(some), pair(spread))
    curves = np.asarray(mixture.curves[:fits])
    fitted = fit_mixtures(curves, base, key=fit, task="fraction", starts=starts)
    better = dict(zip(NAMES, (fitted.fraction, *fitted.means.T), strict=True))
    sigma = dict(zip(NAMES, (fitted.fraction_sigma, *fitted.means_sigma.T), strict=True))
    print(f"\nmean error of {fits} of them, network alone and with a fit from its answer:")
    panels = {}
    for name in NAMES:
        true = truth[name][:fits]
        before, after = (regression_scores(x[name], true)["mae"] for x in (some, better))
        print(f"  {name}: {before:.4f}, {after:.4f}")
        panels[f"{name}, network"] = true, some[name], spread[name]
        panels[f"{name}, fit"] = true, better[name], sigma[name]
    print(
        f"\nthe first: alpha {fitted.fraction[0]:.4f} +- {fitted.fraction_sigma[0]:.4f} (truth "
        f"{truth['fraction'][0]:.4f}), sizes {fitted.means[0, 0]:.2f} and "
        f"{fitted.means[0, 1]:.2f} nm ({mixture.means[0, 0]:.2f} and {mixture.means[0, 1]:.2f})"
    )
    plotting_learning.predictions(panels).savefig(output, dpi=120)
    print(f"wrote {output}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", type=int, default=81, help="base curves of a type (81)")
    arguments.add_argument("--steps", type=int, default=2000, help="of the training (2000)")
    arguments.add_argument("--fits", type=int, default=32, help="curves that are fitted (32)")
    arguments.add_argument("--output", type=Path, default=Path("lnp_mixture.png"))
    main(**vars(arguments.parse_args()))
