"""Is a source a piece of a line? Streaks and filaments go on beyond it on both sides.

Pieces of a line are as round as stars once the pieces beside them are taken off. So the
image is walked along two opposite, or nearly opposite, rays from each source with all
doubtful sources still in it, and the median of each ray is compared with the source: a
neighbour covers a part of a ray, a line covers it all.
"""

from typing import TYPE_CHECKING

import numpy as np

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
_BLOCK = 128
"""Sources whose rays are walked along at a time: few enough for the cache."""


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
    height = np.empty(len(stars))
    for a in range(0, len(stars), _BLOCK):
        some = slice(a, a + _BLOCK)
        x = stars.x[some, None, None] + dx
        y = stars.y[some, None, None] + dy
        height[some] = _best_pair(seen, good, x, y)
    ny, nx = seen.shape
    at = (
        np.clip(np.rint(stars.y).astype(int), 0, ny - 1),
        np.clip(np.rint(stars.x).astype(int), 0, nx - 1),
    )
    # The best of some ten independent pairs of rays, each the lower of two medians.
    error = 1.2 * noise[at] / np.sqrt(len(steps))
    return height, error


def _best_pair(seen: "Floats", good: "Bools", x: "Floats", y: "Floats") -> "Floats":
    """Return the height of the best two opposite rays round each of some sources.

    Parameters
    ----------
    seen : ndarray of float64, shape (ny, nx)
        Pixels.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    x, y : ndarray of float64, shape (n, rays, steps)
        Places on the rays.

    Returns
    -------
    ndarray of float64, shape (n,)
        Above the middle of all rays.
    """
    ny, nx = seen.shape
    inside = (x > -0.5) & (y > -0.5) & (x < nx - 0.5) & (y < ny - 0.5)
    x, y = np.clip(x, 0, nx - 1), np.clip(y, 0, ny - 1)
    nearest = np.rint(y).astype(np.intp) * nx + np.rint(x).astype(np.intp)
    usable = good.ravel()[nearest] & inside
    value = _between(seen, x, y)
    # A ray with few pixels says nothing, and lets the other side decide.
    number = usable.sum(axis=2)
    many = number >= max(2, 0.6 * x.shape[2])
    ordered = np.where(usable, value, np.inf)
    ordered.sort(axis=2)
    rank = np.maximum((number - 1) // 2, 0)
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
    best: Floats = both.max(axis=1)
    return best


def _between(values: "Floats", x: "Floats", y: "Floats") -> "Floats":
    """Return values between four pixels each, at places on the frame."""
    ny, nx = values.shape
    i, j = (np.minimum(v.astype(np.intp), max(n - 2, 0)) for v, n in ((x, nx), (y, ny)))
    u, v = x - i, y - j
    j *= nx
    j += i
    flat, right, down = values.ravel(), int(nx > 1), nx * int(ny > 1)
    out = flat.take(j)
    out += u * (flat.take(j + right) - out)
    j += down
    low = flat.take(j)
    low += u * (flat.take(j + right) - low)
    out += v * (low - out)
    return out
