"""A run's folder is whole, self-contained and readable by others."""

import html.parser
import json
import tomllib

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from diffscatter.report import Run, versions


def figure():
    drawn = Figure(figsize=(2, 2))
    drawn.subplots().plot([1, 2])
    return drawn


class Page(html.parser.HTMLParser):
    """Collects the tags, the addresses and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [v for k, v in attributes if k in ("src", "href")]

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def folder(tmp_path):
    configuration = {
        "data": 'a "b".dat',
        "vary": ["radius"],
        "none": None,
        "set": {"radius": 4.0},
    }
    with Run(
        tmp_path / "new" / "out", "fit", title="A <b> & c", seed=3, configuration=configuration
    ) as run:
        run.heading("Data")
        run.text("Text with <script>alert(1)</script>")
        run.figure("fit", figure(), "Caption with <i>.")
        run.table(("name", "seconds"), [("x<y", 1.23456789), ("z", 2)])
        run.parameter("radius", 247.83, 1.5, "nm")
        run.parameter("background", 1.0, None)
        run.parameter("scale", 2.0, 0.1, bounds=(0.0, 2.0), note="at its upper bound")
        run.lead("It fits <well>.")
        run.file("copy.txt", lambda path: path.write_text("whole"))
        run.record(reduced_chi2=np.float64(0.3), scatter_loss=np.inf)
        run.warn("sigma < 0")
        run.warn("sigma < 0")
        run.body(np.arange(24.0).reshape(2, 3, 4), 0.5)
        run.array("q", np.linspace(0, 1, 5), unit="1/nm")
    return tmp_path / "new" / "out"


def test_writes_these_files_and_no_others(folder):
    names = {p.name for p in folder.iterdir()}
    expected = {"summary.json", "result.h5", "report.html", "configuration.toml"}
    expected |= {"fit.png", "copy.txt"}
    assert names == expected
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_summary(folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["command"] == "fit" and summary["status"] == "complete"
    assert summary["seed"] == 3 and summary["seconds"] >= 0
    assert summary["parameters"]["radius"] == {"value": 247.83, "sigma": 1.5, "unit": "nm"}
    assert summary["parameters"]["background"]["sigma"] is None
    assert summary["parameters"]["scale"]["note"] == "at its upper bound"
    assert summary["verdict"] == "It fits <well>."
    assert summary["reduced_chi2"] == 0.3
    assert summary["scatter_loss"] is None  # JSON knows no infinity
    assert summary["warnings"] == ["sigma < 0"]
    assert summary["versions"] == versions()


def test_arrays(folder):
    with h5py.File(folder / "result.h5") as file:
        body = file["density"]
        assert body.shape == (2, 3, 4) and body.attrs["pitch"] == 0.5
        assert all(file[name].fletcher32 for name in file)
        assert file["q"].attrs["unit"] == "1/nm" and file.attrs["command"] == "fit"
        np.testing.assert_array_equal(body[...].ravel(), np.arange(24.0))


def test_a_flipped_bit_is_noticed(folder):
    path = folder / "result.h5"
    with h5py.File(path) as file:
        chunk = file["density"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(raw)
    with h5py.File(path) as file, pytest.raises(OSError):
        file["density"][...]


def test_configuration_is_read_back(folder):
    found = tomllib.loads((folder / "configuration.toml").read_text())
    assert found == {"data": 'a "b".dat', "vary": ["radius"], "set": {"radius": 4.0}}


def test_page_needs_no_network_and_runs_nothing(folder):
    page = Page((folder / "report.html").read_text())
    assert page.sources and all(s.startswith("data:image/png;base64,") for s in page.sources)
    assert not {"script", "link", "iframe", "i", "b"} & set(page.tags)
    assert page.tags.count("html") == page.tags.count("title") == 1


def test_page_shows_what_was_given(folder):
    words = Page((folder / "report.html").read_text()).words
    for expected in (
        "A <b> & c",
        "<script>alert(1)</script>",
        "Caption with <i>.",
        "x<y",
        "1.23457",
        "247.8(15)",
        "0 to 2",
        "at its upper bound",
        "not determined",
        "sigma < 0",
        "radius = 4.0",
    ):
        assert expected in words


def test_the_verdict_comes_first(folder):
    words = Page((folder / "report.html").read_text()).words
    assert words.split("A <b> & c")[-1].strip().startswith("It fits <well>.")


def test_interrupted_runs_keep_what_they_have(tmp_path):
    with pytest.raises(KeyboardInterrupt), Run(tmp_path / "out", "fit") as run:
        run.parameter("radius", 1.0)
        raise KeyboardInterrupt
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["status"] == "interrupted" and "radius" in summary["parameters"]


def test_failed_runs_leave_nothing(tmp_path):
    with pytest.raises(ValueError), Run(tmp_path / "a" / "b", "fit") as run:
        run.figure("fit", figure())
        raise ValueError
    assert not list(tmp_path.iterdir())


def test_failed_runs_leave_what_was_there(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError), Run(tmp_path, "fit"):
        raise ValueError
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError):
            Run(place, "fit")


def test_refusals(tmp_path):
    run = Run(tmp_path, "fit")
    run.array("q", np.ones(2))
    run.figure("fit", figure())
    for call, message in (
        (lambda: run.array("q", np.ones(2)), "q is already in the result"),
        (lambda: run.array("x", 3.0), "single numbers"),
        (lambda: run.array("x", np.array(["a"])), "array of numbers"),
        (lambda: run.body(np.ones((2, 2)), 1.0), r"\(nz, ny, nx\)"),
        (lambda: run.figure("fit", figure()), "new plain file name"),
        (lambda: run.figure("../fit", figure()), "new plain file name"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_finishing_twice_writes_once(tmp_path):
    with Run(tmp_path, "fit") as run:
        pass
    before = (tmp_path / "summary.json").stat().st_mtime_ns
    assert run.finish()["command"] == "fit"
    assert (tmp_path / "summary.json").stat().st_mtime_ns == before


def test_status_can_say_more(tmp_path):
    with Run(tmp_path, "fit") as run:
        run.status = "not converged"
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "not converged"
