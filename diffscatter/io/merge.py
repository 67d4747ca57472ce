"""Several detectors' curves of one sample as one curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffscatter.core.data import ARBITRARY, COLUMNS, Curve, checked_curve
from diffscatter.core.pytree import replace
from diffscatter.io.entries import averaged

__all__ = ["merge_curves"]

_FEWEST = 3  # points that a factor is found from
_DISAGREE = 4.0  # chi2 per point beyond which errors do not explain what two curves differ by


def merge_curves(
    curves: Sequence[Curve],
    *,
    scale: str | Sequence[float] | None = "overlap",
    overlap: str | float | Sequence[float] = "middle",
) -> Curve:
    r"""Merge curves of one sample, taken in different ranges of q, into one.

    The factor f of each curve onto its neighbour is the best by both curves' errors,

    .. math:: \sum_i \frac{(A_i - f B_i)^2}{\sigma_{A,i}^2 + f^2 \sigma_{B,i}^2} \to \min

    over the q that both cover. Its uncertainty is common to all points of a curve; it is said
    in ``notes`` and not put into ``sigma``. Every decision stands there.

    Args:
        curves: at least two; the first keeps its scale.
        scale: ``"overlap"``: as above; None: all as they are; or a factor for each.
        overlap: what is kept where two curves meet: ``"middle"``: the one of lower q up to the
            geometric middle of what they share, the other one beyond; ``"keep"``: all points,
            equal q averaged; or the q (1/nm) to change over at, one for each place.

    Raises:
        ValueError: if they share too little to be scaled, if one lies within another, if only
            some have a sigma, or if their slits differ and they are to be scaled.
    """
    curves = list(curves)
    if len(curves) < 2:
        raise ValueError(f"give at least two curves to merge, got {len(curves)}")
    order = sorted(range(len(curves)), key=lambda k: float(curves[k].q[0]))
    parts = [curves[k] for k in order]
    if len({part.sigma is None for part in parts}) > 1:
        bare = next(part for part in parts if part.sigma is None)
        raise ValueError(f"{bare.name!r} has no sigma and others do; give it an error floor")
    first = order.index(0)
    notes = [f"{len(parts)} ranges merged"]
    factors = _factors(parts, first, scale, order, notes)
    pieces = _cut(parts, overlap, notes)

    names = [n for n in COLUMNS if any(n in piece for piece in pieces)]
    for name in names:
        lacking = [p.name for p, piece in zip(parts, pieces, strict=True) if name not in piece]
        if lacking:
            notes.append(f"no {name.replace('_', ' ')} in part of the ranges: sharp there")
    columns = {}
    for name in names:
        factor = factors if name in ("intensity", "sigma") else np.ones(len(parts))
        columns[name] = np.concatenate(
            [
                f * p.get(name, np.zeros(p["q"].size))
                for f, p in zip(factor, pieces, strict=True)
            ]
        )
    rows = np.argsort(columns["q"], kind="stable")
    columns = {name: values[rows] for name, values in columns.items()}
    if overlap == "keep":
        columns = averaged(columns, notes)
    merged = checked_curve(**columns, name=parts[first].name)
    kept = [note for part in parts for note in part.notes if not note.startswith(ARBITRARY)]
    unscaled = [part for part in parts if part.arbitrary and scale is None]
    if unscaled or parts[first].arbitrary:
        found = (unscaled or [parts[first]])[0]
        kept.append(next(note for note in found.notes if note.startswith(ARBITRARY)))
    return replace(
        merged,
        source="; ".join(dict.fromkeys(part.source for part in curves if part.source)),
        notes=tuple(dict.fromkeys([*kept, *notes])),
    )


def _factors(parts, first: int, scale, order, notes) -> np.ndarray:
    """Return each part's factor; that of the first curve is 1 where overlaps decide."""
    if scale is None:
        return np.ones(len(parts))
    if not isinstance(scale, str):
        given = np.asarray(scale, float)
        if given.shape != (len(parts),) or not (np.isfinite(given) & (given > 0)).all():
            raise ValueError(f"scale must be {len(parts)} factors above 0, got {scale!r}")
        return given[order]
    if scale != "overlap":
        raise ValueError(f"scale must be 'overlap', None or factors, got {scale!r}")
    steps = [_ratio(a, b) for a, b in zip(parts[:-1], parts[1:], strict=True)]
    chain = np.cumprod([1.0, *(step.factor for step in steps)])
    factors = chain / chain[first]
    error = 0.0
    for k in [*range(first + 1, len(parts)), *range(first - 1, -1, -1)]:
        step = steps[k - 1] if k > first else steps[k]
        error = step.error if k in (first + 1, first - 1) else math.hypot(error, step.error)
        notes.append(
            f"{_span(parts[k])} scaled by {factors[k]:.5g} +- {factors[k] * error:.2g}, from "
            f"{step.points} points shared in {step.low:.4g}..{step.high:.4g} 1/nm"
            + ("" if step.chi2 is None else f" (chi2 per point {step.chi2:.2g})")
            + (": they differ by more than a factor" if (step.chi2 or 0) > _DISAGREE else "")
        )
    return factors


