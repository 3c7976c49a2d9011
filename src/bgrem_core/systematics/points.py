"""Points on a frame without its background: a matched filter that knows trails."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.systematics.filtered import filtered, sigma_of
from bgrem_core.systematics.on_trails import is_long, on_trail
from bgrem_core.systematics.point_fit import (
    flux_at,
    kernel_of,
    phase_noise,
    refined,
    tops,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["SHARPEST", "Points", "find_points"]

_PHASE = 0.65
"""Share of its signal to noise that a point has on its highest pixel, at the least."""
_SINGLE = 4.0
"""By how much chi squared must prefer a single pixel for it to be a hot one."""
SHARPEST = 0.42
"""Sigma of the sharpest target where its profile is not known, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Points that were found; arrays of shape (n,), the most significant first.

    Attributes
    ----------
    x, y : ndarray
        Centres, pixels, 0-based.
    flux, noise : ndarray
        By the filter at the centre, and its scatter.
    snr : ndarray
        Flux over its scatter.
    hot : ndarray of bool
        One pixel alone explains it better than the profile of a point does.
    trails : int
        Maxima that were left out because they lie on trails.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    noise: "Floats"
    snr: "Floats"
    hot: "Bools"
    trails: int

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.x)

    def take(self, which: "Bools") -> "Points":
        """Return some of them."""
        names = ("x", "y", "flux", "noise", "snr", "hot")
        some = {name: getattr(self, name)[which] for name in names}
        return Points(**some, trails=self.trails)


def find_points(
    cleaned: "Float",
    rest: "Float",
    *,
    width: float,
    least: float,
    bad: "Bools",
    trails: "TrailShape | None",
    sharpest: float | None = None,
) -> Points:
    """Find the points of a frame that do not lie on trails.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), the frame without its background, bad pixels 0.
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    width : float
        Sigma of a point, pixels.
    least : float
        Least signal to noise.
    bad : ndarray of bool
        (ny, nx), pixels on which nothing is found.
    trails : TrailShape or None
        None = there are none.
    sharpest : float, optional
        Sigma of the sharpest point that may be one, pixels: what is sharper is a hot
        pixel. By default that of a FWHM of one pixel.

    Returns
    -------
    Points
        In the unit of the frame.
    """
    seen = filtered(cleaned, kernel_of(width), bad)
    snr = seen.snr
    apart = 2 * max(1, round(2 * width)) + 1
    top = (snr >= _PHASE * least) & (snr == ndimage.maximum_filter(snr, apart)) & ~bad
    row, col = np.nonzero(top)
    x, y = refined(cleaned, *tops(seen.flux, row, col), width)
    flux = flux_at(cleaned, x, y, width)
    noise = seen.noise[row, col] * phase_noise(x, y, width)
    order = np.lexsort((col, row, -flux / noise))
    order = order[(flux / noise)[order] >= least]
    row, col = row[order], col[order]
    x, y, flux, noise = x[order], y[order], flux[order], noise[order]
    trailed = np.zeros(len(row), bool)
    if trails is not None and len(row):
        trailed |= on_trail(rest, row, col, flux / noise, trails, bad)
    if trails is None or not trails.fitted:
        trailed |= is_long(rest, row, col, width, bad)
    hot = _hot(cleaned, row, col, x, y, sharpest or SHARPEST, bad)
    points = Points(
        x=x, y=y, flux=flux, noise=noise, snr=flux / noise, hot=hot,
        trails=int(trailed.sum()),
    )  # fmt: skip
    return points.take(~trailed)


def _hot(
    cleaned: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    x: "Floats",
    y: "Floats",
    width: float,
    bad: "Bools",
) -> "Bools":
    """Return which points are one pixel and nothing about it."""
    sigma = sigma_of(cleaned, bad)
    if not len(row) or not sigma > 0:
        return np.zeros(len(row), bool)
    single = cleaned[row, col].astype(np.float64)
    norm = float(np.sqrt(np.sum(kernel_of(width) ** 2)))
    point = flux_at(cleaned, x, y, width) / norm
    return np.asarray(single**2 - point**2 > _SINGLE * sigma**2)
