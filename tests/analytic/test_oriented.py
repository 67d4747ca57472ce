"""Oriented bodies against scipy's quadrature of formulas in numpy, and their limits."""

import functools

import jax
import numpy as np
import pytest
from numerics import axial_mean, jinc, phi, solid_mean
from scipy.special import j0

from diffscatter.analytic import (
    CoreShellCylinder,
    CoreShellEllipsoid,
    Cylinder,
    Ellipsoid,
    HollowCylinder,
    Parallelepiped,
    TriaxialEllipsoid,
)

Q = np.array([0.0, 1e-5, 0.03, 0.2, 0.7, 2.0, 5.0])
BODIES = {
    "rod": (Cylinder, {"radius": 2.0, "length": 500.0, "contrast": 1e-4}),
    "disc": (Cylinder, {"radius": 60.0, "length": 1.0, "contrast": 1e-4}),
    "spindle": (
        Ellipsoid,
        {"radius_polar": 80.0, "radius_equatorial": 2.0, "contrast": 1e-4},
    ),
    "tube": (
        HollowCylinder,
        {"radius": 3.0, "thickness": 1.5, "length": 90.0, "contrast": -3e-4},
    ),
    "ring": (
        HollowCylinder,
        {"radius": 30.0, "thickness": 0.2, "length": 2.0, "contrast": 3e-4},
    ),
    "coated rod": (
        CoreShellCylinder,
        {
            "radius": 2.0,
            "thickness": 1.0,
            "length": 500.0,
            "core_contrast": -1e-4,
            "shell_contrast": 3e-4,
        },
    ),
    "coated disc": (
        CoreShellCylinder,
        {
            "radius": 25.0,
            "thickness": 2.0,
            "length": 1.0,
            "core_contrast": 4e-4,
            "shell_contrast": 1e-4,
        },
    ),
    "coated egg": (
        CoreShellEllipsoid,
        {
            "radius_equat_core": 3.0,
            "x_core": 2.5,
            "thick_shell": 1.5,
            "x_polar_shell": 0.4,
            "core_contrast": 2e-4,
            "shell_contrast": -1e-4,
        },
    ),
    "coated lens": (
        CoreShellEllipsoid,
        {
            "radius_equat_core": 40.0,
            "x_core": 0.1,
            "thick_shell": 2.0,
            "x_polar_shell": 2.0,
            "core_contrast": -2e-4,
            "shell_contrast": 3e-4,
        },
    ),
}
SOLIDS = {
    "brick": (
        Parallelepiped,
        {"length_a": 9.0, "length_b": 3.0, "length_c": 5.0, "contrast": 1e-4},
    ),
    "square plank": (
        Parallelepiped,
        {"length_a": 2.0, "length_b": 100.0, "length_c": 2.0, "contrast": -1e-4},
    ),
    "needle": (
        Parallelepiped,
        {"length_a": 1.0, "length_b": 2.0, "length_c": 500.0, "contrast": 1e-4},
    ),
    "sheet": (
        Parallelepiped,
        {"length_a": 60.0, "length_b": 0.5, "length_c": 50.0, "contrast": 1e-4},
    ),
    "wide sheet": (  # at the largest q beyond what is tabulated
        Parallelepiped,
        {"length_a": 150.0, "length_b": 1.0, "length_c": 170.0, "contrast": 1e-4},
    ),
    "pebble": (
        TriaxialEllipsoid,
        {
            "radius_equat_minor": 3.0,
            "radius_equat_major": 2.0,
            "radius_polar": 4.0,
            "contrast": 1e-4,
        },
    ),
    "blade": (
        TriaxialEllipsoid,
        {
            "radius_equat_minor": 4.0,
            "radius_equat_major": 250.0,
            "radius_polar": 1.0,
            "contrast": 1e-4,
        },
    ),
    "flake": (
        TriaxialEllipsoid,
        {
            "radius_equat_minor": 40.0,
            "radius_equat_major": 1.0,
            "radius_polar": 50.0,
            "contrast": 1e-4,
        },
    ),
}


def cylinder(along, across, radius, length):
    rod = np.sinc(along * length / 2 / np.pi)
    return np.pi * radius**2 * length * jinc(across * radius) * rod


def spheroid(along, across, polar, equatorial):
    volume = 4 / 3 * np.pi * polar * equatorial**2
    return volume * phi(np.hypot(along * polar, across * equatorial))


