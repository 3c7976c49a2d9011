"""Thresholds of the classical arm, calibrated on pure noise.

`benchmarks/detector/noise.py` makes these numbers: the threshold at which white noise
and noise with a neighbour correlation up to 0.45, filtered and searched as `find` does,
gives one ("catalogue") or ten ("deep") detections per Mpix; the larger of all kinds of
noise. The noise of a matched filter has unit sigma whatever its correlation, so that
only the width of the filter matters.
"""

from typing import Literal

import numpy as np

Point = Literal["catalogue", "deep"]

FALSE_PER_MPIX: dict[Point, float] = {"catalogue": 1.0, "deep": 10.0}
"""What the operating points promise on pure noise."""

FILTER_FWHM = (1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0)
MATCHED: dict[Point, tuple[float, ...]] = {
    "catalogue": (4.05, 4.2, 4.45, 4.5, 4.45, 4.3, 4.15),
    "deep": (3.55, 3.7, 3.83, 3.88, 3.82, 3.65, 3.38),
}
"""Threshold in sigma of the filtered noise, at each FWHM of the filter."""
UNFILTERED: dict[Point, tuple[tuple[float, float], ...]] = {
    "catalogue": ((0.0, 2.7), (0.15, 2.9), (0.3, 3.2), (0.45, 3.4)),
    "deep": ((0.0, 2.61), (0.15, 2.61), (0.3, 2.8), (0.45, 3.07)),
}
"""Rows of (rho, threshold in sigma per pixel) without a filter, three pixels."""


def point(*, deep: bool) -> Point:
    """Return the operating point that a setting asks for."""
    return "deep" if deep else "catalogue"


def matched_threshold(fwhm: float, *, deep: bool) -> float:
    """Return the threshold of the matched filter, sigma of the filtered noise."""
    width = np.log(np.clip(fwhm, FILTER_FWHM[0], FILTER_FWHM[-1]))
    return float(np.interp(width, np.log(FILTER_FWHM), MATCHED[point(deep=deep)]))


def unfiltered_threshold(rho: float, *, deep: bool) -> float:
    """Return the threshold without a filter, sigma per pixel."""
    rows = UNFILTERED[point(deep=deep)]
    return float(np.interp(rho, [r for r, _ in rows], [t for _, t in rows]))
