"""Measured curves: what a fit finds in each, beside what other programs found.

Like with like first (the same points, errors and resolution as the peer had), then the better
treatment. Needs the measured files in ``../shared/data/curves``. Prints a table in Markdown;
takes a few minutes, nearly all of it compilation.
"""

import time
from pathlib import Path

from diffscatter import io, pipelines
from diffscatter.cli.options import start_jax
from diffscatter.core.data import Curve
from diffscatter.fitting import FitResult, value_with_error

CURVES = Path(__file__).resolve().parents[2] / "shared" / "data" / "curves"
AOT = ("Core", "Drop", "Shell")
LUDOX = ("S49_Ludox6_1pct", "S42_Ludox4_10pct", "S40_Ludox2_30pct")


def ps3() -> FitResult:
    """All rows, no resolution, as the peers."""
    curve = _load("ffsas/04_sphere_SANS/observation.txt", q_unit="1/A")
    return pipelines.fit(
        curve,
        "sphere",
        polydispersity={"radius": "gaussian"},
        vary={"radius": (10, 200)},
        starts=4,
    )


def latex(*, one_scale: bool = False) -> FitResult:
    """Pinhole SANS and slit-smeared USANS of one latex, each with its own resolution."""
    curves = [_load("sasdata/latex_smeared.xml", entry=i, average_repeats=True) for i in (0, 1)]
    return pipelines.fit(
        curves,
        "sphere",
        polydispersity={"radius": "gaussian"},
        vary={"radius": (150, 350)},
        shared=["radius", "radius_width", *(["scale"] if one_scale else [])],
        starts=2,
    )


def blend(*, resolution: str | None = None) -> FitResult:
    """A melt of deuterated and plain polystyrene: Gaussian coils."""
    curve = _load("sasdata/ISIS_Polymer_Blend_RT2.xml")
    return pipelines.fit(
        curve,
        "mono_gauss_coil",
        vary={"rg": (1, 20)},
        resolution=resolution,
        starts=2,
    )


def aot() -> FitResult:
    """Three contrasts of one droplet: geometry and interaction shared, contrasts free."""
    curves = [
        _load(f"sasdata/AOT_Microemulsion-{name}_Contrast.xml", drop_bad=True) for name in AOT
    ]
    contrasts = (-1.2e-3, 1.2e-3)
    return pipelines.fit(
        curves,
        "core_shell_sphere@hard_sphere",
        polydispersity={"radius": "schulz:0.2"},
        set={"scale": 1.0, "radius": 2.5, "thickness": 1.0, "volume_fraction": 0.06},
        vary={
            "radius": (1, 6),
            "thickness": (0.3, 2),
            "volume_fraction": (0.005, 0.3),
            "core_contrast": (0.0, contrasts[1]),  # the other sign fits alike
            "shell_contrast": contrasts,
        },
        shared=["radius", "radius_width", "thickness", "volume_fraction"],
        starts=6,
    )


def ludox(index: int | None = None) -> FitResult:
    """Silica at 1, 10 and 30 %: one size, a volume fraction each; None: all three at once."""
    curves = [
        _load(f"ffsas/06_structure_factor/{name}.dat", q_unit="1/A").select(0.05, 1.0)
        for name in LUDOX
    ]
    options = dict(
        polydispersity={"radius": "gaussian"},
        vary={"radius": (8, 20), "volume_fraction": (0.001, 0.5)},
        starts=4,
    )
    if index is not None:
        return pipelines.fit(curves[index], "sphere@hard_sphere", **options)
    shared = ["radius", "radius_width"]
    return pipelines.fit(curves, "sphere@hard_sphere", shared=shared, **options)


