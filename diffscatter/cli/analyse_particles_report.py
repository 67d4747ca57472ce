"""What ``diffscatter analyse --model lnp`` writes: a table of all curves, figures of each."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from diffscatter import plotting, plotting_distributions
from diffscatter.core.data import ARBITRARY
from diffscatter.core.files import write_atomic
from diffscatter.datasets import lnp
from diffscatter.pipelines.analyse_particles import AnalysedParticles
from diffscatter.pipelines.tasks import TASKS
from diffscatter.report import Run

__all__ = ["COLUMNS", "collect"]

COLUMNS = (
    "file",
    "p_type3",
    "p_type4",
    "p_mixture",
    "fraction",
    "fraction_sigma",
    "mean_size_type3",
    "mean_size_type4",
    "out_of_distribution",
)
_KINDS, _ANSWERS = TASKS["lnp-classify"].kinds, TASKS["lnp-classify"].answers
_DRAWS = 400  # of sizes, for their bands
_DRAWN = 20  # curves with figures: a report of hundreds would take minutes and megabytes
_HARDLY = 0.05  # probability below which a type's sizes are left out of words and pictures


def collect(
    run: Run, found: Mapping[str, AnalysedParticles], lost: Mapping[str, str]
) -> list[tuple[str, bool]]:
    """Put the curves of all files into a run.

    Args:
        run: the run to fill.
        found: by file, what its curve tells.
        lost: by file, why there is nothing.

    Returns:
        A line for each curve, and whether it may be believed.
    """
    several = len(found) + len(lost) > 1
    said = {name: _verdict(one) for name, one in found.items()}
    lines = [
        (f"{name}: {text}" if several else text, good) for name, (text, good) in said.items()
    ]
    lead = _summary(found, lost) if several else lines[0]
    run.lead(lead[0], good=lead[1])
    for line in lost.values():
        run.warn(line)
    for name, one in found.items():
        for message in one.warnings:
            run.warn(f"{name}: {message}" if several else message)
    rows = [_row(name, one) for name, one in found.items()]
    rows = sorted([*rows, *({"file": name} for name in lost)], key=lambda row: row["file"])
    run.record(curves=rows)
    run.file("table.csv", lambda path: _write_table(path, rows))
    if several:
        run.heading("Curves")
        shown = [name.replace("_", " ") for name in COLUMNS]
        run.table(shown, [[_cell(row.get(name)) for name in COLUMNS] for row in rows])
    else:
        _parameters(run, *found.values())
    for i, (name, one) in enumerate(found.items()):
        _section(run, name, one, f"{i + 1}_" if several else "", said[name][0], i < _DRAWN)
    if len(found) > _DRAWN:
        run.text(f"Figures of the first {_DRAWN} curves; result.h5 holds those of all.")
    return lines


def _verdict(one: AnalysedParticles) -> tuple[str, bool]:
    """Return in a sentence what a curve tells, and whether it may be believed."""
    k = int(np.argmax(one.probabilities))
    sizes = " and ".join(
        f"{one.means[i]:.1f} ± {one.means_sigma[i]:.1g} nm (type {kind})"
        for i, kind in enumerate(_KINDS)
        if k in (i, 2)
    )
    what = f"{_ANSWERS[k]}, probability {one.probabilities[k]:.3g}"
    if k == 2:
        what += f"; {one.fraction:.3f} ± {one.fraction_sigma:.2g} of it type 3 by number"
    text = f"{what}; mean size {sizes}."
    if one.unknown:
        why = (
            f"the network's score is {one.score:.3g}, where few of theirs exceed "
            f"{one.threshold:.3g}"
        )
        if one.misfit:
            why = "the best mixture leaves a misfit that is no noise"
        return (
            "Out of distribution: this curve is unlike those of particles of types 3 and 4; "
            f"{why}. If it were one: {text}"
        ), False
    return text[0].upper() + text[1:], True


def _summary(
    found: Mapping[str, AnalysedParticles], lost: Mapping[str, str]
) -> tuple[str, bool]:
    """Return what a folder holds, in a sentence or two."""
    strange = [name for name, one in found.items() if one.unknown]
    kinds = [int(np.argmax(one.probabilities)) for one in found.values() if not one.unknown]
    counts = [f"{kinds.count(k)} {name}" for k, name in enumerate(_ANSWERS) if k in kinds]
    listed = lambda names: ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    text = []
    if strange:
        text.append(
            f"Out of distribution: {len(strange)} of {len(found)} curves unlike those of "
            f"particles of types 3 and 4 ({listed(strange)})."
        )
    if counts:
        text.append(f"Others: {', '.join(counts)}." if strange else f"{', '.join(counts)}.")
    if lost:
        text.append(f"Not usable: {listed(list(lost))}.")
    return " ".join(text), not (strange or lost)


def _row(name: str, one: AnalysedParticles) -> dict:
    """Return the columns of a curve; no size of a type that is hardly there."""
    means = np.where(one.there > _HARDLY, one.means, np.nan)
    values = (*one.probabilities, one.fraction, one.fraction_sigma, *means)
    return {"file": name, **dict(zip(COLUMNS[1:-1], map(float, values), strict=True))} | {
        "out_of_distribution": one.unknown
    }


def _cell(value) -> str:
    if value is None:
        return "nan"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _write_table(path: Path, rows: list[dict]) -> None:
    """Write one row a file; ``nan`` where there is no number."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([_cell(row.get(name)) for name in COLUMNS] for row in rows)
    write_atomic(path, text.getvalue())


