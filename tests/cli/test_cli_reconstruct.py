"""``diffscatter reconstruct``: what it asks of its input, passes on, and leaves behind."""

import json
import re
import sys
import types
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from diffscatter import cli, pipelines
from diffscatter.core.data import checked_pattern
from diffscatter.io import save_pattern

PUBLISHED = Path(__file__).parents[2] / ".." / "shared" / "data" / "wide_angle" / "simulated"
published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="../shared/data/wide_angle is absent"
)
SILVER = ["--wavelength", "13.5", "--material", "Ag"]
SEARCH = pipelines.reconstruct
IMAGE = np.random.default_rng(0).poisson(200.0, (16, 16)).astype(np.uint8)


@pytest.fixture(autouse=True)
def no_search(monkeypatch):
    """A search that is told in advance: a cut cube, and what it was asked."""
    seen = []

    def reconstruct(pattern, *, progress=None, **keywords):
        seen.append(types.SimpleNamespace(pattern=pattern, **keywords))
        if progress is not None:
            progress("looking", 0.5)
        normals = np.array([*np.eye(3), *-np.eye(3), (1.0, 1, 1)])
        offsets = np.array([30.0] * 6 + [60.0])
        places = 5.0 * (np.mgrid[:16, :16, :16].reshape(3, -1).T[:, ::-1] - 8)
        density = (places @ normals.T <= offsets).all(axis=1).reshape(16, 16, 16) * 1.0
        convex = keywords["method"] != "voxels"
        return types.SimpleNamespace(
            density=density,
            pitch=5.0,
            method="facets" if convex else "voxels",
            solid=None,
            normals=normals if convex else None,
            offsets=offsets if convex else None,
            fitted=np.asarray(pattern.image) * 1.02,
            rms=0.0071,
            scatter_loss=5e-5,
            determined=np.cumsum(density, axis=0) <= 0.5 * density.sum(axis=0),
            candidates=[("library", 0.0071), ("cold", 0.031)],
            status="doubtful: the cold start disagrees",
            warnings=("one warning",),
            seconds=1.5,
        )

    monkeypatch.setattr(pipelines, "reconstruct", reconstruct, raising=False)
    return seen


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take most of a run's time, and one test of them is enough."""
    for name in ("_pattern", "_body"):
        monkeypatch.setattr(f"diffscatter.cli.reconstruct_report.{name}", lambda *_: None)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "shot.png"
    Image.fromarray(IMAGE).save(path)
    return path


def run(*arguments) -> int:
    return cli.main(["reconstruct", *map(str, arguments)])


def test_the_folder_of_a_run(picture, tmp_path, capsys, no_search):
    out = tmp_path / "out"
    options = ["--q-max", "0.4", "--scale", "log", "--rotate", 180, "--seed", 3]
    assert run(picture, *SILVER, *options, "--output", out) == 0
    words = capsys.readouterr().out
    assert "doubtful: the cold start disagrees" in words and "library: rms 0.0071" in words
    summary = json.loads((out / "summary.json").read_text())
    for key, value in {
        "command": "reconstruct", "status": "doubtful: the cold start disagrees", "seed": 3,
        "rms": 0.0071, "scatter_loss": 5e-5, "method": "facets", "solid": None,
        "candidates": [{"start": "library", "rms": 0.0071}, {"start": "cold", "rms": 0.031}],
    }.items():  # fmt: skip
        assert summary[key] == value, key
    assert "Straight rays were assumed" in summary["warnings"][0]
    assert "one warning" in summary["warnings"] and summary["versions"]["jax"]
    with h5py.File(out / "result.h5") as file:
        assert file["density"].shape == (16, 16, 16) and file["density"].attrs["pitch"] == 5
        assert file["planes/normals"].shape == (7, 3) and file["planes/offsets"].shape == (7,)
        for name in ("image", "fitted", "mask"):
            assert file[f"pattern/{name}"].shape == (16, 16)
        assert not file["pattern/mask"][0].any()  # the turn leaves the first row alone
        assert file["pattern/kx"][0] == pytest.approx(-0.4)
        assert file["determined"].shape == (16, 16, 16)
    page = (out / "report.html").read_text()
    body = page[page.index("<body>") :]
    assert body.index("Doubtful: the cold start") < body.index("<dl>")
    for expected in ("What is not determined", "far side", "Candidates", "Ewald circle"):
        assert expected in body
    assert body.count("data:image/png;base64,") == 2 and "http" not in body
    for name in ("pattern.png", "body.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")

    asked = no_search[0]
    assert (asked.physics, asked.method, asked.start) == ("multislice", "auto", "both")
    assert (asked.scale, asked.seed, asked.wavelength) == ("log", 3, 13.5)
    assert asked.chi == pytest.approx(-0.1096 + 0.0793j, abs=2e-4)  # Henke's silver
    turned = np.roll(IMAGE[::-1, ::-1], 1, axis=(0, 1))
    np.testing.assert_array_equal(np.asarray(asked.pattern.image)[1:, 1:], turned[1:, 1:])


