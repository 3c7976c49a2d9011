"""Compass: where north is, and how large a pixel is on the sky."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.wcs import WCS

Direction = tuple[float, float]


def pixel_scale(wcs: "WCS | None", shape: tuple[int, int]) -> float | None:
    """Return how large a pixel is on the sky.

    Parameters
    ----------
    wcs : WCS or None
        Celestial.
    shape : tuple of int
        (ny, nx).

    Returns
    -------
    float or None
        Side of the central pixel, arcseconds; None without a WCS.
    """
    steps = _steps(wcs, shape)
    return None if steps is None else float(np.sqrt(abs(np.linalg.det(steps)))) * 3600


def directions(
    wcs: "WCS | None", shape: tuple[int, int]
) -> tuple[Direction, Direction] | None:
    """Return where north and east are in the middle of an image.

    Parameters
    ----------
    wcs : WCS or None
        Celestial.
    shape : tuple of int
        (ny, nx).

    Returns
    -------
    tuple of tuple of float, or None
        Unit vectors (right, up) to north and to east; None without a WCS.
    """
    steps = _steps(wcs, shape)
    if steps is None:
        return None
    inverse = np.linalg.inv(steps)
    north, east = inverse[:, 1], inverse[:, 0]
    north, east = north / np.hypot(*north), east / np.hypot(*east)
    return (float(north[0]), float(north[1])), (float(east[0]), float(east[1]))


def _steps(wcs: "WCS | None", shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return degrees (east, north) per pixel along x and y at the centre."""
    if wcs is None:
        return None
    ny, nx = shape
    x, y = (nx - 1) / 2, (ny - 1) / 2
    lon, lat = wcs.all_pix2world([x, x + 1, x], [y, y, y + 1], 0)
    turn = (np.asarray(lon) - lon[0] + 180) % 360 - 180
    east = turn[1:] * np.cos(np.radians(lat[0]))
    steps = np.stack([east, np.asarray(lat[1:]) - lat[0]])
    good = np.isfinite(steps).all() and abs(np.linalg.det(steps)) > 0
    return steps if good else None
