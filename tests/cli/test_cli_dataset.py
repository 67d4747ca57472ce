"""``diffscatter dataset``: shards from the shell, by several ranks, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from diffscatter import cli
from diffscatter.cli import dataset
from diffscatter.datasets import lnp
from diffscatter.io import shards

ROOT = Path(__file__).parents[2]
SMALL = """
task = "fraction"
seed = 5
count = 7
per_shard = 4
route = "published"
first_size = 20
last_size = 21
"""


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "lnp.toml"
    path.write_text(SMALL)
    return path


def test_ranks_make_what_one_makes(configuration, tmp_path, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    run = lambda *more: cli.main(["dataset", str(configuration), *map(str, more)])
    assert run("--output", one) == 0
    assert "2 shards written, 0 kept" in capsys.readouterr().out
    for rank in (0, 1):
        assert run("--output", two, "--rank", rank, "--world", 2) == 0
    assert run("--output", one) == 0
    assert "0 shards written, 2 kept" in capsys.readouterr().out
    summary = json.loads((one / "summary.json").read_text())
    assert summary["status"] == "complete" and summary["seed"] == 5 and summary["kept"] == 2
    assert json.loads((two / "summary-00001.json").read_text())["world"] == 2

    (arrays, stored), (again, _) = shards.read(one), shards.read(two)
    assert stored == summary["configuration"] | {"version": lnp.VERSION}
    assert arrays["curves"].shape == (7, 500) and arrays["curves"].dtype == np.float32
    np.testing.assert_array_equal(arrays["target"], arrays["fractions"][:, 0])
    assert np.unique(arrays["target"]).size == 7
    for name in arrays:
        np.testing.assert_array_equal(arrays[name], again[name])
    assert len(list((tmp_path / "cache/diffscatter/lnp").glob("lnp-published-type*.h5"))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('taks = "fraction"', "no entry is called 'taks'; there are dataset, task"),
        ("count = 2.5", "count must be as 6000, got 2.5"),
        ('task = "sort"', "task must be one of classify, fraction, mixed, weights"),
        ('noise = "none"', "noise must be one of lognormal, photons"),
        ("strength = [1e4]", "strength must be two numbers"),
        ("first_size = 50\nlast_size = 20", "sizes must run upwards in steps within 20 to 100"),
        ("first_size = 90\nlast_size = 120", "within 20 to 100 nm, got 90 to 120 nm in steps"),
        ('dataset = "clouds"', "dataset must be lnp, got 'clouds'"),
        ("count = ", "lnp.toml"),
    ],
)
def test_a_bad_configuration_is_one_line(configuration, refused, text, message):
    configuration.write_text(text)
    assert message in refused("dataset", configuration)


def test_the_example_says_what_stands_without_it():
    """Every entry is there, and all but the rounded strength are the defaults."""
    given = dataset._configuration(ROOT / "examples" / "lnp.toml")
    assert given.keys() == dataset._DEFAULTS.keys()
    np.testing.assert_allclose(given.pop("strength"), dataset._DEFAULTS["strength"], rtol=1e-8)
    assert given.items() <= dataset._DEFAULTS.items()


def test_a_bad_rank_is_one_line(configuration, refused, tmp_path):
    line = refused("dataset", configuration, "--rank", 2, "--world", 2, "--output", tmp_path)
    assert "rank must lie in 0..1 (world = 2), got 2" in line
