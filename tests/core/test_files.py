"""A file is whole or not there."""

import os

import pytest

from diffscatter.core.files import atomic, write_atomic


def test_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "first")
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_has_the_mode_of_any_new_file(tmp_path):
    write_atomic(tmp_path / "ours", "")
    (tmp_path / "theirs").write_text("")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "theirs").st_mode


def test_text_is_utf8(tmp_path):
    write_atomic(tmp_path / "a", "Å⁻¹")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "Å⁻¹"


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "no" / "a", "")
