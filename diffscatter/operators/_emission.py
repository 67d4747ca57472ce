r"""What each slice adds to a wave that runs straight through a body.

A plane wave :math:`T` enters slice j and leaves it as :math:`T e^{i\varphi_j}`; the difference,

.. math:: g_j = T_j\,(e^{i\varphi_j} - 1),\qquad T_{j+1} = T_j + g_j,

is what the slice emits. The sum telescopes to the wave behind the body, less the incident one.
One exponential a voxel: the running phase is carried as T itself.
"""

import math
from functools import reduce

import jax
import jax.numpy as jnp
from jax import Array, lax

__all__ = ["attenuated", "exp_minus_one", "given", "refracted"]

# Taylor series of cos(pi r) and sin(pi r)/r in r^2, for |r| <= 1/2. XLA evaluates its own sine
# and cosine one voxel at a time on CPUs, several times slower than a polynomial.
_TERMS = {4: 7, 8: 12}  # the next term is 6e-9 and 8e-20
_COSINE = [(-1) ** n * math.pi ** (2 * n) / math.factorial(2 * n) for n in range(12)]
_SINE = [(-1) ** n * math.pi ** (2 * n + 1) / math.factorial(2 * n + 1) for n in range(12)]


def _polynomial(coefficients: list[float], x: Array) -> Array:
    *lower, last = coefficients[: _TERMS[x.dtype.itemsize]]
    return reduce(lambda total, c: total * x + c, reversed(lower), jnp.full_like(x, last))


@jax.custom_jvp
def exp_minus_one(phase: Array) -> Array:
    r"""Return :math:`e^{i\varphi} - 1` of a complex phase, to full relative precision near 0.

    .. math:: e^{-b}\left(2 i \sin\tfrac a2 \cos\tfrac a2 - 2\sin^2\tfrac a2\right)
              + (e^{-b} - 1),\qquad \varphi = a + ib
    """
    turns = lax.real(phase) / (2 * math.pi)
    # Half a turn changes the sign of sine and cosine both, so whole turns can be dropped.
    r = turns - jnp.round(turns)
    cosine, sine = _polynomial(_COSINE, r * r), r * _polynomial(_SINE, r * r)
    loss = jnp.expm1(-lax.imag(phase))
    kept = 1 + loss
    return lax.complex(loss - 2 * kept * sine * sine, 2 * kept * sine * cosine)


@exp_minus_one.defjvp
def _(primals, tangents):
    value = exp_minus_one(*primals)
    return value, 1j * (1 + value) * tangents[0]


def refracted(chi: Array, carrier: Array, strength: Array) -> tuple[Array, Array]:
    """Return real and imaginary part of ``carrier_j g_j`` for the phase ``strength * chi``.

    Args:
        chi: n - 1, real or complex. Shape ``(nz, ...)``, the beam along the first axis.
        carrier: a complex factor of each slice. Shape ``(nz,)``.
        strength: wave number times slice thickness.

    Returns:
        Two real arrays of the shape of ``chi``.
    """
    steps = exp_minus_one(chi.astype(carrier.dtype) * strength)

    def slice_(wave, inputs):
        step, factor = inputs
        emitted = wave * step
        return wave + emitted, emitted * factor

    emitted = lax.scan(slice_, jnp.ones_like(steps[0]), (steps, carrier))[1]
    return emitted.real, emitted.imag


def attenuated(density: Array, carrier: Array, strength: Array) -> tuple[Array, Array]:
    r"""Return ``carrier_j rho_j exp(-strength sum_{l <= j} rho_l)``, as :func:`refracted` does.

    The slice's own attenuation is counted in full, and nothing is refracted.
    """

    def slice_(depth, inputs):
        value, factor = inputs
        depth = depth + value
        emitted = value * jnp.exp(-strength * depth)
        return depth, (emitted * factor.real, emitted * factor.imag)

    return lax.scan(slice_, jnp.zeros_like(density[0]), (density, carrier))[1]


def given(emitted: Array, carrier: Array, strength: Array) -> tuple[Array, Array]:
    """Return ``carrier_j strength g_j`` where g itself is known, as :func:`refracted` does."""
    field = emitted * (strength * carrier)[:, None, None]
    return field.real, field.imag
