"""``diffscatter check``: everything of use about a file, and what would mend it."""

from pathlib import Path

import numpy as np
import pytest

from diffscatter import cli

Q = np.geomspace(0.05, 3.0, 60)
LAW = 1 / (1 + (3 * Q) ** 2) ** 2 + 1e-3
FILES = Path(__file__).parents[2] / ".." / "shared" / "data" / "curves"
measured = pytest.mark.skipif(not FILES.is_dir(), reason="../shared/data/curves is absent")


@pytest.fixture
def shown(capsys, monkeypatch):
    """Run ``check`` and return its words on one line, its error line and its status."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments):
        status = cli.main(["check", *map(str, arguments)])
        output = capsys.readouterr()
        return " ".join(output.out.split()), output.err, status

    return run


def write(path, *columns, header="q(1/nm) I(1/cm) sigma"):
    np.savetxt(path, np.column_stack(columns), header=header)
    return path


def test_a_sound_curve(tmp_path, shown):
    path = write(tmp_path / "a.dat", Q, LAW, 0.05 * LAW)
    words, error, status = shown(path)
    assert status == 0 and error == "" and "look at" not in words
    for expected in (
        "points │ 60", "0.05 to 3 1/nm (0.005 to 0.3 1/A)", "1.05 to 62.8 nm (pi / q)",
        "1/cm", "median 0.05 of the intensity", "errors too large, or points smoothed",
        "absent: a fit is not smeared",
    ):  # fmt: skip
        assert expected in words, expected


def test_what_deserves_a_look(tmp_path, shown):
    values = LAW.copy()
    values[:4] *= [0.1, 0.3, 0.6, 0.9]
    values[30] *= 2
    sigma = 0.01 * values
    values[50:] = np.where(np.arange(10) % 3 == 0, 1e-4, -1e-4)
    sigma[50:], sigma[20] = 1e-3, 1e-9
    words, _, status = shown(write(tmp_path / "a.dat", Q, values, sigma, 0.6 * Q))
    assert status == 0
    for expected in (
        f"6 points at or below 0, the first at {Q[51]:.4g} 1/nm",
        "the first 4 points climb", f"--q-range {Q[4]:.4g}:",
        f"off their neighbours' line, at {Q[30]:.4g} 1/nm",
        f"most points beyond {Q[50]:.4g} 1/nm are below their error",
        "1 errors are below 1e-4", "--error-floor",
        "resolution above half of q at 60 points", "pinhole, median sigma of q 0.6 of q",
    ):  # fmt: skip
        assert expected in words, expected


def test_what_would_be_used_after_the_options(tmp_path, shown):
    path = write(tmp_path / "a.dat", Q, LAW + 1, 0.01 + 0 * Q, 0.05 * Q)
    buffer = write(tmp_path / "b.dat", Q, 0 * Q + 1, 0.01 + 0 * Q, 0.05 * Q)
    words, _, status = shown(
        *(path, "--subtract", buffer, "--q-range", "0.01:0.1/A", "--error-floor", 0.02),
        "--no-resolution",
    )
    assert status == 0
    inside = Q[(Q >= 0.1) & (Q <= 1)]
    assert f"points │ {inside.size}" in words and "1 times 'b' subtracted" in words
    assert "0.02 of the intensity added" in words and "left out, as asked" in words
    words, _, _ = shown(path, "--exclude", "0.1:0.2", "--exclude", "0.1:0.3/A")
    kept = int(((Q < 0.1) | ((Q > 0.2) & (Q < 1))).sum())
    assert f"points │ {kept}" in words and "left out" in words
    assert "covers q in" in shown(path, "--subtract", write(buffer, Q[5:], Q[5:]))[1]


@pytest.mark.parametrize(
    "rows, mend",
    [
        ([0, 1, 2, 2, 3, 4], "--average-repeats"),
        ([0, 1, 2, 2, 3, 99], "--drop-bad --average-repeats"),
        ([0, 1, 2, 3, 99], "--drop-bad"),
    ],
)
def test_refused_with_the_mend(tmp_path, shown, rows, mend):
    rows = np.array(rows)
    sigma = np.where(rows == 99, 0.0, 0.01)
    rows = np.where(rows == 99, 59, rows)
    path = write(tmp_path / "a.dat", Q[rows], LAW[rows], sigma)
    words, error, status = shown(path)
    assert status == 2 and error.count("\n") == 1 and "a.dat: " in error
    assert f"with {mend} │ {np.unique(rows[sigma > 0]).size} points" in words
    assert "=True" not in error + words
    assert shown(path, *mend.split())[2] == 0


def test_detectors_to_merge(tmp_path, shown):
    high = Q + 1.0
    law = lambda q: 1 / (1 + (3 * q) ** 2) ** 2 + 1e-3
    q = np.concatenate([Q, high])
    path = write(tmp_path / "a.dat", q, law(q), 0.01 * law(q))
    words, error, status = shown(path)
    assert status == 2 and "(--merge merges ascending ranges)" in error
    assert "with --merge" in words
    words, _, status = shown(path, "--merge")
    assert status == 0 and "2 ranges merged" in words and "scaled by" in words


def test_both_units_are_tried(tmp_path, shown):
    words, error, status = shown(write(tmp_path / "a.dat", Q, LAW, header="q I"))
    assert status == 2 and '--unit "1/A" or --unit "1/nm"' in error
    assert "with --unit 1/A │ 60 points, q 0.5 to 30 1/nm" in words
    assert "with --unit 1/nm │ 60 points, q 0.05 to 3 1/nm" in words


@measured
def test_entries_of_which_one_is_refused(shown):
    path = FILES / "sasdata" / "latex_smeared.xml"
    words, error, status = shown(path)
    assert status == 2 and "entry 0: q repeats" in error
    assert "with --average-repeats │ 299 points" in words
    assert "slit │ half length 1.17 1/nm; a fit applies it" in words  # entry 1
    words, error, status = shown(path, "--entry", 1)
    assert status == 0 and "points │ 82" in words and "entry 0" not in words


@measured
def test_messages_name_the_options(shown):
    error = shown(FILES / "sasdata" / "APS_DND-CAT.TXT")[1]
    assert '--columns "q,I,-,sigma"' in error
    error = shown(FILES / "sasdata" / "latex_smeared.xml", "--entry", 2)[1]
    assert "entry 2 is not one of 2 entries" in error
