"""Centres: the probability that a source has its centre here, as a significance.

A network that has seen what sources look like says at each pixel how likely a centre
is. The figure is put on the scale that users know: a value of s is as rare on pure
noise as a matched filter's maximum of s sigma is there.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgrem_core.planes import LazyPlane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane

    Float = NDArray[np.float32]

__all__ = ["FWHM", "SMOOTH", "THRESHOLD", "log_odds", "significance"]

SMOOTH = 0.8
"""Sigma of the Gaussian that adds up the probabilities of one centre, pixels."""
FWHM = 4.0
"""Of the matched filter whose scale is used, pixels."""
THRESHOLD = {"catalogue": 4.58, "deep": 4.03}
"""Sigma above which that filter has 1 and 10 maxima per Mpix of white noise
(benchmarks/optical/centres.py)."""
_MARGIN = 5
_LEAST, _MOST = 1e-6, 1 - 1e-6


def log_odds(probability: "Float") -> "Float":
    """Return the log odds of the smoothed probability.

    Parameters
    ----------
    probability : ndarray
        (ny, nx), 0 to 1.

    Returns
    -------
    ndarray of float32
        Same shape.
    """
    smooth = ndimage.gaussian_filter(probability, SMOOTH, mode="nearest", radius=4)
    p = np.clip(smooth, _LEAST, _MOST)
    odds: Float = np.log(p / (1 - p)).astype(np.float32)
    return odds


def significance(
    probability: "Plane", table: Mapping[str, Any], rho: float
) -> LazyPlane:
    """Return the probability of centres as equivalent sigma of a matched filter.

    Parameters
    ----------
    probability : Plane
        (ny, nx), 0 to 1.
    table : mapping
        As from `bgrem_core.model_card.centre_scale`.
    rho : float
        Neighbour correlation of the noise; NaN = the most cautious row.

    Returns
    -------
    LazyPlane
        (ny, nx) float32; beyond the ends of the table it goes on straight.
    """
    levels, sigma = np.array(table["level"]), np.array(table["sigma"])
    if np.isnan(rho):
        row = levels.max(axis=0)
    else:
        row = np.array([np.interp(rho, table["rho"], column) for column in levels.T])

    def evaluate(rows: slice, cols: slice) -> "Float":
        wide = tuple(
            slice(max(s.start - _MARGIN, 0), min(s.stop + _MARGIN, n))
            for s, n in zip((rows, cols), probability.shape, strict=True)
        )
        odds = log_odds(np.asarray(probability[wide[0], wide[1]]))
        y0, x0 = rows.start - wide[0].start, cols.start - wide[1].start
        inner = odds[y0 : y0 + rows.stop - rows.start, x0 : x0 + cols.stop - cols.start]
        return _straight(inner, row, sigma)

    return LazyPlane(probability.shape, evaluate)  # type: ignore[arg-type]


def _straight(
    odds: "Float", level: "NDArray[np.float64]", sigma: "NDArray[np.float64]"
) -> "Float":
    """Interpolate, and go on straight beyond both ends."""
    out = np.interp(odds, level, sigma)
    for end, beyond in ((0, odds < level[0]), (-1, odds > level[-1])):
        a, b = (0, 1) if end == 0 else (-2, -1)
        slope = (sigma[b] - sigma[a]) / (level[b] - level[a])
        out[beyond] = sigma[end] + slope * (odds[beyond] - level[end])
    return out.astype(np.float32)