@dataclass(frozen=True)
class _Ratio:
    """The factor of one curve onto another, its relative error, and what it rests on.

    ``chi2`` is that of a point, None where there are no errors.
    """

    factor: float
    error: float
    chi2: float | None
    points: int
    low: float
    high: float


def _ratio(one: Curve, other: Curve) -> _Ratio:
    """Return the factor of ``other`` onto ``one`` from what they share."""
    from scipy.optimize import minimize_scalar

    a, b = one.columns, other.columns
    for name in ("slit_length", "slit_width"):
        ends = [c[name][[0, -1]] if name in c else np.zeros(2) for c in (a, b)]
        if not np.allclose(*ends, rtol=1e-3, atol=0):
            raise ValueError(
                f"{_span(one)} and {_span(other)} are smeared by different slits, so what they "
                "share differs; fit them together, or give their scale"
            )
    low, high = max(a["q"][0], b["q"][0]), min(a["q"][-1], b["q"][-1])
    inside = lambda c: int(((c["q"] >= low) & (c["q"] <= high)).sum())
    swap = inside(a) > inside(b)  # compare where there are more points
    fine, coarse = (a, b) if swap else (b, a)
    keep = (fine["q"] >= low) & (fine["q"] <= high)
    if min(inside(a), inside(b)) < 1 or keep.sum() < _FEWEST:
        raise ValueError(
            f"{_span(one)} and {_span(other)} share {int(keep.sum())} points to scale them by, "
            f"at least {_FEWEST} are needed; give their scale, or None to leave it"
        )
    at = fine["q"][keep]
    here, there = fine["intensity"][keep], _between(coarse, at, "intensity")
    errors = np.abs(here), np.abs(there)
    if "sigma" in a:
        errors = fine["sigma"][keep], _between(coarse, at, "sigma")
    above, below = (here, there) if swap else (there, here)
    s_above, s_below = errors if swap else errors[::-1]
    chi2 = lambda t: float(
        np.sum((above - np.exp(t) * below) ** 2 / (s_above**2 + np.exp(2 * t) * s_below**2))
    )
    if not min(above.sum(), below.sum()) > 0:
        raise ValueError(
            f"{_span(one)} and {_span(other)} are not above 0 on average where they meet; give "
            "their scale, or None to leave it"
        )
    middle = math.log(above.sum() / below.sum())
    best = minimize_scalar(
        chi2, bounds=(middle - 3, middle + 3), options={"xatol": 1e-10}, method="bounded"
    )
    step = 1e-3
    curvature = (chi2(best.x + step) - 2 * best.fun + chi2(best.x - step)) / (2 * step**2)
    reduced = best.fun / (at.size - 1)
    # Errors that do not cover the scatter, or none at all: the scatter itself.
    error = math.sqrt((reduced if "sigma" not in a else max(reduced, 1.0)) / curvature)
    chi2_known = reduced if "sigma" in a else None
    return _Ratio(math.exp(best.x), error, chi2_known, int(at.size), low, high)


def _between(columns, q: np.ndarray, name: str) -> np.ndarray:
    """Interpolate a column, on logarithmic axes where it is positive."""
    values = columns[name]
    if (values > 0).all():
        return np.exp(np.interp(np.log(q), np.log(columns["q"]), np.log(values)))
    return np.interp(q, columns["q"], values)


def _cut(parts, overlap, notes) -> list[dict[str, np.ndarray]]:
    """Return the columns that are kept of each part."""
    pieces = [part.columns for part in parts]
    if overlap == "keep":
        return pieces
    places = len(parts) - 1
    if isinstance(overlap, str):
        if overlap != "middle":
            raise ValueError(
                f"overlap must be 'middle', 'keep' or values of q, got {overlap!r}"
            )
        cuts = []
        for one, other in zip(parts[:-1], parts[1:], strict=True):
            if other.q[-1] <= one.q[-1]:
                raise ValueError(
                    f"{_span(other)} lies within {_span(one)}; select ranges, or overlap='keep'"
                )
            cuts.append(math.sqrt(float(one.q[-1]) * float(other.q[0])))
    else:
        cuts = np.broadcast_to(np.asarray(overlap, float), (places,)).tolist()
    edges = [0.0, *cuts, math.inf]
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"overlap must ascend from above 0, got {overlap!r}")
    kept = []
    for part, piece, low, high in zip(parts, pieces, edges[:-1], edges[1:], strict=True):
        rows = (piece["q"] > low) & (piece["q"] <= high)
        if not rows.any():
            raise ValueError(
                f"nothing of {_span(part)} is left in {low:g}..{high:g} 1/nm; "
                "choose another q to change over at"
            )
        if not rows.all():
            notes.append(
                f"{int((~rows).sum())} of {rows.size} points of {_span(part)} left out"
            )
        kept.append({name: values[rows] for name, values in piece.items()})
    return kept


def _span(curve: Curve) -> str:
    return f"{curve.name!r} ({float(curve.q[0]):.4g}..{float(curve.q[-1]):.4g} 1/nm)"
