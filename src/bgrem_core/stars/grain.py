"""Noise for filled pixels: as strong and as correlated as that of the sky.

Pixels of frames that were resampled, drizzled or smoothed share their noise with their
neighbours. White noise of the same rms would look coarse there, and that rms, read off
high differences, would be too low: they see little of noise that varies slowly.

The noise is taken as separable, white noise under one kernel along x and one along y.
A high difference along one axis takes away stars and nebulae and leaves the correlation
along the other axis as it is.
"""

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.cells import grow_along
from bgrem_core.noise import difference, difference_gain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["WHITE", "Grain", "draw_grain", "measure_grain"]

_LAGS, _ORDER = 5, 4
#: Errors that a correlation must have to be one, and pairs that it needs.
_SURE, _PAIRS = 4.0, 2000
_CLIP = 4.0
#: Pixels that a draw of white noise repeats after, and half a kernel.
_PERIOD, _REACH = 128, 16
_LEAST_GAIN = 0.05
#: Sum of the squares of the correlation that the difference itself makes.
_REPEATS = sum(
    (comb(2 * _ORDER, _ORDER + lag) / comb(2 * _ORDER, _ORDER)) ** 2
    for lag in range(-_ORDER, _ORDER + 1)
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grain:
    """Correlation of the noise of a plane.

    Attributes
    ----------
    y, x : ndarray of float64, shape (lags,)
        Correlation at 1, 2, ... pixels along each axis; 0 from the first lag on at
        which none is seen.
    """

    y: "Floats"
    x: "Floats"

    @property
    def white(self) -> bool:
        """Whether no correlation is seen."""
        return not (self.y.any() or self.x.any())

    @property
    def gain(self) -> float:
        """Variance that differences of fourth order along both axes leave."""
        gains = (difference_gain(_ORDER, along) for along in (self.y, self.x))
        return float(np.prod([max(_LEAST_GAIN, g) for g in gains]))


WHITE = Grain(y=np.zeros(0), x=np.zeros(0))
"""Noise of neighbours that have nothing in common."""


def measure_grain(z: "Floats", sigma: "Floats", free: "Bools") -> Grain:
    """Measure the correlation of the noise of a plane.

    Parameters
    ----------
    z : ndarray of float64, shape (ny, nx)
        Pixels, stars taken off.
    sigma : ndarray of float64, shape (ny, nx)
        Noise of each pixel but for a factor, positive.
    free : ndarray of bool, shape (ny, nx)
        Pixels to use: good, and away from stars.

    Returns
    -------
    Grain
        White where too few pixels tell.
    """
    unit = (np.where(free, z, 0.0) / sigma).astype(np.float32)
    y, x = (_along(unit, free, axis) for axis in (0, 1))
    return Grain(y=y, x=x)


def draw_grain(grain: Grain, shape: tuple[int, int], seed: tuple[int, ...]) -> "Floats":
    """Draw noise of a correlation.

    Parameters
    ----------
    grain : Grain
        The correlation.
    shape : tuple of int
        Rows and columns.
    seed : tuple of int
        Equal ones give equal bits.

    Returns
    -------
    ndarray of float64
        Of that shape, variance 1.
    """
    drawn = np.random.default_rng(seed).standard_normal(shape)
    for axis, along in ((0, grain.y), (1, grain.x)):
        if along.any():
            # Wrapped, all pixels get the same variance, those at the edges too.
            drawn = ndimage.convolve1d(drawn, _kernel(along), axis=axis, mode="wrap")
    return drawn


def _along(unit: "NDArray[np.float32]", free: "Bools", axis: int) -> "Floats":
    other = 1 - axis
    none = np.zeros(_LAGS)
    if unit.shape[other] <= _ORDER or unit.shape[axis] <= _LAGS:
        return none
    half = _ORDER // 2
    good = ~grow_along(~free, half, other)
    edge = [slice(None), slice(None)]
    for end in (slice(None, half), slice(-half, None)):
        edge[other] = end
        good[tuple(edge)] = False
    if not good.any():
        return none
    high = difference(unit, _ORDER, other).astype(np.float64)
    # A robust clip: what is left of sources and hot pixels.
    good &= np.abs(high) <= _CLIP * np.median(np.abs(high[good])) / 0.6745
    high, good = np.moveaxis(high, axis, 0), np.moveaxis(good, axis, 0)
    variance = float(np.mean(high[good] ** 2))
    if not variance > 0:
        return none
    out = none.copy()
    for lag in range(1, _LAGS + 1):
        both = good[lag:] & good[:-lag]
        pairs = int(both.sum())
        if pairs < _PAIRS:
            break
        value = float(np.mean((high[lag:] * high[:-lag])[both])) / variance
        if abs(value) < _SURE * np.sqrt(_REPEATS / pairs):
            break
        out[lag - 1] = value
    return out


def _kernel(along: "Floats") -> "Floats":
    """Return the symmetric kernel that gives white noise a correlation."""
    whole = np.zeros(_PERIOD)
    whole[0] = 1.0
    whole[1 : len(along) + 1] = along
    whole[-len(along) :] = along[::-1]
    # What no noise can have, by the errors of the lags, is left out.
    power = np.maximum(np.fft.rfft(whole).real, 0.0)
    kernel = np.roll(np.fft.irfft(np.sqrt(power), _PERIOD), _REACH)[: 2 * _REACH + 1]
    out: Floats = kernel / np.sqrt(np.sum(kernel**2))
    return out
