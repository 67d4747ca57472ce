"""Compound names: several models in one, and all the parameters they have together.

``"sphere@hard_sphere"`` is a particle with a structure factor, ``"a*b"`` a product, ``"a+b"`` a
sum; ``@`` binds first, then ``*``, then ``+``. The parts of sums and products carry the letters
A, B, ... before their parameters (``A_radius``), in the order in which sasmodels gives them:
members of products first. Each term of a sum has a scale (``A_scale``, ``BC_scale``).

Two vocabularies name the same things: ours, and that of sasmodels with its slds, ``_pd`` widths
and modes. Values are in nm, 1/nm and 1/nm^2 in both.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from string import ascii_uppercase
from typing import Any

from diffscatter.analytic import registry
from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter
from diffscatter.analytic.distributions import named_distribution
from diffscatter.analytic.interacting import Interacting
from diffscatter.analytic.mixture import Mixture, Product
from diffscatter.analytic.particle import Particle, Scatterer
from diffscatter.analytic.polydispersity import Polydisperse
from diffscatter.analytic.sample import Sample
from diffscatter.core.units import length_factor, q_factor, sld_factor

__all__ = ["OURS", "THEIRS", "Composition", "Part", "Spread", "UNITS", "parsed"]

OURS, THEIRS = "ours", "sasmodels"
# Their units: the factor to ours, and ours.
UNITS = {
    "A": (length_factor("A"), "nm"),
    "1/A": (q_factor("1/A"), "1/nm"),
    "1e-6/A^2": (sld_factor("1e-6/A^2"), "1/nm^2"),
}
_WIDTH = {OURS: "width", THEIRS: "pd"}
_BACKGROUND = {OURS: 0.0, THEIRS: 1e-3}
# What a structure factor's own two parameters are called beside those of a particle.
_BESIDE = {"radius": "radius_effective"}
_FRACTIONS = {OURS: "volume_fraction", THEIRS: "volfraction"}


@dataclass(frozen=True)
class Spread:
    """How a parameter of a part is distributed; the width itself is a parameter.

    Attributes:
        key: the parameter as users call it; parameter: as the particle does.
        kind: name of the distribution.
        grid, nodes, extent: as in :class:`~diffscatter.analytic.Polydisperse`.
    """

    key: str
    parameter: str
    kind: str = "gaussian"
    grid: str = "converged"
    nodes: int | None = None
    extent: float | None = None


@dataclass(frozen=True)
class Part:
    """One model of a compound, with its structure factor.

    Attributes:
        model, structure: names in the registry; None: dilute.
        prefix: of its parameters, as ``"A_"``.
        vocabulary: ``"ours"`` or ``"sasmodels"``.
        count: length of the model's arrays; None: it has none, or that of the defaults.
        spreads: its distributions, the innermost first.
        decoupled, effective_radius: as in :class:`~diffscatter.analytic.Interacting`.
    """

    model: str
    structure: str | None = None
    prefix: str = ""
    vocabulary: str = OURS
    count: int | None = None
    spreads: tuple[Spread, ...] = ()
    decoupled: bool = False
    effective_radius: str | None = None

    @property
    def described(self) -> Model:
        return registry.get(self.model)

    @property
    def effective_radii(self) -> tuple[str, ...]:
        """Names of the particle's effective radii."""
        return tuple(getattr(self.described.constructor, "EFFECTIVE_RADII", ()))

    @property
    def spreadable(self) -> dict[str, str]:
        """Parameters that may be distributed: as users call them, to as the particle does."""
        model = self.described
        if self.vocabulary == OURS:
            return {p.name: p.name for p in model.scalars(self.count) if p.unit == "nm"}
        theirs, present = model.theirs, model.theirs.present(self.count)
        return {key: theirs.renamed.get(key, key) for key in theirs.spread if key in present}

    def width_of(self, key: str) -> str:
        """Return what the width of a parameter's distribution is called, without prefix."""
        return f"{key}_{_WIDTH[self.vocabulary]}"

    def particle_parameters(self) -> dict[str, Parameter]:
        """Return the particle's own parameters, without prefix."""
        return _described(self.described, self.vocabulary, self.count)

    def structure_parameters(self) -> dict[str, tuple[str, Parameter]]:
        """Return those of the structure factor: its own name to the one here and what it is.

        The radius is left out where the particle gives it, and the volume fraction where the
        particle has one.
        """
        if self.structure is None:
            return {}
        own, found = self.particle_parameters(), {}
        fraction = _FRACTIONS[self.vocabulary]
        for name, p in _described(registry.get(self.structure), self.vocabulary).items():
            beside = _BESIDE.get(name, name)
            if beside == "radius_effective" and self.effective_radius is not None:
                continue
            if beside == fraction and fraction in own:
                continue
            beside = f"{beside}_S" if beside in own else beside
            found[name] = (beside, changed(p, name=beside))
        return found

    def parameters(self) -> dict[str, Parameter]:
        """Return all of this part's parameters by name, prefix included."""
        found = list(self.particle_parameters().values())
        for spread in self.spreads:
            name, what = self.width_of(spread.key), f"{spread.kind} distribution"
            if spread.grid != "converged":
                what += f" on {spread.nodes or 'its'} points"
            what = f"relative width of the {what} of {spread.key}, by number"
            found.append(Parameter(name, "", 0.1, (0.0, 1.0), what))
        found += [p for _, p in self.structure_parameters().values()]
        return {name: changed(p, name=name) for p in found for name in [self.prefix + p.name]}

    def scatterer(self, values: Mapping[str, Any]) -> tuple[Scatterer, Any]:
        """Return the model at given values, and a factor of its scale."""
        own = {p: values[self.prefix + p] for p in self.particle_parameters()}
        fields = _keywords(self.described, self.vocabulary, own, self.count)
        factor = fields.pop("scale", 1.0)
        model = self.described.constructor(**fields)
        for spread in self.spreads:
            width = values[self.prefix + self.width_of(spread.key)]
            model = Polydisperse(
                model=model,
                distribution=named_distribution(spread.kind, width),
                parameter=spread.parameter,
                grid=spread.grid,
                nodes=spread.nodes,
                extent=spread.extent,
            )
        if self.structure is None:
            return model, factor
        named = self.structure_parameters()
        theirs = {name: values[self.prefix + beside] for name, (beside, _) in named.items()}
        fraction = _FRACTIONS[self.vocabulary]
        if fraction not in theirs:
            theirs[fraction] = own[fraction]
            factor = 1.0  # that fraction, which is the structure factor's now
        described = registry.get(self.structure)
        absent = dict.fromkeys(_described(described, self.vocabulary)) | theirs
        structure = described.constructor(**_keywords(described, self.vocabulary, absent))
        return Interacting(
            particle=model,
            structure=structure,
            decoupled=self.decoupled,
            effective_radius=self.effective_radius,
        ), factor