def sds(*, salt: float = 0.0) -> FitResult:
    """Charged micelles, 2 %: ellipsoids with the screened Coulomb structure factor."""
    curve = _load("sasdata/hSDS_D2O_2p0_percent.xml")
    return pipelines.fit(
        curve,
        "ellipsoid@hayter_msa",
        set={"contrast": -5.9e-4, "salt": salt},
        vary={
            "radius_polar": (0.5, 6),
            "radius_equatorial": (0.5, 6),
            "volume_fraction": (0.005, 0.05),
            "charge": (2, 60),
        },
        starts=12,
    )


def silica() -> FitResult:
    """Stober silica, the ethanol subtracted, errors with 2 % of the intensity in quadrature."""
    sample, ethanol = (
        _load(f"silica/2024_12_10_OptimizationExample__{name}.dat", drop_bad=True)
        for name in (
            "03737_A2-T2_547378d7-9885-4f7b-bb76-1cad9fe9ecbe_000",
            "03734_D5-T2_Ethanol_background_1_000",
        )
    )
    curve = sample.select(0.035, 0.3).subtract(ethanol).with_error_floor(0.02)
    return pipelines.fit(
        curve,
        "sphere",
        polydispersity={"radius": "lognormal"},
        vary={"radius": (10, 100)},
        starts=4,
    )


def ludox_silica() -> FitResult:
    """A concentrated silica that hard spheres do not describe: the report must say so."""
    return pipelines.fit(
        _load("sasdata/Ludox_silica.xml"),
        "sphere@hard_sphere",
        polydispersity={"radius": "gaussian"},
        starts=4,
    )


def _load(name: str, **options) -> Curve:
    return io.load_curve(CURVES / name, **options)


def _found(result: FitResult, *names: str) -> str:
    """Write parameters with their errors, and the reduced chi-square of each curve."""
    shown = [
        f"{name} {value_with_error(result.parameters[name], result.uncertainties[name])}"
        for name in result.parameters
        if name.partition("[")[0] in names
    ]
    each = " / ".join(f"{curve.reduced_chi2:.3g}" for curve in result.curves)
    return f"{', '.join(shown)}; chi2r {each}"


def main() -> None:
    ours = {
        "PS3 spheres": (
            "655.17 +- .82 A, width .1121, chi2r 1.69",
            lambda: _found(ps3(), "radius", "radius_width"),
        ),
        "latex, SANS and USANS": (
            "SANS alone 2478 +- 6 A, .081, chi2r .32 (a local minimum of its sums)",
            lambda: _found(latex(), "radius", "radius_width"),
        ),
        "latex, one scale too": (
            "",
            lambda: _found(latex(one_scale=True), "radius", "radius_width"),
        ),
        "polymer blend": ("Rg 56.4 +- .14 A, chi2r .79", lambda: _found(blend(), "rg")),
        "polymer blend, with its resolution": (
            "",
            lambda: _found(blend(resolution="auto"), "rg"),
        ),
        "AOT, three contrasts at once": (
            "three single fits, chi2r 4.4 / 7.9 / 34.7",
            lambda: _found(aot(), "radius", "radius_width", "thickness", "volume_fraction"),
        ),
        "Ludox 1, 10, 30 % at once": (
            "single fits: R 139-150 A, phi .019 / .173 / .366, chi2r 36-720",
            lambda: _found(ludox(), "radius", "radius_width", "volume_fraction"),
        ),
        "SDS 2 %": (
            "chi2r .92, shape undetermined",
            lambda: _found(sds(), "radius_polar", "radius_equatorial", "charge"),
        ),
        "silica less ethanol": (
            "423.8 A (median), .092, chi2r 2.0",
            lambda: _found(silica(), "radius", "radius_width"),
        ),
        "Ludox_silica.xml": ("chi2r 1e4", lambda: _found(ludox_silica(), "radius")),
    }
    print("| data | others found | fit (nm) | CPU s |\n| --- | --- | --- | --- |", flush=True)
    for data, (peer, find) in ours.items():
        start = time.process_time()
        found = find()
        spent = time.process_time() - start
        print(f"| {data} | {peer} | {found} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    start_jax()
    main()
