"""Any model by its name and its parameters by theirs: what fits and adapters work with."""

from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.analytic.compound import OURS, THEIRS, Composition, Part, Spread, parsed
from diffscatter.analytic.description import Parameter, element
from diffscatter.analytic.distributions import DISTRIBUTIONS, Distribution, named_distribution
from diffscatter.analytic.particle import check_model, floating
from diffscatter.analytic.registry import check_value, near
from diffscatter.analytic.sample import Sample
from diffscatter.core.checks import check_finite, concrete
from diffscatter.core.pytree import replace, static, struct

__all__ = ["Named", "named"]

_MODES = ("structure_factor_mode", "radius_effective_mode")
_START_WIDTH = 0.1
# Of the scattering of polarised neutrons: nothing of it matters while no part is magnetic.
_POLARISED = ("up_frac_i", "up_frac_f", "up_angle", "up_theta", "up_phi")


@struct
class Named:
    """A model as a dictionary of its parameters: a tree that is callable on q.

    Built by :func:`named`. Its leaves are ``values``, so a fit frees any of them by name; the
    particle, its populations and its interactions are put together from them at each call.

    Attributes:
        values: every parameter by name, in nm, 1/nm, 1/nm^2, 1/cm whatever the names are.
        composition: which models there are and how they are distributed; structure.

    Example:
        >>> model = named("sphere@hardsphere", {"radius": 6.0, "volfraction": 0.2, "sld": 4e-4})
        >>> model(q), model.parameters["radius"].unit, model.sample().model.structure
        >>> model.with_values(radius=7.0)(q)
    """

    values: dict[str, Array]
    composition: Composition = static()

    def __call__(self, q: ArrayLike) -> Array:
        """Return I(q) in 1/cm, in the shape of ``q`` (1/nm).

        Raises:
            ValueError: if ``q`` or a value is not finite, or if what it describes cannot be.
        """
        check_model(self, q)
        return _curve(self, floating(q))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The table: name to unit, default, limits and description, as ``values`` are."""
        return self.composition.parameters()

    def sample(self) -> Sample:
        """Return the sample that the values describe."""
        return self.composition.sample(self.values)

    def with_values(self, **values: ArrayLike) -> "Named":
        """Return the same model with some values changed."""
        for name, value in values.items():
            if name not in self.values:
                raise ValueError(_unknown(self.composition.name, name, self.values))
            _check(self.composition.name, self.parameters[name], value)
        return replace(self, values=self.values | _leaves(values))

    def node_count(self, q: ArrayLike) -> int:
        """Return the number of quadrature nodes at the largest of ``q`` (1/nm)."""
        return self.sample().node_count(q)

    def check(self, q: ArrayLike) -> None:
        """Refuse, from concrete values, what cannot be computed at ``q`` (1/nm)."""
        self.sample().check(q)


@jax.jit
def _curve(model: Named, q: Array) -> Array:
    sample = model.sample()
    return sample.scale * sample.model.specific_intensity(q) + sample.background


def named(
    name: str,
    values: Mapping[str, Any] | None = None,
    *,
    polydispersity: Mapping[str, Any] | None = None,
    vocabulary: str | None = None,
) -> Named:
    """Return a model by its name, with its parameters by name.

    Args:
        name: of the registry or of sasmodels: ``"sphere"``, ``"ellipsoid@hayter_msa"``,
            ``"sphere+cylinder"``, ``"a*b"``; see :mod:`~diffscatter.analytic.compound`.
        values: in nm, 1/nm and 1/nm^2 whatever the names; what is missing has its default.
            Besides parameters it takes ``radius_width`` (``radius_pd``) for the relative
            number distribution of ``radius``, and with a structure factor
            ``structure_factor_mode`` (0: P S, 1: decoupling approximation) and
            ``radius_effective_mode`` (0: a parameter of its own; 1, 2, ... or its name: that
            radius of the particle; 1 unless a ``radius_effective`` is given). In sasmodels'
            names also ``radius_pd_type``, ``_pd_n`` and ``_pd_nsigma``; the last two choose
            its own grid, and a width of 0 is no distribution. Numbers may be traced.
        polydispersity: parameter to ``"gaussian"``, ``"lognormal:0.1"`` (with a width) or a
            distribution of ``analytic``; stays distributed at a width of 0 too.
        vocabulary: ``"ours"`` or ``"sasmodels"``; None: ours if it has all the names that are
            given, otherwise sasmodels'.

    Raises:
        ValueError: for an unknown model or parameter, with what looks like it, or a value
            outside its limits.

    Example:
        >>> model = named("sphere", {"sld": 4e-4}, polydispersity={"radius": "schulz:0.2"})
        >>> fit_curve(model, curve, free={"sld": (0, 1e-3), "radius_pd": (0.01, 0.5)})
    """
    given, spread = dict(values or {}), dict(polydispersity or {})
    if vocabulary is not None:
        return _named(name, given, spread, vocabulary)
    try:
        return _named(name, given, spread, OURS)
    except _Unknown as ours:
        try:
            return _named(name, given, spread, THEIRS)
        except ValueError as theirs:
            worse = isinstance(theirs, _Unknown) and theirs.count >= ours.count
            raise ValueError(str(ours if worse else theirs)) from None


class _Unknown(ValueError):
    """Names that a vocabulary does not have, how many."""

    def __init__(self, message: str, count: int):
        super().__init__(message)
        self.count = count


def _named(name: str, given: dict[str, Any], spread: dict[str, Any], vocabulary: str) -> Named:
    if vocabulary not in (OURS, THEIRS):
        raise ValueError(f"vocabulary must be {OURS!r} or {THEIRS!r}, got {vocabulary!r}")
    plain = parsed(name, vocabulary)
    read: dict[str, Any] = {}  # keys that are understood, and values that came with them
    for part in plain.parts:
        given = _spelled(part, given)
    terms = tuple(
        tuple(_configured(part, given, spread, read, name) for part in term)
        for term in plain.terms
    )
    composition = changed(plain, terms=terms)
    table = composition.parameters()
    passed = {p for part in composition.parts for p in _passed_over(part)}
    unknown = [key for key in given if key not in {*table, *read, *passed}]
    unknown += [key for key in spread if key not in read]
    if unknown:
        raise _Unknown(_unknown(name, unknown[0], table, composition), len(unknown))
    for key, value in given.items():
        if key in table:
            _check(name, table[key], value)
        elif key.endswith("_M0") and np.any(concrete(value)):
            raise ValueError(f"{name}: magnetic scattering is not modelled, set {key} to 0")
    known = {key: p.default for key, p in table.items()}
    known |= {key: v for key, v in (read | given).items() if key in table and v is not None}
    return Named(values=_leaves(known), composition=composition)


def _configured(
    part: Part, given: dict[str, Any], spread: dict[str, Any], read: dict, name: str
) -> Part:
    """Return the part with its modes and distributions; note in ``read`` what set them."""
    part = changed(part, count=_count(part, given, spread))
    spreads = []
    for key, parameter in part.spreadable.items():
        found = _spread(part, key, parameter, given, spread, read)
        spreads += [] if found is None else [found]
    part = changed(part, spreads=tuple(spreads))
    if part.structure is None:
        return part
    modes = [part.prefix + mode for mode in _MODES]
    read |= dict.fromkeys(modes)
    free = part.vocabulary == OURS and f"{part.prefix}radius_effective" in given
    mode = given.get(modes[1], 1 if part.effective_radii and not free else 0)
    if mode in part.effective_radii:
        mode = part.effective_radii.index(mode) + 1
    if mode not in range(len(part.effective_radii) + 1):
        radii = [f"{i} ({radius})" for i, radius in enumerate(part.effective_radii, 1)]
        raise ValueError(
            f"{name}: {modes[1]} must be one of {', '.join(['0 (a parameter)', *radii])}, "
            f"got {mode!r}"
        )
    decoupled = given.get(modes[0], 0)
    if decoupled not in (0, 1):
        raise ValueError(
            f"{name}: {modes[0]} must be 0 (P S) or 1 (decoupling), got {decoupled!r}"
        )
    kind = part.effective_radii[int(mode) - 1] if mode else None
    return changed(part, decoupled=bool(decoupled), effective_radius=kind)


def _own(part: Part, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what carries the part's prefix, without it."""
    own = {key: value for key, value in values.items() if key.startswith(part.prefix)}
    return {key.removeprefix(part.prefix): value for key, value in own.items()}


