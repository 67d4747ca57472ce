"""The curve that comes with the package."""

from importlib.resources import files

import jax
import numpy as np
import pytest

from diffscatter.io import load_sample


@pytest.mark.parametrize("double", [False, True])
def test_latex(double):
    with jax.enable_x64(double):
        curve = load_sample("latex_sans")
        assert curve.q.dtype == (np.float64 if double else np.float32)
        assert curve.q.size == 299
        np.testing.assert_allclose([curve.q[0], curve.q[-1]], [0.03797, 4.01], rtol=1e-6)
        assert curve.sigma.min() > 0 and curve.resolution.min() > 0
        assert "latex" in curve.name
        for word in ("sasdata 0.11.0", "latex_smeared.xml", "BSD-3-Clause", "SasView"):
            assert word in curve.source
        assert any("2 repeated q averaged" in note for note in curve.notes)


def test_its_licence_lies_beside_it():
    text = (files("diffscatter.io") / "samples" / "LATEX_SANS_LICENSE.txt").read_text()
    assert "Copyright (c) 2009-2025, SasView Developers" in text
    assert "Redistribution and use" in text


def test_names_the_samples_there_are():
    with pytest.raises(ValueError, match="'latex' is not known; give one of latex_sans"):
        load_sample("latex")
