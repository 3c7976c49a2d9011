"""Masked pixels filled from their good neighbours, before a network sees them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Standard deviation of the weights of the neighbours, in pixels.
_WIDTH = 3.0


def fill_masked(
    block: NDArray[Any], bad: NDArray[np.bool_], *, radius: int = 12
) -> NDArray[Any]:
    """Fill masked pixels by a normalised convolution of the good ones.

    Normalised convolution (Knutsson & Westin 1993) with a Gaussian of 3 pixels. A
    value depends only on good pixels at most `radius` rows and columns away, so a
    tile read with such a margin is filled like the whole frame.

    Parameters
    ----------
    block : ndarray of float, shape (ny, nx)
        Pixels with the offset taken off, so that 0 is blank sky.
    bad : ndarray of bool, shape (ny, nx)
        Pixels to fill; their values (NaN, say) are not used.
    radius : int, optional
        Reach of the neighbours in pixels, along each axis.

    Returns
    -------
    ndarray, shape (ny, nx)
        Of the type of `block`; good pixels keep their bits; 0 where no good pixel is
        within reach.
    """
    if not bad.any():
        return block.copy()
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / _WIDTH) ** 2)
    rows, cols = _around(bad, radius)
    good = ~bad[rows, cols]
    weight = _convolve(good.astype(np.float64), kernel)
    total = _convolve(np.where(good, block[rows, cols], 0).astype(np.float64), kernel)
    out = np.where(bad, block.dtype.type(0), block)
    # Sums cannot cancel: kernel and weights are positive, so 0 means out of reach.
    reached = ~good & (weight > 0)
    out[rows, cols][reached] = total[reached] / weight[reached]
    return out


def _around(bad: NDArray[np.bool_], radius: int) -> tuple[slice, slice]:
    """Return the box that holds all bad pixels and what they depend on."""
    spans = []
    for axis, length in enumerate(bad.shape):
        hit = np.flatnonzero(bad.any(axis=1 - axis))
        start, stop = max(0, hit[0] - radius), min(length, hit[-1] + radius + 1)
        spans.append(slice(int(start), int(stop)))
    return spans[0], spans[1]


def _convolve(
    values: NDArray[np.float64], kernel: NDArray[np.float64]
) -> NDArray[np.float64]:
    along = ndimage.correlate1d(values, kernel, axis=0, mode="constant")
    out: NDArray[np.float64] = ndimage.correlate1d(
        along, kernel, axis=1, mode="constant"
    )
    return out
