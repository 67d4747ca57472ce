"""The demo's parts: what they find, and that they write it."""

import json

import jax
import pytest
from rich.console import Console

from diffscatter import demo


@pytest.mark.slow
def test_demo(tmp_path):
    """The whole demo, as the command runs it, with 64-bit numbers."""
    with jax.enable_x64(True), open(tmp_path / "log", "w") as log:
        demo.main(tmp_path / "out", 1, Console(file=log))
    found = json.loads((tmp_path / "out" / "summary.json").read_text())

    radius, width = found["parameters"]["radius"], found["parameters"]["polydispersity"]
    # The slit-smeared curve of the same latex, whose fringes are resolved, has 230.7 nm.
    assert abs(radius["value"] - 230.7) < 2 * radius["sigma"] < 20
    assert 0 <= width["value"] < 0.2
    assert found["reduced_chi2"] < 0.4
    assert found["starts_agreed"] >= 16
    # Like with like: from sasmodels' optimum, with its numerics, to its figures.
    peer = found["with_sasmodels_numerics"]
    assert peer["radius"] == pytest.approx(247.8, abs=1.5)
    assert peer["width"] == pytest.approx(0.08, abs=0.01)
    assert peer["reduced_chi2"] == pytest.approx(0.32, abs=0.05)

    assert (
        found["voxel_error"]["max"] < 1e-5 < 1e-2 < found["published_pipeline_error"]["median"]
    )
    assert found["overlap"] > 0.9 > 0.75 > found["overlap_of_start"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "http" not in page.replace("http://www.w3.org", "")
