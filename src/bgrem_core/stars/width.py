"""A first width of the PSF where too few stars are fit for a fit."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["rough_width"]

_TOPS, _BOX, _SEEN, _RANK = 12, 31, 20.0, 0.2


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
        area = int((label == own).sum())
        widths.append(2 * float(np.sqrt(area / np.pi)))
    # Galaxies, blends and saturated stars are wider than the PSF, little is narrower.
    return float(np.clip(np.quantile(widths, 0.2), 1.0, 30.0)) if widths else None
