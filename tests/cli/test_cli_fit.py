"""``diffscatter fit``: a curve with known sizes, its options, and what it refuses."""

import json
import resource
import threading

import h5py
import numpy as np
import pytest

from diffscatter import cli, pipelines

Q = np.geomspace(0.05, 3.0, 120)
RADIUS, BACKGROUND = 4.0, 0.02


def write(path, q=Q):
    """Write 1 % of spheres in solvent: I = phi contrast^2 V <f^2>, 1/nm to 1/cm by 1e7."""
    x = q * RADIUS
    kernel = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    intensity = 0.01 * 1e-8 * (4 / 3 * np.pi * RADIUS**3) * 1e7 * kernel**2 + BACKGROUND
    sigma = 0.02 * intensity
    noise = np.random.default_rng(4).normal(size=q.size)
    rows = np.column_stack([q, intensity + sigma * noise, sigma])
    np.savetxt(path, rows, header="q(1/nm) I(1/cm) sigma")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "spheres.dat")


@pytest.fixture(scope="module")
def folder(data, process):
    """Return the folder of a whole run, in a process of its own."""
    folder = data.parent / "out"
    done = process(
        *("fit", data, "--model", "sphere", "--set", "contrast=1e-4", "--starts", 8),
        *("--vary", "radius=1:20", "--output", folder),
        XDG_CACHE_HOME=data.parent,
    )
    assert not done.returncode, done.stderr
    assert done.stderr == "" and "radius" in done.stdout and "report.html" in done.stdout
    return folder


def test_finds_the_radius_and_says_how_sure(folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["command"] == "fit" and summary["status"] == "complete"
    radius, background = (summary["parameters"][name] for name in ("radius", "background"))
    assert radius["unit"] == "nm" and background["unit"] == "1/cm"
    assert abs(radius["value"] - RADIUS) < 5 * radius["sigma"] < 0.1
    assert abs(background["value"] - BACKGROUND) < 5 * background["sigma"] < 0.1 * BACKGROUND
    # 117 degrees of freedom: chi2/dof has the standard deviation 0.13.
    assert abs(summary["reduced_chi2"] - 1) < 5 * 0.13
    assert summary["fixed"]["contrast"] == 1e-4


def test_a_second_run_finds_everything_compiled(folder, data, process):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    configuration = ("--config", folder / "configuration.toml")
    done = process(
        *("fit", *configuration, "--output", data.parent / "again"), XDG_CACHE_HOME=data.parent
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not done.returncode, done.stderr
    # 7 s, where the first run takes 20; on a crowded machine the same work takes longer.
    assert after.ru_utime - before.ru_utime < 13
    first, second = (
        json.loads((p / "summary.json").read_text()) for p in (folder, data.parent / "again")
    )
    assert first["parameters"] == second["parameters"]


def test_writes_the_arrays_and_the_figure(folder):
    names = {path.name for path in folder.iterdir()}
    expected = {"summary.json", "result.h5", "report.html", "configuration.toml", "fit.png"}
    assert names == expected | {"fit.h5", "data.h5"}
    with h5py.File(folder / "result.h5") as file:
        np.testing.assert_allclose(file["q"], Q, rtol=1e-12)
        residuals = (file["intensity"][...] - file["fitted"][...]) / file["sigma"][...]
        np.testing.assert_allclose(file["residuals"], residuals, atol=1e-6)
        assert file["covariance"].shape == (3, 3)
        assert "radius" in list(file["covariance"].attrs["parameters"])


def test_the_fitted_curve_is_read_by_others(folder):
    from sasdata.dataloader.loader import Loader

    with h5py.File(folder / "result.h5") as file:
        fitted = file["fitted"][...]
    (curve,) = Loader().load(str(folder / "fit.h5"))
    np.testing.assert_allclose(curve.y, fitted, rtol=1e-6)
    (data,) = Loader().load(str(folder / "data.h5"))
    np.testing.assert_allclose(data.x, Q / 10, rtol=1e-6)  # 1/A there


def test_the_report_says_first_whether_the_model_fits(folder):
    page = (folder / "report.html").read_text()
    first = page.split("</h1>")[1].strip()
    assert first.startswith('<p class="lead">The model describes the data: reduced chi2')


@pytest.fixture
def called(monkeypatch):
    """Return what ``pipelines.fit`` is called with; the call itself ends in an error."""
    seen = {}

    def fit(curve, model, **options):
        seen.update(options, curve=curve, model=model)
        raise ValueError("seen")

    monkeypatch.setattr(pipelines, "fit", fit)
    monkeypatch.setattr(cli.fit, "start_jax", lambda: None)  # it would switch x64 on for all
    return seen


def test_options_reach_the_fit(data, tmp_path, called, refused):
    refused(
        *("fit", data, "--model", "sphere", "--set", "contrast=2e-6/A^2,scale=0.1"),
        *("--vary", "radius=20:90A", "--vary", "background"),
        *("--polydispersity", "radius=lognormal:0.2", "--q-range", "0.01:0.1/A"),
        *("--no-resolution", "--starts", 3, "--loss", "log", "--output", tmp_path / "out"),
    )
    assert called["set"] == pytest.approx({"contrast": 2e-4, "scale": 0.1})
    assert called["vary"] == {"radius": (2.0, 9.0), "background": None}
    assert called["polydispersity"] == {"radius": "lognormal:0.2"}
    assert called["curve"].q.min() >= 0.1 and called["curve"].q.max() <= 1
    assert (called["resolution"], called["starts"], called["loss"]) == (None, 3, "log")
    assert not (tmp_path / "out").exists()  # a failed run leaves nothing behind


def test_a_run_can_be_repeated_from_its_configuration(folder, tmp_path, called, refused):
    configuration = folder / "configuration.toml"
    again = ("fit", "--config", configuration, "--output", tmp_path / "out")
    assert "seen" in refused(*again)
    assert called["model"] == "sphere" and called["set"] == {"contrast": 1e-4}
    assert called["vary"] == {"radius": (1.0, 20.0)} and called["starts"] == 8
    assert "seen" in refused(*again, "--starts", 5)  # the command line overrules the file
    assert called["starts"] == 5


@pytest.mark.parametrize(
    "text, message",
    [
        ("modle = 'sphere'", "no option is called 'modle'; there are"),
        ("starts = 'many'", "--starts: invalid int value: 'many'"),
        ("loss = 'l1'", "--loss: invalid choice: 'l1'"),
        ("model = ", "config.toml: "),
        (
            "set = {radius = 'big'}\nmodel = 'sphere'",
            "radius must be a number, or one with its unit as 40A, got 'big'",
        ),
        ("[curve]\ndata = 'a.dat'", "head the table of each curve [[curve]], got {"),
    ],
)
def test_bad_configuration(data, tmp_path, called, refused, text, message):
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert message in refused("fit", data, "--config", path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "name a model: --model, one of sphere"),
        (["--model", "spehre"], "no model is called 'spehre' (did you mean sphere"),
        (["--model", "sphere", "--set", "radius"], "--set takes NAME=VALUE, got 'radius'"),
        (["--model", "sphere", "--set", "radius=x"], "radius must be a number, or one with"),
        (["--model", "sphere", "--set", "radius=4/A"], "radius is in nm, got '4/A'"),
        (["--model", "sphere", "--set", "scale=4A"], "scale is a pure number, got '4A'"),
        (["--model", "sphere", "--vary", "radius=3"], "--vary radius takes LOW:HIGH, got '3'"),
        (["--model", "sphere", "--vary", "radius=3:2"], "with LOW below HIGH, got '3:2'"),
        (["--model", "sphere", "--q-range", "9:"], "no point of"),
        (["--model", "sphere", "--q-range", "1"], "--q-range takes LOW:HIGH, got '1'"),
        (["--model", "sphere", "--q-range", "1:2nm"], "--q-range is in 1/nm, got '1nm'"),
        (["--model", "sphere", "--loss", "l1"], "invalid choice"),
        (["--model", "sphere", "--config", "none.toml"], "none.toml: No such file"),
    ],
)
def test_refuses(data, called, refused, arguments, message):
    assert message in refused("fit", data, *arguments)


