"""canSAS XML of every namespace; entries, units, slits; and hostile XML."""

import numpy as np
import pytest
from refusals import refused

from diffscatter.io import load_curve, load_curves

Q = np.array([0.01, 0.02, 0.03])
CELLS = '<Q unit="1/A">{}</Q><I unit="1/cm">{}</I><Idev unit="1/cm">{}</Idev>'


def document(*entries, namespace="urn:cansas1d:1.1", head='<?xml version="1.0"?>\n') -> str:
    body = "".join(f"<SASentry>{entry}</SASentry>" for entry in entries)
    space = f' xmlns="{namespace}"' if namespace else ""
    return f'{head}<SASroot version="1.1"{space}>{body}</SASroot>'


def entry(title="latex", cells=CELLS, extra="", q=Q) -> str:
    rows = "".join(
        f"<Idata>{cells.format(float(value), k + 1, 0.5)}{extra}</Idata>"
        for k, value in enumerate(q)
    )
    return f"<Title>{title}</Title><Run>7</Run><SASdata>{rows}</SASdata>"


def write(tmp_path, text, name="a.xml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "namespace", ["cansas1d/1.0", "urn:cansas1d:1.0", "urn:cansas1d:1.1", "urn:cansas1d:2", ""]
)
def test_namespaces(tmp_path, namespace):
    curve = load_curve(write(tmp_path, document(entry(), namespace=namespace)))
    np.testing.assert_allclose(curve.q, 10 * Q, rtol=1e-6)
    np.testing.assert_allclose(curve.intensity, [1, 2, 3])
    np.testing.assert_allclose(curve.sigma, 0.5)
    assert curve.name == "latex" and curve.source == "a.xml" and curve.notes == ()


def test_content_counts_not_the_name(tmp_path):
    curve = load_curve(write(tmp_path, document(entry()), name="a.dat"))
    np.testing.assert_allclose(curve.q, 10 * Q, rtol=1e-6)
    refused(write(tmp_path, "0.01 1 1\n0.02 1 1\n0.03 1 1\n", name="b.xml"), "well-formed XML")


@pytest.mark.parametrize("unit, factor", [("1/nm", 1), ("1/A", 10), ("1/angstrom", 10)])
def test_units_of_q_and_resolution(tmp_path, unit, factor):
    extra = '<Qdev unit="1/nm">0.25</Qdev>'
    text = document(entry(cells=CELLS.replace("1/A", unit), extra=extra))
    curve = load_curve(write(tmp_path, text))
    np.testing.assert_allclose(curve.q, factor * Q, rtol=1e-6)
    np.testing.assert_allclose(curve.resolution, 0.25)


def test_intensity_per_metre_and_arbitrary(tmp_path):
    per_metre = load_curve(write(tmp_path, document(entry(cells=CELLS.replace("1/cm", "1/m")))))
    np.testing.assert_allclose(per_metre.intensity, [0.01, 0.02, 0.03], rtol=1e-6)
    np.testing.assert_allclose(per_metre.sigma, 0.005, rtol=1e-6)
    counts = load_curve(write(tmp_path, document(entry(cells=CELLS.replace("1/cm", "counts")))))
    np.testing.assert_allclose(counts.intensity, [1, 2, 3])
    assert counts.notes == ("intensity in arbitrary units (stated: counts)",)
    mixed = CELLS.replace('<I unit="1/cm">', '<I unit="counts">')
    refused(write(tmp_path, document(entry(cells=mixed))), "intensity is in 'counts' but sigma")


def test_missing_and_unknown_units(tmp_path):
    bare = document(entry(cells=CELLS.replace(' unit="1/A"', "")))
    refused(write(tmp_path, bare), 'q_unit="1/A"')
    np.testing.assert_allclose(load_curve(tmp_path / "a.xml", q_unit="1/A").q, 10 * Q)
    odd = document(entry(cells=CELLS.replace("1/A", "furlong")))
    refused(write(tmp_path, odd), "'furlong' is not known.*overrule")
    np.testing.assert_allclose(load_curve(tmp_path / "a.xml", q_unit="1/nm").q, Q, rtol=1e-6)
    odd = document(entry(extra='<Qdev unit="px">1</Qdev>'))
    refused(write(tmp_path, odd), "resolution: q unit 'px'")


def test_several_entries_are_listed(tmp_path):
    path = write(tmp_path, document(entry("first"), entry("second", q=Q[:2]), entry("third")))
    line = refused(path, "3 entries.*entry=0")
    assert "0 'first' (3 points)" in line and "1 'second' (2 points)" in line
    assert load_curve(path, entry=2).name == load_curve(path, entry="third").name == "third"
    refused(path, "only 2 points", entry=1)
    for wrong in (3, -1, "fourth", 1.5):
        refused(path, "is not one of 3 entries", entry=wrong)
    both = load_curves(write(tmp_path, document(entry("first"), entry("second"))))
    assert [curve.name for curve in both] == ["first", "second"]


