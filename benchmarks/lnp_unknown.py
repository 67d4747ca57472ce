"""A network for measured curves: answers for what it knows, the flag for what it does not.

Known: curves of types 3 and 4 and their mixtures from held-out bodies, in random windows with
noise of either law (``datasets.lnp.measured``). Unknown: hollow spheres, which training has
none of, and cylinders, which it has of other lengths over width; 20 to 100 nm long, alone or
with a spread of up to 4 nm, in the same windows. Their noise has the published range, once with
the sld of the particles (9), as simulated, and once with the signal that a type 4 of the same
size would have, matched. Figures go to ``results/lnp-unknown.json``.

    python benchmarks/lnp_unknown.py [--curves 4096] [--fits 128]
        [--weights RUN/lnp-measured-ours-honest-0.h5 --write MODEL.h5]

The first curves of each body, as many as ``--fits`` says, also go through all that
``diffscatter analyse --model lnp`` does: ``flagged_analysed`` is the share that either the
network or the fit finds odd, ``misfits`` that of the fit alone. For known particles there is
also how right its answers are.

With ``--weights`` a network of ``lnp_training.py --tasks lnp-measured --weights RUN`` is
calibrated first, and written with all that judges it and the figures found.
"""

import argparse
import json
import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from harness import device

from diffscatter.analysis import classification_scores, coverage, regression_scores
from diffscatter.analytic import Cylinder, Vesicle
from diffscatter.cli.options import cache_folder
from diffscatter.core.data import Curve
from diffscatter.core.files import write_atomic
from diffscatter.datasets import lnp
from diffscatter.pipelines import particles
from diffscatter.pipelines.analyse_particles import analyse_particles
from diffscatter.pipelines.tasks import TASKS
from diffscatter.report import versions
from diffscatter.training import load_weights

RESULTS = Path(__file__).parent / "results" / "lnp-unknown.json"
SLD, SPREADS = 9.0, (0.1, 4.0)  # 1/nm^2; nm
RATIOS = (0.4, 1.0, 1.6, 2.5, 4.0)  # length over width; 2.5 is type 5
WALLS = (3.0, 4.0, 6.0)  # nm
SHARES = (0.2, 0.4)  # wall over outer radius


def cylinder(size, ratio):
    length = size * jnp.minimum(ratio, 1.0)
    return Cylinder(radius=length / ratio / 2, length=length, contrast=SLD)


def hollow(size, wall):
    return Vesicle(radius=size / 2 - wall, thickness=wall, contrast=SLD)


def thick(size, share):
    return hollow(size, share * size / 2)


UNKNOWN = {f"cylinders {ratio:g}": (cylinder, ratio) for ratio in RATIOS}
UNKNOWN |= {f"hollow spheres {wall:g} nm": (hollow, wall) for wall in WALLS}
UNKNOWN |= {f"hollow spheres {share:g} R": (thick, share) for share in SHARES}


@partial(jax.jit, static_argnums=0)
def family(body, number, sizes, q):
    """Return curves of each size, ``(ns, nq)``."""
    return jax.lax.map(lambda size: body(size, number).average_square(q), sizes)


@partial(jax.jit, static_argnums=4)
def drawn(curves, like, base, key, count, matched):
    """Return q and measured curves of one body, the sizes and strengths that they have."""
    key_sizes, key_recorded = jax.random.split(key)
    sizes = base.sizes.astype(jnp.float32)
    u = jax.random.uniform(key_sizes, (4, count), jnp.float32)
    size = sizes[0] + u[0] * (sizes[-1] - sizes[0])
    alone = jax.nn.one_hot(jnp.argmin(abs(size[:, None] - sizes), axis=1), sizes.size)
    weights = lnp.size_weights(sizes, size, lnp.between(u[1], SPREADS))
    weights = jnp.where((u[3] < 0.5)[:, None], alone, weights).astype(jnp.float32)
    clean, known = (
        jnp.matmul(weights, c.astype(jnp.float32), precision="highest") for c in (curves, like)
    )
    factor = jnp.where(matched, known.max(axis=1) / clean.max(axis=1), 1.0)
    clean = clean * factor[:, None]
    strength = jnp.exp(lnp.between(u[2], tuple(map(math.log, lnp.STRENGTH))))
    return *lnp.windows(key_recorded, base.q, clean, strength), size, strength


@jax.jit
def on_axis(q, noisy, axis):
    return jax.vmap(lnp.on_axis, (0, 0, None))(q, noisy, axis)


def analysed(q, noisy, model, key):
    """Return what the command makes of curves."""
    more = np.diff(q, axis=1, prepend=0) > 0  # the last point comes again and again
    curves = [Curve(q=q[i, m], intensity=10 ** noisy[i, m]) for i, m in enumerate(more)]
    return analyse_particles(curves, key=key, model=model)


def odd(found):
    """Return the shares of curves that are called odd at all, and for their fit."""
    return {
        "analysed": len(found),
        "flagged_analysed": float(np.mean([one.unknown for one in found])),
        "misfits": float(np.mean([one.misfit for one in found])),
    }


