"""The command line: it does the whole task, or says in one line what to mend."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest

import diffscatter
from diffscatter import cli
from diffscatter.cli import benchmark

Q = np.geomspace(0.05, 3.0, 60)


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / "curve.dat"
    intensity = 1 / (1 + (3 * Q) ** 4) + 1e-3
    rows = np.column_stack([Q, intensity, 0.05 * intensity])
    np.savetxt(path, rows, header="q(1/nm) I(1/cm) sigma")
    return path


def test_version_and_help_load_no_jax(process):
    done = process("--version")
    assert done.stdout == f"diffscatter {diffscatter.__version__}\n" and not done.returncode
    code = (
        "import sys\nfrom diffscatter.cli import main\ntry: main(['--help'])\n"
        "except SystemExit as e: assert not e.code\nassert 'jax' not in sys.modules"
    )
    done = process(code=code)
    assert not done.returncode, done.stderr
    commands = "demo simulate reconstruct fit models analyse dataset train check benchmark"
    for command in commands.split():
        assert f"  {command}" in done.stdout
    assert "infer" not in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["demo", "--seed", "x"], ["check", "--x"]]
)
def test_wrong_usage(arguments, refused):
    assert "--help" in refused(*arguments)


def test_check_describes(curve, capsys):
    assert cli.main(["check", str(curve)]) == 0
    shown = capsys.readouterr().out
    for expected in ("60", "0.05 to 3 1/nm", "0.05 of the intensity", "absent"):
        assert expected in shown


def test_check_refuses(curve, tmp_path, refused):
    assert "no such file" in refused("check", tmp_path / "none.dat").lower()
    assert "q unit 'furlong'" in refused("check", curve, "--unit", "furlong")
    np.savetxt(tmp_path / "bad.dat", np.column_stack([Q - 1, Q]), header="q(1/nm) I(1/cm)")
    assert "q is not above 0" in refused("check", tmp_path / "bad.dat")
    assert cli.main(["check", str(tmp_path / "bad.dat"), "--drop-bad"]) == 0


def test_demo_gets_its_options(monkeypatch, tmp_path):
    seen = []
    fake = types.ModuleType("diffscatter.demo")
    fake.main = lambda output, seed, console: seen.append((output, seed))
    monkeypatch.setattr(cli.demo, "start_jax", lambda: None)  # tested in a process of its own
    monkeypatch.setitem(sys.modules, "diffscatter.demo", fake)
    monkeypatch.setattr(diffscatter, "demo", fake, raising=False)
    assert cli.main(["demo", "--output", str(tmp_path), "--seed", "5"]) == 0
    assert seen == [(tmp_path, 5)]


@pytest.mark.parametrize(
    "error, status, words",
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("radius is\nnegative"), 2, "radius is negative"),
        (PermissionError(13, "Permission denied", "out"), 2, "out: Permission denied"),
        (MemoryError(), 2, "not enough memory"),
    ],
)
def test_one_line_and_a_status(monkeypatch, capsys, error, status, words):
    def fail(options):
        raise error

    monkeypatch.setattr(cli.check, "run", fail)
    assert cli.main(["check", "x"]) == status
    assert capsys.readouterr().err == f"diffscatter: {words}" + (
        "; use a smaller grid or fewer points\n" if status == 2 and "memory" in words else "\n"
    )


def test_a_reader_that_left_gets_no_traceback(curve):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "diffscatter", "check", str(curve)],
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=120,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


STATE = (
    "from diffscatter.cli.options import start_jax; start_jax(); import jax;"
    "print(jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir)"
)


def test_jax_starts_with_x64_and_a_cache(tmp_path, process):
    done = process(code=STATE, XDG_CACHE_HOME=tmp_path, JAX_COMPILATION_CACHE_DIR="")
    assert done.stdout.split() == ["True", str(tmp_path / "diffscatter" / "jax")], done.stderr


def test_the_users_own_cache_is_kept(tmp_path, process):
    done = process(code=STATE, XDG_CACHE_HOME=tmp_path, JAX_COMPILATION_CACHE_DIR=tmp_path)
    assert done.stdout.split() == ["True", str(tmp_path)]


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path, process):
    (tmp_path / "file").write_text("")
    code = f"{STATE}; jax.jit(lambda x: x + 1)(1.0)"
    done = process(code=code, XDG_CACHE_HOME=tmp_path / "file", JAX_COMPILATION_CACHE_DIR="")
    assert done.stdout.split()[0] == "True" and not done.returncode, done.stderr


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "harness.py").write_text("")
    monkeypatch.setattr(benchmark, "_benchmarks", lambda: folder)
    return folder


def script(body: str) -> str:
    return f"if __name__ == '__main__':\n    {body}"


def test_benchmark_runs_the_scripts(checkout, capfd):
    for name in ("a", "b"):
        (checkout / f"{name}.py").write_text(script(f"print('ran', '{name}')"))
    (checkout / "helper.py").write_text("")
    assert cli.main(["benchmark"]) == 0
    assert capfd.readouterr().out == "== a\nran a\n== b\nran b\n"
    assert cli.main(["benchmark", "b"]) == 0
    assert capfd.readouterr().out == "== b\nran b\n"


def test_benchmark_refuses(checkout, refused):
    (checkout / "a.py").write_text(script("raise ValueError('no rival')"))
    assert "no benchmark c; there are a" in refused("benchmark", "c")
    assert "benchmark a failed: ValueError: no rival" in refused("benchmark", "a")


def test_benchmark_outside_a_checkout(monkeypatch, tmp_path, refused):
    monkeypatch.chdir(tmp_path)
    spec = types.SimpleNamespace(origin=str(tmp_path / "site" / "diffscatter" / "__init__.py"))
    monkeypatch.setattr(benchmark.importlib.util, "find_spec", lambda name: spec)
    assert "clone the repository" in refused("benchmark")
