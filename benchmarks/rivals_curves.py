"""How people compute form factors and their gradients today: sasmodels and midas-saxs."""

import numpy as np

__all__ = ["Sasmodels", "midas_spheres"]


class Sasmodels:
    """A model of sasmodels on fixed q: its compiled C kernel in double precision, one thread.

    The kernel is made once; a call hands it a dictionary of parameters and keeps all weights
    (``cutoff=0``), so that it sums what its grid says.
    """

    def __init__(self, name, q, fixed):
        from sasmodels.core import load_model
        from sasmodels.direct_model import call_kernel

        self._kernel = load_model(name, dtype="double", platform="dll").make_kernel([q])
        self._call = call_kernel
        self._fixed = fixed

    def __call__(self, values):
        """Return I in 1/cm; ``values`` maps names to numbers."""
        return self._call(self._kernel, self._fixed | values, cutoff=0.0)

    def slopes(self, values, step=1e-6):
        """Return I, and its forward differences: one more curve for each parameter."""
        here = self(values)
        rows = []
        for name, value in values.items():
            h = step * abs(value)
            rows.append((self(values | {name: value + h}) - here) / h)
        return here, np.array(rows)


def midas_spheres(q):
    """Return two functions of (radius, width): F^2 of lognormal spheres, and its gradient.

    The second gives the gradient of ``sum(log(F^2))``. As midas-saxs comes: 21 nodes.
    """
    import torch
    from midas_saxs import SAXSModel

    def curve(radius, width):
        model = SAXSModel(shape="sphere", polydispersity=width)
        return model.I(q, D_median=radius)

    def value(radius, width):
        with torch.no_grad():
            return curve(torch.tensor(radius), torch.tensor(width)).numpy()

    def gradient(radius, width):
        leaves = [torch.tensor(x, requires_grad=True) for x in (radius, width)]
        torch.log(curve(*leaves)).sum().backward()
        return np.array([leaf.grad.item() for leaf in leaves])

    return value, gradient
