"""Curves of lipid nanoparticles: base curves by size and type, mixtures, noise, tasks."""

from diffscatter.datasets.lnp.base import (
    HELD_OUT,
    TRAINED,
    Base,
    Q,
    base_curves,
    exact_curve,
    published_curve,
)
from diffscatter.datasets.lnp.measured import (
    MEASURED_STRENGTH,
    WINDOW,
    measured_sampler,
    on_axis,
    recorded,
)
from diffscatter.datasets.lnp.mixtures import (
    LIMITS,
    MEANS,
    SPREADS,
    TASKS,
    VERSION,
    Mixture,
    between,
    check_options,
    drawer,
    sampler,
    size_weights,
)
from diffscatter.datasets.lnp.noise import STRENGTH, lognormal_noise, photon_noise

__all__ = [
    "HELD_OUT",
    "LIMITS",
    "MEANS",
    "MEASURED_STRENGTH",
    "SPREADS",
    "STRENGTH",
    "TASKS",
    "TRAINED",
    "VERSION",
    "WINDOW",
    "Base",
    "Mixture",
    "Q",
    "base_curves",
    "between",
    "check_options",
    "drawer",
    "exact_curve",
    "lognormal_noise",
    "measured_sampler",
    "on_axis",
    "photon_noise",
    "published_curve",
    "recorded",
    "sampler",
    "size_weights",
]
