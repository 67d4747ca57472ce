"""Kernels against 40-digit arithmetic: values and two derivatives, both precisions."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from diffscatter.core import special

# All are one function: 0F1(; b; -x^2/4), whose derivatives are 0F1 with b + 1 and b + 2.
KERNELS = {"sinc": 1.5, "sphere_kernel": 2.5, "disc_kernel": 2.0}
THRESHOLDS = (1.4, 8.0)
POINTS = np.unique(
    [0, 1e-300, 1e-8, 1e-3, 0.1, 0.7, 2, 3, 5.3, 9, 12.3, 50, 333.3, 1e4]
    + [t * f for t in THRESHOLDS for f in (1 - 1e-15, 1, 1 + 1e-6)]
)


def exact(name, x, order):
    """Return the derivative of the given order as an mpmath number."""
    x = mpmath.mpf(float(x))
    if name == "bessel_j1":  # x/2 times the disc kernel
        inner = exact("disc_kernel", x, order)
        below = order * exact("disc_kernel", x, order - 1) if order else 0
        return (x * inner + below) / 2
    b = mpmath.mpf(KERNELS[name])
    f = [mpmath.hyp0f1(b + k, -x * x / 4) for k in range(order + 1)]
    if order == 0:
        return f[0]
    if order == 1:
        return -x / (2 * b) * f[1]
    return -f[1] / (2 * b) + x * x / (4 * b * (b + 1)) * f[2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*KERNELS, "bessel_j1"])
def test_values_and_derivatives(name, dtype):
    kernel = getattr(special, name)
    x = POINTS.astype(dtype)
    eps = np.finfo(dtype).eps
    with mpmath.workdps(40), jax.enable_x64(True):
        # x times the kernel's slope rounds like the argument itself: allow eps |x|.
        derivatives = [kernel, jax.grad(kernel), jax.grad(jax.grad(kernel))]
        for order, function in enumerate(derivatives):
            got = np.asarray(jax.jit(jax.vmap(function))(x))
            assert got.dtype == dtype
            error = [
                abs(float(exact(name, xi, order) - mpmath.mpf(float(g))))
                for xi, g in zip(x, got, strict=True)
            ]
            # At the threshold 1.4 the quotients' terms reach 2, 4 and 14, each with a few
            # roundings. J1's polynomial leaves out c_16 ~ 4e-19, which two derivatives at the
            # edge multiply by T_16''(1) (dt/dx)^2 x = 21760 / 4 * 8: 2e-14.
            tolerance = (4, 8, 32)[order] * eps + (2e-14 if order == 2 else 0)
            assert max(error) < tolerance, x[np.argmax(error)]


def test_sine_and_cosine():
    turns = np.arange(1, 40) * np.pi / 4
    x = np.concatenate([turns * (1 - 1e-15), turns, np.geomspace(1e-300, 1e6, 300)])
    x = np.concatenate([x, -x])
    with jax.enable_x64(True), mpmath.workdps(40):
        sine, cosine = special.sine_cosine(x)
        for got, exactly in ((sine, mpmath.sin), (cosine, mpmath.cos)):
            error = [
                float(exactly(float(a)) - mpmath.mpf(float(g)))
                for a, g in zip(x, got, strict=True)
            ]
            assert np.abs(error).max() < 3e-16
        # Beyond, the rounding of x itself; and whatever the phase, no more than 1.
        far = np.geomspace(1e6, 1e12, 60)
        assert (np.abs(special.sine_cosine(far)[0] - np.sin(far)) < 2e-16 * far).all()
        assert np.abs(special.sine_cosine(np.array([1e17, 1e300]))).max() <= 1
        slopes = jax.jvp(special.sine_cosine, (0.3,), (2.0,))[1]
        np.testing.assert_allclose(slopes, [2 * np.cos(0.3), -2 * np.sin(0.3)], rtol=1e-15)
    assert np.isnan(special.sine_cosine(jnp.array([jnp.nan, jnp.inf]))).all()


def test_far_values_keep_their_digits():
    # Against the decaying envelope x^-3/2, not against 1.
    with jax.enable_x64(True), mpmath.workdps(40):
        x = np.geomspace(8, 1e6, 60)
        got = np.asarray(special.disc_kernel(x))
        error = [float(exact("disc_kernel", a, 0) - g) for a, g in zip(x, got, strict=True)]
    envelope = 2 * np.sqrt(2 / np.pi) * x**-1.5
    assert (np.abs(error) < 8 * np.finfo(float).eps * envelope).all()


@pytest.mark.parametrize("name", KERNELS)
def test_derivatives_at_zero(name):
    # Taylor series of 0F1: 1 - x^2/(4b) + x^4/(32 b (b+1)) - ...
    b, derivatives = KERNELS[name], [getattr(special, name)]
    expected = [1.0, 0.0, -1 / (2 * b), 0.0, 24 / (32 * b * (b + 1))]
    for _ in range(4):
        derivatives.append(jax.grad(derivatives[-1]))
    with jax.enable_x64(True):
        got = jax.jit(lambda x: [f(x) for f in derivatives])(0.0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


def test_function_of_the_square_has_the_same_values_and_a_slope_at_zero():
    with jax.enable_x64(True):
        x = jnp.asarray(POINTS[POINTS < 100])
        got = special.sphere_kernel_of_square(x**2)
        # Squaring rounds x by eps/2 relative, and |x f'(x)| stays below 2.
        np.testing.assert_allclose(got, special.sphere_kernel(x), rtol=0, atol=1e-15)
        slope = jax.grad(special.sphere_kernel_of_square)(0.0)
        np.testing.assert_allclose(slope, -1 / 10, rtol=1e-15)


def test_parity_integers_and_nan():
    x = jnp.linspace(0.1, 20, 57)
    for name in KERNELS:
        kernel = jax.jit(getattr(special, name))
        np.testing.assert_array_equal(kernel(-x), kernel(x))
        assert kernel(2).dtype == jnp.float32
        assert np.isnan(kernel(jnp.nan))
    j1 = jax.jit(special.bessel_j1)
    np.testing.assert_array_equal(j1(-x), -j1(x))
    assert j1(0.0) == 0


@pytest.mark.parametrize("power", [0, 1, 2])
def test_moments_of_a_sine(power):
    points = [0.0, 1e-3, 0.7, 1.4, 1.400001, 5.0, 60.0]

    def moment(x, order):
        if x == 0:
            return mpmath.mpf(1) / (power + 2) if order == 0 else mpmath.mpf(0)
        wave = lambda t: mpmath.diff(lambda x: t**power * mpmath.sin(x * t) / x, x, order)
        return mpmath.quad(wave, mpmath.linspace(0, 1, 2 + int(x)))

    for order in (0, 1):
        expected = [float(moment(mpmath.mpf(x), order)) for x in points]
        with jax.enable_x64(True):
            function = lambda x: special.sine_moment(power, x)
            function = function if order == 0 else jax.grad(function)
            got = [float(function(x)) for x in points]
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-15)
    single = special.sine_moment(power, np.float32(points))
    assert single.dtype == np.float32
    expected = [float(moment(mpmath.mpf(x), 0)) for x in points]
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-7)
