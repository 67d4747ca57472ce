"""``diffscatter models``: every model is listed, and described in full."""

import pytest

from diffscatter import analytic, cli
from diffscatter.analytic import registry

ALL = registry.MODELS | registry.STRUCTURE_FACTORS


def shown(capsys, *arguments) -> str:
    assert cli.main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_lists_every_model_with_its_title(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = shown(capsys).splitlines()
    for model in ALL.values():
        assert any(model.name in line and model.title in line for line in lines)


@pytest.mark.parametrize("name", ALL)
def test_describes_a_model(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    model, text = analytic.get(name), shown(capsys, name)
    assert model.equation in text and model.reference in text
    for p in model.scalars():
        row = next(line for line in text.splitlines() if line.startswith(f"{p.name} "))
        assert f"{p.default:g}" in row and p.unit in row and p.description in row
    if model.theirs is not None:
        assert model.theirs.name in text
        assert all(parameter in text for parameter in model.theirs.parameters)


def test_limits_and_radii_are_shown(capsys):
    text = shown(capsys, "sphere")
    assert ">= 0" in text and "any" in text and "effective radii: radius" in text


def test_a_compound_is_shown_in_both_vocabularies(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, "sphere@hard_sphere")
    ours, theirs = text.split("or, in the names of sasmodels:")
    assert "volume_fraction" in ours and "volfraction" in theirs and "sld_solvent" in theirs


def test_an_unknown_model_is_refused_with_the_list(refused):
    text = refused("models", "spehre")
    assert "no model is called 'spehre' (did you mean sphere" in text and "there are" in text
