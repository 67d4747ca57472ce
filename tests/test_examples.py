"""Every example runs, with few steps, says what it found and writes its picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
FEW = {
    "differentiate_pattern": ["--voxels", "32"],
    "fit_curve": ["--starts", "2"],
    "fit_voxels": ["--steps", "100"],
    "multiple_scattering": ["--voxels", "30"],
    "simulate_pattern": ["--voxels", "32", "--pixels", "32"],
}
# A minute of one core or two: their pipelines have tests of their own, so they run where that
# is asked for.
LONG = {
    "lnp_mixture": ["--sizes", "5", "--steps", "100", "--fits", "2"],
    "reconstruct_body": ["--pixels", "40", "--start", "cold", "--method", "solid"],
}


def test_every_example_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(FEW | LONG)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FEW | LONG))
def test_example(name, tmp_path):
    if name in LONG and not os.environ.get("DIFFSCATTER_LONG_TESTS"):
        pytest.skip("takes minutes: set DIFFSCATTER_LONG_TESTS=1")
    picture = tmp_path / "picture.png"
    run = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *(FEW | LONG)[name], "--output", picture],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert f"wrote {picture}" in run.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
