"""From the shell to the report: a fit of 500 points, without a compilation cache and with one.

Polydisperse spheres, 33 starts; each run is a process of its own, so imports, tracing,
compiling (the first time), the search, figures and files are all in it. CPU seconds are of all
threads: they do not depend on what else the machine does, wall seconds do.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from diffscatter.analytic import named

POINTS = 500


def curve(path: Path) -> Path:
    """Write a synthetic curve with 2 % errors."""
    q = np.geomspace(0.02, 3.0, POINTS)
    model = named(
        "sphere", {"radius": 6.0, "scale": 0.01}, polydispersity={"radius": "gaussian"}
    )
    clean = np.asarray(model.with_values(background=0.02)(q))
    noise = np.random.default_rng(1).normal(size=POINTS)
    sigma = 0.02 * clean
    rows = np.column_stack([q, clean + sigma * noise, sigma])
    np.savetxt(path, rows, header="q(1/nm) I(1/cm) sigma")
    return path


def run(data: Path, kind: str, folder: Path) -> tuple[float, float]:
    """Fit in a new process with its cache in ``folder``; return wall and CPU seconds."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["fit", data, "--model", "sphere", "--polydispersity", f"radius={kind}"]
    subprocess.run(
        [sys.executable, "-m", "diffscatter", *command, "--output", folder / "out"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"XDG_CACHE_HOME": str(folder)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, spent


def main() -> None:
    print("| sizes | run | wall s | CPU s |\n| --- | --- | --- | --- |")
    for kind in ("gaussian", "lognormal"):
        with tempfile.TemporaryDirectory() as folder:
            data = curve(Path(folder) / "curve.dat")
            for name in ("first", "second"):
                wall, cpu = run(data, kind, Path(folder))
                print(f"| {kind} | {name} | {wall:.1f} | {cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
