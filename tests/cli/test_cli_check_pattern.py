"""``diffscatter check`` of a pattern: what is in it, what it lacks, what is odd."""

import numpy as np
import pytest
from PIL import Image

from diffscatter import cli
from diffscatter.core.data import checked_pattern
from diffscatter.io import save_pattern

COUNTS = np.random.default_rng(0).poisson(300.0, (40, 40)).astype(np.float64)


@pytest.fixture
def shown(capsys, monkeypatch):
    """Run ``check`` and return its words on one line."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments):
        assert cli.main(["check", *map(str, arguments)]) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


def test_a_picture(tmp_path, shown):
    path = tmp_path / "shot.png"
    values = (COUNTS % 200).astype(np.uint8)
    values[:6, :6], values[30:33, 30:33] = 0, 200
    Image.fromarray(values).save(path)
    words = shown(path)
    for expected in (
        "pixels │ 40 x 40, 0 masked", "0 to 200", "wavelength │ not in the file",
        "(20, 20) by default", "states no wavelength; give --wavelength",
        "an 8-bit picture, probably of a logarithm", "--scale log",
        "9 pixels share the largest value 200: saturated? --saturation 200",
        "pixels at 0 in wide regions: beyond the detector", "--mask-dark",
    ):  # fmt: skip
        assert expected in words, expected
    words = shown(path, "--wavelength", "13.5", "--q-max", "0.4", "--mask-dark")
    for expected in (
        "degrees, k_perp to",
        "one pattern tells depth",
        "pi / step",
        "masked: at 0 in wide",
    ):
        assert expected in words, expected
    assert "--mask-dark leaves" not in words


def test_a_file_that_says_everything(tmp_path, shown):
    path = tmp_path / "a.cxi"
    k = np.linspace(-0.05, 0.05, 40)
    values = COUNTS - 290
    save_pattern(path, checked_pattern(values, COUNTS > 280, k, k, wavelength=13.5, name="b"))
    words = shown(path)
    for expected in (
        f"{(COUNTS <= 280).sum()} masked", "wavelength │ 13.5 nm", "small: depth is hardly",
        "0 pixels lie beyond the Ewald circle", "pixels below 0: a background",
    ):  # fmt: skip
        assert expected in words, expected


def test_what_cannot_be_used(tmp_path, refused):
    np.save(tmp_path / "a.npy", np.zeros((40, 40)))
    assert "every pixel that counts is 0" in refused("check", tmp_path / "a.npy")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n12")
    assert "is a truncated PNG" in refused("check", tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.where(COUNTS > 320, np.nan, COUNTS))
    assert "--mask-bad" in refused("check", tmp_path / "a.npy")