def _spelled(part: Part, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values with the part's arrays spelled out: ``thickness[0]``, ..."""
    if part.vocabulary == THEIRS:
        return given
    own = _own(part, given)
    rest = {key: v for key, v in given.items() if not key.startswith(part.prefix)}
    _, spelled = part.described.spelled(own)
    return rest | {part.prefix + key: value for key, value in spelled.items()}


def _count(part: Part, given: dict[str, Any], spread: dict[str, Any]) -> int | None:
    """Return the length of the part's arrays that names and values imply."""
    model, own = part.described, _own(part, given)
    if part.vocabulary == OURS:
        names = [name.removesuffix("_width") for name in (*own, *_own(part, spread))]
        return model.spelled({name: None for name in names if element(name)[1] is not None})[0]
    if model.theirs.counter is None:
        return None
    counter = model.theirs.counter[0]
    return model.theirs.count(own.get(counter, model.theirs.parameters[counter][0]))


def _spread(
    part: Part,
    key: str,
    parameter: str,
    given: dict[str, Any],
    spread: dict[str, Any],
    read: dict[str, Any],
) -> Spread | None:
    """Return how a parameter is distributed, None if it is not."""
    full, width = part.prefix + key, part.prefix + part.width_of(key)
    options = {what: given.get(f"{width}_{what}") for what in ("type", "n", "nsigma")}
    if part.vocabulary == THEIRS:
        read |= dict.fromkeys([width, *(f"{width}_{what}" for what in options)])
    kind = options["type"] or "gaussian"
    if full in spread:
        kind, read[width] = _distribution(spread[full])
        read[full] = None
    elif width not in given:
        return None
    elif part.vocabulary == THEIRS:
        value = check_finite(width, given[width])
        if value is not None and not value.any():
            return None
    named_distribution(kind, 0.0)
    points, extent = options["n"], options["nsigma"]
    if (points is None and extent is None) or (points is not None and points < 2):
        return Spread(key, parameter, kind)
    # Its range is 3 widths unless given, and "uniform" has none but its width.
    reach = None if kind == "uniform" else float(3.0 if extent is None else extent)
    nodes = None if points is None else int(points)
    return Spread(key, parameter, kind, "sasmodels", nodes, reach)


def _distribution(kind: Any) -> tuple[str, Any]:
    """Return name and width of ``"gaussian"``, ``"lognormal:0.1"`` or a distribution."""
    if isinstance(kind, Distribution):
        return next(k for k, v in DISTRIBUTIONS.items() if type(kind) is v), kind.width
    name, _, width = str(kind).partition(":")
    try:
        value = float(width or _START_WIDTH)
    except ValueError:
        raise ValueError(
            f"the width in {kind!r} must be a number, as 'lognormal:0.1'"
        ) from None
    named_distribution(name, value)
    return name, value


def _passed_over(part: Part) -> list[str]:
    """Return keys of sasmodels that change nothing here, with their prefix."""
    if part.vocabulary == OURS:
        return []
    theirs = part.described.theirs
    turned = [f"{key}{end}" for key in theirs.ignored for end in ("", *_pd_keys())]
    still = [f"{key}{end}" for key in part.spreadable for end in _pd_keys()]
    slds = [key for key, (_, unit) in theirs.parameters.items() if unit == "1e-6/A^2"]
    magnetic = [f"{key}_{what}" for key in slds for what in ("M0", "mtheta", "mphi")]
    beside = ["radius_effective"] if part.structure else []
    beside += [f"radius_effective{end}" for end in ("_pd_n", "_pd_nsigma", "_pd_type")] * len(
        beside
    )
    absent = [key for key in theirs.parameters if key not in theirs.present(part.count)]
    unused = [f"{key}{end}" for key in absent for end in ("", *_pd_keys())]
    names = [*turned, *still, *magnetic, *beside, *unused]
    return [part.prefix + key for key in names] + list(_POLARISED)


def _pd_keys() -> tuple[str, ...]:
    return ("_pd", "_pd_n", "_pd_nsigma", "_pd_type")


def _check(name: str, parameter: Parameter, value: Any) -> None:
    array = check_finite(f"{name}: {parameter.name}", value)
    if array is not None:
        check_value(name, parameter, float(array))


def _leaves(values: Mapping[str, Any]) -> dict[str, Array]:
    return {key: jnp.asarray(value) for key, value in values.items()}


def _unknown(
    name: str, key: str, table: Mapping[str, Any], composition: Composition | None = None
) -> str:
    message = f"{name} has no parameter {key!r}{near(key, table)}; it has {', '.join(table)}"
    if composition is None:
        return message
    full = lambda part: [part.prefix + key for key in part.spreadable]
    spreadable = [key for part in composition.parts for key in full(part)]
    if spreadable:
        message += f"; distributions are of {', '.join(spreadable)}"
    return message
