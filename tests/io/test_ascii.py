"""Columns of text: separators, titles, units, and tables that must not be cut short."""

import gzip

import numpy as np
import pytest
from refusals import refused

from diffscatter.io import load_curve

Q = np.array([0.01, 0.02, 0.03, 0.04])
INTENSITY = np.array([900.0, 400.0, 100.0, -0.5])
SIGMA = np.array([9.0, 4.0, 1.0, 0.5])
DQ = Q / 10


def table(*columns, mark=" ", end="\n", form="{:.6e}") -> str:
    rows = zip(*columns, strict=True)
    return "".join(mark.join(form.format(v) for v in row) + end for row in rows)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("mark", [" ", "\t", ",", ";", ", ", "   ", " \t", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " \n"])
def test_separators_and_line_ends(tmp_path, mark, end):
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA, DQ, mark=mark, end=end))
    curve = load_curve(path, q_unit="1/A")
    np.testing.assert_allclose(curve.q, 10 * Q, rtol=1e-6)
    np.testing.assert_allclose(curve.intensity, INTENSITY, rtol=1e-6)
    np.testing.assert_allclose(curve.sigma, SIGMA, rtol=1e-6)
    np.testing.assert_allclose(curve.resolution, 10 * DQ, rtol=1e-6)
    assert curve.name == "a" and curve.source == "a.dat"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_columns_by_position(tmp_path, count):
    path = write(tmp_path / "a.txt", table(*(Q, INTENSITY, SIGMA, DQ)[:count]))
    curve = load_curve(path, q_unit="1/nm")
    assert (curve.sigma is None) == (count < 3) and (curve.resolution is None) == (count < 4)
    assert any("by position" in note for note in curve.notes)
    assert any("no sigma" in note for note in curve.notes) == (count < 3)


@pytest.mark.parametrize("suffix", [".dat", ".csv", ".txt", ".abs", ".pdh", "", ".DAT"])
def test_header_and_footer_of_any_kind(tmp_path, suffix):
    header = "Sample 7, 20 C\n 4 0 0 0 0\n 1.5 2.5 3.5 4.5 5.5\n# a comment\n\n"
    footer = '\n# history:\n# {\n#   "bins": 12 }\n<fileinfo>\n 3 4\n</fileinfo>\n'
    path = write(tmp_path / f"a{suffix}", header + table(Q, INTENSITY, SIGMA) + footer)
    np.testing.assert_allclose(load_curve(path, q_unit="1/nm").q, Q, rtol=1e-6)


@pytest.mark.parametrize(
    "line, factor",
    [
        ("q(A-1) I(q) Sig(q)", 10), ("# Q [1/nm]  I [1/cm]  dI [1/cm]", 1),
        ("Q (1/A),I (1/cm),error", 10), ("#q_A^-1 I sigma", 10), ("# q / nm^-1, I", 1),
        ("q (Å⁻¹)\tI\tsigma", 10), ("# q unit: 1/nm", 1), ("# Q units = 1/Angstrom", 10),
        ("# q in nm-1", 1), ("# q [A**-1]", 10), ("# Qvec (Angstrom^-1)", 10),
        ("q [m^-1]", None), ('<x key="X"> <value key="unit">n_m^-1</value>', 1),
    ],
)  # fmt: skip
def test_unit_from_the_header(tmp_path, line, factor):
    scale = 1e9 if factor is None else 1  # 1/m are plausible only when they are many
    path = write(tmp_path / "a.dat", line + "\n" + table(Q * scale, INTENSITY, SIGMA))
    np.testing.assert_allclose(load_curve(path).q, Q * (factor or 1), rtol=1e-6)


@pytest.mark.parametrize(
    "line",
    ["# q I sigma", "", "# slit height 0.117 1/A", "# I(Q) (1/cm)", "# q (1/A)\n# q (1/nm)"],
)
def test_unit_is_required_where_it_is_not_stated_once(tmp_path, line):
    path = write(tmp_path / "a.dat", line + "\n" + table(Q, INTENSITY, SIGMA))
    assert "0.01 to 0.04" in refused(path, 'q_unit="1/A"')


def test_a_given_unit_overrules_the_file_and_is_noted(tmp_path):
    path = write(tmp_path / "a.dat", "# q (1/A)\n" + table(Q, INTENSITY))
    curve = load_curve(path, q_unit="1/nm")
    np.testing.assert_allclose(curve.q, Q, rtol=1e-6)
    assert any("as asked; the file states 1/A" in note for note in curve.notes)
    refused(path, "q_unit: q unit 'parsec' is not known", q_unit="parsec")


def test_intensity_unit(tmp_path):
    rows = table(Q, INTENSITY, SIGMA)
    absolute = load_curve(write(tmp_path / "a.dat", "q(1/A) I(1/m) sigma\n" + rows))
    np.testing.assert_allclose(absolute.intensity, INTENSITY / 100, rtol=1e-6)
    np.testing.assert_allclose(absolute.sigma, SIGMA / 100, rtol=1e-6)
    assert not any("arbitrary" in note for note in absolute.notes)
    other = load_curve(write(tmp_path / "b.dat", "q(1/A) I sigma\n" + rows))
    np.testing.assert_allclose(other.intensity, INTENSITY, rtol=1e-6)
    assert any("arbitrary" in note for note in other.notes)


