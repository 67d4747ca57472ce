"""Wide-angle scattering as published programs compute it: pyMSFT itself, or a faithful copy.

pyMSFT (1.0.2, PyPI, Python 3.12 and newer) is called where it is installed. Elsewhere the same
steps run on numpy and pyFFTW, complex128, planned by measurement as it does; without pyFFTW on
scipy's FFT. The name says which one ran. Volumes are ours, ``(nz, ny, nx)``; intensities come
back on the FFT's grid, the beam in the middle, without a scale.
"""

import numpy as np

__all__ = ["multislice", "name", "propagation"]


def name() -> str:
    """Return what the rivals run on."""
    try:
        import pyMSFT  # noqa: F401

        return "pyMSFT"
    except ImportError:
        return f"padded FFT by {_transforms(4)[2]}"


def propagation(chi: np.ndarray, pitch: float, wavelength: float, pad: int):
    """Return a function that computes the pattern with multiple scattering (pMSFT)."""
    return _theirs("PMSFTSimulation", chi, pitch, wavelength, pad) or (
        lambda: _propagated(chi, pitch, wavelength, pad)
    )


def multislice(chi: np.ndarray, pitch: float, wavelength: float, pad: int):
    """Return a function that computes the pattern along straight rays (MSFT)."""
    return _theirs("MSFTSimulation", chi, pitch, wavelength, pad) or (
        lambda: _summed(chi, pitch, wavelength, pad)
    )


def _theirs(kind: str, chi, pitch, wavelength, pad):
    try:
        from pyMSFT.simulation import simulation
    except ImportError:
        return None
    settings = dict(npix_fft=pad, npix_real=chi.shape[1], wavelength=wavelength, pool_size=1)
    run = getattr(simulation, kind)(box_size=pitch * (chi.shape[1] - 1), **settings)
    theirs = np.ascontiguousarray(chi.transpose(2, 1, 0))  # (x, y, z)
    # Without its wrapper, which copies the volume once more and makes axes. Rows are y here.
    return lambda: run._get_diffraction_image(theirs).T


def _transforms(pad: int):
    """Return forward and inverse FFT of one complex128 array, and the name of the library."""
    try:
        import pyfftw
    except ImportError:
        from scipy import fft

        return (
            lambda a: fft.fft2(a, overwrite_x=True),
            lambda a: fft.ifft2(a, overwrite_x=True),
            "scipy",
        )
    one, two = (pyfftw.empty_aligned((pad, pad), dtype="complex128") for _ in range(2))
    plans = [
        pyfftw.FFTW(one, two, axes=(0, 1), direction=direction, flags=("FFTW_MEASURE",))
        for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
    ]
    return plans[0], plans[1], "pyFFTW"


def _grid(pitch, wavelength, pad):
    k, q = 2 * np.pi / wavelength, 2 * np.pi * np.fft.fftfreq(pad, pitch)
    return k, np.sqrt(k**2 - q[:, None] ** 2 - q**2 + 0j)


def _window(pad: int, n: int) -> slice:
    return slice(pad // 2 - n // 2, pad // 2 - n // 2 + n)


def _propagated(chi, pitch, wavelength, pad):
    forward, inverse, _ = _transforms(pad)
    k, kz = _grid(pitch, wavelength, pad)
    flight = np.exp(1j * pitch * kz)
    wave, screen = np.ones((pad, pad), complex), np.ones((pad, pad), complex)
    rows, columns = (_window(pad, n) for n in chi.shape[1:])
    for slice_ in chi:
        screen[rows, columns] = np.exp(1j * pitch * k * slice_)
        np.multiply(wave, screen, out=wave)
        spectrum = forward(wave)
        np.multiply(spectrum, flight, out=spectrum)
        wave = inverse(spectrum)
    incident = np.exp(1j * len(chi) * pitch * k)
    return np.fft.fftshift(np.abs(np.fft.fft2(wave - incident)) ** 2)


def _summed(chi, pitch, wavelength, pad):
    forward, _, _ = _transforms(pad)
    k, kz = _grid(pitch, wavelength, pad)
    emitted, total = np.zeros((pad, pad), complex), np.zeros((pad, pad), complex)
    rows, columns = (_window(pad, n) for n in chi.shape[1:])
    before = np.ones(chi.shape[1:], complex)
    for j, slice_ in enumerate(chi):
        step = np.exp(1j * pitch * k * slice_)
        emitted[rows, columns] = (step - 1) * before
        before *= step * np.exp(1j * pitch * k)
        total += forward(emitted) * np.exp(1j * kz * pitch * (len(chi) - j))
    return np.fft.fftshift(np.abs(total) ** 2)
