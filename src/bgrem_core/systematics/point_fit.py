"""Fit of a point and a local level as a filter: flux, noise and place.

A target is about as wide as a pixel: where it lies within one matters.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]

__all__ = ["explained", "flux_at", "kernel_of", "phase_noise", "refined", "tops"]

_SIGMAS = 3.5
"""Radius of the filter in sigmas of the profile, and at least four pixels."""
_CHUNK = 4096
_STEPS = 0.4, 0.2, 0.1
"""Steps in which the filter is moved, pixels."""


def kernel_of(width: float, dx: float = 0.0, dy: float = 0.0) -> "Floats":
    """Return the filter whose sum over a frame is the flux of a point.

    Parameters
    ----------
    width : float
        Sigma of the Gaussian profile, pixels.
    dx, dy : float, optional
        Where the point lies from the middle of the filter, at most half a pixel.

    Returns
    -------
    ndarray
        Square, odd sides. It is blind to a level, and of all such filters it is the
        least noisy in white noise: a fit of profile and level.
    """
    return np.asarray(_filters(width, np.array([dx]), np.array([dy]))[0])


def flux_at(cleaned: "Float", x: "Floats", y: "Floats", width: float) -> "Floats":
    """Return the flux of points at given places.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Places, pixels, 0-based; beyond the edges there is nothing.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    ndarray
        (n,), NaN outside the frame.
    """
    return _through(cleaned, x, y, width)[0]


def explained(
    cleaned: "Float", x: "Floats", y: "Floats", width: float, half: int
) -> "Floats":
    """Return what fits of points take off chi squared, in noise of 1.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Places, pixels, 0-based.
    width : float
        Sigma of a point, pixels.
    half : int
        Radius of the pixels that are fitted: widths are compared on the same ones.

    Returns
    -------
    ndarray
        (n,), NaN outside the frame.
    """
    flux, variance = _through(cleaned, x, y, width, half)
    return flux**2 / variance


def _through(
    cleaned: "Float", x: "Floats", y: "Floats", width: float, half: int | None = None
) -> "tuple[Floats, Floats]":
    """Return fluxes at places, and their variances in noise of 1."""
    x, y = (np.asarray(v, np.float64) for v in (x, y))
    ny, nx = cleaned.shape
    out, variance = np.full((2, len(x)), np.nan)
    with np.errstate(invalid="ignore"):
        on = (x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5)
    every = np.flatnonzero(on)
    for start in range(0, len(every), _CHUNK):
        k = every[start : start + _CHUNK]
        col = np.clip(np.rint(x[k]).astype(int), 0, nx - 1)
        row = np.clip(np.rint(y[k]).astype(int), 0, ny - 1)
        filters = _filters(width, x[k] - col, y[k] - row, half)
        reach = filters.shape[1] // 2
        away = np.arange(-reach, reach + 1)
        rows = row[:, None, None] + away[:, None]
        cols = col[:, None, None] + away
        there = (rows >= 0) & (rows < ny) & (cols >= 0) & (cols < nx)
        seen = cleaned[np.clip(rows, 0, ny - 1), np.clip(cols, 0, nx - 1)]
        out[k] = np.sum(np.where(there, filters * seen, 0), axis=(1, 2))
        variance[k] = np.sum(filters**2, axis=(1, 2))
    return out, variance


def phase_noise(x: "Floats", y: "Floats", width: float) -> "Floats":
    """Return by how much noise grows where a point is not centred on a pixel.

    Parameters
    ----------
    x, y : ndarray
        Places, pixels, 0-based.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    ndarray
        (n,): the noise of a flux over that on the centre of a pixel.
    """
    out = np.full(len(x), np.nan)
    on = np.flatnonzero(np.isfinite(x + y))
    for start in range(0, len(on), _CHUNK):
        k = on[start : start + _CHUNK]
        dx, dy = (v[k] - np.rint(v[k]) for v in (x, y))
        out[k] = np.sum(_filters(width, dx, dy) ** 2, axis=(1, 2))
    return np.sqrt(out / np.sum(kernel_of(width) ** 2))


def refined(
    cleaned: "Float", x: "Floats", y: "Floats", width: float
) -> "tuple[Floats, Floats]":
    """Return where points explain most, near given places.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Places within about half a pixel of the points, pixels, 0-based.
    width : float
        Sigma of a point, pixels.

    Returns
    -------
    x, y : ndarray
        Pixels: pixels are as wide as a point, so the filter itself is moved.
    """
    ny, nx = cleaned.shape

    def strength(x: "Floats", y: "Floats") -> "Floats":
        # Not the flux, which has more noise between pixels.
        return flux_at(cleaned, x, y, width) / phase_noise(x, y, width)

    for step in _STEPS:
        here = strength(x, y)
        sides = [(x - step, y), (x + step, y), (x, y - step), (x, y + step)]
        left, right, below, above = (strength(*s) for s in sides)
        x = np.clip(x + step * _top(left, here, right), -0.5, nx - 0.5)
        y = np.clip(y + step * _top(below, here, above), -0.5, ny - 0.5)
    return x, y


def tops(
    flux: "Float", row: "NDArray[np.intp]", col: "NDArray[np.intp]"
) -> "tuple[Floats, Floats]":
    """Return the tops of parabolas through maxima and their neighbours."""
    wide = np.pad(flux, 1, mode="edge").astype(np.float64)
    r, c = row + 1, col + 1
    x = col + _top(wide[r, c - 1], wide[r, c], wide[r, c + 1])
    return x, row + _top(wide[r - 1, c], wide[r, c], wide[r + 1, c])


def _top(before: "Floats", here: "Floats", after: "Floats") -> "Floats":
    """Return where a parabola is highest, in steps from the middle, at most one."""
    bend = 2 * here - before - after
    with np.errstate(invalid="ignore"):
        known = np.isfinite(bend) & (bend > 0)
    shift = np.divide(after - before, 2 * bend, out=np.zeros(len(bend)), where=known)
    return np.clip(shift, -1, 1)


def _filters(
    width: float, dx: "Floats", dy: "Floats", half: int | None = None
) -> "Floats":
    """Return the filters of points that lie away from the middle: (n, side, side)."""
    if half is None:
        half = math.ceil(max(_SIGMAS * width, 4.0))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    inside = np.hypot(x, y) <= half
    # A Gaussian is the product of its two sides.
    steps = np.arange(-half, half + 1)
    sides = [
        np.exp(-0.5 * ((steps - d[:, None]) / width) ** 2)
        / (math.sqrt(2 * math.pi) * width)
        for d in (dx, dy)
    ]
    profile = sides[1][:, :, None] * sides[0][:, None, :]
    level = profile[:, inside].mean(axis=1)
    away = np.where(inside, profile - level[:, None, None], 0)
    return np.asarray(away / np.sum(away * profile, axis=(1, 2), keepdims=True))
