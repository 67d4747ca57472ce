"""The beam of a pattern, found by the symmetry of its middle."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffscatter.analysis import symmetry_centre

PUBLISHED = Path(__file__).parents[2] / ".." / "shared" / "data" / "wide_angle" / "simulated"


def rings(centre, shape=(90, 100)):
    """A disc's diffraction with a wide-angle part that is not symmetric."""
    y, x = np.indices(shape, float)
    x, y = x - centre[0], y - centre[1]
    q = 0.35 * np.hypot(x, 1.3 * y) + 1e-9
    return 1e4 * (3 * (np.sin(q) - q * np.cos(q)) / q**3) ** 2 * (1 + 0.01 * x) + 0.02


@pytest.mark.parametrize("centre", [(50, 45), (53.5, 41), (44, 48.5)])
def test_rings(centre):
    image = np.random.default_rng(0).poisson(rings(centre))
    assert np.abs(np.subtract(symmetry_centre(image), centre)).max() <= 0.5
    # A hole and a dark half of a detector are no symmetry of the pattern.
    counts = np.hypot(*(np.indices(image.shape) - np.array([[[45]], [[50]]]))) > 6
    counts[:, 80:] = False
    found = symmetry_centre(np.where(counts, image, 0), counts)
    assert np.abs(np.subtract(found, centre)).max() <= 0.5


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="../shared/data/wide_angle is absent")
def test_published_patterns_have_their_beam_at_64():
    off = []
    for number in range(1, 21):
        image = np.asarray(Image.open(PUBLISHED / "scatter" / f"{number}s.png"))[..., 0]
        found = symmetry_centre(image, log=True)
        off.append(np.abs(np.subtract(found, 64)).max())
    assert max(off) <= 1.5 and np.median(off) <= 0.5
