r"""What of a pattern a stage of the descent looks at, and the intensity of a body there.

Coarse stages see small q, few pixels and few columns; fine ones all of it. The intensity of a
convex body and its derivatives with its polar vectors come from columns
(:mod:`diffscatter.operators.columns`) in single precision, by programs that depend on shapes
alone: every start, every solid and every pattern of one detector shares them.
"""

import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from diffscatter.operators._column_sum import Detector, detector, far_field
from diffscatter.pipelines.bodies.display import Display, Tone
from diffscatter.shapes.heights import column_heights

__all__ = ["MOST_FACETS", "MOST_PLANES", "Sight", "unit_length"]

# Bodies are filled up to these numbers, so that one program serves them all.
MOST_PLANES, MOST_FACETS = 400, 96
_EXTRA_NODES = 6  # beyond the phase: 1e-3 of the field


class Sight:
    """A part of a display, seen through columns.

    Attributes:
        image, weight: what it looks at, flat. Shapes ``(m,)``; ``sum(weight**2)`` is 1, so
            that a sum of squared residuals is a mean square.
        columns: number across the body, odd.
        depth: largest \\|z\\| that it resolves, nm.
    """

    def __init__(
        self,
        display: Display,
        wavelength: float,
        chi: complex,
        *,
        reach: float,
        columns: int,
        depth: float,
        step: int = 1,
        part: float = 1.0,
    ):
        """Compute every ``step``-th pixel up to a transverse wave vector ``reach`` (1/nm).

        Those beyond ``part`` of it do not count: one program serves two stages.
        """
        k = 2 * np.pi / wavelength
        reach = min(reach, 0.995 * k)
        rows, across = (_every(axis, step, reach) for axis in (display.ky, display.kx))
        kx, ky = display.kx[across], display.ky[rows]
        transverse = np.hypot(ky[:, None], kx)
        chosen = np.ix_(rows, across)
        # Rounding must not decide on the pixels at the rim.
        near = transverse <= part * reach * (1 + 1e-9)
        weight = np.where(near, display.weight[chosen], 0.0)
        self._seen = np.flatnonzero(weight)
        weight = weight.ravel()[self._seen]
        self.weight = (weight / np.sqrt(np.sum(weight**2))).astype(np.float32)
        self.image = display.image[chosen].ravel()[self._seen].astype(np.float32)
        self.display, self.columns, self.depth = display, columns, depth
        self._length = unit_length(display, wavelength)
        furthest = min(np.hypot(abs(kx).max(), abs(ky).max()), reach)
        band = k - np.sqrt(k * k - furthest * furthest)
        terms = 2 * int(np.ceil((band / 2 * depth + _EXTRA_NODES) / 2))
        self._detector = detector(kx, ky, wavelength, terms, np.float32, reach=reach)
        self._lock, self._compiled = threading.Lock(), set()
        self._rate = np.float32(k * chi.imag), np.float32(-k * chi.real)

    def intensity(self, polar: np.ndarray, half_width: float) -> np.ndarray:
        """Return |F|^2 of a body over the sixth power of the unit length; shape ``(m,)``."""
        found = self._run(_intensity, _filled(polar), len(polar), half_width=half_width)
        return np.asarray(found)[self._seen]

    def slopes(self, polar: np.ndarray, tangents: np.ndarray, half_width: float):
        """Return the intensity ``(m,)`` and its derivatives along tangents ``(t, m)``.

        Args:
            polar: vectors of the body, 1/nm. Shape ``(k, 3)``.
            tangents: directions in which they change, 1/nm. Shape ``(t, k, 3)``.
            half_width: of the grid of columns, nm.
        """
        count, planes = tangents.shape[:2]
        padded = np.zeros((3 * MOST_FACETS, MOST_PLANES, 3), np.float32)
        padded[:count, :planes] = tangents
        value, found = self._run(
            _slopes, _filled(polar), len(polar), padded, count, half_width=half_width
        )
        return np.asarray(value)[self._seen], np.asarray(found)[:count][:, self._seen]

    def start(self, polar: np.ndarray, half_width: float) -> Tone:
        """Return the best tone of the display for a body."""
        return self.display.start(self.intensity(polar, half_width), self.image, self.weight)

    def misfit(self, polar: np.ndarray, half_width: float, tone: Tone) -> float:
        """Return the root mean square of the residual, in display units."""
        residual = tone.show(self.intensity(polar, half_width)) - self.image
        return float(np.sqrt(np.sum((self.weight * residual) ** 2)))

    def _run(self, program, *arguments, half_width: float):
        lengths = (np.float32(v) for v in (half_width, self._length, self.depth))
        arguments = *arguments, *lengths, self._rate, self._detector
        run = partial(program, *arguments, columns=self.columns)
        if program in self._compiled:
            return run()
        with self._lock:  # two starts must not both compile it
            found = run()
            self._compiled.add(program)
        return found


def unit_length(display: Display, wavelength: float) -> float:
    """Return the length (nm) in whose sixth power intensities count, the same at all sights."""
    reach = max(abs(display.kx).max(), abs(display.ky).max())
    return 10 / min(float(reach), 2 * np.pi / wavelength)


def _every(axis: np.ndarray, step: int, reach: float) -> np.ndarray:
    """Return indices of an axis ``step`` apart from its beam, within ``reach``."""
    beam = int(np.argmin(abs(axis)))
    index = np.arange(beam % step, axis.size, step)
    return index[abs(axis[index]) <= reach]


def _filled(polar: np.ndarray) -> np.ndarray:
    padded = np.zeros((MOST_PLANES, 3), np.float32)
    padded[: len(polar)] = polar
    return padded


def _pattern(polar, count, half_width, length, depth, rate, at: Detector, columns):
    """Return \\|F\\|^2 of a body at every pixel, flat, in units of ``length`` to the sixth."""
    axis = jnp.asarray(np.arange(columns) - columns // 2, polar.dtype)
    pitch = half_width / (columns // 2)
    front, thickness, coverage = column_heights(
        polar, jnp.ones(len(polar), polar.dtype), pitch * axis, pitch * axis, count
    )
    # Nodes in q_z resolve no more.
    back = jnp.clip(front + thickness, -depth, depth)
    front = jnp.clip(front, -depth, depth)
    field = far_field(front, back - front, coverage, pitch, rate, at) / length**3
    return jnp.ravel(field.real**2 + field.imag**2)


@partial(jax.jit, static_argnames="columns")
def _intensity(polar, count, half_width, length, depth, rate, at, *, columns: int) -> Array:
    return _pattern(polar, count, half_width, length, depth, rate, at, columns)


@partial(jax.jit, static_argnames="columns")
def _slopes(
    polar, count, tangents, many, half_width, length, depth, rate, at, *, columns: int
) -> tuple[Array, Array]:
    """Return the intensity, and its derivatives along the first ``many`` tangents."""
    value, along = jax.linearize(
        lambda polar: _pattern(polar, count, half_width, length, depth, rate, at, columns),
        polar,
    )
    rows = jnp.zeros((len(tangents), value.size), value.dtype)
    return value, lax.fori_loop(
        0, many, lambda i, rows: rows.at[i].set(along(tangents[i])), rows
    )
