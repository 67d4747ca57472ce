"""Models by name: both vocabularies, tables, compounds, and that a fit can free any of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics import central_difference

from diffscatter.analytic import (
    CoreShellSphere,
    Gaussian,
    HardSphere,
    Interacting,
    Lognormal,
    Mixture,
    Polydisperse,
    Sample,
    Sphere,
    named,
)

Q = np.array([0.0, 0.1, 0.5, 1.5])


def same(model, sample):
    np.testing.assert_allclose(model(Q), sample(Q), rtol=1e-12)


def test_both_vocabularies():
    with jax.enable_x64(True):
        expected = Sample(model=Sphere(radius=4.0, contrast=3e-4), scale=0.1)
        same(named("sphere", {"radius": 4.0, "contrast": 3e-4, "scale": 0.1}), expected)
        slds = {"sld": 4e-4, "sld_solvent": 1e-4, "background": 0.0}
        same(named("sphere", {"radius": 4.0, "scale": 0.1} | slds), expected)
        # Defaults are those of the vocabulary that the names belong to.
        same(named("sphere"), Sample(model=Sphere(radius=5.0, contrast=1e-4)))
        theirs = Sample(model=Sphere(radius=5.0, contrast=-5e-4), background=1e-3)
        same(named("sphere", vocabulary="sasmodels"), theirs)


def test_table_says_what_every_value_is():
    model = named(
        "core_shell_sphere@hard_sphere", polydispersity={"thickness": "lognormal:0.2"}
    )
    table = model.parameters
    assert set(table) == set(model.values) == {
        "scale", "background", "radius", "thickness", "core_contrast", "shell_contrast",
        "thickness_width", "volume_fraction",
    }  # fmt: skip
    assert table["radius"].unit == "nm" and table["background"].unit == "1/cm"
    assert table["volume_fraction"].limits == (0.0, 0.74)
    assert "lognormal distribution of thickness" in table["thickness_width"].description
    assert float(model.values["thickness_width"]) == pytest.approx(0.2)
    slds = named("sphere@hardsphere", vocabulary="sasmodels").parameters
    assert slds["sld"].unit == "1/nm^2" and slds["sld"].default == pytest.approx(1e-4)
    assert slds["radius"].unit == "nm" and slds["radius"].default == pytest.approx(5.0)


def test_distributions():
    shell = dict(radius=3.0, thickness=1.0, core_contrast=1e-4, shell_contrast=2e-4)
    with jax.enable_x64(True):
        outer = Polydisperse(
            model=Polydisperse(
                model=CoreShellSphere(**shell), distribution=Gaussian(width=0.1)
            ),
            distribution=Lognormal(width=0.2),
            parameter="thickness",
        )
        spread = {"thickness": "lognormal:0.2", "radius": Gaussian(width=0.1)}
        both = named("core_shell_sphere", shell, polydispersity=spread).sample().model
        assert jax.tree.structure(both) == jax.tree.structure(outer)
        assert jax.tree.leaves(both) == jax.tree.leaves(outer)
        # A width of 0 is kept, so that a fit may free it.
        kept = named("sphere", {"radius_width": 0.0}, polydispersity={"radius": "schulz"})
        assert "radius_width" in kept.values
        same(kept, Sample(model=Sphere(radius=5.0, contrast=1e-4)))


def test_interactions():
    with jax.enable_x64(True):
        ball, fluid = (
            Sphere(radius=5.0, contrast=1e-4),
            HardSphere(radius=7.0, volume_fraction=0.2),
        )
        free = named("sphere@hard_sphere", {"radius_effective": 7.0})
        same(free, Sample(model=Interacting(particle=ball, structure=fluid)))
        tied = Interacting(
            particle=ball, structure=fluid, decoupled=True, effective_radius="radius"
        )
        modes = {"structure_factor_mode": 1, "radius_effective_mode": "radius"}
        bound = named("sphere@hardsphere", modes)
        same(bound, Sample(model=tied))
        assert "radius_effective" not in bound.values


def test_sums_and_products_and_their_letters():
    with jax.enable_x64(True):
        small, large = (Sphere(radius=r, contrast=1e-4) for r in (2.0, 9.0))
        pair = named(
            "sphere+sphere", {"A_radius": 2.0, "B_radius": 9.0, "A_scale": 0.3, "B_scale": 0.1}
        )
        same(pair, Sample(model=Mixture(models=(small, large), scales=(0.3, 0.1))))
        # Members of products have the first letters, as in sasmodels.
        three = named("sphere + core_shell_sphere*ellipsoid")
        assert {"C_scale", "AB_scale", "C_contrast", "A_thickness", "B_radius_polar"} <= set(
            three.values
        )
        nested = named("sphere@hard_sphere+sphere", {"A_volume_fraction": 0.1})
        assert {"A_volume_fraction", "A_scale", "B_scale"} <= set(nested.values)


def test_every_value_has_a_derivative():
    start = {"radius": 4.0, "sld": 4e-4, "volfraction": 0.2}
    with jax.enable_x64(True):
        model = named("sphere@hardsphere", start | {"structure_factor_mode": 1})
        slopes = jax.jit(jax.jacfwd(lambda m: m(Q)))(model).values
        assert set(slopes) == set(model.values)
        for name, value in start.items():
            curve = lambda x, name=name: np.asarray(model.with_values(**{name: x})(Q))
            other = central_difference(curve, value, 2e-3 * value)
            atol = 1e-8 * np.abs(other).max()
            np.testing.assert_allclose(slopes[name], other, rtol=1e-6, atol=atol)


def test_one_compilation_serves_all_values_and_batches():
    with jax.enable_x64(True):
        model = named("sphere", {"radius": 4.0, "sld": 4e-4})
        curve = lambda r: model.with_values(radius=r)(Q)
        radii = jnp.array([2.0, 5.0])
        single = jnp.stack([curve(r) for r in radii])
        np.testing.assert_allclose(jax.vmap(curve)(radii), single, rtol=1e-12)
    assert named("sphere", {"radius": 4.0})(np.float32(0.1)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("spheer", {}, r"'spheer' \(did you mean sphere or hardsphere\?\); there are sphere"),
        (
            "sphere",
            {"radus": 3},
            r"no parameter 'radus' \(did you mean radius\?\); it has scale",
        ),
        (
            "sphere",
            {"radius": -3},
            r"sphere: radius must be finite and in \[0, inf\] nm, got -3",
        ),
        ("sphere", {"sld": 1e-4, "contrast": 1e-4}, "no parameter 'sld'"),
        (
            "sphere@sphere",
            {},
            "sphere is not a structure factor; after @ comes one of hard_sph",
        ),
        ("sphere@", {}, "'sphere@' is no model: write a name"),
        (
            "sphere@hardsphere",
            {"volfraction": 0.9},
            r"volfraction must be finite and in \[0, 0.74",
        ),
        (
            "sphere@hardsphere",
            {"radius_effective_mode": 2},
            r"one of 0 \(a parameter\), 1 \(rad",
        ),
        ("sphere@hardsphere", {"structure_factor_mode": 2}, r"must be 0 \(P S\) or 1"),
        ("sphere", {"sld_M0": 1e-4}, "magnetic scattering is not modelled, set sld_M0 to 0"),
    ],
)
def test_refuses_by_name(name, values, message):
    with pytest.raises(ValueError, match=message):
        named(name, values)


def test_refuses_distributions_and_vocabularies():
    with pytest.raises(
        ValueError, match="no parameter 'contrast'.*distributions are of radius"
    ):
        named("sphere", polydispersity={"contrast": "gaussian"})
    with pytest.raises(ValueError, match="must be one of gaussian"):
        named("sphere", polydispersity={"radius": "normal"})
    with pytest.raises(ValueError, match="the width in 'gaussian:wide' must be a number"):
        named("sphere", polydispersity={"radius": "gaussian:wide"})
    with pytest.raises(ValueError, match="vocabulary must be 'ours' or 'sasmodels'"):
        named("sphere", vocabulary="theirs")
    with pytest.raises(ValueError, match="sphere has no parameter 'radus'"):
        named("sphere").with_values(radus=3.0)
