"""Bodies from one wide-angle pattern, judged after registration: overlap, distance, loss, time.

    python benchmarks/reconstruction.py --set published
    python benchmarks/reconstruction.py --set cut --start both --only 3,7

Sets (:mod:`patterns`): ``published``, ``cut``, ``degraded``, ``silver``, ``barke``. One JSON
line a pattern is appended to ``results/reconstruction-SET[-TAG].jsonl`` as it is done; lines
that are there already are not computed again. The table at the end also stands alone
(``--table``).

The silver set is fitted by solids through multislice, then refined through split step: facets
would make up for what straight rays get wrong.

``seen`` is the overlap of the half that the beam sees, ``full`` that of the whole bodies, each
at its best shift, on the voxels of the true body (of 1.66 nm, or twice that for large bodies);
``seen 64`` and ``full 64`` the same on 64 voxels over the published box, where whole-voxel
shifts alone cost bodies of ten voxels some hundredths. ``rms`` is that of the
logarithmic pattern, ``loss`` the published scatter loss, its mean square over the range.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import numpy as np
from patterns import SETS, Case, cases
from scipy.ndimage import map_coordinates

from diffscatter import pipelines
from diffscatter.analysis import compare_bodies
from diffscatter.fitting import stretched_log
from diffscatter.pipelines.bodies.refine import refine_body
from diffscatter.shapes.occupancy import occupancy

RESULTS = Path(__file__).parent / "results"
COARSE = 64
BIG = 6e5  # voxels of the true body above which it is compared on half as many an edge
COLUMNS = ("rms", "loss", "seen", "full", "seen 64", "full 64", "chamfer", "seconds", "cpu")


def main(arguments=None):
    options = _options(arguments)
    path = RESULTS / f"reconstruction-{options.set}{options.tag and '-' + options.tag}.jsonl"
    done = _lines(path)
    if not options.table:
        known = {record["name"] for record in done}
        for case in cases(options.set, seed=options.seed, only=options.only):
            if case.name in known:
                continue
            record = {"name": case.name, "what": case.what, "label": case.label}
            record |= _measured(case, options)
            with path.open("a") as lines:
                lines.write(json.dumps(record) + "\n")
            done.append(record)
            print(_row(record), flush=True)
    _table(done)


def _options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=list(SETS), default="published")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--start", default="both")
    parser.add_argument("--physics", help="instead of the set's own")
    parser.add_argument("--only", default="", help="names, as 3,7")
    parser.add_argument("--seed", type=int, default=0, help="of drawn sets, and of the search")
    parser.add_argument("--tag", default="", help="of the file of results")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    return options


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _measured(case: Case, options) -> dict:
    method = "solid" if options.set == "silver" else options.method
    given = case.options | {"method": method, "start": options.start}
    given |= {"seed": options.seed} | ({"physics": options.physics} if options.physics else {})
    wall, cpu = time.perf_counter(), time.process_time()
    found = pipelines.reconstruct(case.pattern, **given)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    record = {
        "rms": found.rms,
        "loss": _scatter_loss(case, found.fitted),
        "seconds": wall,
        "cpu": cpu,
        "method": found.method,
        "solid": found.solid,
        "status": found.status,
        "candidates": [(label, float(rms)) for label, rms in found.candidates[:6]],
    }
    if case.truth is not None:
        planes = None if found.normals is None else (found.normals, found.offsets)
        record |= _overlaps(case, planes, found.density, found.pitch)
    if options.set == "silver" and found.normals is not None:
        record["refined"] = _refined(case, found)
    return record


def _scatter_loss(case: Case, fitted: np.ndarray) -> float | None:
    """Return the mean squared difference of logarithmic patterns stretched to 0 to 1."""
    image, mask = np.asarray(case.pattern.image, float), case.pattern.mask
    axes = np.asarray(case.pattern.kx), np.asarray(case.pattern.ky)
    if np.shape(fitted) != image.shape:
        return None  # the pattern was binned
    inside = np.hypot(axes[1][:, None], axes[0]) < 2 * np.pi / case.options["wavelength"]
    counts = inside if mask is None else inside & np.asarray(mask)
    if case.options["scale"] == "linear":
        shown = (np.asarray(stretched_log(x, counts, offset=1.0)) for x in (fitted, image))
        ours, theirs = (part[counts] for part in shown)
    else:
        ours, theirs = fitted[counts], image[counts]
        ours, theirs = ours / np.ptp(theirs), theirs / np.ptp(theirs)
    return float(np.mean((ours - theirs) ** 2))


def _overlaps(case: Case, planes, density, pitch) -> dict:
    truth, side = case.truth, case.pitch
    if truth.sum() > BIG:
        truth, side = _pooled(truth, 2), 2 * side
    fine = compare_bodies(_on_grid(planes, density, pitch, truth.shape[0], side), truth, side)
    coarse_side = case.pitch * case.truth.shape[0] / COARSE
    as_given = density is not None and density.shape[0] == COARSE
    if not (as_given and np.isclose(pitch, coarse_side, rtol=1e-3)):
        density = _on_grid(planes, density, pitch, COARSE, coarse_side)
    coarse = compare_bodies(
        density, _pooled(case.truth, case.truth.shape[0] // COARSE), coarse_side
    )
    return {
        "seen": fine.seen,
        "full": fine.full,
        "chamfer": fine.chamfer,
        "seen 64": coarse.seen,
        "full 64": coarse.full,
    }


def _pooled(volume: np.ndarray, factor: int) -> np.ndarray:
    n = volume.shape[0] // factor
    return volume.reshape(n, factor, n, factor, n, factor).mean(axis=(1, 3, 5))


def _on_grid(planes, density, pitch: float, n: int, side: float) -> np.ndarray:
    """Return the found body on ``n`` voxels of ``side`` nm, from its planes if it has any.

    Its middle is put at that of the grid, half a voxel below coordinate 0, as that of drawn
    and published bodies is: whole shifts could not make up for the difference.
    """
    if planes is not None:
        normals, offsets = (np.asarray(part, float) for part in planes)
        return np.asarray(occupancy(normals, offsets - side / 2 * normals.sum(axis=1), n, side))
    at = (np.indices((n, n, n)) - (n - 1) / 2) * side / pitch
    middle = (np.array(density.shape).reshape(3, 1, 1, 1) - 1) / 2
    return map_coordinates(np.asarray(density, float), at + middle, order=1)


def _refined(case: Case, found) -> dict:
    """Refine through split step; overlaps and errors of size before and after."""
    wall, cpu = time.perf_counter(), time.process_time()
    options = {key: case.options[key] for key in ("wavelength", "chi", "scale")}
    pattern = case.pattern
    better = refine_body(
        found.normals, found.offsets, pattern.image, pattern.kx, pattern.ky, **options
    )
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    planes = better.normals, better.offsets
    true = _axes(case.truth, case.pitch)
    n = case.truth.shape[0]
    before = _on_grid((found.normals, found.offsets), None, None, n, case.pitch)
    after = _on_grid(planes, None, None, n, case.pitch)
    errors = [_axes(body, case.pitch) / true - 1 for body in (before, after)]
    return _overlaps(case, planes, None, None) | {
        "seconds": seconds[0],
        "cpu": seconds[1],
        "deviance": better.deviance,
        "radius": better.radius,
        "radius sigma": better.radius_sigma,
        "true radius": float(true[0]),
        "radius error": [float(e[0]) for e in errors],
        "axes error": [float(np.abs(e[1:]).max()) for e in errors],
    }


def _axes(body: np.ndarray, pitch: float) -> np.ndarray:
    """Return the radius of a body's volume and the semi-axes of its second moments, nm."""
    at = np.indices(body.shape).reshape(3, -1)
    weight = np.asarray(body, float).ravel()
    total = weight.sum()
    moments = np.cov(at, aweights=weight, bias=True)
    semi = np.sqrt(5 * np.linalg.eigvalsh(moments))
    return pitch * np.concatenate([[(3 * total / (4 * np.pi)) ** (1 / 3)], semi])


