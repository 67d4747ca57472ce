"""Random nanoclusters by the recipe of the wide-angle data set.

T. Stielow, S. Scheel, *Phys. Rev. E* 103, 053312 (2021), with their tables of objects
(thstielow/scatter-2D3D-nn, ``infos1.csv``), which settle what the text leaves open: one of the
21 base solids; a size uniform in 0.2 to 1 of the box; a stretch uniform from 0.5 to 2 along an
axis of symmetry, yet never so long that the body would leave the box; any rotation. Bodies of
the test set are cut, too, across the axis of their stretch, at 0.2 to 1 of their reach along
it. Random hulls have no axis and are neither stretched nor cut.

The published objects are 0.97 times as large as their table says (measured on their volumes).
"""

from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from diffscatter.core.checks import check_positive
from diffscatter.shapes import HalfSpaces, solid, solids

__all__ = ["BOX", "Cluster", "draw"]

BOX = 318.75  # nm: side of the published box
_MARGIN = 0.97
_SIZES, _STRETCHES, _CUTS = (0.2, 1.0), (0.5, 2.0), (0.2, 1.0)
_SPHERE_PLANES = 400  # far from those of a match that uses 92


@dataclass(frozen=True)
class Cluster:
    """A random body, and what was drawn for it.

    Attributes:
        body: the half-spaces, nm, about the origin.
        name: of the base solid.
        size: radius of the circumscribed sphere before stretch and cut, nm.
        rotation: from the solid's own axes to the laboratory's, ``(3, 3)``.
        stretch: factor along ``axis``.
        axis: in the solid's own axes, ``(3,)``.
        order: of that axis: 2 to 6, or 0 where the solid has no axis or any.
        cut: share of the reach along ``axis`` at which the body is cut, None where it is not.
    """

    body: HalfSpaces
    name: str
    size: float
    rotation: np.ndarray
    stretch: float
    axis: np.ndarray
    order: int
    cut: float | None

    def __str__(self) -> str:
        words = [self.name, f"radius {self.size:.4g} nm"]
        along = f" along C{self.order}" if self.order else ""
        if self.stretch != 1:
            words.append(f"stretched {self.stretch:.4g}{along}")
        if self.cut is not None:
            words.append(f"cut at {self.cut:.4g}{along}")
        return ", ".join(words)


def draw(
    *,
    key: Array,
    cut: bool = False,
    box: float = BOX,
    names: tuple[str, ...] = solids.NAMES,
) -> Cluster:
    """Draw one cluster.

    Args:
        key: all of the draw depends on it alone, whatever the precision of the session.
        cut: draw as the test set, with a cut, rather than as the training set.
        box: side of the box that holds the body, nm.
        names: base solids to draw from, with equal chances.

    Returns:
        A body whose corners, before the cut, are within ``0.97 * box / 2`` of the origin.

    Raises:
        ValueError: if ``box`` is not above 0, there are no names, or one is not known.

    Example:
        >>> keys = jax.random.split(jax.random.key(7), 20)
        >>> bodies = [draw(key=key, cut=True).body for key in keys]
    """
    check_positive("box", box, "nm")
    if not names:
        raise ValueError("names must hold at least one base solid")
    # Draws are made on the host: bodies differ in their number of faces.
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    name = solids.canonical_name(names[random.integers(len(names))])
    share, rotation = random.uniform(*_SIZES), _rotation(random)
    longest = min(_STRETCHES[1], 1 / share)
    stretch, shave = random.uniform(_STRETCHES[0], longest), random.uniform(*_CUTS)
    axis, order = _axis(name, random)
    whole = name == solids.HULL
    given = {
        "size": share * _MARGIN * box / 2,
        "rotation": rotation,
        "stretch": 1.0 if whole else stretch,
        "cut": shave if cut and not whole else None,
    }
    body = solid(
        name,
        **given,
        stretch_axis=axis,
        key=key if whole else None,
        sphere_planes=_SPHERE_PLANES,
    )
    return Cluster(body=body, name=name, axis=axis, order=order, **given)


def _axis(name: str, random: np.random.Generator) -> tuple[np.ndarray, int]:
    """Draw an order, an axis of that order, and one of its ends."""
    axes = solids.symmetry_axes(name)
    if not axes:
        axis = random.normal(size=3)
        return axis / np.linalg.norm(axis), 0
    order = list(axes)[random.integers(len(axes))]
    group = axes[order]
    return group[random.integers(len(group))] * random.choice((-1.0, 1.0)), order


def _rotation(random: np.random.Generator) -> np.ndarray:
    """Draw a rotation matrix uniformly: a random frame, made right-handed."""
    frame, upper = np.linalg.qr(random.normal(size=(3, 3)))
    frame = frame * np.sign(np.diag(upper))
    return frame * np.linalg.det(frame)
