"""``diffscatter simulate``: the example made small, the files it leaves, what it refuses."""

import json
import re

import h5py
import numpy as np
import pytest

from diffscatter import cli, io
from diffscatter.pipelines.simulation.settings import example

SMALL = {
    "voxels = 64": "voxels = 24",
    "[128, 128]": "[40, 36]",
    "0.9 mm": "2.4 mm",
    "hole = 5.0": "hole = 2.0",
    "split-step": "multislice",
    "photons = 1e6": "photons = 1e7",
    "q_max = 0.4  ": "q_max = 0.2  ",
    "points = 200": "points = 50",
}


def small(**others):
    text = example()
    for old, new in (SMALL | others).items():
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a run in this process."""
    folder = tmp_path_factory.mktemp("simulate")
    (folder / "small.toml").write_text(small())
    return folder


@pytest.fixture
def run(folder, capsys):
    """Run once; return the folder of results and what was printed."""
    out = folder / "out"
    if not out.exists():
        assert cli.main(["simulate", str(folder / "small.toml"), "--output", str(out)]) == 0
        (folder / "printed").write_text(capsys.readouterr().out)
    return out, (folder / "printed").read_text()


def test_leaves_what_others_read(run):
    out, printed = run
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("summary.json", "result.h5", "report.html", "configuration.toml", "curve.h5"),
        *("pattern.cxi", "pattern.png", "mask.png", "detector.png", "body.png", "curve.png"),
    }
    summary = json.loads((out / "summary.json").read_text())
    assert summary["command"] == "simulate" and summary["status"] == "complete"
    assert summary["seed"] == 1 and summary["physics"] == "multislice"
    assert "Henke" in summary["optical_constants"] and "counts in" in printed
    pattern = io.load_pattern(out / "pattern.cxi")
    with h5py.File(out / "result.h5") as file:
        np.testing.assert_array_equal(file["pattern/image"], pattern.image)
        np.testing.assert_array_equal(file["pattern/mask"], pattern.counts)
        density = file["density"]
        assert density.shape == (24, 24, 24) and density.attrs["pitch"] > 2
        kx = file["pattern/kx"][...]
    assert pattern.wavelength == 13.5 and pattern.distance == pytest.approx(60e6)
    assert pattern.pixel == pytest.approx((2.4e6, 2.4e6)) and pattern.centre == (20, 18)
    r = np.hypot(60, 2.4 * 5)
    assert kx[18, 25] == pytest.approx(2 * np.pi / 13.5 * 2.4 * 5 / r, rel=1e-6)
    total = summary["mean_photons"] + summary["mean_background"]
    assert summary["mean_photons"] == pytest.approx(1e7)
    assert abs(summary["counts"] - total) < 5 * np.sqrt(total)
    assert not pattern.counts[18, 20] and pattern.counts[0].all()
    curve = io.load_curve(out / "curve.h5")
    assert curve.q.size == 50 and curve.sigma is not None


def test_the_picture_holds_the_counts(run):
    out, _ = run
    summary = json.loads((out / "summary.json").read_text())
    picture = io.load_pattern(out / "pattern.png", mask=out / "mask.png")
    pattern = io.load_pattern(out / "pattern.cxi")
    np.testing.assert_array_equal(picture.counts, pattern.counts)
    step = summary["counts_per_grey_level"]
    error = np.abs(np.asarray(picture.image) * step - np.asarray(pattern.image))
    assert step > 1 and error.max() <= step / 2 * (1 + 1e-9)


def test_its_configuration_runs_again(run, folder):
    out, _ = run
    again = folder / "again"
    arguments = ["simulate", str(out / "configuration.toml"), "--output", str(again)]
    assert cli.main(arguments) == 0
    with h5py.File(out / "result.h5") as one, h5py.File(again / "result.h5") as two:
        np.testing.assert_array_equal(one["pattern/image"], two["pattern/image"])


def test_help_prints_the_example(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["simulate", "--help"])
    assert stop.value.code == 0
    assert example() in capsys.readouterr().out


def test_writes_the_example_once(tmp_path, capsys, refused):
    path = tmp_path / "example.toml"
    assert cli.main(["simulate", "--example", str(path)]) == 0
    assert path.read_text() == example() and "wrote" in capsys.readouterr().out
    assert "is there already" in refused("simulate", "--example", path)
    assert "no such folder" in refused("simulate", "--example", tmp_path / "no" / "x.toml")


def test_refuses_in_one_line_that_names_the_file(tmp_path, refused):
    path = tmp_path / "bad.toml"
    for old, new, words in (
        ("distance =", "distnace =", r"\[detector\] has no key .* \(did you mean distance\?\)"),
        ('"60 mm"', "-60", "distance must be above 0 nm, got -60"),
        ('"Ag"', '"Xx"', "Xx"),
        ("seed = 1", "seed =", "bad.toml"),
    ):
        path.write_text(example().replace(old, new, 1))
        said = refused("simulate", path, "--output", tmp_path / "out")
        assert re.search(words, said) and "bad.toml" in said
        assert not (tmp_path / "out").exists()
    assert "No such file" in refused("simulate", tmp_path / "none.toml")
    assert "--help prints one" in refused("simulate")