def test_a_run_is_repeated_from_its_configuration(picture, tmp_path, no_search, no_figures):
    out, again = tmp_path / "out", tmp_path / "again"
    assert run(picture, *SILVER, "--q-max", "0.4", "--seed", 3, "--output", out) == 0
    assert run("--config", out / "configuration.toml", "--output", again) == 0
    assert no_search[1].chi == no_search[0].chi and no_search[1].seed == 3


def test_voxels_have_a_surface_too(picture, tmp_path, monkeypatch):
    arguments = [picture, *SILVER, "--q-max", "0.4", "--method", "voxels"]
    pytest.importorskip("skimage")
    assert run(*arguments, "--output", tmp_path / "a") == 0
    assert "from behind" in (tmp_path / "a" / "report.html").read_text()
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    assert run(*arguments, "--output", tmp_path / "b") == 0
    page = (tmp_path / "b" / "report.html").read_text()
    assert "pip install &#x27;diffscatter[particles]&#x27;" in page


def test_the_file_itself_may_say_everything(tmp_path, no_search, no_figures):
    path = tmp_path / "a.cxi"
    k = np.linspace(-0.4, 0.4, 16)
    save_pattern(path, checked_pattern(IMAGE, None, k, k, wavelength=13.5))
    assert run(path, "--chi", "-0.1+0.02i", "--output", tmp_path / "out") == 0
    assert no_search[0].chi == -0.1 + 0.02j and no_search[0].wavelength == 13.5
    np.testing.assert_allclose(no_search[0].pattern.kx, k, rtol=1e-6)


def test_a_flat_detector_in_any_unit(picture, tmp_path, no_search, no_figures):
    for lengths in (
        ["--distance", "65mm", "--pixel", "5mm"],
        ["--distance", "65", "--pixel", "5"],
    ):
        assert run(picture, *SILVER, *lengths, "--output", tmp_path / "out") == 0
    a, b = (asked.pattern for asked in no_search)
    np.testing.assert_allclose(a.kx, b.kx, rtol=1e-12)
    edge = 2 * np.pi / 13.5 * 40 / np.hypot(40, 65)
    assert float(a.kx[0]) == pytest.approx(-edge, rel=1e-9) and float(a.kx[8]) == 0


def test_attenuation(picture, tmp_path, no_search, no_figures):
    options = ["--q-max", "0.4", "--wavelength", "135A", "--physics", "attenuated"]
    out = ["--output", tmp_path / "out"]
    assert run(picture, *options, "--attenuation-length", "12.5", *out) == 0
    assert run(picture, *options, "--material", "Ag", *out) == 0
    assert no_search[0].attenuation_length == 12.5
    assert no_search[0].wavelength == pytest.approx(13.5)
    # The amplitude's in silver, 13.5 nm: twice 13.55 nm.
    assert no_search[1].attenuation_length == pytest.approx(27.1, abs=0.1)


