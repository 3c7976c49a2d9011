"""Limits by IRAF's zscale, and the normalisation of raw frames that stands on them.

Plain numpy, because training runs where astropy is not installed.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float32]

__all__ = ["CLIP", "normalise", "zscale_limits"]

CLIP = (-0.5, 3.0)
"""Where `normalise` cuts, in units of the zscale range above its lower limit."""
_SAMPLES = 1000
_CONTRAST = 0.25
_REJECT = 2.5
_ROUNDS = 5
_FEWEST = 5


def zscale_limits(values: "ArrayLike") -> tuple[float, float]:
    """Return the limits of zscale: a straight line through the sorted pixels.

    Parameters
    ----------
    values : array_like
        Pixels in any unit; non-finite ones are not used. An even sample of 1000 is
        taken, which decides the result.

    Returns
    -------
    tuple of float
        Low and high, in the unit of the pixels; (0, 0) without a finite pixel. They
        are those of `astropy.visualization.ZScaleInterval` with its defaults.

    References
    ----------
    .. [1] IRAF, help page of ``display``, section "ZSCALE ALGORITHM".
    """
    flat = np.asarray(values).ravel()
    flat = flat[np.isfinite(flat)].astype(np.float64)
    if not flat.size:
        return 0.0, 0.0
    sample = np.sort(flat[:: max(1, flat.size // _SAMPLES)][:_SAMPLES])
    n = sample.size
    low, high = float(sample[0]), float(sample[-1])
    enough = max(_FEWEST, n // 2)
    rank = np.arange(n, dtype=np.float64)
    good = np.ones(n, bool)
    reach = np.ones(max(1, n // 100), bool)
    slope = 0.0
    left, before = n, n + 1
    for _ in range(_ROUNDS):
        if not enough <= left < before:
            break
        x, y = rank[good], sample[good]
        centre = x.mean()
        spread = float(np.sum((x - centre) ** 2))
        slope = float(np.sum((x - centre) * (y - y.mean()))) / spread
        away = sample - (y.mean() + slope * (rank - centre))
        bad = ~good | (np.abs(away) > _REJECT * away[good].std())
        # Neighbours in rank of what was thrown out go too.
        good = ~np.convolve(bad, reach, mode="same").astype(bool)
        before, left = left, int(good.sum())
    if left < enough:
        return low, high
    middle, median = (n - 1) // 2, float(np.median(sample))
    steep = slope / _CONTRAST
    return (
        max(low, median - (middle - 1) * steep),
        min(high, median + (n - middle) * steep),
    )


def normalise(frame: "ArrayLike") -> tuple["Float", float, float]:
    """Bring a raw frame to zero mean and unit variance, its bright end cut off.

    Parameters
    ----------
    frame : array_like
        (ny, nx), finite, any linear unit.

    Returns
    -------
    x : ndarray
        (ny, nx) float32, ``(frame - offset) / scale`` cut at `CLIP` of the zscale
        range; mean 0 and variance 1 after the cut.
    offset : float
        In the unit of the frame.
    scale : float
        In the unit of the frame, positive; 1 for a frame of one value.
    """
    image = np.asarray(frame, np.float64)
    low, high = zscale_limits(image)
    span = high - low
    if not span > 0:
        return np.zeros(image.shape, np.float32), low, 1.0
    cut = np.clip((image - low) / span, *CLIP)
    mean, deviation = float(cut.mean()), float(cut.std())
    if not deviation > 0:
        return np.zeros(image.shape, np.float32), low, 1.0
    x = ((cut - mean) / deviation).astype(np.float32)
    return x, low + mean * span, deviation * span
