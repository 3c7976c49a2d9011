"""Limits and stretches: which numbers become black and white, and what lies between."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgrem_core.errors import UsageError

Limits = tuple[float, float]

#: Entries of a stretch table: enough for a steep stretch to use all 256 colours.
TABLE_SIZE = 4096
#: Pixels that limits are taken from; more do not change them visibly.
_SAMPLE = 250_000

_CURVES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "linear": lambda t: t,
    "asinh": lambda t: np.arcsinh(25 * t) / np.arcsinh(25.0),
    "log": lambda t: np.log1p(1000 * t) / np.log1p(1000.0),
    "sqrt": np.sqrt,
}
STRETCHES = tuple(_CURVES)


@cache
def stretch_table(name: str) -> NDArray[np.uint8]:
    """Return a stretch as a table from brightness to colour.

    Parameters
    ----------
    name : {"linear", "asinh", "log", "sqrt"}
        Which curve.

    Returns
    -------
    ndarray of uint8, shape (4096,)
        Index into a colour map for brightness 0 (low limit) to 1 (high limit).

    Raises
    ------
    UsageError
        There is no such stretch.
    """
    if name not in _CURVES:
        raise UsageError(
            f"stretch {name!r} is not known", hint=f"use one of {', '.join(STRETCHES)}"
        )
    curve = _CURVES[name](np.linspace(0, 1, TABLE_SIZE))
    table = np.round(255 * curve).astype(np.uint8)
    table.setflags(write=False)
    return table


def percentile_limits(values: ArrayLike, low: float = 1, high: float = 99.5) -> Limits:
    """Return limits that leave out a share of the pixels at both ends.

    Parameters
    ----------
    values : array_like
        Pixels; non-finite ones are not used.
    low, high : float, optional
        Percentiles.

    Returns
    -------
    tuple of float
        Low below high, whatever the pixels.
    """
    good = _sample(values)
    if not good.size:
        return 0.0, 1.0
    lower, upper = np.percentile(good, (low, high))
    return _apart(lower, upper)


def zscale_limits(values: ArrayLike, *, contrast: float = 0.25) -> Limits:
    """Return the limits of IRAF's zscale.

    Parameters
    ----------
    values : array_like
        Pixels; non-finite ones are not used.
    contrast : float, optional
        Smaller shows a wider range.

    Returns
    -------
    tuple of float
        Low below high, whatever the pixels.
    """
    good = _sample(values)
    if good.size < 5:
        return percentile_limits(good, 0, 100)
    from astropy.visualization import ZScaleInterval

    lower, upper = ZScaleInterval(contrast=contrast).get_limits(good)
    return _apart(lower, upper)


def symmetric_limits(sigma: float, factor: float = 4) -> Limits:
    """Return limits on both sides of zero, for residuals.

    Parameters
    ----------
    sigma : float
        Noise, in the unit of the pixels.
    factor : float, optional
        Half the range in `sigma`.

    Returns
    -------
    tuple of float
        ``-factor * sigma`` and ``factor * sigma``; -1 and 1 without noise.
    """
    reach = factor * sigma
    if not (np.isfinite(reach) and reach > 0):
        return -1.0, 1.0
    return -reach, reach


def shared_limits(cleaned: ArrayLike, sigma: float) -> Limits:
    """Return limits under which an image and its cleaned version look alike.

    From two sigma of the input's noise below zero, so that its noise is seen as noise,
    to the bright sources, at least twenty sigma above.

    Parameters
    ----------
    cleaned : array_like
        Pixels without noise and sky.
    sigma : float
        Noise of the input, in the same unit; 0 = none.

    Returns
    -------
    tuple of float
        Low below high; for the cleaned image, and for the input minus its sky level.
    """
    low, high = percentile_limits(cleaned, 0.5, 99.7)
    if not (np.isfinite(sigma) and sigma > 0):
        return low, high
    return -2 * sigma, max(20 * sigma, high)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    """Return finite values as float64, thinned evenly to at most `_SAMPLE`."""
    flat = np.asarray(values).ravel()
    flat = flat[:: max(1, flat.size // _SAMPLE)]
    good: NDArray[np.float64] = flat[np.isfinite(flat)].astype(np.float64)
    return good


def _apart(low: float, high: float) -> Limits:
    """Return limits with a range that division survives."""
    low, high = float(low), float(high)
    least = max(abs(low), abs(high)) * 1e-6 or 1.0
    return (low, high) if high - low >= least else (low - least / 2, high + least / 2)
