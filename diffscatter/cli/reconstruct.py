"""``diffscatter reconstruct``: a three-dimensional body from one diffraction pattern."""

import argparse
import cmath
import math
import warnings
from pathlib import Path
from typing import Any

from diffscatter.cli.options import add_output, console, number, start_jax
from diffscatter.cli.patterns import (
    add_geometry,
    add_reading,
    placed,
    read_pattern,
    wavelength_of,
)

__all__ = ["add", "run"]

_STRAIGHT = (
    "Straight rays were assumed. In matter as strong as this, |n - 1| = {:.2g}, the wave also "
    "spreads inside the body: at wide angles the pattern differs by tens of percent, and faces "
    "may lie some nm off. --physics split-step takes it into account."
)


def add(commands: Any) -> argparse.ArgumentParser:
    words = "find the body that scattered one wide-angle pattern"
    parser = commands.add_parser("reconstruct", help=words, description=words)
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        metavar="PATTERN",
        help="PNG, TIFF, EDF, CBF, CXI, HDF5 or .npy, in physical orientation",
    )
    add_geometry(parser)
    parser.add_argument(
        "--material",
        metavar="FORMULA[:DENSITY]",
        help="of the body, as Ag or SiO2:2.2 (g/cm^3); tables by Henke (extra materials)",
    )
    parser.add_argument(
        "--chi", metavar="N-1", help="its refractive index less 1, as -0.11+0.079j"
    )
    parser.add_argument(
        "--physics",
        choices=("multislice", "split-step", "attenuated"),
        default="multislice",
        help="straight rays; those, then multiple scattering; or absorption alone, as in "
        "published images (multislice)",
    )
    parser.add_argument(
        "--attenuation-length",
        metavar="L",
        help="of the amplitude, nm, for --physics attenuated (that of the material)",
    )
    parser.add_argument(
        "--method",
        choices=("auto", "voxels", "facets", "solid"),
        default="auto",
        help="solid: one of 21, stretched; facets: any convex body; auto chooses (auto)",
    )
    parser.add_argument(
        "--start",
        choices=("both", "library", "cold"),
        default="both",
        help="where the search begins: a library of patterns, spheres, or both (both)",
    )
    parser.add_argument(
        "--scale",
        choices=("linear", "log"),
        default="linear",
        help="log: a display image, the logarithm of the intensity stretched to what is shown",
    )
    add_reading(parser)
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="options from a file, as every run writes one",
    )
    add_output(parser, "diffscatter-reconstruct")
    return parser


def run(options: argparse.Namespace) -> None:
    if options.data is None:
        raise ValueError("name a file: diffscatter reconstruct PATTERN")
    start_jax()
    pattern = read_pattern(options.data, options)
    wavelength = wavelength_of(pattern, options)
    matter = _matter(options, wavelength)
    pattern = placed(pattern, wavelength, options)
    log = options.scale == "log"
    from diffscatter import pipelines
    from diffscatter.pipelines.bodies.recorded import MOST_PIXELS
    from diffscatter.pipelines.flat import coarser
    from diffscatter.report import Run

    pattern = coarser(pattern, MOST_PIXELS, mean=log)
    out = console()
    with Run(
        options.output,
        "reconstruct",
        title=f"Body from {pattern.name}",
        seed=options.seed,
        configuration=_configuration(options),
    ) as run:
        with warnings.catch_warnings(record=True) as caught, _bar(out) as advance:
            warnings.simplefilter("always", UserWarning)
            result = pipelines.reconstruct(
                pattern,
                wavelength=wavelength,
                **matter,
                physics=options.physics,
                method=options.method,
                start=options.start,
                scale=options.scale,
                seed=options.seed,
                progress=advance,
            )
        for message in dict.fromkeys(str(w.message) for w in caught):
            run.warn(message)
        from diffscatter.cli.reconstruct_report import collect, is_good
        from diffscatter.pipelines.bodies.choose import STRONG

        if options.physics == "multislice" and abs(matter["chi"]) > STRONG:
            run.warn(_STRAIGHT.format(abs(matter["chi"])))

        assumed = {"physics": options.physics} | {k: str(v) for k, v in matter.items()}
        collect(run, pattern, result, wavelength, log=log, assumed=assumed)
    style = "bold" if is_good(result) else "bold red"
    out.print(result.status, style=style, markup=False, highlight=False)
    for label, rms in result.candidates:
        out.print(f"  {label}: rms {rms:.4g}", markup=False, highlight=False)
    out.print(f"report: {run.folder / 'report.html'}", markup=False, highlight=False)


def _matter(options: argparse.Namespace, wavelength: float) -> dict[str, Any]:
    """Return what the physics needs to know of the body, and refuse what it does not take."""
    attenuated = options.physics == "attenuated"
    if options.chi is not None and options.material is not None:
        raise ValueError("give --chi or --material, not both")
    if options.attenuation_length is not None:
        if not attenuated:
            raise ValueError(
                f"--attenuation-length is for --physics attenuated, not {options.physics}: "
                "there the imaginary part of --chi absorbs"
            )
        length = number("--attenuation-length", options.attenuation_length, "nm")
        if not (math.isfinite(length) and length > 0):
            raise ValueError(f"--attenuation-length must be above 0 nm, got {length:g}")
        return {"attenuation_length": length}
    if options.chi is None and options.material is None:
        need = "--attenuation-length (nm)" if attenuated else "--material, as Ag, or --chi"
        raise ValueError(f"--physics {options.physics} needs {need}")
    chi = _chi(options.chi) if options.chi is not None else _tabulated(options, wavelength)
    if not attenuated:
        return {"chi": chi}
    if chi.imag == 0:
        raise ValueError("a body that absorbs nothing has no attenuation length")
    # The amplitude falls by exp(-2 pi beta z / wavelength).
    return {"attenuation_length": wavelength / (2 * math.pi * chi.imag)}


def _chi(text: str) -> complex:
    try:
        chi = complex(text.replace(" ", "").replace("i", "j"))
    except ValueError:
        raise ValueError(f"--chi takes n - 1, as -0.11+0.079j, got {text!r}") from None
    if not cmath.isfinite(chi) or chi == 0:
        raise ValueError(f"--chi must be finite and not 0, got {text!r}")
    if chi.imag < 0:
        raise ValueError(
            f"--chi {text} has an imaginary part below 0: a gain; n = 1 - delta + i beta, "
            "beta >= 0, absorbs"
        )
    if abs(chi) >= 1:
        raise ValueError(f"--chi is n - 1, not n: {text} is 1 or more; subtract 1")
    return chi


def _tabulated(options: argparse.Namespace, wavelength: float) -> complex:
    from diffscatter.core.materials import Material

    formula, _, density = options.material.partition(":")
    grams = number("--material's density", density) if density else None
    try:
        return Material(formula, grams).chi(wavelength=wavelength)
    except ImportError as error:
        raise ValueError(f"{error} with --chi") from None


def _configuration(options: argparse.Namespace) -> dict[str, Any]:
    used = dict(vars(options))
    for name in ("run", "parser", "command", "config"):
        used.pop(name)
    return used


def _bar(out: Any) -> Any:
    """Return a context that shows progress and gives the function which moves it."""
    import contextlib

    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    @contextlib.contextmanager
    def shown():
        columns = TextColumn("{task.description:34s}"), BarColumn(), TimeElapsedColumn()
        with Progress(*columns, console=out) as progress:
            task = progress.add_task("starting", total=1.0)

            def advance(words: str, share: float) -> None:
                progress.update(task, description=words, completed=share)

            yield advance

    return shown()
