"""The multi-slice sum written out: slice by slice, by padded FFT or by its definition."""

import numpy as np

VOXEL = {"average": -1, "point": 0, "box": 1}


def emission(chi, pitch, wavelength):
    """What each slice adds to the wave, by its definition in double precision."""
    phase = 2 * np.pi / wavelength * pitch * chi.astype(complex)
    before = np.cumsum(phase, axis=0) - phase
    return np.exp(1j * before) * np.expm1(1j * phase)


def absorbed(density, pitch, length):
    """The emission of the absorption-only field, each voxel's own attenuation included."""
    return density * np.exp(-pitch / length * np.cumsum(density, axis=0))


def ewald(kx, ky, wavelength):
    """q_z and the pixels inside the Ewald circle."""
    k = 2 * np.pi / wavelength
    transverse = ky[:, None] ** 2 + kx**2
    inside = transverse < k * k
    return np.sqrt(np.where(inside, k * k - transverse, 0)) - k, inside


def far_field(slices, pitch, wavelength, kx, ky):
    """Sum of exp(-i q r) over voxels for any axes; 0 beyond the Ewald circle."""
    z, y, x = (pitch * (np.arange(n) - n // 2) for n in slices.shape)
    qz, inside = ewald(kx, ky, wavelength)
    to_kx, to_ky = np.exp(-1j * np.outer(x, kx)), np.exp(-1j * np.outer(ky, y))
    total = sum(
        np.exp(-1j * qz * depth) * (to_ky @ part @ to_kx)
        for depth, part in zip(z, slices, strict=True)
    )
    return np.where(inside, total, 0)


def far_field_fft(slices, pitch, wavelength, pad, n):
    """The same on the middle ``n x n`` pixels of an FFT padded to ``pad``, and its axis."""
    index = np.arange(n) - n // 2
    axis = 2 * np.pi * index / (pad * pitch)
    qz, inside = ewald(axis, axis, wavelength)
    nz, ny, nx = slices.shape
    total = np.zeros((n, n), complex)
    for j, part in enumerate(slices):
        field = np.fft.fft2(part, s=(pad, pad))[np.ix_(index % pad, index % pad)]
        total += field * np.exp(-1j * qz * pitch * (j - nz // 2))
    # The FFT counts from voxel 0, the library from voxel n // 2.
    total *= np.exp(1j * pitch * (axis[:, None] * (ny // 2) + axis * (nx // 2)))
    return np.where(inside, total, 0), axis


def amplitude_factor(pitch, wavelength, kx, ky, voxel):
    """What turns the sum into f: -ik a^2/(2 pi), and the voxel's form factor."""
    qz, _ = ewald(kx, ky, wavelength)
    sinc = lambda q: np.sinc(q * pitch / (2 * np.pi))
    form = sinc(kx) * sinc(ky)[:, None] * sinc(qz)
    return -1j * pitch**2 / wavelength * form ** VOXEL[voxel]


def ball(n, radius, samples=8):
    """Occupancy of the cells of an ``n``-cube by a sphere, radius in voxels, centre n // 2."""
    edge = np.arange(n - n // 2 + 1)  # one octant, mirrored below
    distance = np.sqrt(edge[:, None, None] ** 2 + edge[:, None] ** 2 + edge**2)
    octant = (distance < radius).astype(float)
    surface = np.argwhere(np.abs(distance - radius) < 0.9)  # sqrt(3)/2: half a cell's diagonal
    offset = (np.arange(samples) + 0.5) / samples - 0.5
    z, y, x = np.meshgrid(offset, offset, offset, indexing="ij")
    points = np.stack([z, y, x], -1).reshape(-1, 3)
    # |c + o|^2 = |c|^2 + 2 c.o + |o|^2, for all surface cells at once
    squared = (surface**2).sum(1)[:, None] + 2 * surface @ points.T + (points**2).sum(1)
    octant[tuple(surface.T)] = (squared < radius**2).mean(1)
    signed = np.abs(np.arange(n) - n // 2)
    return octant[np.ix_(signed, signed, signed)]