def _parameters(run: Run, one: AnalysedParticles) -> None:
    run.parameter(
        "fraction",
        one.fraction,
        one.fraction_sigma,
        interval=one.fraction_interval,
        note="of type 3 by number; interval of 90 %",
    )
    for i, kind in enumerate(_KINDS):
        note = "" if one.there[i] > _HARDLY else "this type is hardly there"
        for name, value, sigma in (
            ("mean_size", one.means[i], one.means_sigma[i]),
            ("size_deviation", one.deviations[i], one.deviations_sigma[i]),
        ):
            run.parameter(f"{name}_type{kind}", value, sigma, "nm", note=note)
    run.record(
        probabilities=dict(zip(_ANSWERS, one.probabilities, strict=True)),
        mean_squared_residual=one.chi2,
        out_of_distribution=one.unknown,
        out_of_distribution_score=one.score,
        out_of_distribution_threshold=one.threshold,
        misfit=one.misfit,
    )


def _section(
    run: Run, name: str, one: AnalysedParticles, prefix: str, text: str, drawn: bool
) -> None:
    run.heading(name)
    if prefix:
        run.text(text)
    # The unit of the intensity is no matter here.
    notes = [note for note in one.curve.notes if not note.startswith(ARBITRARY)]
    if notes:
        run.text(f"{'; '.join(notes)}.")
    columns = "fraction of type 3", *(f"mean size, type {k} (nm)" for k in _KINDS)
    run.table(
        ("", *_ANSWERS, *columns),
        [
            _told("network", **one.read),
            _told("network and fit", **{key: getattr(one, key) for key in one.read}),
        ],
    )
    run.array(f"{name}/q", one.curve.q, unit="1/nm")
    run.array(f"{name}/intensity", one.curve.intensity)
    run.array(f"{name}/fitted", one.fitted)
    run.array(f"{name}/residuals", one.residuals, unit="standard deviations")
    if not drawn:
        return
    plain = prefix + re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem) + "_" if prefix else ""
    residuals = None if one.curve.sigma is None else one.residuals
    figure = plotting.curve_fit(one.curve, one.fitted, residuals, unit="", label="mixture")
    words = f"Data and the best mixture; mean squared residual {one.chi2:.3g}, 1 is expected."
    run.figure(f"{plain}fit", figure, words)
    sizes, bands = _sizes(one)
    figure = plotting_distributions.density(
        sizes, bands, xlabel="size (nm)", ylabel="share by number (1/nm)"
    )
    words = "Sizes by number; the area of a type is its share. Bands: 90 % at each size."
    run.figure(f"{plain}sizes", figure, words)


def _told(source, probabilities, fraction, fraction_sigma, means, means_sigma) -> list[str]:
    """Return the row of what one source tells."""
    values = zip((fraction, *means), (fraction_sigma, *means_sigma), strict=True)
    numbers = (f"{value:.4g} ± {sigma:.2g}" for value, sigma in values)
    return [source, *(f"{p:.3f}" for p in probabilities), *numbers]


def _sizes(one: AnalysedParticles) -> tuple[np.ndarray, dict[str, tuple]]:
    """Return sizes in nm, and by type the number of each with a band of 90 %."""
    rng = np.random.default_rng(0)
    shares = np.array([one.fraction, 1 - one.fraction])
    shown = [i for i in range(2) if one.there[i] > _HARDLY]
    reach = 4 * np.hypot(one.deviations, one.means_sigma)[shown]
    ends = np.min(one.means[shown] - reach), np.max(one.means[shown] + reach)
    edges = np.linspace(max(ends[0], lnp.LIMITS[0]), min(ends[1], lnp.LIMITS[1]), 401)
    sizes, cell = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    low, high = lnp.SPREADS["all"]
    bands = {}
    for i in shown:
        drawn = rng.normal(size=(3, _DRAWS))
        share = np.clip(shares[i] + one.fraction_sigma * drawn[0], 0, 1)
        mean = np.clip(one.means[i] + one.means_sigma[i] * drawn[1], *lnp.MEANS)
        deviation = np.clip(one.deviations[i] + one.deviations_sigma[i] * drawn[2], low, high)
        weights = np.asarray(lnp.size_weights(sizes, mean, deviation)) / cell
        ends = np.quantile(share[:, None] * weights, (0.05, 0.95), axis=0)
        best = lnp.size_weights(sizes, one.means[i], one.deviations[i])
        best = shares[i] * np.asarray(best) / cell
        bands[f"type {_KINDS[i]}"] = best, *ends
    return sizes, bands