def oriented(model, p, along, across):
    """Return F, nm, by the definition: a sum over homogeneous parts."""
    if model is Cylinder:
        return p["contrast"] * cylinder(along, across, p["radius"], p["length"])
    if model is Ellipsoid:
        part = spheroid(along, across, p["radius_polar"], p["radius_equatorial"])
        return p["contrast"] * part
    if model is HollowCylinder:
        part = lambda radius: cylinder(along, across, radius, p["length"])
        return p["contrast"] * (part(p["radius"] + p["thickness"]) - part(p["radius"]))
    if model is CoreShellCylinder:
        t = p["thickness"]
        core = cylinder(along, across, p["radius"], p["length"])
        whole = cylinder(along, across, p["radius"] + t, p["length"] + 2 * t)
    else:
        r, t = p["radius_equat_core"], p["thick_shell"]
        polar = r * p["x_core"]
        core = spheroid(along, across, polar, r)
        whole = spheroid(along, across, polar + t * p["x_polar_shell"], r + t)
    step = p["core_contrast"] - p["shell_contrast"]
    return step * core + p["shell_contrast"] * whole


def averages(model, p, q):
    """Return the averages of F and of F^2."""
    at = lambda t: oriented(model, p, q * np.cos(t), q * np.sin(t))
    pieces = 100  # up to 25 rad each
    return axial_mean(at, pieces), axial_mean(lambda t: at(t) ** 2, pieces)


def solid_averages(model, p, q):
    """Return the same of a body with three axes, the two shortest across the polar one."""
    *lengths, contrast = p.values()
    short, middle, long = sorted(lengths)
    if model is Parallelepiped:
        volume = short * middle * long
        part = lambda n, length: np.sinc(q * n * length / 2 / np.pi)
        f = lambda x, y, z: part(x, short) * part(y, middle) * part(z, long)
    else:
        volume = 4 / 3 * np.pi * short * middle * long
        squared = lambda x, y, z: (x * short) ** 2 + (y * middle) ** 2 + (z * long) ** 2
        f = lambda x, y, z: phi(q * np.sqrt(squared(x, y, z)))
    pieces = [6 + int(q * length / 20) for length in (2 * long, 2 * middle)]
    mean = solid_mean(f, *pieces)
    square = solid_mean(lambda *n: f(*n) ** 2, *pieces)
    return contrast * volume * mean, (contrast * volume) ** 2 * square


@functools.cache
def curves_of(model):
    def curves(p, q):
        body = model(**p)
        means = body.average_amplitude(q), body.average_square(q)
        return *means, body.specific_intensity(q), body.volume

    return jax.jit(curves)


@pytest.mark.parametrize("name", [*BODIES, *SOLIDS])
def test_averages_over_orientations(name):
    model, p = (BODIES | SOLIDS)[name]
    exact = averages if name in BODIES else solid_averages
    mean, square = np.array([exact(model, p, q) for q in Q]).T
    with jax.enable_x64(True):
        found = map(np.asarray, curves_of(model)(p, Q))
    ours_mean, ours_square, absolute, volume = found
    np.testing.assert_allclose(ours_square, square, rtol=1e-9)
    # F changes sign, so its mean is as exact as its size, the root of the mean square.
    np.testing.assert_array_less(np.abs(ours_mean - mean), 1e-10 * np.sqrt(square))
    np.testing.assert_allclose(absolute, 1e7 * square / volume, rtol=1e-9)


def test_bodies_within_bodies():
    q = np.linspace(0, 3, 7)

    def curve(model, *values):
        with jax.enable_x64(True):
            names = next(p for kind, p in (BODIES | SOLIDS).values() if kind is model)
            return np.asarray(curves_of(model)(dict(zip(names, values, strict=True)), q)[1])

    rod, outer = curve(Cylinder, 3.0, 20.0, 2e-4), curve(Cylinder, 4.0, 22.0, 2e-4)
    egg, ball = curve(Ellipsoid, 6.0, 3.0, 2e-4), curve(Ellipsoid, 6.0, 6.0, 2e-4)
    for model, values, expected in (
        (HollowCylinder, (0.0, 3.0, 20.0, 2e-4), rod),
        (CoreShellCylinder, (3.0, 0.0, 20.0, 2e-4, 9e-4), rod),
        (CoreShellCylinder, (3.0, 1.0, 20.0, 2e-4, 2e-4), outer),
        (CoreShellEllipsoid, (3.0, 2.0, 0.0, 5.0, 2e-4, 9e-4), egg),
        (CoreShellEllipsoid, (2.0, 1.5, 1.0, 3.0, 2e-4, 2e-4), egg),
        (CoreShellEllipsoid, (0.0, 7.0, 3.0, 2.0, 9e-4, 2e-4), egg),
        (CoreShellEllipsoid, (4.0, 1.0, 2.0, 1.0, 2e-4, 2e-4), ball),
        (TriaxialEllipsoid, (3.0, 6.0, 3.0, 2e-4), egg),
        (TriaxialEllipsoid, (6.0, 6.0, 6.0, 2e-4), ball),
    ):
        np.testing.assert_allclose(curve(model, *values), expected, rtol=1e-10)


