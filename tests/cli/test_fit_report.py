"""What a fit's report says in words."""

from types import SimpleNamespace

import numpy as np
import pytest

from diffscatter.cli.fit_report import errors, runs, verdict


def result(reduced, *, dof=200, converged=True, curves=1, chi2=1.0):
    each = SimpleNamespace(name="sans", reduced_chi2=reduced)
    return SimpleNamespace(
        curves=(each,) * curves,
        residuals=np.zeros(dof + 4),
        parameters=dict.fromkeys("abcd", 1.0),
        reduced_chi2=reduced,
        dof=dof,
        chi2=chi2,
        converged=converged,
        status="not converged after 60 steps",
    )


@pytest.mark.parametrize(
    "reduced, words, good",
    [
        (1.1, "The model describes the data: reduced chi2 1.1, 204 points, 4 free", True),
        (0.3, "the data's errors look too large", True),
        (3.0, "The model describes the data only roughly: reduced chi2 3,", False),
        (1e4, "The model does not describe the data: reduced chi2 1e+04", False),
    ],
)
def test_verdict(reduced, words, good):
    text, found = verdict(result(reduced))
    assert words in text and found is good


def test_verdict_of_several_curves_names_each():
    text, good = verdict(result(34.0, curves=2))
    assert text.startswith("The models do not describe the data") and not good
    assert "sans 34, sans 34" in text


def test_verdict_without_errors_and_without_convergence():
    text, good = verdict(result(None, chi2=0.0204))
    assert "no errors" in text and "off by 0.01 of the intensity" in text and good
    text, good = verdict(result(1.0, converged=False))
    assert "not converged after 60 steps" in text and not good


def test_runs_of_signs_tell_systematic_residuals_from_random_ones():
    noise = np.random.default_rng(3).normal(size=300)
    assert "look random" in runs(noise)
    assert "systematic" in runs(np.sin(np.linspace(0, 20, 300)) + 0.3 * noise)
    assert "300 residuals lie above 0 and 0 below" in runs(np.abs(noise))


def test_relative_errors_are_those_of_positive_intensities():
    said = []
    run = SimpleNamespace(heading=said.append, text=said.append)
    curve = SimpleNamespace(
        name="sans", sigma=np.full(4, 0.1), intensity=np.array([1.0, 0.0, -1.0, 0.5]), notes=()
    )
    errors(run, [curve], SimpleNamespace(curves=[SimpleNamespace(residuals=np.ones(4))]))
    assert "median 0.15 of the intensity" in said[1]
