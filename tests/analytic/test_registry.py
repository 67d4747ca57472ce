"""The list of models: complete tables, defaults that work, refusals by name."""

import numpy as np
import pytest

from diffscatter.analytic import MODELS, Cylinder, Sphere, build, get


@pytest.mark.parametrize("name", MODELS)
def test_every_model_describes_itself(name):
    model = get(name)
    assert model.name == name and model.title and model.equation and model.reference
    body = build(name)
    assert np.isfinite(body.intensity(np.array([0.0, 0.1]))).all() and body.volume > 0
    for parameter in model.parameters:
        assert parameter.unit in ("nm", "1/nm^2", "") and parameter.description
        assert parameter.limits[0] <= parameter.default <= parameter.limits[1]
        np.testing.assert_allclose(getattr(body, parameter.name), parameter.default)


def test_builds_with_the_values_given():
    rod = build("cylinder", radius=3.0, contrast=-1e-4)
    assert isinstance(rod, Cylinder) and rod.radius == 3 and rod.length == 40
    assert rod.contrast < 0 and get("sphere").constructor is Sphere


def test_refuses_by_name():
    with pytest.raises(
        ValueError, match=r"'sphare' \(did you mean sphere\?\); there are sphere, core"
    ):
        get("sphare")
    with pytest.raises(ValueError, match="sphere has no parameter 'length'; it has radius, co"):
        build("sphere", length=3.0)
    with pytest.raises(ValueError, match=r"sphere: radius must be finite and in \[0, inf\] nm"):
        build("sphere", radius=-3.0)
    with pytest.raises(ValueError, match="cylinder: length must be finite.*got nan"):
        build("cylinder", length=float("nan"))
