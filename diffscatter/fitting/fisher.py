r"""What the data determine and what they do not, as combinations of parameters, in words.

The eigenvectors of the Fisher information are the combinations that the data see one by one.
Parameters of one sign are compared on a logarithmic axis, so that an error of 0.01 is 1 %; the
others in units of half their range. What the data do not determine, the bounds do: they count
as a prior of their own standard deviation, :math:`1/\sqrt{12}` of their distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Combination", "combinations_of", "undetermined_in_words"]

# An error above this is weak; a combination of the same parameters that is determined this
# many times better is worth naming beside it.
_WEAK, _BETTER = 0.2, 5.0
# Parts of a combination below this are left out where it is written, and below the second do
# not count among its parameters.
_SHOWN, _MEMBER = 0.1, 0.25
_INSIDE = 0.5  # of the bounds' own error: more than that, and the bounds determined it


@dataclass(frozen=True)
class Combination:
    """A direction in the space of the parameters.

    Attributes:
        weights: term to factor, the squares sum to 1; a term is ``ln radius``, or
            ``background/0.5`` where a parameter may change its sign.
        sigma: standard deviation of the sum of factor times term.
    """

    weights: dict[str, float]
    sigma: float

    def __str__(self) -> str:
        shown = {term: w for term, w in self.weights.items() if abs(w) >= _SHOWN}
        parts = [f"{w:+.2f} {term}" for term, w in shown.items()]
        return " ".join(parts).lstrip("+").replace(" +", " + ").replace(" -", " - ")


def combinations_of(
    jacobian: np.ndarray,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    names: Sequence[str],
    scatter: float = 1.0,
) -> tuple[Combination, ...]:
    """Return the eigenvectors of the Fisher information, best determined first.

    Args:
        jacobian: of residuals of unit variance with respect to the values, ``(m, n)``.
        values, low, high, names: of the parameters.
        scatter: standard deviation that the residuals really have.
    """
    terms, matrix, _ = _scaled(jacobian / scatter, values, low, high, names)
    _, singular, rows = np.linalg.svd(matrix, full_matrices=False)
    return tuple(_combination(terms, row, 1 / s) for s, row in zip(singular, rows, strict=True))


def undetermined_in_words(
    jacobian: np.ndarray,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    names: Sequence[str],
    scatter: float = 1.0,
) -> list[str]:
    """Return one sentence for each direction that the data hardly determine.

    Args: as of :func:`combinations_of`.
    """
    terms, matrix, ranges = _scaled(jacobian / scatter, values, low, high, names)
    _, singular, rows = np.linalg.svd(matrix, full_matrices=False)
    covariance = (rows.T / singular**2) @ rows
    sentences = []
    for s, row in zip(singular[::-1], rows[::-1], strict=True):
        sigma = 1 / s
        members = np.flatnonzero(np.abs(row) > _MEMBER)
        if sigma < _WEAK or members.size == 0:
            continue
        weak = _combination(terms, row, sigma)
        by_bounds = sigma > _INSIDE * np.sqrt(np.sum((row * ranges) ** 2))
        hardly = ("not", "") if by_bounds else ("hardly", f" (to {_share(sigma, weak)})")
        if members.size == 1:
            if not by_bounds:
                term = terms[members[0]]
                sentences.append(f"the data determine {term} only to {_share(sigma, weak)}")
            continue
        spread, vectors = np.linalg.eigh(covariance[np.ix_(members, members)])
        best = _combination([terms[i] for i in members], vectors[:, 0], np.sqrt(spread[0]))
        if best.sigma * _BETTER < sigma:
            sentences.append(
                f"the data determine the combination {best} to {_share(best.sigma, best)}, "
                f"but {hardly[0]} {weak}{hardly[1]}"
            )
        else:
            verb = "do not" if by_bounds else "hardly"
            sentences.append(f"the data {verb} determine {weak}{hardly[1]}")
    return sentences


def _scaled(
    jacobian: np.ndarray,
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    names: Sequence[str],
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the terms, the Jacobian in them over the bounds', and the bounds' errors."""
    signed = (low <= 0) & (high >= 0) & ~((low == 0) & (values > 0.01 * high))
    unit = np.where(signed, (high - low) / 2, np.abs(values))
    terms = [
        f"{name}/{u:.3g}" if one else f"ln {name}"
        for name, one, u in zip(names, signed, unit, strict=True)
    ]
    ends = (
        np.maximum(np.minimum(np.abs(low), np.abs(high)), 1e-3 * unit),
        np.maximum(np.abs(low), np.abs(high)),
    )
    ranges = np.where(signed, 2.0, np.log(ends[1] / ends[0])) / np.sqrt(12)
    rows = np.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0) * unit
    return terms, np.concatenate([rows, np.diag(1 / ranges)]), ranges


def _combination(terms: Sequence[str], row: np.ndarray, sigma: float) -> Combination:
    sign = np.sign(row[np.argmax(np.abs(row))]) or 1.0
    return Combination(dict(zip(terms, (sign * row).tolist(), strict=True)), float(sigma))


def _share(sigma: float, combination: Combination) -> str:
    """Write an error: in per cent where every term is a logarithm."""
    shown = [term for term, w in combination.weights.items() if abs(w) >= _SHOWN]
    if all(term.startswith("ln ") for term in shown):
        return f"{100 * sigma:.2g} %"
    return f"{sigma:.2g}"
