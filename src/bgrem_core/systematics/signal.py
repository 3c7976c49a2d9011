"""Signal to noise of a place, before and after a background is taken off."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane

    Floats = NDArray[np.float64]

__all__ = ["BOX", "CORE", "Signal", "signal_at"]

BOX = 10
"""Half side of the box of the noise, pixels."""
CORE = 2.5
"""Radius about the target that is left out of it, pixels."""
_FEWEST = 20
_NORMAL = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Signal to noise of places; arrays of shape (n,), NaN where it is not known.

    Attributes
    ----------
    before, after : ndarray
        The highest pixel over mean and standard deviation of the box about it, as in
        the paper, in the frame and without its background.
    before_robust, after_robust : ndarray
        The same by median and median absolute deviation.
    """

    before: "Floats"
    after: "Floats"
    before_robust: "Floats"
    after_robust: "Floats"


def signal_at(
    frame: "Plane",
    cleaned: "Plane",
    bad: "NDArray[np.bool_]",
    x: "Floats",
    y: "Floats",
) -> Signal:
    """Return the signal to noise of places.

    Parameters
    ----------
    frame, cleaned : Plane
        (ny, nx), as read, and without its background.
    bad : ndarray of bool
        (ny, nx), pixels that are not used.
    x, y : ndarray
        Places, pixels, 0-based.

    Returns
    -------
    Signal
        Of the pixel that is highest without the background, within one of the place:
        of the same one in both.

    References
    ----------
    .. [1] Waldmann, Rocchetto & Debczynski 2023, AMOS Conference: peak over standard
       deviation in a box of 21 pixels.
    """
    rows = [_at(frame, cleaned, bad, cx, cy) for cx, cy in zip(x, y, strict=True)]
    values = np.array(rows, np.float64).reshape(-1, 4)
    return Signal(
        before=values[:, 0], after=values[:, 1],
        before_robust=values[:, 2], after_robust=values[:, 3],
    )  # fmt: skip


def _at(
    frame: "Plane", cleaned: "Plane", bad: "NDArray[np.bool_]", x: float, y: float
) -> tuple[float, ...]:
    ny, nx = frame.shape
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
        return (np.nan,) * 4
    row, col = round(y), round(x)
    block = (
        slice(max(row - BOX - 1, 0), row + BOX + 2),
        slice(max(col - BOX - 1, 0), col + BOX + 2),
    )
    good = ~bad[block]
    planes = [np.asarray(p[block], np.float64) for p in (frame, cleaned)]
    y0, x0 = row - block[0].start, col - block[1].start
    rows, cols = np.indices(good.shape)
    near = (np.abs(rows - y0) <= 1) & (np.abs(cols - x0) <= 1) & good
    if not near.any():
        return (np.nan,) * 4
    top = np.argmax(np.where(near, planes[1], -np.inf))
    j, i = np.unravel_index(top, good.shape)
    inside = (np.abs(rows - j) <= BOX) & (np.abs(cols - i) <= BOX)
    ring = inside & good & (np.hypot(rows - j, cols - i) > CORE)
    plain = [_ratio(p[j, i], p[ring], robust=False) for p in planes]
    return (*plain, *(_ratio(p[j, i], p[ring], robust=True) for p in planes))


def _ratio(peak: float, values: "Floats", *, robust: bool) -> float:
    if len(values) < _FEWEST:
        return float("nan")
    level = np.median(values) if robust else values.mean()
    noise = _NORMAL * np.median(np.abs(values - level)) if robust else values.std()
    return float((peak - level) / noise) if noise > 0 else float("nan")
