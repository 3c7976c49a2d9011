"""What the detector makes of too much light: flat tops and bleeding columns."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Bool = NDArray[np.bool_]

__all__ = ["saturate"]


def saturate(
    image: "Float", well: float, *, bleed: bool, upward: float = 0.5
) -> tuple["Bool", "Bool"]:
    """Clip an image at the full well, in place, and let the excess run along columns.

    Parameters
    ----------
    image : ndarray
        (ny, nx) float32, sigma per pixel above the sky.
    well : float
        Full well in the same unit.
    bleed : bool
        Whether charge is kept: it fills the next free pixels of its column. What
        reaches the edge of the field is lost.
    upward : float, optional
        Share of the excess that runs to higher rows.

    Returns
    -------
    tuple of ndarray
        (ny, nx) bool: what was saturated by its own light, what charge ran into.
    """
    saturated = image > well
    bled = np.zeros(image.shape, bool)
    for x in np.flatnonzero(saturated.any(0)) if bleed else ():
        column = image[:, x].astype(np.float64)
        hot = saturated[:, x]
        step = np.diff(np.r_[0, hot.astype(np.int8), 0])
        for start, stop in zip(
            np.flatnonzero(step == 1), np.flatnonzero(step == -1), strict=True
        ):
            excess = float(np.sum(column[start:stop] - well))
            column[start:stop] = well
            up = _fill(column[stop:], upward * excess, well)
            down = _fill(column[:start][::-1], (1 - upward) * excess, well)
            bled[stop : stop + up, x] = True
            bled[start - down : start, x] = True
        image[:, x] = column
    np.minimum(image, np.float32(well), out=image)
    return saturated, bled & ~saturated


def _fill(column: "NDArray[np.float64]", charge: float, well: float) -> int:
    """Fill a column from its start, in place; return the pixels that were reached."""
    room = np.maximum(well - column, 0)
    before = np.cumsum(room) - room
    count = int(np.searchsorted(before, charge))
    column[:count] += np.clip(charge - before[:count], 0, room[:count])
    return count
