"""A first PSF of a plane: fitted to its stars, else a width told by their tops."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.psf import Psf, measure_fwhm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["measure_psf", "rough_width"]

_WINDOWS = 15, 31, 75
"""Sides of the windows beyond which light is sky; pixels."""
_FITS = 0.35
"""Widest star, in sides of a window, that it leaves whole."""
_PARTS, _MANY = (256, 1024), 12
"""Sides of parts of a frame that are tried first, and stars that are enough."""
_LONG = 1.5
_TOPS, _BOX, _SEEN, _RANK = 12, 31, 20.0, 0.2


def measure_psf(z: "Floats", good: "Bools", sigma: float) -> Psf | None:
    """Fit the PSF to the best stars, clouds and filaments taken off them.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    sigma : float
        Noise of a pixel.

    Returns
    -------
    Psf or None
        None where too few stars are fit for it.
    """
    known = np.where(good, z, np.median(z[good]) if good.any() else 0.0)
    smooth = ndimage.gaussian_filter(known, 1.0)
    best = None
    for side in _WINDOWS:
        psf = _of_parts(known, smooth, ~good, sigma, side)
        if psf is not None and psf.fwhm < _FITS * side:
            return psf
        best = psf or best
    return best or measure_fwhm(z.astype(np.float32), ~good, sigma)


def _of_parts(
    known: "Floats", smooth: "Floats", bad: "Bools", sigma: float, window: int
) -> Psf | None:
    """Fit a part of the frame where that holds stars enough: it takes less time."""
    ny, nx = known.shape
    for side in _PARTS:
        if max(ny, nx) <= 1.5 * side:
            break
        a, b = max(ny - side, 0) // 2, max(nx - side, 0) // 2
        part = slice(a, min(a + side, ny)), slice(b, min(b + side, nx))
        flat = _flat(known, smooth, window, part)
        psf = measure_fwhm(flat, bad[part], sigma, fewest=_MANY)
        if psf is not None:
            return psf
    whole = slice(0, ny), slice(0, nx)
    return measure_fwhm(_flat(known, smooth, window, whole), bad, sigma)


def _flat(
    known: "Floats", smooth: "Floats", window: int, part: tuple[slice, slice]
) -> "NDArray[np.float32]":
    """Return a part of a frame without what is wider than the window."""
    # So far do the window, there and back, and the Gaussian reach.
    rim = 2 * window + 4 * window // 3 + 2
    first = [max(s.start - rim, 0) for s in part]
    box = tuple(slice(f, s.stop + rim) for f, s in zip(first, part, strict=True))
    inner = tuple(
        slice(s.start - f, s.stop - f) for f, s in zip(first, part, strict=True)
    )
    # Fainter than all that is narrower than the window.
    low = ndimage.grey_opening(smooth[box], window)
    base = ndimage.gaussian_filter(low, window / 3)[inner]
    return np.ascontiguousarray(known[part] - base, np.float32)


def rough_width(flat: "Floats", good: "Bools", sigma: float) -> float | None:
    """Return the width at half maximum of the narrower ones of the brightest peaks.

    Parameters
    ----------
    flat : ndarray of float64, shape (ny, nx)
        Pixels without their sky.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use.
    sigma : float
        Noise of a pixel.

    Returns
    -------
    float or None
        Pixels; None where no peak stands out.
    """
    values = np.where(good, flat, 0.0)
    smooth = ndimage.gaussian_filter(values, 1.0)
    values = values - ndimage.grey_opening(smooth, _BOX)
    top = (smooth == ndimage.maximum_filter(smooth, 9)) & (values > _SEEN * sigma)
    row, col = np.nonzero(top & good)
    order = np.argsort(-values[row, col], kind="stable")[:_TOPS]
    # The brightest are stars sooner than knots of a nebula.
    order = order[values[row, col][order] > _RANK * values[row, col].max(initial=0.0)]
    widths = []
    for j, i in zip(row[order], col[order], strict=True):
        box = (slice(max(j - _BOX, 0), j + _BOX + 1),
               slice(max(i - _BOX, 0), i + _BOX + 1))  # fmt: skip
        label, _ = ndimage.label(values[box] > 0.5 * values[j, i])
        own = label[min(j, _BOX), min(i, _BOX)]
        inside = np.nonzero(label == own)
        width = 2 * float(np.sqrt(len(inside[0]) / np.pi))
        # Filaments are longer than wide.
        if max(float(np.ptp(at)) + 1 for at in inside) < _LONG * width + 1:
            widths.append(width)
    # Galaxies, blends and saturated stars are wider than the PSF, little is narrower.
    return float(np.clip(np.quantile(widths, 0.2), 1.0, 30.0)) if widths else None
