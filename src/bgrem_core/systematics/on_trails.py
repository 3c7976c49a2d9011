"""Points that belong to trails: their ends, and what is left where one was.

They look like points, but the trail that lies along them explains them better.
"""

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.systematics.filtered import scatter, sigma_of
from bgrem_core.systematics.trails import trail_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["is_long", "on_trail"]

_BESIDE = 1
"""Pixels beside the axis of a trail that still lie on it."""
_COVERED = 0.15
"""Share of a trail's power that must lie on good pixels for it to be judged."""
_LENGTHS = (2.0, 4.0, 8.0, 16.0)
_WIDER = 1.7
_LONGER = 16.0
"""Lengths and relative width of trails that are tried where none is known, and by how
much chi squared must prefer one of them."""
_MARGIN = 1.05
"""What a point may lack of its own chi squared where its profile is not quite known."""


def on_trail(
    rest: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    snr: "Floats",
    trails: "TrailShape",
    bad: "Bools",
) -> "Bools":
    """Return which points a trail explains better than a point does.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    row, col : ndarray of int
        Pixels of the points.
    snr : ndarray
        Their signal to noise without the background.
    trails : TrailShape
        What trails look like.
    bad : ndarray of bool
        (ny, nx), pixels that do not count.

    Returns
    -------
    ndarray of bool
        (n,).
    """
    from scipy.signal import fftconvolve

    half = math.ceil(trails.length / 2 + 3 * trails.width)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    shape = trail_profile(
        x, y, angle=trails.angle, length=trails.length, width=trails.width
    ).astype(np.float32)
    # The middle of a trail may lie beyond the edge, and pixels of it be bad.
    seen, good = (np.pad(a, half) for a in (rest, (~bad).astype(np.float32)))
    light, power = (
        fftconvolve(a, k[::-1, ::-1], mode="same")
        for a, k in ((seen, shape), (good, shape**2))
    )
    enough = power > _COVERED * float(np.sum(shape**2))
    strength = np.where(enough, light / np.sqrt(np.maximum(power, 1e-12)), 0)
    inner = (slice(half, -half),) * 2
    strength /= np.pad(scatter(strength[inner], bad), half, mode="edge")
    # A point on a trail sees its middle within half of the length along the axis.
    reach = math.ceil(trails.length / 2 + trails.width)
    strip = _strip(reach, trails.angle)
    near = ndimage.maximum_filter(strength, footprint=strip, mode="constant")
    return np.asarray(near[inner][row, col] > snr)


def is_long(
    rest: "Float",
    row: "NDArray[np.intp]",
    col: "NDArray[np.intp]",
    width: float,
    bad: "Bools",
) -> "Bools":
    """Return which points a trail of some direction and length explains better.

    Parameters
    ----------
    rest : ndarray
        (ny, nx), the frame without all of its background but the trails, bad pixels 0.
    row, col : ndarray of int
        Pixels of the points.
    width : float
        Sigma of a point, pixels.
    bad : ndarray of bool
        (ny, nx), pixels that do not count.

    Returns
    -------
    ndarray of bool
        (n,). For frames on which the trails themselves are not known.
    """
    kernels, points = _bank(round(width, 3))
    half = math.isqrt(kernels.shape[1]) // 2
    wide = np.pad(rest, half)
    sigma = sigma_of(rest, bad)
    if not len(row) or not sigma > 0:
        return np.zeros(len(row), bool)
    side = 2 * half + 1
    cuts = np.stack([
        wide[r : r + side, c : c + side].ravel() for r, c in zip(row, col, strict=True)
    ]) / sigma  # fmt: skip
    best, own = ((cuts @ k.T).max(axis=1) for k in (kernels, points))
    return np.asarray(best**2 > _LONGER + _MARGIN * np.maximum(own, 0) ** 2)


@cache
def _bank(width: float) -> "tuple[Float, Float]":
    """Return unit filters for trails about a pixel, and for points on it."""
    half = math.ceil(_LENGTHS[-1] + 3 * _WIDER * width)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)

    def one(dx: float, dy: float, angle: float, length: float, w: float) -> "Float":
        made = trail_profile(x - dx, y - dy, angle=angle, length=length, width=w)
        unit = made.ravel() / np.sqrt(np.sum(made**2))
        return np.asarray(unit, np.float32)

    trails = []
    for angle in range(0, 180, 15):
        turn = math.radians(angle)
        for length in _LENGTHS:
            for s in np.linspace(-0.5, 0.5, max(3, round(length / 2))) * length:
                at = s * math.cos(turn), s * math.sin(turn)
                trails += [one(*at, angle, length, f * width) for f in (1, _WIDER)]
    near = (-0.4, -0.2, 0, 0.2, 0.4)
    points = [one(dx, dy, 0, 0, width) for dx in near for dy in near]
    return np.stack(trails), np.stack(points)


def _strip(reach: int, angle: float) -> "Bools":
    """Return the pixels about an axis, from one end to the other."""
    half = reach + _BESIDE
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    turn = math.radians(angle)
    along = math.cos(turn) * x + math.sin(turn) * y
    across = math.cos(turn) * y - math.sin(turn) * x
    return np.asarray((np.abs(along) <= reach) & (np.abs(across) <= _BESIDE))