def test_refuses_no_file_and_a_folder_that_cannot_be_written(data, tmp_path, called, refused):
    assert "name a file" in refused("fit", "--model", "sphere")
    (tmp_path / "file").write_text("")
    message = refused("fit", data, "--model", "sphere", "--output", tmp_path / "file")
    assert "file: File exists" in message


def test_unknown_parameters_are_named(data, tmp_path, monkeypatch, refused):
    monkeypatch.setattr(cli.fit, "start_jax", lambda: None)
    arguments = ("--model", "sphere", "--set", "length=3", "--output", tmp_path / "out")
    still = threading.Event()
    monkeypatch.setattr(cli.fit, "_load_figures", still.wait)
    assert "length" in refused("fit", data, *arguments)
    (loading,) = (t for t in threading.enumerate() if t.name.endswith("(wait)"))
    still.set()
    assert not loading.daemon  # the process waits for its imports and is not aborted in them


def test_several_files_are_fitted_at_once(data, tmp_path, called, refused):
    refused(
        "fit", data, data, "--model", "sphere", "--share", "radius", "--output", tmp_path / "a"
    )
    assert [c.q.size for c in called["curve"]] == [Q.size] * 2
    assert called["shared"] == ["radius"] and called["each"] == [{}, {}]


def test_tables_hold_what_belongs_to_one_curve(data, tmp_path, called, refused):
    config = tmp_path / "fit.toml"
    config.write_text(
        f"""
        model = "sphere"
        vary = ["radius=1:20"]
        [[curve]]
        data = "{data}"
        name = "first"
        set = {{sld = "4e-6/A^2", sld_solvent = 6e-4}}
        [[curve]]
        data = "{data}"
        q-range = "0.1:1"
        """
    )
    assert "seen" in refused("fit", "--config", config, "--output", tmp_path / "out")
    first, second = called["curve"]
    assert first.name == "first" and second.q.max() <= 1
    assert called["each"] == [{"sld": pytest.approx(4e-4), "sld_solvent": 6e-4}, {}]
    config.write_text(config.read_text().replace("q-range", "q-rage"))
    assert "[[curve]] has no option 'q-rage'; there are" in refused("fit", "--config", config)
    assert "not in both" in refused("fit", data, "--config", config)


@pytest.mark.parametrize(
    "table, message",
    [
        ("set = {radius = 4}", 'names no file; give data = "FILE"'),
        ("data = 'a.dat'\nset = 4", "[[curve]] set must be a table, as { radius = 4 }, got 4"),
        ("data = 'a.dat'\nq-range = [1, 2]", "[[curve]] q-range must be a text, got [1, 2]"),
        ("data = 'a.dat'\nerror_floor = true", "error_floor must be a number, got True"),
    ],
)
def test_bad_tables(tmp_path, called, refused, table, message):
    path = tmp_path / "fit.toml"
    path.write_text(f"model = 'sphere'\n[[curve]]\n{table}\n")
    assert message in refused("fit", "--config", path)
