"""Bright light that a map of centres says nothing of, such as saturated stars."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.detect import Detections
    from bgrem_core.planes import Plane

__all__ = ["BRIGHT", "overlooked"]

BRIGHT = 4.0
"""Thresholds above which light is a source, whatever the network says of its centre."""
HIGHER = 1.2
"""By how much such a peak is above the light at the centre that claims its pixel."""


def overlooked(
    light: "Plane", found: "Detections", bright: "Detections", *, fwhm: float
) -> "NDArray[np.bool_]":
    """Tell which bright sources have no centre of their own.

    A clump in the arm of a galaxy is no source of its own while the galaxy's centre,
    which is brighter, was found; a saturated star beside a fainter one is.

    Parameters
    ----------
    light : Plane
        (ny, nx), as it was searched.
    found : Detections
        Centres, n of them, with the pixels that each claims.
    bright : Detections
        Found in `light` far above its threshold, m of them.
    fwhm : float
        Of a point source, pixels.

    Returns
    -------
    ndarray of bool, shape (m,)
        True = a source that is missing.
    """
    if not len(bright):
        return np.zeros(0, bool)
    if not len(found):
        return np.ones(len(bright), bool)
    centres = KDTree(np.stack([found.x, found.y], 1))
    gap = centres.query(np.stack([bright.x, bright.y], 1))[0]
    missing: NDArray[np.bool_] = gap > fwhm
    for k in np.flatnonzero(missing):
        row, col = bright.top[k]
        owner = int(found.segm[row, col]) - 1
        if owner < 0:
            continue
        y, x = (round(float(v[owner])) for v in (found.y, found.x))
        there = float(light[y : y + 1, x : x + 1][0, 0])
        missing[k] = not bright.peak[k] <= HIGHER * there
    return missing
