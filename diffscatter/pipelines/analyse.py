"""What a curve tells without a model of the body: Guinier, p(r), size distributions."""

from typing import Any

from diffscatter.core.data import Curve
from diffscatter.fitting import (
    Guinier,
    PairDistances,
    SizeDistribution,
    fit_guinier,
    fit_pair_distances,
)
from diffscatter.instrument import Smear, smear_of
from diffscatter.pipelines.distribution import size_distribution

__all__ = ["METHODS", "analyse"]


def _guinier(curve: Curve, *, resolution: Any = "auto", **options: Any) -> Guinier:
    """Fit a line; a resolution hardly moves it and is not applied."""
    return fit_guinier(curve, **options)


def _pair_distances(curve: Curve, *, resolution: Any = "auto", **options: Any) -> PairDistances:
    smear = smear_of(curve) if resolution == "auto" else resolution
    if not (smear is None or isinstance(smear, Smear)):
        raise ValueError(f'resolution must be "auto", None or a Smear, got {resolution!r}')
    return fit_pair_distances(curve, smear=smear, **options)


METHODS = {"guinier": _guinier, "pr": _pair_distances, "sizes": size_distribution}


def analyse(
    curve: Curve, method: str, **options: Any
) -> Guinier | PairDistances | SizeDistribution:
    """Analyse a curve without assuming a form for what it shows.

    Args:
        curve: q in 1/nm.
        method: ``"guinier"``: radius of gyration and I(0), see
            :func:`~diffscatter.fitting.fit_guinier`; ``"pr"``: pair distances, see
            :func:`~diffscatter.fitting.fit_pair_distances`; ``"sizes"``: a free-form size
            distribution, see :func:`~diffscatter.pipelines.size_distribution`.
        options: of the method; ``resolution`` is ``"auto"``, None or a ``Smear`` in each.

    Raises:
        ValueError: for another method, and what the methods refuse.

    Example:
        >>> print(analyse(curve, "pr", largest=(3.0, 6.0)))
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return METHODS[method](curve, **options)