@pytest.mark.parametrize("thickness", [1e-3, 1e-5, 1e-7, 1e-12])
def test_a_thin_wall_is_a_surface(thickness):
    """As the wall thins, F^2/V^2 goes to that of a surface, J0; the difference is cancelled."""
    q = np.array([0.01, 0.3, 2.0])
    with jax.enable_x64(True):
        wall = lambda t: HollowCylinder(radius=10.0, thickness=t, length=30.0, contrast=1.0)
        sheet = jax.jit(HollowCylinder.reduced_square)(wall(0.0), q)
        got = jax.jit(HollowCylinder.reduced_square)(wall(thickness), q)
    at = lambda k: (
        lambda t: (j0(k * np.sin(t) * 10.0) * np.sinc(k * np.cos(t) * 15.0 / np.pi)) ** 2
    )
    expected = [axial_mean(at(k), 20) for k in q]
    np.testing.assert_allclose(sheet, expected, rtol=1e-9)
    # The wall's middle is t/2 further out: relative changes of q t.
    np.testing.assert_allclose(got, expected, rtol=1e-9 + 4 * thickness)


# One length at 0 at a time is what test_every_model.py does.
DEGENERATE = {
    "nothing": (Cylinder, {"radius": 0.0, "length": 0.0, "contrast": 0.0}),
    "no tube": (
        HollowCylinder,
        {"radius": 0.0, "thickness": 0.0, "length": 9.0, "contrast": 3e-4},
    ),
    "no core": (
        CoreShellCylinder,
        BODIES["coated rod"][1] | {"radius": 0.0, "length": 0.0},
    ),
    "no egg": (
        CoreShellEllipsoid,
        BODIES["coated egg"][1] | {"radius_equat_core": 0.0, "thick_shell": 0.0},
    ),
    "round egg": (
        CoreShellEllipsoid,
        BODIES["coated egg"][1] | {"x_core": 1.0, "x_polar_shell": 1.0},
    ),
    "cube": (Parallelepiped, SOLIDS["brick"][1] | {"length_a": 3.0, "length_c": 3.0}),
    "ball": (
        TriaxialEllipsoid,
        SOLIDS["pebble"][1] | {"radius_equat_minor": 4.0, "radius_equat_major": 4.0},
    ),
    "disc-like": (TriaxialEllipsoid, SOLIDS["pebble"][1] | {"radius_equat_minor": 4.0}),
}


@functools.cache
def curve_of(model):
    curve = lambda p, q: model(**p).specific_intensity(q)
    return jax.jit(curve), jax.jit(jax.jacfwd(curve))


@pytest.mark.parametrize("name", DEGENERATE)
def test_derivatives_where_lengths_vanish_or_are_equal(name):
    """The intensity is finite there, and its derivatives are one-sided differences."""
    model, p = DEGENERATE[name]
    q = np.array([0.0, 0.4, 2.0])
    with jax.enable_x64(True):
        curve, slopes = curve_of(model)
        got = slopes(p, q)
        scale = np.abs(curve({k: v or 1.0 for k, v in p.items()}, q)).max()
        for key, value in p.items():
            size = abs(value) or (1e-4 if "contrast" in key else 1.0)
            step = 1e-3 * size
            at = lambda n, key=key, value=value, h=step: curve(p | {key: value + n * h}, q)
            if value:
                expected = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
            else:
                weights = (-25 / 12, 4, -3, 4 / 3, -1 / 4)
                expected = sum(w * at(n) for n, w in enumerate(weights)) / step
            atol = 1e-9 * scale / size
            np.testing.assert_allclose(got[key], expected, rtol=1e-6, atol=atol)


def test_bodies_of_nothing_are_finite():
    """Two lengths 0 at once: no derivative exists, but nothing is infinite or NaN."""
    with jax.enable_x64(True):
        for model, p in (BODIES | SOLIDS).values():
            curve, slopes = curve_of(model)
            sizes = {k: v if "contrast" in k else 0.0 for k, v in p.items()}
            q = np.array([0.0, 0.4, 2.0])
            np.testing.assert_array_equal(curve(sizes, q), 0.0)
            assert all(np.isfinite(d).all() for d in slopes(sizes, q).values())