def by_thirds(flagged, values):
    ends = np.quantile(values, [1 / 3, 2 / 3])
    return [float(flagged[np.digitize(values, ends) == k].mean()) for k in range(3)]


def unknown(model, held, count, fits, key):
    like = held.intensity[held.kinds.index(4)]
    for number, (name, (body, value)) in enumerate(UNKNOWN.items()):
        curves = family(body, value, held.sizes, held.q)
        details = {}
        for matched in (False, True):
            key_drawn = jax.random.fold_in(key, 2 * number + matched)
            found = drawn(curves, like, held, key_drawn, count, matched)
            q, noisy, size, strength = map(np.asarray, found)
            if fits and not matched:
                details |= odd(analysed(q[:fits], noisy[:fits], model, key_drawn))
            noisy = np.asarray(on_axis(q, noisy, held.q.astype(q.dtype)))
            flagged = particles.read_curves(noisy, model).out_of_distribution
            words = "matched" if matched else "simulated"
            details |= {
                f"flagged_{words}": float(flagged.mean()),
                f"flagged_{words}_by_size": by_thirds(flagged, size),
                f"flagged_{words}_by_noise": by_thirds(flagged, strength),
            }
        yield name, details | {"curves": count}


def answers(found, kind, fraction):
    """Return how right the command is: classes, and fractions where there is a mixture."""
    called = [one.probabilities.argmax() for one in found]
    mixed = kind == 2
    told = np.array([(one.fraction, *one.fraction_interval) for one in found])[mixed].T
    return {
        "accuracy_analysed": float(np.mean(called == kind)),
        "fraction_analysed": regression_scores(told[0], fraction[mixed]),
        "fraction_coverage_analysed": coverage(told[1], told[2], fraction[mixed]),
    }


def known(model, held, count, fits, key):
    task = TASKS["lnp-measured"]
    mixture = particles.known_mixtures(lnp.measured_sampler(held), key, count)
    told = particles.read_curves(mixture.curves, model)
    truth = {name: np.asarray(v) for name, v in task.targets(mixture).items()}
    kind, flagged = truth["kind"], told.out_of_distribution
    scores = classification_scores(told.probabilities, kind)
    published = mixture.strength >= lnp.STRENGTH[0]
    half = 1.645 * told.mixture_fraction_sigma
    details = {
        "curves": int(kind.size),
        "false_alarms": float(flagged.mean()),
        "false_alarms_by_class": [float(flagged[kind == k].mean()) for k in range(3)],
        "false_alarms_published_noise": float(flagged[published].mean()),
        "accuracy": scores["accuracy"],
        "accuracy_not_flagged": float((told.probabilities.argmax(1) == kind)[~flagged].mean()),
        "f1": scores["f1"],
        "fraction": regression_scores(told.mixture_fraction, truth["fraction"]),
        "fraction_coverage": coverage(
            told.mixture_fraction - half, told.mixture_fraction + half, truth["fraction"]
        ),
    }
    if fits:
        some = mixture.intensity[:fits], mixture.strength[:fits]
        q, noisy = map(np.asarray, jax.jit(lnp.windows)(key, held.q.astype(np.float32), *some))
        found = analysed(q, noisy, model, key)
        details |= odd(found) | answers(found, kind[:fits], mixture.fractions[:fits, 0])
    for k, number in enumerate(held.kinds):
        size = truth[f"mean_size_type{number}"]
        details[f"mean_size_type{number}"] = regression_scores(told.mean_sizes[:, k], size)
    return details


def trained(path, bases, key):
    """Return the network of a run, calibrated."""
    network = TASKS["lnp-measured"].plans["ours"].build(bases[0].q.size, jax.random.key(0))
    made = load_weights(path, network)
    network.eval()
    return particles.calibrated(network, bases, key=key, made=made)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="of a run; the packaged model unless set")
    parser.add_argument("--write", type=Path, help="file of the calibrated model")
    parser.add_argument("--curves", type=int, default=4096, help="of each body (4096)")
    parser.add_argument("--fits", type=int, default=128, help="of each body (128)")
    options = parser.parse_args()
    folder = cache_folder("lnp")
    held = lnp.base_curves((3, 4), lnp.HELD_OUT, folder=folder)
    keys = jax.random.split(jax.random.key(2026), 3)
    if options.weights is None:
        model = particles.load_measured()
    else:
        bases = lnp.base_curves((3, 4), lnp.TRAINED, folder=folder), held
        model = trained(options.weights, bases, keys[0])
    figures = {"known particles": known(model, held, options.curves, options.fits, keys[1])}
    figures |= dict(unknown(model, held, options.curves, options.fits, keys[2]))
    for name, details in figures.items():
        print(name, json.dumps(details))
    made = {name: value for name, value in model.made.items() if name != "held_out"}
    found = {"device": device(), "versions": versions(), "made": made, "figures": figures}
    write_atomic(RESULTS, json.dumps(found, indent=1, allow_nan=False) + "\n")
    if options.write is not None:
        model.made["held_out"] = figures
        particles.save_measured(options.write, model)


if __name__ == "__main__":
    main()
