"""What every test of a refused file asks for: a line with file, value and mend."""

import pytest

from diffscatter.io import load_curve


def refused(path, match: str, **options) -> str:
    """Assert that loading ``path`` is refused in one line; return the line."""
    with pytest.raises(ValueError, match=match) as caught:
        load_curve(path, **options)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and len(line) < 600
    assert line.startswith(path.name) and "; " in line
    return line
