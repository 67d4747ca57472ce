"""What became of a benchmark: tables in the terminal, JSON by device, error against time."""

import json
import math
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from diffscatter.core.files import atomic, write_atomic

__all__ = ["device", "report"]

RESULTS = Path(__file__).parent / "results"
_FRACTIONS = {
    "fraction_of_matrix_rate": "of matrix rate",
    "fraction_of_copy_bandwidth": "of copy rate",
}


def device() -> dict[str, Any]:
    """Return the default device: ``name`` (as ``nvidia-h200``), ``platform``, ``cores``."""
    first = jax.devices()[0]
    kind = _processor() if first.platform == "cpu" else first.device_kind
    kind = re.sub(r"\((r|tm)\)", " ", kind.lower())
    slug = re.sub(r"[^a-z0-9.]+", "-", kind).strip("-")
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    name = f"cpu-{slug}" if first.platform == "cpu" else slug
    return {"name": name, "platform": first.platform, "cores": len(cores)}


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model.group(1) if model else platform.processor() or platform.machine()


def report(records: Sequence[dict], *, folder: Path | str | None = None, console=None) -> Path:
    """Print the tables, merge the records into the device's JSON file, draw error against time.

    Args:
        records: from :func:`measure` and :func:`race`.
        folder: where results lie; ``benchmarks/results`` by default.
        console: a rich console, or None for the terminal.

    Returns:
        The JSON file, ``<device>.json``; records of the same name are replaced, others kept.
        The figures lie beside it, ``<device>-<group>.png``.
    """
    from rich.console import Console

    records = list(records)
    console = console or Console()
    for table in _tables(records):
        console.print(table)
    folder = RESULTS if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = device()
    path = folder / f"{found['name']}.json"
    known = json.loads(path.read_text())["records"] if path.exists() else {}
    merged = known | {record["name"]: record for record in records}
    content = {"device": found, "records": dict(sorted(merged.items()))}
    write_atomic(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    for group in dict.fromkeys(_group(r) for r in records):
        figure = _figure(group, [r for r in records if _group(r) == group])
        with atomic(folder / f"{found['name']}-{group}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    return path


def _group(record: dict) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", record["name"].split("/")[0])


def _tables(records: Sequence[dict]) -> list:
    """Return the table of errors, times and memory, and that of the ratios where rivals ran."""
    from rich.table import Table

    found = device()
    title = f"{found['name']}, {found['cores']} cores, jax {jax.__version__}"
    if found["platform"] == "cpu":
        title += " (no accelerator)"
    fractions = [k for k in _FRACTIONS if any(k in r for r in records)]
    table = Table(title=title)
    table.add_column("case")
    headings = ["error", "time", "CPU time", "compile", "memory"]
    for heading in [*headings, *(_FRACTIONS[k] for k in fractions)]:
        table.add_column(heading, justify="right")
    for record in records:
        row = [
            record["name"],
            f"{record['error']:.1e}",
            _engineering(record["seconds"], "s"),
            _engineering(record["cpu_seconds"], "s"),
            _engineering(record.get("compile_seconds"), "s"),
            _engineering(record.get("temporary_bytes"), "B"),
            *(f"{record[k]:.0%}" if k in record else "-" for k in fractions),
        ]
        table.add_row(*row)
    if not any("against" in r for r in records):
        return [table]

    ratios = Table(title="times less than the baseline, same run")
    for heading, justify in (("case", "left"), ("baseline", "left"), ("error", "right")):
        ratios.add_column(heading, justify=justify)
    for heading in ("CPU time", "time", "memory"):
        ratios.add_column(heading, justify="right")
    kinds = ("cpu", "wall", "memory")
    for record in records:
        for name, ratio in record.get("against", {}).items():
            shown = [f"{ratio[k]:.3g}" if k in ratio else "-" for k in kinds]
            ratios.add_row(record["name"], name, f"{record['error']:.1e}", *shown)
    return [table, ratios]


def _engineering(value: float | None, unit: str) -> str:
    """Write three digits and an SI prefix: ``12.3 ms``, ``1.6 GB``."""
    if not value:
        return "-" if value is None else f"0 {unit}"
    power = min(max(math.floor(math.log10(value) / 3), -3), 4)
    return f"{value / 1000.0**power:.3g} {'num kMGT'[power + 3].strip()}{unit}"


def _figure(group: str, records: Sequence[dict]):
    """Draw error against time; below and to the left is better."""
    from matplotlib.figure import Figure

    # On a CPU rivals differ in their threads, so what counts is the work of all of them.
    on_cpu = device()["platform"] == "cpu"
    clock, label = ("cpu_seconds", "CPU time (s)") if on_cpu else ("seconds", "time (s)")
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for record in records:
        # An exact result has no place on a logarithmic axis: it is drawn at the rounding level.
        point = record[clock], max(record["error"], np.finfo(float).eps)
        axes.plot(*point, "o", color="#0072B2")
        name = record["name"].split("/", 1)[-1]
        axes.annotate(name, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="error", title=group)
    axes.margins(x=0.25, y=0.15)
    axes.grid(alpha=0.3)
    return figure
