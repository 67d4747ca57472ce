"""Curves from the names, units and keys of sasmodels: A, 1/A, 1e-6/A^2.

sasmodels itself is not needed; what is reproduced is its convention.
"""

from collections.abc import Mapping
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.compound import THEIRS, parsed
from diffscatter.analytic.named import Named, named
from diffscatter.analytic.particle import floating
from diffscatter.core.pytree import struct
from diffscatter.core.units import q_factor

__all__ = ["SasmodelsCurve", "from_sasmodels"]


@struct
class SasmodelsCurve:
    """A model seen in the units of sasmodels.

    Attributes: ``model``, a :class:`~diffscatter.analytic.Named` with sasmodels' names and our
    units, a function of q in 1/nm.
    """

    model: Named

    def __call__(self, q: ArrayLike) -> Array:
        """Return I in 1/cm at ``q`` in 1/A, in its shape."""
        return self.model(floating(q) * q_factor("1/A"))


def from_sasmodels(name: str, parameters: Mapping[str, Any]) -> SasmodelsCurve:
    """Return the curve of a sasmodels model, a function of q in 1/A giving I in 1/cm.

    Distributions are by number. A width ``*_pd`` above 0 is always integrated. If ``*_pd_n``
    (above 1) or ``*_pd_nsigma`` is given, the sum is the one sasmodels makes, cut at 3 widths
    where it is not told otherwise, without its weight cutoff (``cutoff=0`` there); if not, it
    is the converged integral, where sasmodels would silently take a single size.

    Orientations (``theta``, ``phi``, ...) change nothing in an average over all of them and are
    taken but not used, and so are the angles of magnetisation; a magnetic sld is refused.

    Args:
        name: of the model, as ``"core_shell_sphere"``, ``"sphere@hardsphere"``, ``"a+b"``.
        parameters: as sasmodels takes them; what is missing has its default there. Numbers
            may be traced, so the curve can be differentiated with respect to them.

    Raises:
        ValueError: for a model, key or distribution that is not known, a value that is not
            finite, or outside its limits.

    Example:
        >>> from_sasmodels("sphere", {"radius": 60, "radius_pd": 0.1})(np.array([0.01, 0.02]))
    """
    factors = parsed(name, THEIRS).factors()
    ours = {
        key: value if key not in factors else value * factors[key]
        for key, value in parameters.items()
    }
    return SasmodelsCurve(model=named(name, ours, vocabulary=THEIRS))
