"""The white noise of a raw frame, whatever its rows, columns and gradients do."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["white_rms"]

_NORMAL = 1.4826
"""Standard deviation of normal numbers over their median absolute deviation."""


def white_rms(frame: "ArrayLike") -> float:
    """Return the rms of what no pixel shares with its neighbours.

    Parameters
    ----------
    frame : array_like
        (ny, nx), at least 2 x 2, any linear unit; pixels that are not finite are left
        out with their neighbours.

    Returns
    -------
    float
        In the unit of the frame: from the scatter of ``a - b - c + d`` over squares
        of four pixels, in which rows, columns and slopes cancel; by the median, so
        that stars and hot pixels count little. NaN without a finite square.
    """
    x = np.asarray(frame, np.float64)
    with np.errstate(invalid="ignore"):
        square = x[1:, 1:] - x[1:, :-1] - x[:-1, 1:] + x[:-1, :-1]
    square = np.abs(square[np.isfinite(square)])
    if not square.size:
        return float("nan")
    return float(_NORMAL * np.median(square) / 2)
