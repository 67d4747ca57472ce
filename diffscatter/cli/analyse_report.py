"""What ``diffscatter analyse`` writes: numbers, arrays and figures of each method."""

from typing import Any

import numpy as np

from diffscatter import plotting, plotting_distributions

__all__ = ["COLLECT"]


def _guinier(run: Any, curve: Any, result: Any) -> None:
    sigma, forward = result.radius_of_gyration_sigma, result.forward_intensity_sigma
    run.parameter("radius_of_gyration", result.radius_of_gyration, sigma, "nm")
    run.parameter("forward_intensity", result.forward_intensity, forward, "1/cm")
    low, high = result.reach
    run.record(
        quality=result.quality,
        reduced_chi2=result.reduced_chi2,
        first_point=result.first,
        last_point=result.last,
        smallest_q_rg=low,
        largest_q_rg=high,
    )
    run.heading("Line")
    run.figure("guinier", plotting_distributions.guinier(curve, result), curve.source)
    _arrays(run, result)


def _pair_distances(run: Any, curve: Any, result: Any) -> None:
    for name, unit in (("radius_of_gyration", "nm"), ("forward_intensity", "1/cm")):
        run.parameter(name, getattr(result, name), getattr(result, f"{name}_sigma"), unit)
    run.parameter("largest_distance", result.largest, result.largest_sigma, "nm")
    if result.background is not None:
        run.parameter("background", result.background, result.background_sigma, "1/cm")
    run.record(
        reduced_chi2=result.reduced_chi2, effective_parameters=result.effective_parameters
    )
    run.heading("Pair distances")
    figure = plotting_distributions.density(
        result.r,
        {"p(r)": (result.p, result.p_low, result.p_high)},
        xlabel="r (nm)",
        ylabel="p(r)",
        marks=(result.largest,),
    )
    words = f"Band: {result.level:.0%} at each distance; dashed: the largest distance."
    run.figure("pair_distances", figure, words)
    run.array("r", result.r, unit="nm")
    for name in ("p", "p_low", "p_high", "p_sigma"):
        run.array(name, getattr(result, name))
    run.array("diameters", result.diameters, unit="nm")
    run.array("probabilities", result.probabilities)
    _fit(run, curve, result)


def _sizes(run: Any, curve: Any, result: Any) -> None:
    for i, p in enumerate(result.populations, 1):
        prefix = f"population_{i}_"
        for name, unit in (
            ("number_mean", "nm"),
            ("number_width", ""),
            ("volume_mean", "nm"),
            ("number_share", ""),
            ("volume_share", ""),
        ):
            run.parameter(prefix + name, getattr(p, name), p.sigma[name], unit)
    run.parameter("volume_fraction", result.volume_fraction, result.volume_fraction_sigma)
    if result.background is not None:
        run.parameter("background", result.background, result.background_sigma, "1/cm")
    run.record(
        fit_status=result.status,
        reduced_chi2=result.reduced_chi2,
        effective_parameters=result.effective_parameters,
        populations=len(result.populations),
        number_mean=result.number_mean,
        volume_mean=result.volume_mean,
        modes_by_number=[p.number_mode for p in result.populations],
        modes_by_volume=[p.volume_mode for p in result.populations],
        bumps=result.bumps,
    )
    run.heading("Size distribution")
    for weighting in ("volume", "number"):
        ends = [getattr(result, f"by_{weighting}{end}") for end in ("", "_low", "_high")]
        marks = [getattr(p, f"{weighting}_mean") for p in result.populations]
        figure = plotting_distributions.density(
            result.sizes,
            {f"by {weighting}": ends},
            xlabel="size (nm)",
            ylabel="density (1/nm)",
            marks=marks,
            log=True,
        )
        words = f"By {weighting}. Band: {result.level:.0%} at each size; dashed: means."
        run.figure(f"by_{weighting}", figure, words)
        for end, values in zip(("", "_low", "_high"), ends, strict=True):
            run.array(f"by_{weighting}{end}", values, unit="1/nm")
    run.array("sizes", result.sizes, unit="nm")
    run.array("strengths", result.strengths)
    run.array("log_evidence", result.log_evidence)
    _fit(run, curve, result)


def _fit(run: Any, curve: Any, result: Any) -> None:
    run.heading("Data and fit")
    part = curve.select(result.q[0], result.q[-1])
    figure = plotting.curve_fit(part, result.fitted, result.residuals)
    run.figure("fit", figure, f"Data: {curve.source}." if curve.source else "")
    _arrays(run, result)


def _arrays(run: Any, result: Any) -> None:
    run.array("q", result.q, unit="1/nm")
    run.array("fitted", np.asarray(result.fitted), unit="1/cm")
    run.array("residuals", result.residuals, unit="standard deviations")


COLLECT = {"guinier": _guinier, "pr": _pair_distances, "sizes": _sizes}
