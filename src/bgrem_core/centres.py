"""Centres: the evidence that a source has its centre here, as a significance.

A network that has seen what sources look like says at each pixel how likely a centre
is. It parts blends and knows galaxies from stars, but it has to guess the width of the
PSF, and so it misses faint stars that stand alone, for which the matched filter is
best. The evidence is therefore the sum of both: log odds of the network, and what the
filter says, up to a limit, for bright light has wings. The sum is put on the scale that
users know: a value of s is as rare on pure noise as a matched filter's maximum of s
sigma is there.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgrem_core.planes import LazyPlane, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane

    Float = NDArray[np.float32]

__all__ = [
    "FWHM", "MOST", "SMOOTH", "THRESHOLD", "WEIGHT", "evidence", "log_odds",
    "pedestal", "side", "significance",
]  # fmt: skip

SMOOTH = 0.8
"""Sigma of the Gaussian that adds up the probabilities of one centre, pixels."""
FWHM = 4.0
"""Of the matched filter whose scale is used, pixels."""
THRESHOLD = {"catalogue": 4.58, "deep": 4.03}
"""Sigma above which that filter has 1 and 10 maxima per Mpix of white noise
(benchmarks/optical/centres.py)."""
WEIGHT, MOST = 0.5, 5.0
"""Log odds that one sigma of the matched filter adds, and the sigma up to which it adds
them: chosen on simulated frames that nothing else uses
(benchmarks/optical/evidence.py)."""
WIDE = 3.0
"""Light that is narrower than so many FWHM counts as compact. Not tuned: two or three
find as much."""
_MARGIN = 5
_LEAST, _HIGHEST = 1e-6, 1 - 1e-6


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
    p = np.clip(smooth, _LEAST, _HIGHEST)
    odds: Float = np.log(p / (1 - p)).astype(np.float32)
    return odds


def evidence(
    odds: "Float", filtered: "Float", *, weight: float = WEIGHT, most: float = MOST
) -> "Float":
    """Add what the matched filter says to what the network says.

    Parameters
    ----------
    odds : ndarray
        (ny, nx), as from `log_odds`.
    filtered : ndarray
        (ny, nx), S/N of a point source at each pixel, with the PSF of the frame. NaN
        adds nothing: the network alone rarely is sure enough.
    weight, most : float, optional
        Log odds for each sigma, and the sigma up to which they are added.

    Returns
    -------
    ndarray of float32
        Same shape.
    """
    sigma = np.minimum(np.nan_to_num(filtered, nan=0.0), most)
    out: Float = (odds + weight * sigma).astype(np.float32)
    return out


def pedestal(light: "Float", fwhm: float) -> "Float":
    """Return the extended light, on which a matched filter would see sources all over.

    A morphological opening: the highest light that a square of `WIDE` FWHM fits under.

    Parameters
    ----------
    light : ndarray
        (ny, nx), denoised and flat, in sigma; NaN is left out.
    fwhm : float
        Of a point source, pixels.

    Returns
    -------
    ndarray of float32
        Same shape, not negative.
    """
    size, good = side(fwhm), np.isfinite(light)
    lowest = ndimage.minimum_filter(np.where(good, light, np.inf), size, mode="nearest")
    # A square within a mask sees but the rim of it, which may be a star.
    lowest[~good] = 0
    highest = ndimage.maximum_filter(lowest, size, mode="nearest")
    out: Float = np.maximum(highest, 0).astype(np.float32)
    return out


def side(fwhm: float) -> int:
    """Return the side of the square of `pedestal`, an odd number of pixels."""
    return 2 * round(WIDE * fwhm / 2) + 1


def significance(
    probability: "Plane",
    filtered: "Plane",
    table: Mapping[str, Any],
    *,
    rho: float,
    fwhm: float,
) -> LazyPlane:
    """Return the evidence of centres as equivalent sigma of a matched filter.

    Parameters
    ----------
    probability : Plane
        (ny, nx), 0 to 1.
    filtered : Plane
        (ny, nx), S/N of the matched filter.
    table : mapping
        As from `bgrem_core.model_card.centre_scale`.
    rho : float
        Neighbour correlation of the noise; NaN = the most cautious row.
    fwhm : float
        Of the matched filter, pixels.

    Returns
    -------
    LazyPlane
        (ny, nx) float32; beyond the ends of the table it goes on straight.
    """
    sigma = np.array(table["sigma"])
    row = _row(table, rho=rho, fwhm=fwhm)

    def evaluate(rows: slice, cols: slice) -> "Float":
        wide, inner = widened((rows, cols), _MARGIN, probability.shape)
        odds = log_odds(np.asarray(probability[wide[0], wide[1]]))[inner]
        return _straight(evidence(odds, filtered[rows, cols]), row, sigma)

    return LazyPlane(probability.shape, evaluate)  # type: ignore[arg-type]


def _row(table: Mapping[str, Any], *, rho: float, fwhm: float) -> "NDArray[np.float64]":
    """Return the evidence for each sigma, between the rows of the table."""
    levels = np.array(table["level"])  # (rho, fwhm, sigma)
    where = np.log(np.clip(fwhm, table["fwhm"][0], table["fwhm"][-1]))
    widths = np.log(table["fwhm"])
    of_rho = np.array(
        [[np.interp(where, widths, column) for column in one.T] for one in levels]
    )
    if np.isnan(rho):
        return np.asarray(of_rho.max(axis=0))
    return np.array([np.interp(rho, table["rho"], column) for column in of_rho.T])


def _straight(
    found: "Float", level: "NDArray[np.float64]", sigma: "NDArray[np.float64]"
) -> "Float":
    """Interpolate, and go on straight beyond both ends."""
    out = np.interp(found, level, sigma)
    for end, beyond in ((0, found < level[0]), (-1, found > level[-1])):
        a, b = (0, 1) if end == 0 else (-2, -1)
        slope = (sigma[b] - sigma[a]) / (level[b] - level[a])
        out[beyond] = sigma[end] + slope * (found[beyond] - level[end])
    return out.astype(np.float32)
