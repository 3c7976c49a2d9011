"""Is a source a piece of a line? Streaks and filaments go on beyond it on both sides.

Pieces of a line are as round as stars once the pieces beside them are taken off. So the
image is walked along two opposite, or nearly opposite, rays from each source with all
doubtful sources still in it, and the median of each ray is compared with the source: a
neighbour covers a part of a ray, a line covers it all.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.stars.starlist import Stars, light_of, reach_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["off_ridges"]

_RAYS = 24
_BEND = 3
"""Rays, to either side of the opposite one, along which a line may go on."""
_NEAR, _FAR = 1.6, 4.2
_ROUNDS = 3


def off_ridges(
    bare: "Floats",
    noise: "Floats",
    good: "Bools",
    psf: "SplinePsf",
    stars: Stars,
    *,
    fwhm: float,
    share: float,
    faint: float,
) -> tuple["Bools", "Floats"]:
    """Return which sources are no pieces of lines, and what lines run through them.

    Parameters
    ----------
    bare : ndarray of float64, shape (ny, nx)
        Image without the light of all stars, sky included.
    noise : ndarray of float64, shape (ny, nx)
        Sigma of each pixel.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    psf : SplinePsf
        Light of a unit star.
    stars : Stars
        Sources.
    fwhm : float
        Pixels.
    share : float
        Height of a line, in heights of the source, that is too much.
    faint : float
        Light at which wings end.

    Returns
    -------
    alone : ndarray of bool, shape (n,)
        True = no piece of a line. Certain stars are taken off before others are tried.
    ratio : ndarray of float64, shape (n,)
        Height of the best line through the source, in heights of the source.
    """
    n = len(stars)
    certain = stars.hole > 0
    reach = reach_of(psf, stars.flux, faint)
    middle = np.array([float(psf.shape[1] // 2)]), np.array([float(psf.shape[0] // 2)])
    height = stars.flux * float(psf.stamps(*middle, 2).max())
    ratio = np.zeros(n)
    for _ in range(_ROUNDS if n else 0):
        doubt = np.flatnonzero(~certain)
        if not doubt.size:
            break
        seen = bare + light_of(psf, stars.pick(doubt), reach[doubt])
        line, error = _line_height(seen, noise, good, stars.pick(doubt), fwhm)
        passed = line < share * height[doubt] + error
        ratio[doubt] = np.maximum(line, 0) / np.maximum(height[doubt], 1e-300)
        certain[doubt[passed]] = True
        if passed.all() or not passed.any():
            break
    return certain, ratio


def _line_height(
    seen: "Floats", noise: "Floats", good: "Bools", stars: Stars, fwhm: float
) -> tuple["Floats", "Floats"]:
    """Return the height of the best line through each source, and its error."""
    steps = np.arange(_NEAR * fwhm, _FAR * fwhm + 0.5, max(1.0, fwhm / 3))
    angle = 2 * np.pi * np.arange(_RAYS) / _RAYS
    dx, dy = np.cos(angle)[:, None] * steps, np.sin(angle)[:, None] * steps
    x, y = stars.x[:, None, None] + dx, stars.y[:, None, None] + dy
    ny, nx = seen.shape
    col = np.clip(np.rint(x).astype(np.intp), 0, nx - 1)
    row = np.clip(np.rint(y).astype(np.intp), 0, ny - 1)
    usable = good[row, col] & (x > -0.5) & (y > -0.5) & (x < nx - 0.5) & (y < ny - 0.5)
    value = ndimage.map_coordinates(seen, [y, x], order=1, mode="nearest")
    value = np.where(usable, value, np.nan)
    # A ray with few pixels says nothing, and lets the other side decide.
    many = usable.sum(axis=2) >= max(2, 0.6 * len(steps))
    ordered = np.sort(np.where(usable, value, np.inf), axis=2)
    rank = np.maximum((usable.sum(axis=2) - 1) // 2, 0)
    ray = np.take_along_axis(ordered, rank[:, :, None], axis=2)[:, :, 0]
    ray = np.where(many, ray, np.nan)
    known = np.where(many, ray, np.inf)
    known.sort(axis=1)
    half = np.maximum((many.sum(axis=1) - 1) // 2, 0)
    # Around the source: the middle of all rays.
    level = np.take_along_axis(known, half[:, None], axis=1)
    level = np.where(np.isfinite(level), level, 0.0)
    above = np.where(many, ray - level, np.inf)
    opposite = np.full_like(above, -np.inf)
    for bend in range(-_BEND, _BEND + 1):
        opposite = np.maximum(opposite, np.roll(above, _RAYS // 2 + bend, axis=1))
    both = np.minimum(above, opposite)
    both[~np.isfinite(both)] = 0.0
    at = (
        np.clip(np.rint(stars.y).astype(int), 0, ny - 1),
        np.clip(np.rint(stars.x).astype(int), 0, nx - 1),
    )
    # The best of some ten independent pairs of rays, each the lower of two medians.
    error = 1.2 * noise[at] / np.sqrt(len(steps))
    return both.max(axis=1), error
