"""The list of models: complete tables, arrays spelled out, refusals by name."""

import jax
import numpy as np
import pytest

from diffscatter.analytic import CoreMultiShell, Cylinder, Sphere, build, get
from diffscatter.analytic.description import element


def test_builds_with_the_values_given():
    rod = build("cylinder", radius=3.0, contrast=-1e-4)
    assert isinstance(rod, Cylinder) and rod.radius == 3 and rod.length == 40
    assert rod.contrast < 0 and get("sphere").constructor is Sphere


def test_knows_the_names_of_sasmodels():
    assert get("unified_power_Rg") is get("unified")


def test_arrays_whole_or_element_by_element():
    onion = build("core_multi_shell", thickness=(1.0, 2.0, 3.0))
    assert isinstance(onion, CoreMultiShell) and onion.shell_contrast.shape == (3,)
    np.testing.assert_allclose(onion.thickness, (1, 2, 3))
    onion = build("core_multi_shell", **{"thickness[2]": 5.0, "shell_contrast[0]": -1e-4})
    np.testing.assert_allclose(onion.thickness, (1, 1, 5))
    # What is not given is as the last default.
    np.testing.assert_allclose(onion.shell_contrast, (-1e-4, 1e-4, 1e-4))
    assert build("core_multi_shell", **{"thickness[0]": 5.0}).thickness.shape == (1,)
    assert element("thickness[12]") == ("thickness", 12) and element("rg") == ("rg", None)
    names = [p.name for p in get("core_multi_shell").scalars(3)]
    assert names[:5] == ["radius", "thickness[0]", "thickness[1]", "thickness[2]", names[4]]
    assert len(names) == 8 and get("sphere").scalars() == get("sphere").parameters


def test_levels_of_a_random_draw_belong_together():
    with jax.enable_x64(True):
        drawn = get("unified").random(jax.random.key(2))
    assert (np.diff(drawn["rg"]) > 0).all() and (np.diff(drawn["guinier_scale"]) > 0).all()


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
    with pytest.raises(ValueError, match=r"sphere has no parameter 'radius\[0\]'"):
        build("sphere", **{"radius[0]": 1.0})
    with pytest.raises(ValueError, match=r"radius must be one number, got shape \(2,\); vmap"):
        build("sphere", radius=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"thickness must be one value for each of thick"):
        build("core_multi_shell", thickness=1.0)
    with pytest.raises(ValueError, match="must be equally long, got lengths 1, 2"):
        build("core_multi_shell", thickness=[1.0], shell_contrast=[1e-4, 1e-4])
    with pytest.raises(ValueError, match=r"thickness\[1\] must be finite and in \[0, inf\] nm"):
        build("core_multi_shell", thickness=[1.0, -1.0])
