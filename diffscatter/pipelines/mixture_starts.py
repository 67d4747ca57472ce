"""Where descents of mixtures begin: about a network's answer, and in the prior."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from diffscatter.datasets import lnp
from diffscatter.pipelines.mixture_model import MixtureModel

__all__ = ["Starts", "starting_places"]

# Noise that hides much, so that the first steps see the smooth part of the landscape; it sinks
# to what is left of the misfit.
_LOUD = 1.0
_NEAREST = 1e-4  # to an end of its range
_FROM_PRIOR = 4  # one of so many is drawn from the prior in spite of what is given


@dataclass(frozen=True, eq=False)
class Starts:
    """Where to start n curves of k types: a network's answer, or the truth; NaN: not known.

    Attributes:
        fractions, fractions_sigma: of each type by number. Shape ``(n, k)``.
        means, means_sigma: mean sizes, nm. Shape ``(n, k)``.
    """

    fractions: ArrayLike
    fractions_sigma: ArrayLike
    means: ArrayLike
    means_sigma: ArrayLike

    @classmethod
    def of_two(
        cls,
        fraction: ArrayLike,
        fraction_sigma: ArrayLike,
        means: ArrayLike,
        means_sigma: ArrayLike,
    ) -> "Starts":
        """Return starts of two types, from the first one's fraction and its error, ``(n,)``."""
        first, sigma = np.asarray(fraction, float), np.asarray(fraction_sigma, float)
        return cls(
            fractions=np.stack([first, 1 - first], axis=1),
            fractions_sigma=np.stack([sigma, sigma], axis=1),
            means=means,
            means_sigma=means_sigma,
        )

    def of(self, columns: Sequence[int]) -> "Starts":
        """Return what is said of some of the types."""
        pick = lambda values: np.asarray(values, float)[:, columns]
        return Starts(
            fractions=pick(self.fractions),
            fractions_sigma=pick(self.fractions_sigma),
            means=pick(self.means),
            means_sigma=pick(self.means_sigma),
        )


def starting_places(
    key: Array, model: MixtureModel, starts: Starts | None, counts: tuple[int, int]
) -> np.ndarray:
    """Return the places that descents begin at.

    Args:
        key: of the draws.
        model: of one class.
        starts: of its types; None draws all places from the prior.
        counts: of curves and of descents.

    Returns:
        Shape ``(n, descents, d)``; the first of each curve stands at the start itself.
    """
    key_prior, key_near = jax.random.split(key)
    k, (n, descents) = model.count, counts
    z = np.array(jax.random.normal(key_prior, (n, descents, model.size)))
    if model.own_noise:
        z[:, :, 3 * k - 1] = _LOUD
    if starts is None:
        return z
    from scipy.special import ndtri

    about = descents - descents // _FROM_PRIOR
    away = np.array(jax.random.normal(key_near, (2, n, about, k)))
    away[:, :, 0] = 0.0
    near = lambda centre, sigma, by: centre[:, None] + np.nan_to_num(sigma)[:, None] * by
    fractions = near(starts.fractions, starts.fractions_sigma, away[0])
    means = near(starts.means, starts.means_sigma, away[1])
    low, high = lnp.MEANS
    shares = _places_of_shares(np.clip(fractions, _NEAREST, 1.0))
    places = [*shares, *np.moveaxis((means - low) / (high - low), -1, 0)]
    for i, place in enumerate(places):
        known = ndtri(np.clip(place, _NEAREST, 1 - _NEAREST))
        z[:, :about, i] = np.where(np.isfinite(known), known, z[:, :about, i])
    z[:, :about, 2 * k - 1 : 3 * k - 1] = 0.0
    return z


def _places_of_shares(fractions: np.ndarray) -> list[np.ndarray]:
    """Return the places of all shares but the last in their priors, from ``(..., k)``."""
    k = fractions.shape[-1]
    left = np.cumsum(fractions[..., ::-1], axis=-1)[..., ::-1]
    return [
        1 - np.maximum(1 - fractions[..., j] / left[..., j], 0.0) ** (k - 1 - j)
        for j in range(k - 1)
    ]
