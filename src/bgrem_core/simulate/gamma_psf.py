"""Point-spread function of the Fermi-LAT, and stamps of point sources.

P8R3 FRONT events as a sum of two King functions of the angle in units of S_P(E), the
spread that falls with energy; averaged over the band.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = [
    "RADIUS",
    "SCALING",
    "SUBPIXELS",
    "containment_radius",
    "kernel",
    "profile",
    "spread",
    "stamps",
]

SCALING = {
    "FRONT": (6.38e-2, 1.26e-3),
    "BACK": (1.23e-1, 2.22e-3),
    "PSF0": (1.53e-1, 5.7e-3),
    "PSF1": (9.64e-2, 1.78e-3),
    "PSF2": (7.02e-2, 1.07e-3),
    "PSF3": (4.97e-2, 6.13e-4),
}
"""c0 and c1 of S_P, radians, by event type (Fermi Science Support Center, Cicerone)."""
KINGS = ((0.749, 0.4287, 7.824), (0.251, 0.7160, 3.619))
"""Share, sigma and gamma of the two King functions (2 GeV, as used by NPTFit)."""
BAND = (1000.0, 2000.0)
"""MeV."""
INDEX = 2.4
"""Photon index of the average over the band."""

RADIUS = 16
"""Half side of a stamp, pixels."""
SUBPIXELS = 8
"""Places of a source within a pixel, along each axis."""
_FINE = 2 * SUBPIXELS  # cells per pixel in the integration
_REACH = 20.0  # degrees of the tabulated profile


def spread(energy: "Double | float", event: str = "FRONT") -> "Double":
    """Return S_P(E), the angle by which the profile scales.

    Parameters
    ----------
    energy : float or ndarray
        MeV.
    event : str, optional
        Key of `SCALING`.

    Returns
    -------
    ndarray
        Radians.
    """
    c0, c1 = SCALING[event]
    return np.hypot(c0 * (np.asarray(energy, float) / 100) ** -0.8, c1)


def profile(angle: "Double", scale: float = 1.0) -> "Double":
    """Return the FRONT profile, averaged over 1 to 2 GeV with E**-2.4.

    Parameters
    ----------
    angle : ndarray
        Distance from the source, degrees.
    scale : float, optional
        Factor on all angles.

    Returns
    -------
    ndarray
        Probability per square degree.
    """
    grid, table = _table()
    out: Double = np.interp(np.asarray(angle) / scale, grid, table) / scale**2
    return out


def containment_radius(share: float = 0.68, scale: float = 1.0) -> float:
    """Return the angle within which a share of the photons falls.

    Parameters
    ----------
    share : float, optional
        0 to 1.
    scale : float, optional
        Factor on all angles.

    Returns
    -------
    float
        Degrees.
    """
    grid, table = _table()
    ring = 2 * np.pi * grid * table
    inside = np.concatenate(
        [[0], np.cumsum((ring[1:] + ring[:-1]) / 2 * np.diff(grid))]
    )
    return scale * float(np.interp(share, inside / inside[-1], grid))


@lru_cache(maxsize=32)
def stamps(pixel: float, scale: float = 1.0) -> "Float":
    """Return pixel-integrated images of a source at each place within a pixel.

    Parameters
    ----------
    pixel : float
        Side of a pixel, degrees.
    scale : float, optional
        Factor on the width of the PSF.

    Returns
    -------
    ndarray
        (8, 8, 33, 33) float32, read-only; entry (j, k) is the source at
        y = (j - 3.5) / 8 and x = (k - 3.5) / 8 from the centre of the middle pixel.
        Sums to the share of the photons that falls into the window.
    """
    whole = _integral(pixel, scale)
    start = _FINE * np.arange(2 * RADIUS + 2) + _FINE - 1
    out = np.empty((SUBPIXELS, SUBPIXELS, 2 * RADIUS + 1, 2 * RADIUS + 1), np.float32)
    for j in range(SUBPIXELS):
        for k in range(SUBPIXELS):
            corners = whole[np.ix_(start - 2 * j, start - 2 * k)]
            out[j, k] = np.diff(np.diff(corners, axis=0), axis=1)
    out.flags.writeable = False
    return out


@lru_cache(maxsize=32)
def kernel(pixel: float, scale: float = 1.0) -> "Float":
    """Return the pixel-integrated PSF about a pixel's centre, with sum 1.

    Parameters
    ----------
    pixel : float
        Side of a pixel, degrees.
    scale : float, optional
        Factor on the width of the PSF.

    Returns
    -------
    ndarray
        (33, 33) float32, read-only.
    """
    whole = _integral(pixel, scale)
    edge = _FINE * np.arange(2 * RADIUS + 2) + SUBPIXELS
    image = np.diff(np.diff(whole[np.ix_(edge, edge)], axis=0), axis=1)
    out: Float = (image / image.sum()).astype(np.float32)
    out.flags.writeable = False
    return out


@lru_cache(maxsize=32)
def _integral(pixel: float, scale: float) -> "Double":
    """Return the integral from the corner to each corner of a cell.

    The grid spans +-(RADIUS + 1) pixels; a pixel has `_FINE` cells.
    """
    half = (RADIUS + 1) * _FINE
    place = (np.arange(-half, half) + 0.5) * pixel / _FINE
    cell = profile(np.hypot(place[:, None], place), scale) * (pixel / _FINE) ** 2
    out = np.zeros((2 * half + 1, 2 * half + 1))
    out[1:, 1:] = cell.cumsum(0).cumsum(1)
    return out


@lru_cache(maxsize=1)
def _table() -> "tuple[Double, Double]":
    """Return angles, degrees, and the profile there, per square degree."""
    grid = np.concatenate([[0], np.geomspace(1e-3, _REACH, 4000)])
    edges = np.geomspace(*BAND, 33)
    energy = np.sqrt(edges[1:] * edges[:-1])
    weight = energy ** (1 - INDEX)
    table = np.zeros(len(grid))
    for e, w in zip(energy, weight / weight.sum(), strict=True):
        size = np.degrees(spread(e))
        x = grid / size
        for share, sigma, gamma in KINGS:
            norm = share / (2 * np.pi * sigma**2) * (1 - 1 / gamma)
            table += w * norm / size**2 * (1 + x**2 / (2 * gamma * sigma**2)) ** -gamma
    return grid, table
