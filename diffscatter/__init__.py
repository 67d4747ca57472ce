"""A differentiable engine for X-ray and neutron scattering.

A *shape* becomes a *density*; an *operator* scatters it; an *instrument* records it; a *fit* or
a *network* walks back along the gradient. Units are nm, 1/nm and rad throughout.
"""

from importlib import import_module

__version__ = "0.1.0"

# Subpackages load on first use, so that importing diffscatter costs importing jax alone.
__all__ = [
    "analytic",
    "core",
    "datasets",
    "fitting",
    "instrument",
    "io",
    "networks",
    "operators",
    "pipelines",
    "shapes",
    "training",
]


def __getattr__(name: str):
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
