"""Shards: the same data set from any number of ranks, killed or not, and nothing unsound."""

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from diffscatter.io import shards
from diffscatter.io.guard import FileError

ROOT = Path(__file__).parents[2]
COUNT, PER_SHARD = 10, 3  # four shards, the last of one sample
CONFIGURATION = {"seed": 7, "names": ["a", "b"], "range": [0.1, 0.4]}


def sample(start, stop):
    index = np.arange(start, stop)
    return {"index": index, "values": np.sin(np.outer(index, np.arange(4.0)))}


def make(folder, **options):
    keywords = {"count": COUNT, "per_shard": PER_SHARD, "configuration": CONFIGURATION}
    return shards.generate(folder, sample, **(keywords | options))


def assert_whole(folder):
    found, _ = shards.read(folder)
    for name, whole in sample(0, COUNT).items():
        np.testing.assert_array_equal(found[name], whole)


def test_any_world_makes_the_same_bytes(tmp_path):
    seen = []
    assert make(tmp_path / "one", progress=lambda *d: seen.append(d)) == (4, 0)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [make(tmp_path / "three", rank=r, world=3) for r in range(3)] == [
        (2, 0),
        (1, 0),
        (1, 0),
    ]
    (one, configuration), (three, _) = (shards.read(tmp_path / n) for n in ("one", "three"))
    assert configuration == CONFIGURATION | {"count": COUNT, "per_shard": PER_SHARD}
    for name, whole in sample(0, COUNT).items():
        np.testing.assert_array_equal(one[name], whole)
        np.testing.assert_array_equal(three[name], whole)
        assert one[name].dtype == whole.dtype
    assert make(tmp_path / "one") == (0, 4)


def test_what_is_missing_or_damaged_is_made_again(tmp_path):
    make(tmp_path)
    paths = sorted(tmp_path.glob("shard-*.h5"))
    before = [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(before[1][:-100])
    with h5py.File(paths[2], "r+") as file:  # values that HDF5's own checksum believes
        file["values"][0, 0] = 5.0
    (tmp_path / f".{paths[0].name}.abc.part").write_bytes(b"left by a process that was killed")
    with pytest.raises(FileError, match="lacks 1 of 4 shards, first number 0"):
        shards.read(tmp_path)
    with pytest.raises(FileError, match="SHA-256"):
        shards.read_shard(paths[2])
    assert make(tmp_path) == (3, 1)
    np.testing.assert_array_equal(
        shards.read(tmp_path)[0]["values"], sample(0, COUNT)["values"]
    )
    assert not list(tmp_path.glob(".*"))


def test_other_configurations_are_refused(tmp_path):
    make(tmp_path)
    with pytest.raises(FileError, match="was made by configuration [0-9a-f]{16}, not"):
        make(tmp_path, configuration=CONFIGURATION | {"seed": 8})
    with pytest.raises(FileError, match="another number of shards than 2"):
        make(tmp_path, per_shard=5)
    with pytest.raises(FileError, match="holds no shards"):
        shards.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count must be a whole number above 0, got 0"),
        ({"per_shard": 2.5}, r"per_shard must be a whole number above 0, got 2\.5"),
        ({"world": 0}, "world must be"),
        ({"rank": 3, "world": 3}, r"rank must lie in 0\.\.2 \(world = 3\), got 3"),
    ],
)
def test_bad_numbers_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, **change)


def test_links_out_of_the_file_are_refused(tmp_path):
    path = tmp_path / "shard.h5"
    shards.write_shard(path, {}, CONFIGURATION)
    with h5py.File(path, "r+") as file:
        file["values"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FileError, match="links to another file"):
        shards.read_shard(path)


def test_killed_in_the_middle_and_resumed(tmp_path):
    """A rank that dies while it writes leaves whole shards only, and another takes over."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
import h5py
from tests.io.test_shards import make
write = h5py.File.create_dataset
def dying(self, name, *values, **options):
    if "shard-00002" in self.filename and name == "values":
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, name, *values, **options)
h5py.File.create_dataset = dying
make({str(tmp_path)!r}, progress=lambda done, total: print(done, flush=True))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL and done.stdout.split() == ["1", "2"]
    assert len(list(tmp_path.glob(".shard-00002*.part"))) == 1
    assert [make(tmp_path, rank=r, world=2) for r in range(2)] == [(1, 1), (1, 1)]
    assert_whole(tmp_path)
    assert not list(tmp_path.glob(".*"))
