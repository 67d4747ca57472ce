"""What is to be fitted: curves, their models, what is free, and what is known beforehand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from diffscatter.core.checks import check_finite
from diffscatter.core.data import Curve
from diffscatter.core.pytree import static, struct
from diffscatter.fitting.losses import LOSSES, Loss, assumed_sigma
from diffscatter.fitting.parameters import Parameters, free_parameters, joint_parameters
from diffscatter.fitting.priors import Priors, priors_of

__all__ = ["CurveProblem", "Problem", "as_pytree", "curve_problem", "measured"]


class Problem(Protocol):
    """Free parameters and residuals; itself a pytree.

    One curve, several with shared parameters, and priors differ only in what ``predict``
    returns and what it is compared with.
    """

    parameters: Parameters
    data: Array

    def predict(self, values: Array | list[Array]) -> Array:
        """Return what ``data`` should be at given values of the free parameters."""

    def linearise(self, values: Array) -> tuple[Array, Array]:
        """Return the prediction ``(m,)`` and its Jacobian ``(m, n)``."""

    def residuals(self, predicted: Array) -> Array:
        """Return what is squared and summed, one a datum."""

    def information(self, predicted: Array) -> Array:
        """Return the root of the Fisher information about each predicted value."""

    def weights(self) -> Array:
        """Return the root of each datum's weight in a first, linear estimate."""


