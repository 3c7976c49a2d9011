"""Classical layers of a systematic background: a mesh, medians of lines and of trails.

What is along a row, along a column, or along the direction in which the stars trail is
background; what is a point is not. No network, and milliseconds.
"""

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.fill import fill_masked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = [
    "BOX",
    "LENGTH",
    "along",
    "classical",
    "line",
    "plain",
    "rows_and_columns",
    "smooth",
]

BOX = 16
"""Cell of the mesh, pixels."""
LENGTH = 9
"""Length of the median along the trails, pixels: a target is less than half of it, and
a trail of five pixels or more is followed up to its ends."""


def smooth(frame: "Float", bad: "Bools | None" = None, *, box: int = BOX) -> "Float":
    """Return the smooth light of a frame, by the clipped mode of cells.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), any unit.
    bad : ndarray of bool, optional
        Pixels that are not used; non-finite ones must be among them.
    box : int, optional
        Side of a cell, pixels.

    Returns
    -------
    ndarray
        (ny, nx) float32.

    References
    ----------
    .. [1] Bertin & Arnouts 1996, A&AS 117, 393, section 4, as in sep.
    """
    import sep

    seen = np.ascontiguousarray(frame, np.float32)
    sides = {"bw": min(box, seen.shape[1]), "bh": min(box, seen.shape[0])}
    if bad is not None and bad.any():
        seen = np.where(bad, np.float32(0), seen)
        mesh = sep.Background(seen, mask=np.ascontiguousarray(bad), **sides)
    else:
        mesh = sep.Background(seen, **sides)
    back: Float = mesh.back()
    return back


def rows_and_columns(frame: "Float", bad: "Bools | None" = None) -> "Float":
    """Return the median of each row and of what then is left in each column.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), any unit.
    bad : ndarray of bool, optional
        Pixels that are not used; non-finite ones must be among them.

    Returns
    -------
    ndarray
        (ny, nx) float32, the sum of both; a line without a good pixel has none.
    """
    rows = _medians(frame, bad, axis=1)
    both: Float = rows + _medians(frame - rows, bad, axis=0)
    return both


def plain(frame: "Float", bad: "Bools | None" = None) -> "Float":
    """Return smooth light, rows and columns: all of a background but the trails.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), any unit.
    bad : ndarray of bool, optional
        Pixels that are not used; non-finite ones must be among them.

    Returns
    -------
    ndarray
        (ny, nx) float32, finite everywhere.
    """
    level = smooth(frame, bad)
    rest = _known(frame, bad) - level
    return level + rows_and_columns(rest, bad)


def line(length: int, angle: float) -> "Bools":
    """Return the footprint of a straight line.

    Parameters
    ----------
    length : int
        Pixels, odd.
    angle : float
        Direction, degrees from +x towards +y.

    Returns
    -------
    ndarray of bool
        (length, length), its middle the middle of the line.
    """
    half = length // 2
    steps = np.arange(-half, half + 1)
    out = np.zeros((length, length), bool)
    turn = math.radians(angle)
    out[
        half + np.rint(steps * math.sin(turn)).astype(int),
        half + np.rint(steps * math.cos(turn)).astype(int),
    ] = True
    return out


def along(
    rest: "Float", angle: float, bad: "Bools | None" = None, *, length: int = LENGTH
) -> "Float":
    """Return what goes on along the trails: the median of lines in their direction.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), blank sky at 0.
    angle : float
        Of the trails, degrees from +x towards +y.
    bad : ndarray of bool, optional
        Pixels that are filled from their neighbours.
    length : int, optional
        Of the lines, pixels, odd.

    Returns
    -------
    ndarray
        (ny, nx) float32.
    """
    seen = rest if bad is None or not bad.any() else fill_masked(rest, bad, radius=4)
    median: Float = ndimage.median_filter(seen, footprint=line(length, angle))
    return median


def classical(
    frame: "Float", angle: float | None, bad: "Bools | None" = None
) -> "Float":
    """Return the classical map of a frame: smooth light, rows, columns and trails.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), any unit.
    angle : float or None
        Of the trails, degrees from +x towards +y; None = there are none.
    bad : ndarray of bool, optional
        Pixels that are not used; non-finite ones must be among them.

    Returns
    -------
    ndarray
        (ny, nx) float32, finite everywhere.
    """
    level = plain(frame, bad)
    if angle is None:
        return level
    return level + along(_known(frame, bad) - level, angle, bad)


def _known(frame: "Float", bad: "Bools | None") -> "Float":
    """Return a frame without what is not finite: 0 stands there, and is not used."""
    whole = np.asarray(frame, np.float32)
    return whole if bad is None else np.where(bad, np.float32(0), whole)


def _medians(frame: "Float", bad: "Bools | None", axis: int) -> "Float":
    if bad is None or not bad.any():
        middle: Float = np.median(frame, axis=axis, keepdims=True)
        return middle
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a line without a good pixel
        known = np.nanmedian(
            np.where(bad, np.float32(np.nan), frame), axis=axis, keepdims=True
        )
    return np.nan_to_num(known).astype(np.float32)