def _row(record: dict) -> str:
    figures = [record.get(key) for key in COLUMNS]
    cells = ["" if x is None else f"{x:.4f}" if x < 1 else f"{x:.3g}" for x in figures]
    line = [record["name"], record.get("solid") or record["method"], *cells, record["status"]]
    if better := record.get("refined"):
        before, after = (f"{100 * error:+.2f}" for error in better["radius error"])
        line.append(
            f"refined: seen {better['seen']:.3f}, full {better['full']:.3f}, "
            f"radius {before} -> {after} %"
        )
    return "| " + " | ".join(line) + " |"


def _table(records: list[dict]) -> None:
    if not records:
        print("nothing there")
        return
    print("| " + " | ".join(["", "body", *COLUMNS, "status"]) + " |")
    print("|" + " --- |" * (len(COLUMNS) + 3))
    for record in sorted(records, key=lambda record: int(record["name"])):
        print(_row(record))
    for stage, rows in (
        ("", records),
        ("refined ", [r["refined"] for r in records if r.get("refined")]),
    ):
        for key in COLUMNS:
            values = np.array([r[key] for r in rows if r.get(key) is not None], float)
            if values.size:
                print(
                    f"{stage}{key}: median {np.median(values):.4g}, "
                    f"{values.min():.4g} to {values.max():.4g}"
                )
        seen = np.array([r["seen"] for r in rows if "seen" in r])
        if seen.size:
            high, fair = (seen >= 0.9).sum(), (seen > 0.85).sum()
            print(f"{stage}seen: {high} at least .90, {fair} above .85, of {seen.size}")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", False)
    main()
