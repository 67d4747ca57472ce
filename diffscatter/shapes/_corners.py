"""Corners of the base solids, in the coordinates in which each is simplest.

Platonic and Archimedean solids: H. S. M. Coxeter, *Regular Polytopes*, Dover (1973);
P. R. Cromwell, *Polyhedra*, Cambridge (1997). Rows (x, y, z) of any scale, float64;
:mod:`.solids` centres and scales them.
"""

import math
from itertools import product

import numpy as np

__all__ = ["CORNERS"]

_GOLDEN = (1 + math.sqrt(5)) / 2
_SILVER = 1 + math.sqrt(2)
# The real root of t^3 = t^2 + t + 1.
_TRIBONACCI = (1 + math.cbrt(19 - 3 * math.sqrt(33)) + math.cbrt(19 + 3 * math.sqrt(33))) / 3

_EVEN = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
_ODD = ((0, 2, 1), (2, 1, 0), (1, 0, 2))


def _orbit(*seeds, orders=_EVEN + _ODD, keep=lambda signs: True) -> np.ndarray:
    """Return the seeds under reorderings of their coordinates and the changes of sign kept."""
    found = set()
    for seed in seeds:
        for order, signs in product(orders, product((1, -1), repeat=3)):
            if keep(signs):
                # + 0.0 makes -0.0 and 0.0 one corner.
                found.add(tuple(signs[i] * seed[order[i]] + 0.0 for i in range(3)))
    return np.array(sorted(found))


def _even(*seeds) -> np.ndarray:
    """Return the seeds under cyclic permutations and all signs: icosahedral families."""
    return _orbit(*seeds, orders=_EVEN)


def _alternating(*seeds) -> np.ndarray:
    """Return the seeds under all permutations and even numbers of signs: tetrahedral."""
    return _orbit(*seeds, keep=lambda signs: math.prod(signs) > 0)


def _snub_cube() -> np.ndarray:
    """Of its two mirror images, the one of Cromwell's coordinates."""
    seed = (1, 1 / _TRIBONACCI, _TRIBONACCI)
    even = _orbit(seed, orders=_EVEN, keep=lambda signs: math.prod(signs) < 0)
    odd = _orbit(seed, orders=_ODD, keep=lambda signs: math.prod(signs) > 0)
    return np.concatenate([even, odd])


def _bipyramid(sides: int) -> np.ndarray:
    """Return a bipyramid of equilateral triangles with edge 1 and its axis along z."""
    angle = 2 * math.pi * np.arange(sides) / sides
    radius = 1 / (2 * math.sin(math.pi / sides))
    height = math.sqrt(1 - radius**2)
    belt = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    return np.concatenate([belt, [[0, 0, height], [0, 0, -height]]])


def _truncated_twin() -> np.ndarray:
    """Return two regular tetrahedra on a common face, their corners cut off.

    The two far corners are cut at a third of their edges, as those of the truncated
    tetrahedron. The three of the common face are cut upright, at a third of its edges: the
    waist is a regular hexagon.
    """
    *belt, top, bottom = _bipyramid(3)
    found = []
    for i, corner in enumerate(belt):
        for apex in (top, bottom):
            found.append(apex + (corner - apex) / 3)
            # The upright plane through a third of the waist's edges halves these.
            found.append((corner + apex) / 2)
        found += [corner + (other - corner) / 3 for j, other in enumerate(belt) if j != i]
    return np.array(found)


g = _GOLDEN
CORNERS = {
    "tetrahedron": _alternating((1, 1, 1)),
    "cube": _orbit((1, 1, 1)),
    "octahedron": _orbit((1, 0, 0)),
    "dodecahedron": np.concatenate([_orbit((1, 1, 1)), _even((0, 1 / g, g))]),
    "icosahedron": _even((0, 1, g)),
    "truncated tetrahedron": _alternating((1, 1, 3)),
    "cuboctahedron": _orbit((1, 1, 0)),
    "truncated cube": _orbit((1 / _SILVER, 1, 1)),
    "truncated octahedron": _orbit((0, 1, 2)),
    "rhombicuboctahedron": _orbit((1, 1, _SILVER)),
    "truncated cuboctahedron": _orbit((1, _SILVER, 2 * _SILVER - 1)),
    "snub cube": _snub_cube(),
    "icosidodecahedron": np.concatenate([_orbit((0, 0, g)), _even((1 / 2, g / 2, g**2 / 2))]),
    "truncated dodecahedron": _even((0, 1 / g, 2 + g), (1 / g, g, 2 * g), (g, 2, g + 1)),
    "truncated icosahedron": _even((0, 1, 3 * g), (1, 2 + g, 2 * g), (g, 2, 2 * g + 1)),
    "rhombicosidodecahedron": _even((1, 1, g**3), (g**2, g, 2 * g), (2 + g, 0, g**2)),
    "truncated icosidodecahedron": _even(
        (1 / g, 1 / g, 3 + g),
        (2 / g, g, 1 + 2 * g),
        (1 / g, g**2, 3 * g - 1),
        (2 * g - 1, 2, 2 + g),
        (g, 3, 2 * g),
    ),
    "decahedron": _bipyramid(5),
    "truncated twinned tetrahedron": _truncated_twin(),
}
