"""Even directions: no side of the sphere is favoured."""

import numpy as np

from diffscatter.core.directions import even_directions


def test_directions_are_even():
    directions = even_directions(60)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-12)
    assert np.abs(directions.mean(axis=0)).max() < 0.01
    # As many in every octant, but for the few on its edges.
    octants = np.unique(directions > 0, axis=0, return_counts=True)[1]
    assert octants.size == 8 and np.ptp(octants) <= 3