@dataclass(frozen=True)
class Composition:
    """A sum of products of parts: everything about a model but its values.

    Attributes:
        name: as users write it.
        terms: of the sum; each is the factors of a product.
        scales: names of the terms' scales; none where there is one term.
        vocabulary: ``"ours"`` or ``"sasmodels"``.
    """

    name: str
    terms: tuple[tuple[Part, ...], ...]
    scales: tuple[str, ...]
    vocabulary: str = OURS

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for term in self.terms for part in term)

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter by name, in the order of presentation."""
        (first, *_), level = self.parts, _BACKGROUND[self.vocabulary]
        alone = len(self.parts) == 1 and first.structure is None
        if alone and first.model in registry.STRUCTURE_FACTORS:
            level = 0.0
        dilute = alone and issubclass(first.described.constructor, Particle)
        what = "volume fraction" if dilute else "factor of the intensity"
        found = {
            "scale": Parameter("scale", "", 1.0, POSITIVE, what),
            "background": Parameter("background", "1/cm", level, ANY, "flat background"),
        }
        for i, term in enumerate(self.terms):
            if self.scales:
                members = " times ".join(part.model for part in term)
                name = self.scales[i]
                found[name] = Parameter(name, "", 1.0, POSITIVE, f"scale of {members}")
            for part in term:
                found |= part.parameters()
        return found

    def factors(self) -> dict[str, float]:
        """Return what turns sasmodels' units into ours, for the parameters that have one."""
        found = {}
        for part in self.parts:
            for model in filter(None, (part.model, part.structure)):
                for name, (_, unit) in registry.get(model).theirs.parameters.items():
                    for key in (name, f"{name}_S"):
                        found[part.prefix + key] = UNITS.get(unit, (1.0, unit))[0]
        return found

    def sample(self, values: Mapping[str, Any]) -> Sample:
        """Return the sample at given values of all the parameters."""
        models, scales = [], []
        for i, term in enumerate(self.terms):
            built, factors = zip(*(part.scatterer(values) for part in term), strict=True)
            models.append(built[0] if len(built) == 1 else Product(models=built))
            scale = values[self.scales[i]] if self.scales else 1.0
            scales.append(math.prod(factors, start=scale))
        if len(models) == 1:
            model, scale = models[0], scales[0]
        else:
            model, scale = Mixture(models=tuple(models), scales=tuple(scales)), 1.0
        return Sample(
            model=model, scale=scale * values["scale"], background=values["background"]
        )


