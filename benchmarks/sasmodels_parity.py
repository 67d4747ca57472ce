"""Every kind of curve against sasmodels: the stored ones, and fresh parameters.

For each kind the largest relative difference of I(q) over the curves that sasmodels 1.1.0 wrote
into ``../shared/reference/sasmodels_curves.h5`` (left out where that file is not), and over
fresh random parameters against the sasmodels that is installed, 60 q from 1e-3 to 0.5 1/A,
double precision, no weight cutoff. Lengths and laws are drawn by ``Model.random``, scattering
length densities between 0 and 8e-6 1/A^2. Prints a table in Markdown.
"""

import warnings
from pathlib import Path

import jax
import numpy as np

from diffscatter.analytic import MODELS, STRUCTURE_FACTORS, from_sasmodels, get
from diffscatter.analytic.compound import UNITS

REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "sasmodels_curves.h5"
Q = np.geomspace(1e-3, 0.5, 60)  # 1/A
DRAWS = 8
COMPOUNDS = {
    "sphere@hardsphere": {"structure_factor_mode": 1},
    "core_shell_sphere@stickyhardsphere": {"stickiness": 0.5, "volfraction": 0.1},
    "ellipsoid@hayter_msa": {"volfraction": 0.05, "charge": 15, "concentration_salt": 0.01},
    "cylinder@hardsphere": {"structure_factor_mode": 1},
    "vesicle@hardsphere": {"volfraction": 0.02},
    "sphere+cylinder": {},
    "sphere*guinier": {},
}


def stored():
    """Return kind to the largest difference and the number of curves."""
    if not REFERENCE.exists():
        return {}
    import h5py

    found = {}
    with h5py.File(REFERENCE) as file:
        for kind in sorted(set(file) - {"q"}):
            worst = 0.0
            for entry in file[kind].values():
                keys = {k: v for k, v in entry.attrs.items() if not k.startswith("_")}
                got = np.asarray(from_sasmodels(keys.pop("model"), keys)(file["q"][:]))
                worst = max(worst, float(np.max(np.abs(got / entry["I"][:] - 1))))
            found[kind] = worst, len(file[kind])
    return found


def drawn(name, random):
    """Return parameters in sasmodels' names and units."""
    model, keys = get(name), {}
    key = jax.random.key(int(random.integers(2**31)))
    ours = {k: np.ravel(v) for k, v in model.random(key).items()}
    for k, (default, unit) in model.theirs.parameters.items():
        factor = UNITS.get(unit, (1.0, unit))[0]
        stem, _, index = model.theirs.renamed.get(k, k).partition("[")
        if unit == "1e-6/A^2":
            keys[k] = random.uniform(0, 8)
        elif stem in ours:
            values = ours[stem]
            place = int(index.rstrip("]") or 0) if index else 0
            keys[k] = float(values[min(place, values.size - 1)]) / factor
        elif model.theirs.counter is not None and k == model.theirs.counter[0]:
            keys[k] = 2
        else:
            keys[k] = default * random.uniform(0.7, 1.4)
    return keys


def compound(name, random):
    """Return fresh parameters of the parts of a compound name, and what it is fixed at."""
    keys = dict(COMPOUNDS.get(name, {}))
    if "@" in name:
        keys = drawn(name.split("@")[0], random) | keys
    elif set("+*") & set(name):
        for letter, part in zip("AB", name.replace("*", "+").split("+"), strict=True):
            keys |= {f"{letter}_{k}": v for k, v in drawn(part, random).items()}
    else:
        keys = drawn(name, random)
    return keys | {"scale": random.uniform(0.1, 2), "background": random.uniform(0, 0.01)}


def fresh():
    """Return kind to the largest and the median difference from the installed program."""
    from sasmodels.core import load_model
    from sasmodels.direct_model import call_kernel

    found, random = {}, np.random.default_rng(2024)
    names = [m.theirs.name for m in (MODELS | STRUCTURE_FACTORS).values() if m.theirs]
    for name in [*names, *COMPOUNDS]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel = load_model(name, dtype="double", platform="dll").make_kernel([Q])
        errors = []
        for _ in range(DRAWS):
            keys = compound(name, random)
            expected = call_kernel(kernel, keys, cutoff=0.0)
            got = np.asarray(from_sasmodels(name, keys)(Q))
            errors.append(float(np.max(np.abs(got / expected - 1))))
        found[name] = max(errors), float(np.median(errors))
    return found


def main():
    old, new = stored(), fresh()
    print("| stored kind | curves | largest difference |\n| --- | --- | --- |")
    for kind, (worst, count) in old.items():
        print(f"| {kind} | {count} | {worst:.1e} |")
    print(f"\n| {DRAWS} fresh draws of | largest | median |\n| --- | --- | --- |")
    for name, (worst, median) in new.items():
        print(f"| {name} | {worst:.1e} | {median:.1e} |")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