def test_titles_and_the_columns_argument_decide_the_order(tmp_path):
    rows = table(INTENSITY, Q, DQ, SIGMA)
    path = write(tmp_path / "a.csv", "I, q (1/A), dq, sigma\n" + rows)
    titled = load_curve(path)
    path = write(tmp_path / "b.csv", rows)
    told = load_curve(path, q_unit="1/A", columns="I,q,dq,sigma")
    for curve in (titled, told):
        np.testing.assert_allclose(curve.q, 10 * Q, rtol=1e-6)
        np.testing.assert_allclose(curve.sigma, SIGMA, rtol=1e-6)
        np.testing.assert_allclose(curve.resolution, 10 * DQ, rtol=1e-6)
    skipped = load_curve(path, q_unit="1/A", columns="I q - -")
    assert skipped.sigma is None and skipped.resolution is None


@pytest.mark.parametrize("columns", ["q,I", "q,I,I,sigma", "q,sigma,-,-", "a,b,c,d", ""])
def test_columns_argument_must_fit(tmp_path, columns):
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA, DQ))
    refused(path, "columns=", q_unit="1/A", columns=columns)


def test_wide_tables_need_words(tmp_path):
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA, DQ, DQ))
    refused(path, "5 columns without titles.*columns=", q_unit="1/A")
    curve = load_curve(path, q_unit="1/A", columns="q,I,sigma,dq,-")
    np.testing.assert_allclose(curve.resolution, 10 * DQ, rtol=1e-6)
    refused(write(tmp_path / "b.dat", table(INTENSITY)), "one column")


def test_a_fourth_column_that_is_no_resolution(tmp_path):
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA, SIGMA))
    refused(path, "cannot be a resolution.*reaches 9.*columns=", q_unit="1/A")


def test_slit_of_the_nist_columns(tmp_path):
    slit = np.full(4, -0.117)
    path = write(tmp_path / "a.abs", table(Q, INTENSITY, SIGMA, slit))
    curve = load_curve(path, q_unit="1/A")
    assert curve.resolution is None and curve.slit_width is None
    np.testing.assert_allclose(curve.slit_length, 1.17, rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "0,01 900,5\n0,02 400,1\n0,03 100,2\n", "0,01;900,5\n0,02;400,1\n0,03;100,2\n",
        "q;I\n0,01\t9,5e2\n0,02\t4,1e2\n0,03\t1,2e2\n",
        "0,01,900,5\n0,02,400,1\n0,03,100,2\n",
    ],
)  # fmt: skip
def test_decimal_comma_is_refused_with_a_hint(tmp_path, text):
    refused(write(tmp_path / "a.csv", text), "decimal comma.*decimal point", q_unit="1/A")


@pytest.mark.parametrize(
    "middle, match",
    [
        ("0.05 oops 1\n", "stops at line 4 and goes on at line 6 .between: '0.05 oops 1'"),
        ("0.05 7\n", "stops at line 4 and goes on at line 6"),
        ("[data]\n", "stops at line 4"),
    ],
)
def test_a_broken_table_is_not_cut_short(tmp_path, middle, match):
    below = table(Q + 0.05, INTENSITY, SIGMA)
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA) + middle + below)
    refused(path, match, q_unit="1/A")


def test_a_row_that_ends_early_is_not_dropped(tmp_path):
    path = write(tmp_path / "a.dat", table(Q, INTENSITY, SIGMA) + "0.05 7.")
    refused(path, "line 5 has 2 columns.*truncated", q_unit="1/A")


@pytest.mark.parametrize("hole", ["nan", "NaN", "inf", "-", "--", "N/A", "***", "null"])
def test_a_missing_value_names_its_row(tmp_path, hole):
    rows = table(Q, INTENSITY, SIGMA).splitlines()
    rows[2] = f"0.03 {hole} 1"
    path = write(tmp_path / "a.dat", "\n".join(rows))
    refused(path, "intensity is NaN or infinite .1 rows, first row 2.*drop_bad", q_unit="1/A")
    curve = load_curve(path, q_unit="1/A", drop_bad=True)
    np.testing.assert_allclose(curve.q, 10 * Q[[0, 1, 3]], rtol=1e-6)
    assert any("1 of 4 rows" in note and "first row 2" in note for note in curve.notes)


def test_an_empty_cell_is_missing(tmp_path):
    text = "0.01,9,1\n0.02,,1\n0.03,2,1\n0.04,1,1\n"
    refused(write(tmp_path / "a.csv", text), "intensity is NaN.*first row 1", q_unit="1/A")


def test_fortran_exponents_and_encodings(tmp_path):
    rows = table(Q, INTENSITY, SIGMA).replace("e", "D")
    for name, encoding in (("a", "utf-8-sig"), ("b", "utf-16"), ("c", "cp1252")):
        path = write(tmp_path / f"{name}.dat", "q (Å-1) I sigma\n" + rows, encoding)
        np.testing.assert_allclose(load_curve(path).q, 10 * Q, rtol=1e-6)


def test_gzip(tmp_path):
    path = tmp_path / "a.dat.gz"
    path.write_bytes(gzip.compress(table(Q, INTENSITY, SIGMA).encode()))
    np.testing.assert_allclose(load_curve(path, q_unit="1/A").q, 10 * Q, rtol=1e-6)


def test_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("diffscatter.io.ascii.MAX_POINTS", 3)
    refused(write(tmp_path / "a.dat", table(Q, INTENSITY)), "more than 3 rows", q_unit="1/A")
