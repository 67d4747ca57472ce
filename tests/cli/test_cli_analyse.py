"""``diffscatter analyse`` end to end: files, figures, numbers, refusals."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from diffscatter import cli

SHARED = Path(__file__).parents[3] / "shared" / "data" / "curves"
LYSOZYME = SHARED / "lysozyme" / "lys_8mgml_subtracted.dat"


@pytest.fixture
def file(tmp_path):
    """A ball of radius 4 nm, 1 %."""
    q = np.linspace(0.05, 1.5, 120)
    x = 4 * q
    intensity = (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2
    sigma = 0.01 * intensity + 1e-4
    noise = np.random.default_rng(0).normal(size=q.size)
    path = tmp_path / "ball.dat"
    np.savetxt(path, np.stack([q, intensity + sigma * noise, sigma], 1), header="q I sigma")
    return path


def run(method, file, tmp_path, *more):
    folder = tmp_path / "out"
    words = ["analyse", file, "--unit", "1/nm", "--method", method, "--output", folder, *more]
    assert cli.main([str(word) for word in words]) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert (folder / "report.html").stat().st_size > 1000
    with h5py.File(folder / "result.h5") as stored:
        arrays = {name: stored[name][()] for name in stored}
    return summary, arrays, {path.stem for path in folder.glob("*.png")}


def test_guinier(file, tmp_path, capsys):
    summary, arrays, figures = run("guinier", file, tmp_path)
    rg = summary["parameters"]["radius_of_gyration"]
    assert rg["value"] == pytest.approx(3.098, rel=0.03) and rg["unit"] == "nm"
    assert summary["quality"] == "good" and figures == {"guinier"}
    assert arrays["q"].size == summary["last_point"] - summary["first_point"] + 1
    assert "good quality" in capsys.readouterr().out


def test_pair_distances(file, tmp_path):
    summary, arrays, figures = run("pr", file, tmp_path, "--largest", "6:12")
    rg = summary["parameters"]["radius_of_gyration"]
    assert abs(rg["value"] - 3.098) < 4 * rg["sigma"]
    assert figures == {"pair_distances", "fit"}
    assert arrays["p"].shape == arrays["r"].shape == arrays["p_low"].shape


def test_sizes(file, tmp_path):
    summary, arrays, figures = run("sizes", file, tmp_path, "--sizes", "1:20")
    assert summary["populations"] == 1 and figures == {"by_volume", "by_number", "fit"}
    mean = summary["parameters"]["population_1_number_mean"]
    assert mean["value"] == pytest.approx(4.0, abs=0.15) and mean["unit"] == "nm"
    assert arrays["by_number"].shape == arrays["sizes"].shape


def test_refusals(file, tmp_path, refused):
    common = (file, "--unit", "1/nm", "--output", tmp_path / "out")
    assert "name a method" in refused("analyse", *common)
    assert "--largest is not for --method guinier" in refused(
        "analyse", *common, "--method", "guinier", "--largest", "1:2"
    )
    assert "no length 'girth'" in refused(
        "analyse", *common, "--model", "sphere", "--parameter", "girth"
    )
    assert "name a file" in refused("analyse", "--method", "pr")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not LYSOZYME.exists(), reason="the measured lysozyme curve is not there")
def test_lysozyme_from_the_shell(tmp_path):
    words = ["analyse", LYSOZYME, "--unit", "1/A", "--output", tmp_path]
    found = {}
    for method in ("guinier", "pr"):
        assert cli.main([str(w) for w in (*words, "--method", method)]) == 0
        found[method] = json.loads((tmp_path / "summary.json").read_text())["parameters"]
    # freesas finds 1.477 nm, GNOM 1.467 nm and a largest distance of 4.4 nm.
    assert found["guinier"]["radius_of_gyration"]["value"] == pytest.approx(1.48, abs=0.02)
    assert found["pr"]["radius_of_gyration"]["value"] == pytest.approx(1.467, abs=0.03)
    assert found["pr"]["largest_distance"]["value"] == pytest.approx(4.4, abs=0.5)
