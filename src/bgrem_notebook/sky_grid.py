"""Sky grid: a WCS as a table that a browser can read between."""

from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.io.celestial import equatorial

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["GOOD", "sky_grid"]

GOOD = 0.005
"""Arcseconds that the table may be wrong by."""
_LEAST, _MOST = 17, 257


def sky_grid(wcs: "WCS | None", shape: tuple[int, int]) -> "Floats | None":
    """Return where pixels lie on the sky, fine enough to interpolate.

    Parameters
    ----------
    wcs : WCS or None
        Celestial.
    shape : tuple of int
        (ny, nx).

    Returns
    -------
    ndarray of float64, shape (n, m, 3), or None
        Unit vectors at n rows and m columns, evenly spaced from the first pixel to the
        last; linear between them they are right to `GOOD`, or as nearly as 257 a side
        allow. None without a WCS.
    """
    if wcs is None:
        return None
    n = _LEAST
    while True:
        grid = _at(wcs, shape, n)
        if not np.isfinite(grid).any():
            return None
        if n >= _MOST or _error(wcs, shape, grid) <= GOOD:
            return grid
        n = 2 * n - 1


def _at(wcs: "WCS", shape: tuple[int, int], n: int, *, half: bool = False) -> "Floats":
    """Return unit vectors at n points a side, or in the middles between them."""
    y, x = (_places(size, n, half=half) for size in shape)
    column, row = np.meshgrid(x, y)
    return _vectors(wcs, column, row)


def _places(size: int, n: int, *, half: bool) -> "Floats":
    places = np.linspace(0, max(size - 1, 1), n)
    return (places[1:] + places[:-1]) / 2 if half else places


def _vectors(wcs: "WCS", x: "Floats", y: "Floats") -> "Floats":
    try:
        sky = equatorial(wcs, x.ravel(), y.ravel())
    except Exception:  # noqa: BLE001 - a WCS may fail in many ways beyond its field
        return np.full((*x.shape, 3), np.nan)
    lon, lat = (np.radians(v).reshape(x.shape) for v in sky)
    return np.stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1
    )


def _error(wcs: "WCS", shape: tuple[int, int], grid: "Floats") -> float:
    """Return the largest error in the middle of cells, arcseconds."""
    mean = (grid[1:, 1:] + grid[1:, :-1] + grid[:-1, 1:] + grid[:-1, :-1]) / 4
    mean = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    away = np.linalg.norm(mean - _at(wcs, shape, len(grid), half=True), axis=-1)
    good = away[np.isfinite(away)]
    return float(np.degrees(good.max()) * 3600) if good.size else 0.0
