"""The pattern of a simulation: amplitude, detector, mask, counts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffscatter.core.materials import Material, chi_of_index
from diffscatter.core.pattern import Pattern, checked_pattern
from diffscatter.core.pytree import replace
from diffscatter.core.units import energy_to_wavelength
from diffscatter.instrument import (
    EwaldDetector,
    FlatDetector,
    Pixels,
    SphericalDetector,
    axes_for,
    background,
    expected_photons,
    noise,
    record,
    regrid,
)
from diffscatter.instrument import mask as masks
from diffscatter.io import load_mask
from diffscatter.operators import multislice, propagation
from diffscatter.pipelines.simulation.body import Grid

__all__ = [
    "Recorded",
    "check_noise",
    "chi_of",
    "detector_of",
    "recorded_pattern",
    "wavelength_of",
]

_PHOTONS = 1e6  # unless the settings say otherwise


class Recorded(NamedTuple):
    """What a detector recorded, and what it should have.

    Attributes:
        pattern: counts and mask.
        on_axes: the same on axes kx, ky, where the detector is neither flat and upright nor on
            axes itself; else None.
        expected: mean counts without background, ``(ny, nx)``.
        background: mean counts of it, ``(ny, nx)``.
        pixels: the waves that they meet.
        fluence: incident photons per nm^2, or None where there is no absolute scale.
    """

    pattern: Pattern
    on_axes: Pattern | None
    expected: np.ndarray
    background: np.ndarray
    pixels: Pixels
    fluence: float | None


def wavelength_of(settings: Mapping[str, Any]) -> float:
    """Return the wavelength in nm, from itself or from the energy."""
    given = [key for key in ("wavelength", "energy") if key in settings]
    if len(given) != 1:
        raise ValueError(
            f"[pattern] needs wavelength or energy, got {' and '.join(given) or 'neither'}"
        )
    if given == ["wavelength"]:
        return settings["wavelength"]
    return energy_to_wavelength(settings["energy"])


def chi_of(settings: Mapping[str, Any], wavelength: float) -> tuple[complex | None, str]:
    """Return n - 1 and its source; None for the absorption-only field.

    Raises:
        ValueError: if there is no material, or too many.
    """
    constants = [key for key in ("delta", "beta") if key in settings]
    if settings["physics"] == "attenuated":
        if "attenuation_length" not in settings:
            raise ValueError('[pattern] physics = "attenuated" needs attenuation_length, in nm')
        others = [key for key in ("material", "density", *constants) if key in settings]
        if others:
            raise ValueError(
                f'[pattern] {", ".join(others)} cannot be given with physics = "attenuated", '
                "which knows attenuation_length alone"
            )
        return None, "attenuation length of the amplitude, nothing refracted"
    if "attenuation_length" in settings:
        raise ValueError(
            '[pattern] attenuation_length belongs to physics = "attenuated", got physics = '
            f"{settings['physics']!r}; give material, or delta and beta"
        )
    if "material" in settings:
        if constants:
            raise ValueError(f"[pattern] give material or {' and '.join(constants)}, not both")
        material = Material(settings["material"], settings.get("density"))
        return material.chi(wavelength=wavelength), material.xray_source
    if len(constants) < 2 or "density" in settings:
        raise ValueError('[pattern] needs material, as "Ag", or delta and beta')
    return chi_of_index(complex(1 - settings["delta"], settings["beta"])), "given by the user"


def detector_of(settings: Mapping[str, Any], wavelength: float):
    """Return the detector that ``[detector]`` describes.

    Raises:
        ValueError: if a key is missing or belongs to another kind, or no pixel sees a wave.
    """
    detector = _detector(settings, wavelength)
    detector.pixels(wavelength)
    return detector


def _detector(settings: Mapping[str, Any], wavelength: float):
    kind = settings["kind"]
    columns, rows = (int(n) for n in settings["pixels"])
    if [columns, rows] != settings["pixels"]:
        raise ValueError(f"[detector] pixels must be whole numbers, got {settings['pixels']}")
    own = {"flat": {"distance", "pixel", "tilt"}, "spherical": {"distance", "pixel"}}
    own = own.get(kind, {"q_max"})
    others = set(settings) - own - {"kind", "pixels", "centre"}
    if others:
        raise ValueError(
            f"[detector] {', '.join(sorted(others))} cannot be given with kind = {kind!r}, "
            f"which has {', '.join(sorted(own))}"
        )
    missing = sorted((own - {"tilt", "q_max"}) - set(settings))
    if missing:
        raise ValueError(f"[detector] kind = {kind!r} needs {' and '.join(missing)}")
    centre = settings.get("centre")
    place = {"shape": (rows, columns), "centre": None if centre is None else np.asarray(centre)}
    if kind == "ewald":
        k = 2 * np.pi / wavelength
        q_max = settings.get("q_max", k)
        if q_max > 1.1 * k:
            raise ValueError(
                f"[detector] q_max must be at most 1.1 k = {1.1 * k:.6g} 1/nm at "
                f"{wavelength:.6g} nm, got {q_max:.6g}"
            )
        return EwaldDetector(step=q_max / (max(rows, columns) // 2), **place)
    lengths = {name: settings[name] for name in ("distance", "pixel")}
    if kind == "spherical":
        return SphericalDetector(**lengths, **place)
    tilt = settings.get("tilt")
    return FlatDetector(tilt=None if tilt is None else np.radians(tilt), **lengths, **place)


def check_noise(settings: Mapping[str, Any], physics: str) -> None:
    """Refuse what gives no scale, or two.

    Raises:
        ValueError: for photons and fluence at once, or a fluence without a cross-section.
    """
    if {"fluence", "photons"} <= set(settings):
        raise ValueError("[noise] give photons or fluence, not both")
    if "fluence" in settings and physics == "attenuated":
        raise ValueError(
            '[noise] fluence needs a cross-section, and physics = "attenuated" has no '
            "absolute scale; give photons"
        )


def recorded_pattern(
    tables: Mapping[str, Mapping[str, Any]],
    grid: Grid,
    chi: complex | None,
    wavelength: float,
    detector,
    *,
    key: jax.Array,
    folder: Path,
    name: str,
) -> Recorded:
    """Return what the detector records of a body.

    Args:
        tables: checked settings; ``pattern``, ``mask`` and ``noise`` are read.
        grid: the body.
        chi: n - 1 where it is, None for the absorption-only field.
        wavelength: nm.
        detector: flat, spherical or Ewald.
        key: of the counts.
        folder: that relative files are in.
        name: of the pattern.

    Raises:
        ValueError: as the operators; if the mask has another shape, or leaves nothing.
    """
    settings, noisy = tables["pattern"], tables["noise"]
    pixels = detector.pixels(wavelength)
    mask = _mask(tables.get("mask", {}), detector, folder) & np.asarray(pixels.inside)
    if not mask.any():
        raise ValueError("[mask] leaves no pixel that sees a scattered wave")
    on_axes = isinstance(detector, EwaldDetector)
    kx, ky = (
        map(np.asarray, detector.axes())
        if on_axes
        else axes_for(detector, wavelength, grid.size)
    )
    _check_voxels(grid, kx, ky, 2 * np.pi / wavelength)
    amplitude = _amplitude(settings, grid, chi, wavelength, kx, ky)
    if on_axes:
        seen, known = amplitude, pixels.inside
        # Patterns on axes hold the cross-section: every pixel as if it were at the beam.
        same = (detector.step / pixels.wavenumber) ** 2
        pixels = replace(pixels, solid_angle=jnp.where(known, same, 0))
    else:
        seen, known = record(amplitude, kx, ky, detector, wavelength)
    cross_section = seen.real**2 + seen.imag**2
    mask = mask & np.asarray(known)
    relative = expected_photons(
        cross_section, pixels, 1.0, polarisation=settings["polarisation"]
    )
    expected, fluence = _scaled(noisy, np.asarray(relative), mask, chi is not None)
    under = np.where(known, _background(noisy, pixels.q), 0.0)
    image, mask = _counted(noisy, expected + under, mask, key)
    if not image[mask].any():
        total = (expected + under)[mask].sum()
        raise ValueError(
            f"[noise] nothing was counted in {int(mask.sum())} pixels, of {total:.3g} on "
            "average; give more photons"
        )
    pattern = _as_pattern(image, mask, detector, wavelength, name)
    return Recorded(
        pattern=pattern,
        on_axes=_regridded(pattern, detector, pixels, wavelength),
        expected=expected,
        background=under,
        pixels=pixels,
        fluence=fluence,
    )


def _amplitude(settings, grid: Grid, chi: complex | None, wavelength: float, kx, ky):
    """Return the scattering amplitude on axes, by the physics that is asked for."""
    geometry = grid.pitch, wavelength
    physics = settings["physics"]
    if chi is None:
        length = settings["attenuation_length"]
        return multislice.attenuated_field(grid.density, *geometry, length, kx, ky)
    volume = chi * grid.density
    if physics == "wave-propagation":
        return propagation.wave_propagation(volume, *geometry, kx, ky, n=1 + chi)
    operator = multislice.amplitude if physics == "multislice" else propagation.split_step
    return operator(volume, *geometry, kx, ky)


def _check_voxels(grid: Grid, kx: np.ndarray, ky: np.ndarray, k: float) -> None:
    """Refuse voxels that do not resolve the steepest waves, in the words of the settings."""
    reach = min(k, max(np.abs(kx).max(), np.abs(ky).max()))
    if reach * grid.pitch > np.pi:
        limit = np.pi / reach
        if grid.shape is None:
            mend = f"give a file with a pitch of at most {limit:.4g} nm"
        else:
            need = int(np.ceil(grid.density.shape[0] * grid.pitch / limit)) + 1
            mend = f"give voxels = {need} or more"
        raise ValueError(
            f"[body] has voxels of {grid.pitch:.4g} nm, too coarse for waves of {reach:.4g} "
            f"1/nm; {mend}, or record smaller angles"
        )


def _mask(settings: Mapping[str, Any], detector, folder: Path) -> np.ndarray:
    shape, centre = detector.shape, detector.centre
    found = [masks.checked_mask(None, shape)]
    if "hole" in settings:
        found.append(masks.central_hole(shape, settings["hole"], centre))
    for column, row, radius in settings.get("blind_spots", []):
        found.append(masks.blind_spot(shape, radius, (column, row)))
    if "rectangle" in settings:
        found.append(masks.rectangle(shape, settings["rectangle"], centre))
    if "circle" in settings:
        found.append(masks.circle(shape, settings["circle"], centre))
    if "file" in settings:
        mask = load_mask(folder / settings["file"])
        if mask.shape != shape:
            raise ValueError(
                f"[mask] {settings['file']} has shape {mask.shape}, the detector {shape}"
            )
        found.append(mask)
    return np.asarray(masks.combine(*found))


def _scaled(settings, relative: np.ndarray, mask: np.ndarray, absolute: bool):
    """Return mean counts, and the fluence that they mean."""
    if "fluence" in settings:
        return relative * settings["fluence"], settings["fluence"]
    total = relative[mask].sum()
    if not total > 0:
        raise ValueError("nothing is scattered into the pixels that count; check [body]")
    fluence = settings.get("photons", _PHOTONS) / total
    return relative * fluence, float(fluence) if absolute else None


def _background(settings, q):
    total = background.constant(q, settings["constant"])
    if "halo" in settings:
        total = total + background.gaussian(q, *settings["halo"])
    if "stray" in settings:
        total = total + background.power_law(q, *settings["stray"])
    return np.asarray(total)


def _counted(settings, mean: np.ndarray, mask: np.ndarray, key):
    """Return what is counted and read, and the mask without the pixels that are full."""
    counting, reading = jax.random.split(key)
    image = noise.poisson(mean, key=counting) if settings["poisson"] else jnp.asarray(mean)
    if settings["read"]:
        image = noise.read_noise(image, settings["read"], key=reading)
    if "saturation" in settings:
        level = settings["saturation"]
        mask = mask & np.asarray(masks.unsaturated(image, level))
        image = noise.saturate(image, level)
    return np.asarray(image), mask


def _as_pattern(image, mask, detector, wavelength: float, name: str) -> Pattern:
    """Return the pattern with as much of the geometry as a file can hold."""
    ny, nx = detector.shape
    at = (nx // 2, ny // 2) if detector.centre is None else np.asarray(detector.centre)
    stated: dict[str, Any] = {"wavelength": float(wavelength)}
    notes: tuple[str, ...] = ("simulated",)
    if isinstance(detector, EwaldDetector):
        axes = tuple(map(np.asarray, detector.axes()))
    else:
        axes = (None, None)
        stated["centre"] = tuple(float(c) for c in at)
        if isinstance(detector, SphericalDetector):
            notes += ("a spherical detector: pixels are even steps of angle",)
        elif detector.tilt is not None:
            tilt = ", ".join(f"{t:.6g}" for t in np.degrees(np.asarray(detector.tilt)))
            notes += (f"a tilted detector: {tilt} degrees about x and y",)
        if _is_upright(detector):
            stated["distance"] = float(detector.distance)
            stated["pixel"] = (float(detector.pixel),) * 2
    return checked_pattern(image, mask, *axes, **stated, name=name, notes=notes)


def _is_upright(detector) -> bool:
    return isinstance(detector, FlatDetector) and detector.tilt is None


def _regridded(pattern: Pattern, detector, pixels: Pixels, wavelength: float):
    """Return a pattern on axes of a detector whose geometry files do not hold."""
    if pattern.kx is not None or _is_upright(detector):
        return None
    n = max(detector.shape)
    reach = max(float(np.abs(np.asarray(k)).max()) for k in (pixels.kx, pixels.ky))
    axis = (np.arange(n) - n // 2) * (reach / (n // 2))
    same = float(axis[1] - axis[0]) ** 2 / float(pixels.wavenumber) ** 2
    angle = np.asarray(pixels.solid_angle)
    density = np.where(angle > 0, pattern.image * same / np.where(angle > 0, angle, 1), 0)
    values, seen = regrid(density, detector, wavelength, axis, axis, mask=pattern.counts)
    return checked_pattern(
        np.asarray(values),
        np.asarray(seen),
        axis,
        axis,
        wavelength=pattern.wavelength,
        name=pattern.name,
        notes=(*pattern.notes, "regridded onto kx, ky"),
    )