def test_several_sasdata_in_one_entry(tmp_path):
    one = entry()
    second = one[one.index("<SASdata>") :].replace("<SASdata>", '<SASdata name="front">')
    curves = load_curves(write(tmp_path, document(one + second)))
    assert [curve.name for curve in curves] == ["latex (0)", "latex (front)"]


@pytest.mark.parametrize("slit, field", [("dQl", "slit_length"), ("dQw", "slit_width")])
def test_slits(tmp_path, slit, field):
    text = document(entry(extra=f'<{slit} unit="1/A">0.117</{slit}>'))
    curve = load_curve(write(tmp_path, text))
    assert curve.columns.keys() == {"q", "intensity", "sigma", field} and curve.notes == ()
    np.testing.assert_allclose(getattr(curve, field), 1.17, rtol=1e-6)
    no_slit = load_curve(write(tmp_path, text.replace(">0.117<", ">0<")))
    assert no_slit.columns.keys() == {"q", "intensity", "sigma"} and no_slit.notes == ()
    own = text.replace(f'{slit} unit="1/A"', f'{slit} unit="1/nm"')
    found = getattr(load_curve(write(tmp_path, own)), field)
    np.testing.assert_allclose(found, 0.117, rtol=1e-6)


def test_one_point_without_resolution_is_sharp_alone(tmp_path):
    rows = document(entry(extra='<Qdev unit="1/A">0.001</Qdev>'))
    curve = load_curve(write(tmp_path, rows.replace(">0.001<", ">0<", 1)))
    np.testing.assert_allclose(curve.resolution, [0, 0.01, 0.01], rtol=1e-6)
    assert curve.notes == ("resolution is zero at 1 of 3 points: sharp there",)


def test_zero_resolution_and_zero_sigma_are_absent_and_said(tmp_path):
    extra = '<Qdev unit="1/A">0</Qdev>'
    cells = CELLS.replace('1/cm">{}</Idev>', '1/cm">0</Idev>')
    curve = load_curve(write(tmp_path, document(entry(cells=cells, extra=extra))))
    assert curve.sigma is None and curve.resolution is None
    assert "resolution is zero throughout: absent" in curve.notes
    assert any("sigma is zero throughout" in note for note in curve.notes)


def test_qmean_is_said_to_be_unused(tmp_path):
    curve = load_curve(write(tmp_path, document(entry(extra='<Qmean unit="1/A">1</Qmean>'))))
    assert curve.notes == ("Qmean in the file, not applied",)


def test_a_cell_that_is_missing_or_no_number(tmp_path):
    text = document(entry()).replace('<I unit="1/cm">2</I>', "")
    refused(write(tmp_path, text), "intensity is NaN.*first row 1")
    text = document(entry()).replace('<I unit="1/cm">2</I>', '<I unit="1/cm">two</I>')
    refused(write(tmp_path, text), "I is 'two' in row 1; write a number")
    text = document(entry()).replace('<Q unit="1/A">0.02</Q>', '<Q unit="1/nm">0.02</Q>')
    refused(write(tmp_path, text), "mixes units of Q")


@pytest.mark.parametrize(
    "text, match",
    [
        ("<html><body/></html>", "XML of <html>, not canSAS"),
        (document(), "no SASentry with SASdata"),
        (document("<SASdata></SASdata>"), "0 points"),
        (document("<SASdata><Idata><Q>1</Q></Idata></SASdata>"), "no I in its Idata"),
        (document(entry())[:-40], "not well-formed XML.*truncated"),
        ("<?xml version='1.0' encoding='klingon'?><SASroot/>", "not well-formed XML"),
        ("<?xml", "not well-formed"),
    ],
)
def test_what_is_not_a_curve(tmp_path, text, match):
    refused(write(tmp_path, text), match)


def test_entity_bomb_and_external_entity(tmp_path):
    laughs = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    bomb = f'<!DOCTYPE SASroot [<!ENTITY l0 "ha">{laughs}]>'
    secret = write(tmp_path, "0.5", name="secret.txt")
    outside = f'<!DOCTYPE SASroot [<!ENTITY x SYSTEM "file://{secret}">]>'
    for dtd, use in ((bomb, "&l9;"), (outside, "&x;"), ("<!DOCTYPE SASroot>", "")):
        head = f'<?xml version="1.0"?>{dtd}'
        refused(write(tmp_path, document(entry(use), head=head)), "declares a DTD or entities")


def test_deep_nesting_and_floods(tmp_path, monkeypatch):
    deep = "<a>" * 100_000 + "</a>" * 100_000
    refused(write(tmp_path, document(deep)), "nests more than 64 deep")
    monkeypatch.setattr("diffscatter.io.cansas_xml._MAX_ELEMENTS", 50)
    refused(write(tmp_path, document("<a/>" * 60)), "over 50 elements")
