"""How this project measures: error beside time, rivals interleaved in one run, plain JSON.

Importing this module is the entry of a benchmark: it switches 64-bit numbers on. A benchmark is
a script beside it,

    from harness import case, measure, race, report

    if __name__ == "__main__":
        report([measure("saxs/forward", f, density, q, reference=exact)])

* :func:`measure` times one function, :func:`race` times rivals round-robin in one process, so
  that a busy machine slows all of them alike; only ratios from one race are comparable.
* A time without an error beside it is refused.
* JAX functions are compiled ahead of time (the compile seconds are a figure of their own),
  every call is blocked on, and the median is reported. ``compiled=False`` times any callable.
* CPU seconds count every thread of this process, so parallel rivals are compared by work done.
"""

import dataclasses
import functools
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from reporting import device, report

from diffscatter.report import versions

__all__ = [
    "Case",
    "case",
    "device",
    "device_rates",
    "measure",
    "race",
    "relative_error",
    "report",
    "single",
]

jax.config.update("jax_enable_x64", True)

_SHORTEST = 2e-3  # seconds: faster calls are timed several at a time
_FEWEST, _MOST = 5, 50  # rounds, where the caller names none


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to time; see :func:`case`."""

    name: str
    function: Callable
    arguments: tuple
    error: Callable[[Any], Any] | None = None
    reference: Any = None
    compiled: bool = True
    details: Mapping | Callable[[Any], Mapping] | None = None
    flops: float | None = None
    moved: float | None = None


def case(name: str, function: Callable, *arguments: Any, **options: Any) -> Case:
    """Describe one thing to time.

    Args:
        name: ``group/what``, unique; the group names the figure. A kernel and its gradient are
            two cases (``jax.value_and_grad`` for the second).
        function: called as ``function(*arguments)``. Modes and static shapes go into a closure.
        arguments: arrays or pytrees of arrays.
        error: takes the result, returns its error as one number.
        reference: the exact result, instead of ``error``: :func:`relative_error` is recorded.
        compiled: False for a callable that JAX cannot compile (a rival in C++ or numpy).
        details: further figures for the record, a mapping or a function of the result.
        flops, moved: operations and bytes moved, counted by hand from the algorithm; recorded
            as fractions of what the device reaches (:func:`device_rates`).
    """
    return Case(name, function, arguments, **options)


def measure(
    name: str,
    function: Callable,
    *arguments: Any,
    repeats: int | None = None,
    seconds: float = 3.0,
    **options: Any,
) -> dict:
    """Time one function; arguments and options as in :func:`case`, the rest as in :func:`race`.

    Returns:
        One JSON-able record.
    """
    only = case(name, function, *arguments, **options)
    return race([only], repeats=repeats, seconds=seconds)[0]


def race(
    cases: Sequence[Case],
    *,
    baseline: str | Sequence[str] = (),
    repeats: int | None = None,
    seconds: float = 3.0,
) -> list[dict]:
    """Time rivals round-robin in one process.

    All are compiled and warmed up first. Each round then runs every case once, starting one
    case later than the round before, so that no rival always runs in another's warm cache.

    Args:
        cases: the rivals.
        baseline: names of the cases that the others are compared with.
        repeats: rounds; by default what fits into ``seconds`` a case, 5 to 50.
        seconds: time to spend on each case where ``repeats`` is not given.

    Returns:
        One record a case, in order. ``against[baseline]`` holds the median over rounds of
        baseline / case for wall and CPU time (above 1: this case is that much faster) and the
        ratio of temporary bytes where both are known.

    Raises:
        ValueError: for a repeated name, an unknown baseline, a case without an error, or an
            error that is not a finite number.
    """
    names = [c.name for c in cases]
    baselines = [baseline] if isinstance(baseline, str) else list(baseline)
    if len(set(names)) < len(names):
        raise ValueError(f"names must differ, got {names}")
    if unknown := set(baselines) - set(names):
        raise ValueError(f"baseline {sorted(unknown)} is not among {names}")

    runners = [_Runner(c) for c in cases]
    if repeats is None:
        slowest = max(r.estimate * r.calls for r in runners)
        repeats = int(min(max(seconds / slowest, _FEWEST), _MOST))
    for turn in range(repeats):
        for i in range(len(runners)):
            runners[(i + turn) % len(runners)].time()

    by_name = dict(zip(names, runners, strict=True))
    for runner in runners:
        rivals = {n: by_name[n] for n in baselines if by_name[n] is not runner}
        if rivals:
            runner.record["against"] = {n: runner.against(r) for n, r in rivals.items()}
    return [r.finish() for r in runners]


def single(name: str, error: float, wall: float, cpu: float, details: Mapping) -> dict:
    """Return the record of what ran once, with what it compiled on the way.

    Args:
        name, error, details: as in :func:`case`; the error as a number.
        wall, cpu: seconds.
    """
    return {"name": name, "error": float(error), "details": dict(details)} | _ran(wall, cpu)


def relative_error(result: Any, reference: Any) -> float:
    """Return ``max |result - reference| / max |reference|``."""
    result, reference = np.asarray(result), np.asarray(reference)
    if result.shape != reference.shape:
        raise ValueError(f"result has shape {result.shape}, the reference {reference.shape}")
    return float(np.abs(result - reference).max() / np.abs(reference).max())


class _Runner:
    """A case made ready: compiled, warmed up, its error known; then its timings."""

    def __init__(self, given: Case):
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._call = given.function
        self._arguments = given.arguments
        self.record: dict[str, Any] = {"name": given.name}
        if given.compiled:
            self._compile(given.function)
        result = self._once()
        self.record["error"] = _error(given, result)
        details = given.details(result) if callable(given.details) else given.details
        if details:
            self.record["details"] = {k: _number(v) for k, v in details.items()}
            json.dumps(self.record["details"], allow_nan=False)  # fail now, not after the run
        self._hand_counts = {"flops": given.flops, "moved_bytes": given.moved}
        self.record["dtype"] = _dtype(result)
        del result
        start = time.perf_counter()
        self._once()
        self.estimate = max(time.perf_counter() - start, 1e-7)
        self.calls = max(1, math.ceil(_SHORTEST / self.estimate))

    def _compile(self, function: Callable) -> None:
        start = time.perf_counter()
        lowered = (function if hasattr(function, "lower") else jax.jit(function)).lower
        self._call = lowered(*self._arguments).compile()
        self.record["compile_seconds"] = time.perf_counter() - start
        if (memory := self._call.memory_analysis()) is not None:
            self.record["temporary_bytes"] = int(memory.temp_size_in_bytes)
        cost = self._call.cost_analysis() or {}
        # XLA counts the body of a loop once: these are not the operations of a scan.
        for key, label in (("flops", "xla_flops"), ("bytes accessed", "xla_bytes")):
            if key in cost:
                self.record[label] = float(cost[key])

    def _once(self) -> Any:
        return jax.block_until_ready(self._call(*self._arguments))

    def time(self) -> None:
        time.sleep(2e-3)  # the worker threads of the case before stop spinning on our account
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.calls):
            self._once()
        self.cpu.append((time.process_time() - cpu) / self.calls)
        self.wall.append((time.perf_counter() - wall) / self.calls)

    def against(self, other: "_Runner") -> dict[str, float]:
        ratio = lambda a, b: statistics.median(x / y for x, y in zip(a, b, strict=True))
        found = {"wall": ratio(other.wall, self.wall), "cpu": ratio(other.cpu, self.cpu)}
        mine, theirs = (r.record.get("temporary_bytes") for r in (self, other))
        if mine and theirs:
            found["memory"] = theirs / mine
        return found

    def finish(self) -> dict:
        quartiles = statistics.quantiles(self.wall, n=4) if len(self.wall) > 1 else [0, 0, 0]
        counts = {k: float(v) for k, v in self._hand_counts.items() if v is not None}
        if counts:
            rates, seconds = device_rates(self.record["dtype"]), statistics.median(self.wall)
            for count, rate, fraction in (
                ("flops", "matrix_flops_per_second", "fraction_of_matrix_rate"),
                ("moved_bytes", "copy_bytes_per_second", "fraction_of_copy_bandwidth"),
            ):
                if count in counts:
                    counts[fraction] = counts[count] / seconds / rates[rate]
        return {
            **self.record,
            **counts,
            **_ran(statistics.median(self.wall), statistics.median(self.cpu)),
            "seconds_spread": quartiles[2] - quartiles[0],
            "repeats": len(self.wall),
        }


def _ran(wall: float, cpu: float) -> dict[str, Any]:
    """Return the part of a record that says how long something took, and where."""
    found = device()
    return {
        "seconds": wall,
        "cpu_seconds": cpu,
        "device": found["name"],
        "cores": found["cores"],
        "x64": bool(jax.config.jax_enable_x64),
        "versions": versions(),
    }


def _error(given: Case, result: Any) -> float:
    if given.error is not None:
        error = given.error(result)
    elif given.reference is not None:
        error = relative_error(result, given.reference)
    else:
        raise ValueError(
            f"{given.name}: a time without an error is not a result; pass error= or reference="
        )
    if np.size(error) != 1 or not np.isfinite(error).all():
        raise ValueError(f"{given.name}: the error must be one finite number, got {error}")
    return float(np.asarray(error).item())


def _number(value: Any) -> Any:
    """Make a detail JSON-able: numpy and JAX numbers become Python's."""
    return np.asarray(value).tolist() if hasattr(value, "dtype") else value


