"""What can be learnt from curves of lipid nanoparticles, and the networks that learn it.

Each task says which mixtures it is about and what is asked of a curve; each of its plans is a
network with the loss and the steps that teach it. ``"ours"`` answers with spreads, and tells
the sizes as well; the others are those of the report (T. Li, Cornell University, 2025, listings
5 to 9) with its optimisers, batches and patience, an epoch of its data counted in steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

from diffscatter import networks
from diffscatter.datasets import lnp
from diffscatter.training.loop import default_optimiser

__all__ = ["TASKS", "Plan", "Task"]


@dataclass(frozen=True)
class Plan:
    """One way to learn a task.

    Attributes:
        build: ``build(points, key) -> network``.
        loss: ``loss(network, curves, targets)``.
        predict: ``predict(network, curves) -> {name: probabilities, numbers or an estimate}``.
        optimiser: of optax, given the number of steps.
        steps, batch, every: as :func:`~diffscatter.training.train` takes them.
        patience: in validations; None: never ends early.
    """

    build: Callable[[int, Array], Any]
    loss: Callable[[Any, Array, Mapping[str, Array]], Array]
    predict: Callable[[Any, Array], dict[str, Any]]
    optimiser: Callable[[int], optax.GradientTransformation]
    steps: int
    batch: int
    every: int
    patience: int | None = None


@dataclass(frozen=True)
class Task:
    """What is asked of a curve.

    Attributes:
        words: the question.
        mixtures: the name of its draws in :data:`diffscatter.datasets.lnp.TASKS`.
        sampler: what makes them, called as :func:`diffscatter.datasets.lnp.sampler` is.
        answers: names of the classes, where classes are asked for.
        targets: from a drawn mixture to what is asked, by name; NaN where there is no answer.
        plans: by the network's name.
    """

    words: str
    mixtures: str
    answers: tuple[str, ...]
    targets: Callable[[lnp.Mixture], dict[str, Array]]
    plans: Mapping[str, Plan]
    sampler: Callable[..., Callable[[Array, int], lnp.Mixture]] = lnp.sampler

    @property
    def kinds(self) -> tuple[int, ...]:
        """Types of particle in the mixtures."""
        return lnp.TASKS[self.mixtures]


def _sizes(kinds: tuple[int, ...], mixture: lnp.Mixture) -> dict[str, Array]:
    """Return the mean size of each type that is there."""
    there = mixture.fractions > 0
    means = jnp.where(there, mixture.means, jnp.nan)
    return {f"mean_size_type{kind}": means[:, k] for k, kind in enumerate(kinds)}


def _classify(mixture: lnp.Mixture) -> dict[str, Array]:
    mixed = mixture.target == 2
    # Of a pure sample the class says all: its fraction is no number that a spread belongs to.
    fraction = jnp.where(mixed, mixture.fractions[:, 0], jnp.nan)
    kind = {"kind": mixture.target, "fraction": fraction}
    return kind | _sizes(lnp.TASKS["classify"], mixture)


def _fraction(mixture: lnp.Mixture) -> dict[str, Array]:
    return {"fraction": mixture.target} | _sizes(lnp.TASKS["fraction"], mixture)


def _mixed(mixture: lnp.Mixture) -> dict[str, Array]:
    return {"kind": mixture.target}


def _weights(mixture: lnp.Mixture) -> dict[str, Array]:
    return {"weights": mixture.target} | _sizes(lnp.TASKS["weights"], mixture)


def _of_sizes(task: str) -> dict[str, networks.Proportion]:
    head = networks.Proportion(*lnp.MEANS)
    return {f"mean_size_type{kind}": head for kind in lnp.TASKS[task]}


def _ours(heads: Mapping[str, Any], *, steps: int = 20_000) -> Plan:
    return _with_heads(networks.ComponentNet, heads, steps=steps, batch=256)


def _with_heads(
    network: Callable[..., Any], heads: Mapping[str, Any], *, steps: int, batch: int
) -> Plan:
    return Plan(
        build=lambda points, key: network(points, heads, key=key),
        loss=lambda network, curves, targets: sum(network.losses(curves, targets).values()),
        predict=lambda network, curves: network.predict(curves),
        optimiser=default_optimiser,
        steps=steps,
        batch=batch,
        every=500,
    )


def _listed(
    name: str, build: Callable[[int, Array], Any], loss: Callable, rate: float, **counts: Any
) -> Plan:
    """Return a plan of the report: one output, Adam at a constant rate, early stopping."""
    return Plan(
        build=build,
        loss=lambda network, curves, targets: loss(network(curves), targets[name]).mean(),
        predict=lambda network, curves: {name: network(curves)},
        optimiser=lambda steps: optax.adam(rate),
        **{"batch": 256} | counts,
    )


def _classes(outputs: int, rate: float, **counts: Any) -> Plan:
    loss = optax.softmax_cross_entropy_with_integer_labels
    build = lambda points, key: networks.TwoLayerCNN(points, outputs, key=key)
    return _listed("kind", build, loss, rate, **counts)


def _resnet(outputs: int, **counts: Any) -> Plan:
    loss = optax.softmax_cross_entropy_with_integer_labels
    build = lambda points, key: networks.ResNet(points, outputs, key=key)
    return _listed("kind", build, loss, 1e-3, **counts)


_plain = lambda points, key: networks.PlainCNN(points, key=key)
_simple = lambda points, key: networks.TwoLayerCNN(
    points, 1, key=key, ending="fraction", dropout=0.15, normalised=False
)
_three = lambda points, key: networks.TwoLayerCNN(
    points, 3, key=key, ending="weights", dropout=0.0
)
_smooth_l1 = partial(optax.huber_loss, delta=1.0)
# Steps: the listings' epochs times their batches, and their patience likewise, of curves drawn
# anew where they went through the same ones again.
_LISTING_5 = {"steps": 1800, "every": 50, "patience": 6}
_LISTING_6 = {"steps": 950, "every": 50, "patience": 3}
_LISTING_7 = {"steps": 10_000, "every": 100, "patience": 20}
_LISTING_8 = {"steps": 100_000, "every": 500, "patience": 20, "batch": 512}

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "lnp-classify": Task(
            words="type 3 alone, type 4 alone, or a mixture of both",
            mixtures="classify",
            answers=("type 3", "type 4", "mixture"),
            targets=_classify,
            plans={
                "ours": _ours(
                    {"kind": networks.Classes(3), "fraction": networks.Proportion()}
                    | _of_sizes("classify")
                ),
                "published": _classes(3, 1e-3, **_LISTING_5),
                "resnet": _resnet(3, **_LISTING_5),
            },
        ),
        "lnp-measured": Task(
            words="type 3, type 4, a mixture or another body, of a curve as an instrument "
            "records it: in a window of q, on any scale",
            mixtures="classify",
            answers=("type 3", "type 4", "mixture", "other"),
            targets=_classify,
            plans={
                "ours": _with_heads(
                    networks.CurveNet,
                    {"kind": networks.Classes(4), "fraction": networks.Proportion()}
                    | _of_sizes("classify"),
                    steps=4_000,
                    batch=64,
                )
            },
            sampler=lnp.measured_sampler,
        ),
        "lnp-fraction": Task(
            words="the fraction of type 3, by number, in a mixture with type 4",
            mixtures="fraction",
            answers=(),
            targets=_fraction,
            plans={
                "ours": _ours({"fraction": networks.Proportion()} | _of_sizes("fraction")),
                "published": _listed("fraction", _plain, _smooth_l1, 1e-3, **_LISTING_6),
                "simple": _listed("fraction", _simple, _smooth_l1, 1e-3, **_LISTING_6),
            },
        ),
        "lnp-mixed": Task(
            words="one of the types 1 to 4 alone, or a mixture of all",
            mixtures="mixed",
            answers=("pure", "mixture"),
            targets=_mixed,
            plans={
                "ours": _ours({"kind": networks.Classes(2)}),
                # Listing 7 leaves three of five outputs without a class.
                "published": _classes(5, 1e-4, **_LISTING_7),
            },
        ),
        "lnp-weights": Task(
            words="the fractions of the types 1, 2 and 3, by number",
            mixtures="weights",
            answers=(),
            targets=_weights,
            plans={
                # Cores that differ in their filling alone take longer to tell apart.
                "ours": _ours(
                    {"weights": networks.Shares(3)} | _of_sizes("weights"), steps=40_000
                ),
                "published": _listed(
                    "weights", _three, optax.squared_error, 5e-4, **_LISTING_8
                ),
            },
        ),
    }
)
