"""The benchmark harness: records, races, refusals, and what it writes."""

import importlib
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
X = np.linspace(0.0, 1.0, 64)


@pytest.fixture(scope="module")
def harness():
    # Importing it switches x64 on, which must not reach the other tests of this process.
    before = jax.config.jax_enable_x64
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("harness")
    finally:
        sys.path.remove(str(FOLDER))
        jax.config.update("jax_enable_x64", before)


def square(x):
    return jnp.sum(x**2)


def test_a_record_is_complete(harness):
    record = harness.measure("t/square", square, X, reference=np.sum(X**2), repeats=3)
    assert record["error"] < 1e-15 and record["dtype"] == "float64" and record["x64"]
    assert 0 < record["seconds"] < 1 and 0 < record["cpu_seconds"] < 1
    assert record["compile_seconds"] > 0 and record["temporary_bytes"] >= 0
    assert record["xla_flops"] > 64 and record["repeats"] == 3
    assert {"jax", "numpy", "python", "diffscatter"} <= set(record["versions"])
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_error_is_that_of_the_result(harness):
    record = harness.measure("t/half", lambda x: 0.5 * x, X, reference=X, repeats=1)
    assert np.isclose(record["error"], 0.5)
    gradient = jax.value_and_grad(square)
    error = lambda result: jnp.abs(result[1] - 2 * X).max()
    record = harness.measure("t/grad", gradient, X, error=error, repeats=1, details={"n": 64})
    assert record["error"] < 1e-15 and record["details"] == {"n": 64}


@pytest.mark.parametrize("options", [{}, {"error": lambda r: np.nan}, {"error": lambda r: X}])
def test_a_time_without_an_error_is_refused(harness, options):
    with pytest.raises(ValueError, match="t/square: .*error"):
        harness.measure("t/square", square, X, repeats=1, **options)


def test_race_takes_turns_and_compares(harness):
    order = []

    def rival(name, seconds):
        def call(x):
            order.append(name)
            time.sleep(seconds)
            return x

        return harness.case(f"t/{name}", call, X, reference=X, compiled=False)

    cases = [rival("slow", 0.02), rival("fast", 0.005), rival("third", 0.005)]
    slow, fast, _ = harness.race(cases, baseline="t/slow", repeats=3)
    timed = order[-9:]
    assert timed == ["slow", "fast", "third", "fast", "third", "slow", "third", "slow", "fast"]
    # Sleeping overruns a little on a busy machine; 20 ms against 5 ms stays apart.
    assert 1.5 < fast["against"]["t/slow"]["wall"] < 6
    assert "against" not in slow
    assert "temporary_bytes" not in slow and "compile_seconds" not in slow


def test_race_compares_memory_of_compiled_cases(harness):
    outer = lambda x: jnp.linalg.norm(jnp.sin(x[:, None] * x) @ jnp.cos(x[:, None] + x))
    small = harness.case("t/small", square, X, error=lambda r: 0.0)
    large = harness.case("t/large", outer, X, error=lambda r: 0.0)
    first, second = harness.race([small, large], baseline=["t/small"], repeats=2)
    assert "against" not in first
    expected = first["temporary_bytes"] / second["temporary_bytes"]
    assert second["against"]["t/small"].get("memory", expected) == expected


def test_race_refuses_unclear_names(harness):
    twice = [harness.case("a", square, X, error=abs)] * 2
    with pytest.raises(ValueError, match="names must differ"):
        harness.race(twice)
    with pytest.raises(ValueError, match=r"baseline \['b'\] is not among"):
        harness.race(twice[:1], baseline="b")


def test_counts_by_hand_become_fractions_of_what_the_device_reaches(harness, monkeypatch):
    rates = {"matrix_flops_per_second": 1e9, "copy_bytes_per_second": 1e9}
    monkeypatch.setattr(harness, "device_rates", lambda dtype: rates)
    record = harness.measure(
        "t/square", square, X, error=lambda r: 0.0, repeats=2, flops=1e3, moved=2e3
    )
    expected = 1e3 / record["seconds"] / 1e9
    assert np.isclose(record["fraction_of_matrix_rate"], expected)
    assert np.isclose(record["fraction_of_copy_bandwidth"], 2 * expected)


def test_rates_are_possible_ones(harness):
    rates = harness.device_rates("float32")
    assert 1e8 < rates["copy_bytes_per_second"] < 1e14
    assert 1e8 < rates["matrix_flops_per_second"] < 1e17


def record(name, **values):
    return {"name": name, "error": 1e-9, "seconds": 0.0123, "cpu_seconds": 0.02, **values}


def test_report_prints_merges_and_draws(harness, tmp_path):
    console = Console(record=True, width=160)
    first = record("saxs/ours", temporary_bytes=1_600_000, compile_seconds=0.5)
    rival = record("saxs/theirs", against={"saxs/ours": {"wall": 0.1, "cpu": 0.0125}})
    path = harness.report([first, rival], folder=tmp_path, console=console)
    text = console.export_text()
    for expected in ("12.3 ms", "1.0e-09", "1.6 MB", "0.0125", "saxs/theirs"):
        assert expected in text
    harness.report(
        [record("saxs/ours"), record("wide/angle")], folder=tmp_path, console=console
    )
    found = json.loads(path.read_text())
    assert list(found["records"]) == ["saxs/ours", "saxs/theirs", "wide/angle"]
    assert "temporary_bytes" not in found["records"]["saxs/ours"]  # replaced, not mixed
    name = found["device"]["name"]
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {f"{name}.json", f"{name}-saxs.png", f"{name}-wide.png"}
    assert (tmp_path / f"{name}-saxs.png").read_bytes().startswith(b"\x89PNG")


def test_device_names_no_machine(harness):
    found = harness.device()
    assert set(found) == {"name", "platform", "cores"} and found["cores"] >= 1
    assert found["name"] == found["name"].lower() and " " not in found["name"]
    assert found["platform"] != "cpu" or found["name"].startswith("cpu-")