def parsed(name: str, vocabulary: str) -> Composition:
    """Return the composition that a name spells, without distributions.

    Raises:
        ValueError: for a name that is not known or not well formed.
    """
    terms = [
        [_part(factor, name, vocabulary) for factor in term.split("*")]
        for term in name.replace(" ", "").split("+")
    ]
    if sum(map(len, terms)) > len(ascii_uppercase):
        raise ValueError(f"{name!r} has more parts than the alphabet has letters")
    letters = iter(ascii_uppercase)
    singles = [term for term in terms if len(term) == 1] if len(terms) > 1 else []
    for term in [*(term for term in terms if len(term) > 1), *singles]:
        term[:] = [changed(part, prefix=f"{next(letters)}_") for part in term]
    scales = ["".join(part.prefix[0] for part in term) for term in terms if len(terms) > 1]
    return Composition(
        name=name,
        terms=tuple(map(tuple, terms)),
        scales=tuple(f"{scale}_scale" for scale in scales),
        vocabulary=vocabulary,
    )


def _part(factor: str, name: str, vocabulary: str) -> Part:
    model, *structure = factor.split("@")
    if not model or len(structure) > 1 or "" in structure:
        raise ValueError(
            f"{name!r} is no model: write a name, a+b, a*b, or particle@structure_factor"
        )
    found = registry.get(model).name
    beside = registry.get(structure[0]).name if structure else None
    if beside is not None and beside not in registry.STRUCTURE_FACTORS:
        raise ValueError(
            f"{structure[0]} is not a structure factor; after @ comes one of "
            f"{', '.join(registry.STRUCTURE_FACTORS)}"
        )
    for each in filter(None, (found, beside)):
        if vocabulary == THEIRS and registry.get(each).theirs is None:
            raise ValueError(f"{each} has no counterpart in sasmodels; use our parameters")
    return Part(model=found, structure=beside, vocabulary=vocabulary)


def _described(model: Model, vocabulary: str, count: int | None = None) -> dict[str, Parameter]:
    """Return a model's parameters in a vocabulary, in our units; arrays element by element."""
    ours = {p.name: p for p in model.scalars(count)}
    if vocabulary == OURS:
        return ours
    found = {}
    for name, (default, unit) in model.theirs.present(count).items():
        factor, our_unit = UNITS.get(unit, (1.0, unit))
        same = ours.get(model.theirs.renamed.get(name, name))
        limits = same.limits if same else POSITIVE if name in model.theirs.spread else ANY
        words = same.description if same else _WORDS.get(our_unit, name.replace("_", " "))
        typical = same.typical if same else None
        found[name] = Parameter(name, our_unit, default * factor, limits, words, typical)
    return found


_WORDS = {"1/nm^2": "scattering length density"}


def _keywords(
    model: Model, vocabulary: str, values: Mapping[str, Any], count: int | None = None
) -> dict[str, Any]:
    if vocabulary == OURS:
        return model.gathered(values)
    theirs = model.theirs
    if theirs.counter is not None:
        name = theirs.counter[0]
        values = {**values, name: int(theirs.parameters[name][0]) if count is None else count}
    return theirs.convert(values)
