"""``import diffscatter`` costs importing jax alone."""

import importlib.util
import pkgutil
import subprocess
import sys

import pytest

HEAVY = ("flax", "optax", "h5py", "matplotlib", "orbax", "rich", "nufftax", "PIL")
# These load eagerly; the others carry a file format, an optimiser or a network.
EAGER = ("core", "shapes", "analytic", "operators", "instrument")


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(statement: str) -> set[str]:
    """Return the modules that a statement loads."""
    return set(run(f"import sys; {statement}; print(*sys.modules)").split())


def cpu_seconds(statement: str) -> float:
    """Return the CPU time of the whole process, interpreter start included: least of five."""
    code = f"{statement}; import time; print(time.process_time())"
    return min(float(run(code)) for _ in range(5))


def modules(package: str) -> list[str]:
    """Return a package of ours and its modules, by dotted name."""
    spec = importlib.util.find_spec(f"diffscatter.{package}")
    inside = pkgutil.iter_modules(spec.submodule_search_locations)
    return [spec.name, *(f"{spec.name}.{module.name}" for module in inside)]


@pytest.mark.parametrize("statement", ["import diffscatter", "eager"])
def test_loads_nothing_heavy(statement):
    if statement == "eager":
        statement = "import " + ", ".join(name for p in EAGER for name in modules(p))
    extra = loaded(statement) - loaded("import jax, jax.numpy, jax.scipy.special")
    assert not {m for m in extra if m.split(".")[0] in HEAVY}
    assert "scipy.optimize" not in extra


def test_costs_no_more_than_jax():
    ours, jax = cpu_seconds("import diffscatter"), cpu_seconds("import jax")
    assert ours < jax + 0.2


def test_packages_load_on_first_use():
    assert run("import diffscatter; print(diffscatter.core.__name__)") == "diffscatter.core"
    code = "import diffscatter\ntry: diffscatter.nothing\nexcept AttributeError as e: print(e)"
    assert "has no attribute 'nothing'" in run(code)