def _dtype(result: Any) -> str:
    return str(jnp.result_type(*jax.tree.leaves(result)))


@functools.cache
def device_rates(dtype: str = "float64") -> dict[str, float]:
    """Measure what this device reaches: copying, and multiplying real matrices.

    Args:
        dtype: of the numbers; the precision of a complex one counts.

    Returns:
        ``copy_bytes_per_second`` (bytes read plus bytes written) and
        ``matrix_flops_per_second``, each the best of five.
    """
    big = jax.devices()[0].platform != "cpu"
    dtype = jnp.finfo(dtype).dtype
    values = jnp.zeros(1 << (27 if big else 24), dtype)
    square = jnp.ones((8192 if big else 1024,) * 2, dtype)
    best = {}
    for name, f, x in (
        ("copy", lambda x: x + 1, values),
        ("matrix", lambda x: jnp.matmul(x, x, precision="highest"), square),
    ):
        run = jax.jit(f).lower(x).compile()
        times = []
        for _ in range(6):  # the first is the warm-up
            start = time.perf_counter()
            jax.block_until_ready(run(x))
            times.append(time.perf_counter() - start)
        best[name] = min(times[1:])
    return {
        "copy_bytes_per_second": 2 * values.nbytes / best["copy"],
        "matrix_flops_per_second": 2 * square.shape[0] ** 3 / best["matrix"],
    }
