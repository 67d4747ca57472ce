"""Curves from the names, units and keys of sasmodels: A, 1/A, 1e-6/A^2.

sasmodels itself is not needed; what is reproduced is its convention.
"""

from collections.abc import Mapping
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic import registry
from diffscatter.analytic.description import Theirs
from diffscatter.analytic.distributions import named_distribution
from diffscatter.analytic.particle import floating
from diffscatter.analytic.polydispersity import Polydisperse
from diffscatter.analytic.sample import Sample
from diffscatter.core.checks import check_finite
from diffscatter.core.pytree import struct
from diffscatter.core.units import length_factor, q_factor, sld_factor

__all__ = ["SasmodelsCurve", "from_sasmodels"]


_SUFFIXES = ("_pd", "_pd_n", "_pd_nsigma", "_pd_type")
_COMMON = {"scale": 1.0, "background": 1e-3}
_FACTORS = {
    "A": length_factor("A"),
    "1/A": q_factor("1/A"),
    "1e-6/A^2": sld_factor("1e-6/A^2"),
    "": 1.0,
}


@struct
class SasmodelsCurve:
    """A sample seen in the units of sasmodels. Attributes: ``sample``, in ours."""

    sample: Sample

    def __call__(self, q: ArrayLike) -> Array:
        """Return I in 1/cm at ``q`` in 1/A, in its shape."""
        return self.sample(floating(q) * q_factor("1/A"))


def from_sasmodels(name: str, parameters: Mapping[str, Any]) -> SasmodelsCurve:
    """Return the curve of a sasmodels model, a function of q in 1/A giving I in 1/cm.

    Distributions are by number. A width ``*_pd`` above 0 is always integrated. If ``*_pd_n``
    (above 1) or ``*_pd_nsigma`` is given, the sum is the one sasmodels makes, cut at 3 widths
    where it is not told otherwise, without its weight cutoff (``cutoff=0`` there); if not, it
    is the converged integral, where sasmodels would silently take a single size.

    Args:
        name: of the model, as ``"core_shell_sphere"``.
        parameters: as sasmodels takes them; what is missing has its default there. Numbers
            may be traced, so the curve can be differentiated with respect to them.

    Raises:
        ValueError: for a model, key or distribution that is not known, a value that is not
            finite, or a length or width below 0.

    Example:
        >>> from_sasmodels("sphere", {"radius": 60, "radius_pd": 0.1})(np.array([0.01, 0.02]))
    """
    described = registry.get(name)
    theirs = described.theirs
    _check_keys(theirs, parameters)
    ours = {
        key: parameters.get(key, default) * _FACTORS[unit]
        for key, (default, unit) in theirs.parameters.items()
    }
    fields = theirs.convert(ours)
    factor = fields.pop("scale", 1.0)
    model = described.constructor(**fields)
    for key in theirs.spread:
        model = _distributed(model, key, parameters)
    scale, background = (parameters.get(key, default) for key, default in _COMMON.items())
    sample = Sample(model=model, scale=factor * scale, background=background)
    return SasmodelsCurve(sample=sample)


def _distributed(model: Any, key: str, parameters: Mapping[str, Any]) -> Any:
    width = parameters.get(f"{key}_pd", 0.0)
    concrete = check_finite(f"{key}_pd", width)
    if concrete is not None and concrete == 0:
        return model
    kind = parameters.get(f"{key}_pd_type", "gaussian")
    distribution = named_distribution(kind, width)
    points, extent = (parameters.get(f"{key}_pd_{what}") for what in ("n", "nsigma"))
    if (points is None and extent is None) or (points is not None and points < 2):
        return Polydisperse(model=model, distribution=distribution, parameter=key)
    return Polydisperse(
        model=model,
        distribution=distribution,
        parameter=key,
        grid="sasmodels",
        nodes=None if points is None else int(points),
        # Its range is 3 widths unless given, and "uniform" has none but its width.
        extent=None if kind == "uniform" else float(3.0 if extent is None else extent),
    )


def _check_keys(theirs: Theirs, parameters: Mapping[str, Any]) -> None:
    plain = [*theirs.parameters, *_COMMON]
    spread = [f"{key}{suffix}" for key in theirs.spread for suffix in _SUFFIXES]
    turned = [f"{key}{suffix}" for key in theirs.ignored for suffix in ("", *_SUFFIXES)]
    not_negative = {*theirs.spread, *(f"{key}_pd" for key in theirs.spread)}
    for key, given in parameters.items():
        if key not in (*plain, *spread, *turned):
            raise ValueError(
                f"{theirs.name} has no parameter {key!r}; it has {', '.join(plain)}, and for "
                f"each of {', '.join(theirs.spread)} the keys "
                f"{', '.join('*' + s for s in _SUFFIXES)}"
            )
        if key.endswith("_pd_type"):
            continue
        array = check_finite(key, given)
        if key in not_negative and array is not None and array < 0:
            raise ValueError(f"{theirs.name}: {key} must be at least 0, got {given}")
