r"""Sphere in any number of shells.

.. math::
    F(q) = \rho_c V(R)\,\phi(qR) + \sum_i \rho_i \bigl[V(r_i)\,\phi(q r_i)
        - V(r_{i-1})\,\phi(q r_{i-1})\bigr],\qquad r_i = R + t_1 + \dots + t_i

with all densities relative to the solvent's and :math:`\phi(x) = 3\,(\sin x - x\cos x)/x^3`.

Guinier and Fournet, *Small-Angle Scattering of X-Rays*, Wiley (1955).
"""

import jax.numpy as jnp
from jax import Array

from diffscatter.analytic.description import ANY, POSITIVE, Model, Parameter, Theirs
from diffscatter.analytic.particle import Particle
from diffscatter.analytic.shells import ball_volume, shell_form, shell_volume
from diffscatter.core.pytree import struct
from diffscatter.core.special import sphere_kernel

__all__ = ["MODEL", "CoreMultiShell"]


@struct
class CoreMultiShell(Particle):
    """A core in n shells, n from 0 on.

    Attributes:
        radius: of the core, nm.
        thickness: of the shells from the core outwards, nm. Shape ``(n,)``.
        core_contrast: sld minus solvent sld, 1/nm^2.
        shell_contrast: the same of the shells. Shape ``(n,)``.
    """

    radius: Array
    thickness: Array
    core_contrast: Array
    shell_contrast: Array

    EFFECTIVE_RADII = {
        "outer radius": lambda s: s._outer,
        "core radius": lambda s: s.radius,
    }

    @property
    def volume(self) -> Array:
        """Volume of the core and all shells, nm^3."""
        return ball_volume(self._outer)

    @property
    def interfaces(self) -> tuple[list[Array], list[Array]]:
        thickness, contrast = self._shells()
        radii, sld = [self.radius], [self.core_contrast]
        for i in range(thickness.size):
            radii.append(radii[-1] + thickness[i])
            sld.append(contrast[i])
        outside = [*sld[1:], jnp.zeros_like(sld[-1])]
        return radii, [a - b for a, b in zip(sld, outside, strict=True)]

    def amplitude(self, q: Array) -> Array:
        """Return F(q) in nm, in the shape of ``q`` (1/nm)."""
        dtype = jnp.result_type(q, self.radius, self.core_contrast)
        thickness, contrast = (a.astype(dtype) for a in self._shells())
        inner = self.radius + jnp.cumsum(thickness) - thickness
        core = self.core_contrast * ball_volume(self.radius) * sphere_kernel(q * self.radius)
        form = shell_form(q[..., None], inner, thickness)
        return core + jnp.sum(contrast * shell_volume(inner, thickness) * form, axis=-1)

    @property
    def _outer(self) -> Array:
        thickness, _ = self._shells()
        return self.radius + jnp.sum(thickness)

    def _shells(self) -> tuple[Array, Array]:
        thickness, contrast = jnp.asarray(self.thickness), jnp.asarray(self.shell_contrast)
        if thickness.ndim != 1 or thickness.shape != contrast.shape:
            raise ValueError(
                "thickness and shell_contrast must have one value for each shell, got shapes "
                f"{thickness.shape} and {contrast.shape}"
            )
        return thickness, contrast


_MOST = 10  # shells there


_EACH = range(1, _MOST + 1)


def _converted(p: dict) -> dict:
    shells = range(1, p["n"] + 1)
    return {
        "radius": p["radius"],
        "thickness": jnp.array([p[f"thickness{i}"] for i in shells]),
        "core_contrast": p["sld_core"] - p["sld_solvent"],
        "shell_contrast": jnp.array([p[f"sld{i}"] - p["sld_solvent"] for i in shells]),
    }


MODEL = Model(
    name="core_multi_shell",
    constructor=CoreMultiShell,
    parameters=(
        Parameter("radius", "nm", 5.0, POSITIVE, "radius of the core"),
        Parameter("thickness", "nm", (1.0, 1.0), POSITIVE, "thickness of each shell"),
        Parameter("core_contrast", "1/nm^2", 1e-4, ANY, "sld of the core minus solvent sld"),
        Parameter(
            "shell_contrast", "1/nm^2", (3e-4, 1e-4), ANY, "sld of each shell minus solvent sld"
        ),
    ),
    title="Sphere in any number of shells",
    equation=(
        r"F = \rho_c V(R) \phi(qR) + \sum_i \rho_i [V(r_i) \phi(q r_i)"
        r" - V(r_{i-1}) \phi(q r_{i-1})],\ r_i = R + t_1 + \dots + t_i"
    ),
    reference="Guinier and Fournet, Small-Angle Scattering of X-Rays, Wiley (1955)",
    theirs=Theirs(
        name="core_multi_shell",
        parameters={
            "sld_core": (1, "1e-6/A^2"),
            "radius": (200, "A"),
            "sld_solvent": (6.4, "1e-6/A^2"),
            "n": (1, ""),
            **{f"sld{i}": (1.7, "1e-6/A^2") for i in _EACH},
            **{f"thickness{i}": (40, "A") for i in _EACH},
        },
        convert=_converted,
        spread=("radius", *(f"thickness{i}" for i in _EACH)),
        renamed={f"thickness{i}": f"thickness[{i - 1}]" for i in _EACH},
        counter=("n", 0, _MOST),
    ),
)
