"""The tree is the architecture: who may import whom, and what belongs where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "diffscatter"
MODULES = sorted(PACKAGE.rglob("*.py"))

PHYSICS = {"shapes", "analytic", "operators", "instrument"}
LAYERS = PHYSICS | {"io", "fitting", "networks", "analysis", "training", "datasets"}

# Siblings do not see each other: physics and inference meet only as a function argument.
MAY_IMPORT = {
    "core": set(),
    **{name: {"core"} for name in (*PHYSICS, "io", "fitting", "networks", "analysis")},
    "training": {"core", "fitting", "networks"},
    "datasets": {"core", "io"} | PHYSICS,
    "pipelines": {"core"} | LAYERS,
}
# Entries and what they draw and write with: they may import anything of ours.
TOP = {"__init__", "__main__", "cli", "demo", "report"}
TOP |= {"plotting", "plotting_distributions", "plotting_learning", "plotting_reconstruction"}
# Only these switch JAX's global configuration: they are where a process starts.
ENTRIES = {"cli", "demo"}


def parts(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """Return the dotted modules that a file imports, relative ones resolved."""
    found = set()
    here = ("diffscatter", *parts(path))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            # `from diffscatter import x` may name a package, so the names count too.
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` of an attribute chain, or an empty string."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def breaks(path: Path) -> set[str]:
    """Return the packages of ours that a file imports and may not."""
    own = parts(path)[0]
    if own not in MAY_IMPORT:
        return set()
    ours = {m.split(".")[1] for m in imported(path) if m.startswith("diffscatter.")}
    return {name for name in ours - MAY_IMPORT[own] - {own} if not name.startswith("__")}


def test_every_module_has_its_place():
    assert MODULES
    assert {parts(path)[0] for path in MODULES} <= set(MAY_IMPORT) | TOP


@pytest.mark.parametrize("path", MODULES, ids=lambda p: "/".join(parts(p)))
def test_imports_only_what_its_layer_may(path):
    assert not breaks(path)


def test_the_rule_sees_every_way_to_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "operators").mkdir()
    path = tmp_path / "operators" / "saxs.py"
    for line in (
        "import diffscatter.analytic.sphere",
        "from diffscatter.analytic.sphere import Sphere",
        "from diffscatter import analytic",
        "from ..analytic import sphere",
        "def f():\n    from diffscatter.analytic import Sphere",
    ):
        path.write_text(line)
        assert breaks(path) == {"analytic"}
    path.write_text("from diffscatter.core import grids\nfrom . import multislice\nimport jax")
    assert not breaks(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: "/".join(parts(p)))
def test_conventions(path):
    module, name = tree(path), "/".join(parts(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600, "split it by idea"
    assert ast.get_docstring(module), "a module says what it is"
    for node in ast.walk(module):
        chain = dotted(node) if isinstance(node, ast.Attribute) else ""
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), "no star imports"
        if name != "core/transforms":
            shifts = getattr(node, "attr", getattr(node, "id", "")) in ("fftshift", "ifftshift")
            assert not shifts and not chain.startswith(("jnp.fft", "jax.numpy.fft")), (
                "only core.transforms transforms or shifts"
            )
        if parts(path)[0] not in ENTRIES:
            assert not chain.endswith("config.update"), "JAX settings belong to the user"
    assert "jax.numpy.fft" not in imported(path)


def test_flax_lives_in_networks_and_training_only():
    for path in MODULES:
        if parts(path)[0] not in {"networks", "training"}:
            assert not {m for m in imported(path) if m.split(".")[0] == "flax"}, path


def test_names_in_all_exist():
    for path in MODULES:
        module = tree(path)
        defined = set()
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                defined |= {t.id for t in targets if isinstance(t, ast.Name)}
            elif isinstance(node, ast.Import | ast.ImportFrom):
                defined |= {alias.asname or alias.name for alias in node.names}
        for node in module.body:
            if isinstance(node, ast.Assign) and dotted(node.targets[0]) == "":
                names = [t.id for t in node.targets if isinstance(t, ast.Name)]
                if "__all__" in names and isinstance(node.value, ast.List):
                    listed = set(ast.literal_eval(node.value))
                    # A package may load its modules lazily, by file name.
                    files = {p.stem for p in path.parent.iterdir()}
                    lazy = files if path.name == "__init__.py" else set()
                    assert listed <= defined | lazy, path


def test_test_files_have_different_names():
    # pytest imports them by file name alone.
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names))


def test_tests_mirror_the_package():
    packages = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    tested = {p.parent.name for p in (ROOT / "tests").glob("*/test_*.py")}
    assert packages <= tested, "a package without tests"
    assert tested - packages <= {"benchmarks", "examples"}, "tests of no package"
