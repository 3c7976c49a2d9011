"""Saturated cores: the level where nobody gave one, and the stars behind them."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.stars.starlist import Stars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["estimate_level", "saturated_stars"]

_ALIKE = 0.01
"""Relative scatter of the tops of saturated stars."""
_TOPS = 40
_HIGH, _MANY = 0.6, 16
"""Part of the top above which pixels may be saturated, and how many show a plateau."""
_RINGING = 0.8
"""Part of a plateau that pixels at its rim have after resampling."""
_ENDS = 2.0
"""Distance at which half of a star's top is not there any more, FWHM."""
_FLAT = 0.3
"""Flatness, over that of the PSF, below which a top is flat."""


def estimate_level(z: "Floats", good: "Bools", sigma: float, fwhm: float) -> float:
    """Estimate the saturation level of a plane from flat-topped stars.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels, the sky near 0.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    sigma : float
        Noise of the sky.
    fwhm : float
        Of the PSF, pixels.

    Returns
    -------
    float
        On the scale of `z`; infinite where no star is flat-topped.
    """
    values = np.where(good, z, -np.inf)
    if min(z.shape) < 5 or not good.any():
        return np.inf
    top = float(values.max())
    if not top > 50 * sigma:
        return np.inf
    # Many pixels at the very top: a hard limit, however few stars reach it.
    equal = values == top
    if equal.sum() >= 2 and _touch(equal):
        return top
    plateau = _plateau(values, top)
    if plateau is not None:
        return plateau
    peak = (values == ndimage.maximum_filter(values, 5)) & (values > 0.7 * top)
    row, col = np.nonzero(peak)
    order = np.argsort(-values[row, col])[:_TOPS]
    heights, flat = [], []
    ny, nx = z.shape
    for j, i in zip(row[order], col[order], strict=True):
        box = values[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2]
        if box.shape != (3, 3) or not np.isfinite(box).all():
            continue
        # A star ends, however flat its top; a galaxy is as flat all over.
        r = round(_ENDS * fwhm)
        rim = [values[np.clip(j + b, 0, ny - 1), np.clip(i + a, 0, nx - 1)]
               for a, b in ((r, 0), (-r, 0), (0, r), (0, -r))]  # fmt: skip
        if np.median(rim) > 0.5 * values[j, i]:
            continue
        sides = np.sort(box.ravel())[::-1]
        height = float(sides[0])
        flat.append((height - sides[4]) / height < _FLAT * _expected(fwhm))
        heights.append(height)
    tops = np.array([h for h, f in zip(heights, flat, strict=True) if f])
    if not tops.size or tops.max() < (1 - 3 * _ALIKE) * top:
        return np.inf
    return float(np.median(tops[tops > (1 - 3 * _ALIKE) * tops.max()])) * (
        1 - 2 * _ALIKE
    )


def saturated_stars(
    z: "Floats", sky: "Floats", saturated: "Bools", psf: "SplinePsf"
) -> Stars:
    """Return a first guess of the stars behind saturated pixels.

    Parameters
    ----------
    z, sky : ndarray of float64, shape (ny, nx)
        Pixels and the level under the stars.
    saturated : ndarray of bool, shape (ny, nx)
        Pixels at the limit.
    psf : SplinePsf
        Light of a unit star.

    Returns
    -------
    Stars
        One for each group of saturated pixels; `hole` is its radius.
    """
    label, count = ndimage.label(saturated, np.ones((3, 3)))
    if not count:
        return Stars.none()
    number = np.arange(1, count + 1)
    middle = np.array(ndimage.center_of_mass(saturated, label, number)).reshape(-1, 2)
    area = ndimage.sum_labels(saturated, label, number)
    height = ndimage.median(np.where(saturated, z - sky, 0), label, number)
    side = 2 * psf.half + 1
    stamp = psf.stamps(np.zeros(1), np.zeros(1), psf.half).reshape(side, side)
    line = stamp[psf.half, psf.half :]
    radius = np.sqrt(area / np.pi)
    at_rim = np.interp(radius, np.arange(psf.half + 1), line)
    flux = np.maximum(height, 0) / np.maximum(at_rim, 1e-3 * line[0])
    out = Stars.at(middle[:, 1], middle[:, 0], flux)
    return replace(out, hole=radius + 1.5)


def _plateau(values: "Floats", top: float) -> float | None:
    """Return a level below the largest group of bright pixels that are nearly equal.

    Resampling leaves no two saturated pixels the same, and rings round them.
    """
    label, count = ndimage.label(values > _HIGH * top, np.ones((3, 3)))
    if not count:
        return None
    size = np.bincount(label.ravel())[1:]
    group = values[label == 1 + int(np.argmax(size))]
    middle = float(np.median(group))
    alike = np.abs(group - middle) < _ALIKE * middle
    if alike.sum() < max(_MANY, 0.5 * len(group)):
        return None
    return _RINGING * middle


def _expected(fwhm: float) -> float:
    """Return how far the fifth pixel of 3 x 3 lies below a Gaussian's top, at least."""
    # The middle between four pixels is the flattest place: the fifth is 1.58 away.
    return 1 - float(np.exp(-4 * np.log(2) * (1.58**2 - 0.71**2) / fwhm**2))


def _touch(equal: "Bools") -> bool:
    """Tell whether two pixels of a mask are neighbours."""
    return bool(ndimage.label(equal, np.ones((3, 3)))[1] < equal.sum())
