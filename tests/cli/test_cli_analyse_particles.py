"""``diffscatter analyse --model lnp``: files, folders, the table, the flag, refusals."""

import csv
import json

import h5py
import numpy as np
import pytest

from diffscatter import cli
from diffscatter.cli import analyse_particles_report
from diffscatter.pipelines import analyse_particles as pipeline

COLUMNS = "file,p_type3,p_type4,p_mixture,fraction,fraction_sigma"
COLUMNS += ",mean_size_type3,mean_size_type4,out_of_distribution"


def told(curve, probabilities=(0.01, 0.02, 0.97), score=1.0, misfit=False):
    """What a network and a fit might say of a curve."""
    return pipeline.AnalysedParticles(
        curve=curve,
        fitted=np.asarray(curve.intensity) * 1.01,
        residuals=-np.ones(curve.q.size),
        probabilities=np.array(probabilities),
        fraction=0.41,
        fraction_sigma=0.02,
        fraction_interval=(0.38, 0.44),
        means=np.array([61.0, 43.0]),
        means_sigma=np.array([0.8, 0.3]),
        deviations=np.array([2.1, 2.9]),
        deviations_sigma=np.array([0.3, 0.4]),
        chi2=1.02,
        score=score,
        threshold=2.0,
        misfit=misfit,
        read={
            "probabilities": np.array([0.1, 0.1, 0.8]),
            "fraction": 0.45,
            "fraction_sigma": 0.05,
            "means": np.array([60.0, 45.0]),
            "means_sigma": np.array([2.0, 1.0]),
        },
    )


@pytest.fixture
def answers(monkeypatch):
    """Stand in for network and fit: the answers for the curves in turn."""

    def use(*given):
        def analyse(curves, *, key, progress):
            assert len(curves) == len(given)
            return [told(curve, **one) for curve, one in zip(curves, given, strict=True)]

        monkeypatch.setattr(pipeline, "analyse_particles", analyse)

    return use


def write(path, low=0.05, high=2.0, unit="1/nm", scale=1.0):
    q = np.geomspace(low, high, 80)
    intensity = scale * (1 + q**2) ** -2
    title = f"q({unit}) I sigma"
    np.savetxt(path, np.stack([q, intensity, 0.01 * intensity], 1), header=title)


def run(*words):
    return cli.main(["analyse", "--model", "lnp", *map(str, words)])


def table(folder):
    text = (folder / "table.csv").read_text()
    assert text.splitlines()[0] == COLUMNS
    return list(csv.DictReader(text.splitlines()))


def test_a_file(answers, tmp_path, capsys):
    write(tmp_path / "a.dat")
    answers({})
    assert run(tmp_path / "a.dat", "--unit", "1/nm", "--output", tmp_path / "out") == 0
    assert "Mixture, probability 0.97; 0.410 ± 0.02 of it type 3" in capsys.readouterr().out
    (row,) = table(tmp_path / "out")
    assert row["file"] == "a.dat" and row["out_of_distribution"] == "false"
    numbers = [float(row[name]) for name in COLUMNS.split(",")[1:-1]]
    assert numbers == [0.01, 0.02, 0.97, 0.41, 0.02, 61.0, 43.0]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["probabilities"]["mixture"] == 0.97 and summary["seed"] == 0
    assert summary["parameters"]["fraction"]["interval"] == [0.38, 0.44]
    assert summary["parameters"]["mean_size_type4"]["unit"] == "nm"
    assert summary["verdict"].startswith("Mixture") and not summary["out_of_distribution"]
    for name in ("fit", "sizes"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 1000
    with h5py.File(tmp_path / "out" / "result.h5") as file:
        assert file["a.dat/fitted"].shape == file["a.dat/q"].shape == (80,)


def test_a_folder_with_a_file_that_is_none(answers, tmp_path, capsys):
    data = tmp_path / "data"
    (data / "older").mkdir(parents=True)
    write(data / "a.dat")
    write(data / "b.dat", scale=1e9)
    write(data / "c.dat", low=0.0005, high=0.03)
    (data / "notes.txt").write_text("nothing here\n")
    (data / ".hidden").write_text("1 2 3")
    answers({"probabilities": (0.98, 0.0, 0.02)}, {"score": 3.0})
    assert run(data, "--unit", "1/nm", "--output", tmp_path / "out") == 2
    said = capsys.readouterr()
    wrong = said.err.splitlines()
    assert (
        len(wrong) == 2
        and "c.dat: q runs from 0.0005 to 0.03" in wrong[0]
        and "notes.txt" in wrong[1]
    )
    assert "a.dat: Type 3" in said.out and "b.dat: Out of distribution" in said.out
    rows = {row["file"]: row for row in table(tmp_path / "out")}
    assert set(rows) == {"a.dat", "b.dat", "c.dat", "notes.txt"}
    flags = {name: row["out_of_distribution"] for name, row in rows.items()}
    assert flags == {"a.dat": "false", "b.dat": "true", "c.dat": "nan", "notes.txt": "nan"}
    # Type 4 is hardly there: what is told of its size is what was assumed.
    assert rows["a.dat"]["mean_size_type4"] == "nan" == rows["c.dat"]["p_type3"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["verdict"].startswith("Out of distribution: 1 of 2 curves")
    assert summary["verdict"].endswith("Others: 1 type 3. Not usable: c.dat, notes.txt.")
    assert len([w for w in summary["warnings"] if w.startswith(("c.dat", "notes.txt"))]) == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("Out of distribution") < page.index("<dl>")
    assert (tmp_path / "out" / "2_b_fit.png").exists()


def test_figures_of_the_first_only(answers, tmp_path, monkeypatch):
    monkeypatch.setattr(analyse_particles_report, "_DRAWN", 1)
    data = tmp_path / "data"
    data.mkdir()
    for name in "ab":
        write(data / f"{name}.dat")
    answers({}, {})
    assert run(data, "--unit", "1/nm", "--output", tmp_path / "out") == 0
    assert len(list((tmp_path / "out").glob("*_fit.png"))) == 1
    assert "Figures of the first 1 curves" in (tmp_path / "out" / "report.html").read_text()
    assert len(table(tmp_path / "out")) == 2


def test_a_misfit_raises_the_flag(answers, tmp_path, capsys):
    write(tmp_path / "a.dat")
    answers({"misfit": True})
    assert run(tmp_path / "a.dat", "--unit", "1/nm", "--output", tmp_path / "out") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "leaves a misfit that is no noise. If it were one: mixture" in said
    assert table(tmp_path / "out")[0]["out_of_distribution"] == "true"


def test_refusals(answers, tmp_path, refused, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    common = ("analyse", "--model", "lnp", "--output", out)
    assert "name a file or a folder" in refused(*common)
    assert "no file in this folder" in refused(*common, data)
    assert "no such file" in refused(*common, data / "none.dat")
    write(data / "a.dat", unit="")
    assert '--unit "1/nm"' in refused(*common, data / "a.dat")
    assert "--sizes is not for --model lnp" in refused(*common, data, "--sizes", "1:2")
    assert "--method is not for --model lnp" in refused(*common, data, "--method", "pr")
    assert "--seed is not for --method pr" in refused(
        "analyse", data / "a.dat", "--method", "pr", "--seed", "1"
    )
    assert "is the folder of the data" in refused(
        "analyse", "--model", "lnp", data, "--output", data
    )
    for name in ("a.dat", "b.dat"):
        (data / name).write_text("nothing")
    assert run(data, "--output", out) == 2
    assert "none of its 2 files holds a usable curve" in capsys.readouterr().err
    assert not out.exists()