Q = ["--q-max", "0.4"]
ABSORBING = ["--wavelength", "13.5", "--physics", "attenuated"]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ([*Q, "--material", "Ag"], "states no wavelength; give --wavelength"),
        ([*SILVER], "give --q-max .*or --distance and --pixel"),
        (
            [*Q, "--wavelength", "13.5"],
            "--physics multislice needs --material, as Ag, or --chi",
        ),
        ([*Q, *ABSORBING], "attenuated needs --attenuation-length"),
        ([*Q, *SILVER, "--attenuation-length", "9"], "is for --physics attenuated, not multi"),
        ([*Q, *ABSORBING, "--attenuation-length", "0"], "must be above 0 nm, got 0"),
        ([*Q, "--wavelength", "13.5", "--chi", "-0.1-0.02j"], "imaginary part below 0: a gain"),
        ([*Q, "--wavelength", "13.5", "--chi", "0.89+0.08j", "--material", "Ag"], "not both"),
        ([*Q, "--wavelength", "13.5", "--chi", "1.1"], "is n - 1, not n: 1.1"),
        ([*Q, "--wavelength", "13.5", "--chi", "silver"], "--chi takes n - 1, .*'silver'"),
        ([*Q, "--wavelength", "13.5", "--chi", "0"], "--chi must be finite and not 0"),
        ([*Q, "--wavelength", "13.5", "--material", "Xx"], "Xx"),
        ([*Q, "--wavelength", "90", "--material", "Ag"], "90 nm; .*give --chi instead"),
        ([*Q, "--wavelength", "0", "--material", "Ag"], "wavelength must be positive.*0"),
        ([*Q, "--wavelength", "13.5s", "--material", "Ag"], "unit 's' is not known"),
        ([*SILVER, "--q-max", "0.6"], "q_max = 0.6 1/nm is beyond 1.1 k = 0.51"),
        ([*SILVER, "--q-max", "0"], "q_max must be positive and finite, got 0"),
        ([*SILVER, *Q, "--centre", "400,8"], "no pixel that counts lies inside the Ewald"),
        ([*SILVER, *Q, "--centre", "4"], "--centre takes X,Y"),
        ([*SILVER, *Q, "--pixel", "3"], "not both"),
        ([*SILVER, "--distance", "0", "--pixel", "5"], "distance must be above 0"),
        ([*SILVER, "--distance", "60", "--pixel", "-5"], "pixel must be above 0"),
        ([*SILVER, "--distance", "60mm", "--pixel", "5"], "both with a unit"),
        ([*SILVER, "--distance", "60"], "both with a unit"),
        ([*SILVER, "--pixel", "5mm"], "give distance too"),
        ([*SILVER, *Q, "--frame", "2"], "has no frame 2"),
        ([*SILVER, *Q, "--rotate", "90"], "choose from"),
        ([*SILVER, *Q, "--method", "network"], "choose from"),
    ],
)
def test_refused_in_a_line(picture, tmp_path, refused, no_search, arguments, match):
    line = refused("reconstruct", picture, *arguments, "--output", tmp_path / "out")
    assert re.search(match, line), line
    assert not no_search and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options, words",
    [
        (
            ["--q-max", ".001"],
            "ends at 0.001 1/nm, 0.12 degrees: .*check wavelength and q_max",
        ),
        ([*Q, "--seed", "-1"], "seed must be a whole number, 0 or above, got -1"),
    ],
)
def test_what_the_search_refuses(picture, tmp_path, refused, monkeypatch, options, words):
    monkeypatch.setattr(pipelines, "reconstruct", SEARCH)
    line = refused("reconstruct", picture, *SILVER, *options, "--output", tmp_path / "out")
    assert re.search(words, line), line
    assert not (tmp_path / "out").exists()


def test_files_that_are_refused(tmp_path, refused):
    out = ["--output", tmp_path / "out"]
    assert "name a file" in refused("reconstruct", *SILVER, *Q, *out)
    assert "no such file" in refused("reconstruct", tmp_path / "none.png", *SILVER, *Q, *out)
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((16, 16)))
    assert "every pixel that counts is 0" in refused("reconstruct", path, *SILVER, *Q, *out)
    np.save(path, np.where(IMAGE > 210, np.nan, IMAGE))
    assert "or --mask-bad" in refused("reconstruct", path, *SILVER, *Q, *out)
    np.save(path, IMAGE + 0j)
    line = refused("reconstruct", path, *SILVER, *Q, *out)
    assert "holds complex128 values; save plain real numbers" in line
    np.save(path, IMAGE[:, 1:])
    np.save(tmp_path / "mask.npy", IMAGE > 0)
    line = refused("reconstruct", path, *SILVER, *Q, "--mask", tmp_path / "mask.npy", *out)
    assert "the mask has shape (16, 16), the image (16, 15)" in line
    np.save(path, np.stack([IMAGE, IMAGE]))
    assert "choose one (--frame 0)" in refused("reconstruct", path, *SILVER, *Q, *out)
    assert not (tmp_path / "out").exists()


@published
def test_published_images_are_in_reach(tmp_path, no_search, no_figures):
    for name in ("1s.png", "20s.png"):
        path = PUBLISHED / "scatter" / name
        options = "--wavelength 13.5 --scale log --rotate 180 --physics attenuated "
        options += "--attenuation-length 12.5 --q-max .473"
        assert run(path, *options.split(), "--output", tmp_path / name) == 0
    assert float(no_search[0].pattern.kx[64]) == 0
    step = 2 * np.pi / (512 * 318.75 / 192)
    assert float(no_search[0].pattern.kx[65]) == pytest.approx(step, rel=1e-3)