@struct
class CurveProblem:
    """Curves and the models that are to describe them; a problem for the search.

    Attributes:
        models: pytrees, callable on q (1/nm), one a curve.
        parameters: which of their leaves are free.
        q: axis of each curve.
        data, sigma: intensities of all curves, one after the other, then the priors' centres;
            and their errors. Shape ``(m,)``.
        smears: for each curve, what takes a callable on q and returns its values on the
            curve's q as the instrument would record them, or None; from :func:`as_pytree`.
        priors: of the parameters.
        losses: what is minimised, one a curve.
    """

    models: tuple
    parameters: Parameters
    q: tuple[Array, ...]
    data: Array
    sigma: Array
    smears: tuple
    priors: Priors
    losses: tuple[Loss, ...] = static()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of points of each curve."""
        return tuple(q.shape[0] for q in self.q)

    def predict(self, values: Array | list[Array]) -> Array:
        models = self.parameters.insert(self.models, values)
        parts = [self._curve(i, model) for i, model in enumerate(models)]
        if self.priors.index:
            parts.append(jnp.stack(self.priors.predict(values)))
        return jnp.concatenate(parts) if len(parts) > 1 else parts[0]

    def linearise(self, values: Array) -> tuple[Array, Array]:
        """Forwards, because parameters are few and points many; and each curve only along the
        parameters that its own model has."""
        parts, first = [], 0
        for i, model in enumerate(self.models):
            last = first + len(jax.tree.leaves(model))
            own = self.parameters.standing_in(first, last)
            first = last
            curve = lambda v, i=i: self._curve(i, self.parameters.insert(self.models, v)[i])
            parts.append(_value_and_jacobian(curve, values, own))
        if self.priors.index:
            known = lambda v: jnp.stack(self.priors.predict(v))
            parts.append(_value_and_jacobian(known, values, self.priors.index))
        if len(parts) == 1:
            return parts[0]
        predictions, jacobians = zip(*parts, strict=True)
        return jnp.concatenate(predictions), jnp.concatenate(jacobians)

    def _curve(self, i: int, model: Any) -> Array:
        smear = self.smears[i]
        curve = model(self.q[i]) if smear is None else smear(model)
        return curve.astype(self.data.dtype)

    def residuals(self, predicted: Array) -> Array:
        return self._by_part(lambda loss, *part: loss.residuals(*part), predicted)

    def information(self, predicted: Array) -> Array:
        return self._by_part(lambda loss, *part: loss.information(*part), predicted)

    def weights(self) -> Array:
        weights = lambda loss, _, data, sigma: loss.weights(data, sigma)
        return self._by_part(weights, self.data)

    def split(self, values: Array) -> list[Array]:
        """Return the part of each curve, and of the priors, along the first axis."""
        return [values[part] for _, part in self._parts()]

    def _parts(self) -> Iterator[tuple[Loss, slice]]:
        start = 0
        for loss, length in zip(self.losses, self.lengths, strict=True):
            yield loss, slice(start, start + length)
            start += length
        yield LOSSES["chi2"], slice(start, None)

    def _by_part(self, function: Callable, predicted: Array) -> Array:
        """Return ``function(loss, predicted, data, sigma)`` of every part, put together."""
        return jnp.concatenate(
            [
                function(loss, predicted[part], self.data[part], self.sigma[part])
                for loss, part in self._parts()
            ]
        )


def _value_and_jacobian(
    function: Callable[[Array], Array], values: Array, along: Sequence[int]
) -> tuple[Array, Array]:
    """Return ``function(values)`` and its Jacobian, zero but in the columns of ``along``."""
    columns = np.asarray(along, int)
    tangents = jnp.eye(values.size, dtype=values.dtype)[columns]
    derivative = lambda tangent: jax.jvp(function, (values,), (tangent,))
    value, jacobian = jax.vmap(derivative, out_axes=(None, -1))(tangents)
    if columns.size == values.size:
        return value, jacobian
    full = jnp.zeros((value.size, values.size), jacobian.dtype)
    return value, full.at[:, columns].set(jacobian)


def curve_problem(
    models: Sequence[Any],
    curves: Sequence[Curve],
    free: Sequence[Mapping[str, Any]],
    smears: Sequence[Callable | None],
    losses: Sequence[Loss],
    *,
    shared: Sequence[str] = (),
    names: Sequence[str] = (),
    priors: Mapping[str, Any] | None = None,
) -> CurveProblem:
    """Return the checked problem of one curve, or of several.

    In the precision that JAX is set to: the solver's own numbers are of no other.

    Raises:
        ValueError: for curves that cannot be fitted, and what :func:`free_parameters`,
            :func:`joint_parameters` and :func:`priors_of` refuse.
    """
    parts = [measured(c, loss) for c, loss in zip(curves, losses, strict=True)]
    parameters = (
        free_parameters(models[0], free[0])
        if len(models) == 1
        else joint_parameters(models, free, shared, names)
    )
    known = priors_of(parameters, priors)
    points = sum(data.size for _, data, _ in parts)
    if points + len(known.index) <= len(parameters.names):
        raise ValueError(
            f"{points} points cannot determine {len(parameters.names)} parameters; "
            "free fewer or give more points"
        )
    cast = lambda array: jnp.asarray(array, float)
    return CurveProblem(
        models=tuple(models),
        parameters=jax.tree.map(cast, parameters),
        q=tuple(cast(q) for q, _, _ in parts),
        data=cast(np.concatenate([*(data for _, data, _ in parts), known.centre])),
        sigma=cast(np.concatenate([*(sigma for _, _, sigma in parts), known.sigma])),
        smears=tuple(as_pytree(smear) for smear in smears),
        priors=jax.tree.map(cast, known),
        losses=tuple(losses),
    )


def measured(curve: Curve, loss: Loss) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q, intensity and errors of a curve, assumed ones where it has none.

    Raises:
        ValueError: for what is not finite, not of one length, or not for this loss.
    """
    data = check_finite("curve.intensity", curve.intensity)
    q = check_finite("curve.q", curve.q)
    if data is None or q is None:
        raise ValueError("fits work on concrete curves; call them outside jit and vmap")
    sigma = assumed_sigma(data)
    if curve.sigma is not None:
        sigma = check_finite("curve.sigma", curve.sigma)
        if (sigma <= 0).any():
            raise ValueError(
                f"curve.sigma must be above 0, got {sigma.min():g}; a zero weighs infinitely"
            )
    if not data.shape == q.shape == sigma.shape or data.ndim != 1:
        raise ValueError(
            f"q, intensity and sigma must be one axis of equal length, got {q.shape}, "
            f"{data.shape}, {sigma.shape}"
        )
    loss.check(data, curve.sigma)
    return q, data, sigma


def as_pytree(function: Callable | None) -> Any:
    """Return a callable that can be an argument of a compiled function.

    One that is a pytree of numbers passes, so that its arrays are data; any other becomes part
    of the program, which is then compiled for each function object.
    """
    leaves = jax.tree.leaves(function)
    if all(isinstance(leaf, jax.Array | np.ndarray | float | int) for leaf in leaves):
        return function
    return jax.tree_util.Partial(function)
