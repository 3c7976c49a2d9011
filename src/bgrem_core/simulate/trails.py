"""Straight trails of moving points, added to images."""

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = ["REACH", "Trails", "trail"]

REACH = 5.0
"""Sigmas at which a profile ends."""
_TABLE = 6.0  # sigmas at which the table of the error function ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Trails:
    """Straight trails of equal width, one row each.

    Attributes
    ----------
    x : ndarray
        0-based column of the middle, pixels.
    y : ndarray
        0-based row of the middle, pixels.
    flux : ndarray
        Electrons in all.
    length : ndarray
        Pixels from end to end, before the blur; 0 for a point.
    angle : ndarray
        Degrees from +x towards +y.
    """

    x: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    flux: "NDArray[np.float64]"
    length: "NDArray[np.float64]"
    angle: "NDArray[np.float64]"

    def __len__(self) -> int:
        """Return the number of trails."""
        return len(self.x)


def trail(image: "Float", trails: Trails, sigma: float) -> None:
    """Add straight trails to an image, in place.

    A trail is a line of even brightness under a Gaussian: an error-function profile
    along it, a Gaussian across. The profile is the effective one, sampled at the
    centres of the pixels.

    Parameters
    ----------
    image : ndarray
        (ny, nx) float32, e-.
    trails : Trails
        What to add; parts outside the image are left out.
    sigma : float
        Of the Gaussian, pixels.
    """
    if not len(trails):
        return
    # Any width serves for a point: below a tenth of a sigma a line is one.
    length = np.maximum(trails.length, 0.1 * sigma)[:, None, None]
    turn = np.radians(trails.angle)[:, None, None]
    c, d = np.cos(turn), np.sin(turn)
    half = [
        math.ceil(float(np.max(length / 2 * np.abs(way))) + REACH * sigma)
        for way in (d, c)
    ]
    y0, x0 = np.rint(trails.y).astype(int), np.rint(trails.x).astype(int)
    y = np.arange(-half[0], half[0] + 1)[:, None] + (y0 - trails.y)[:, None, None]
    x = np.arange(-half[1], half[1] + 1)[None, :] + (x0 - trails.x)[:, None, None]
    along, across = c * x + d * y, c * y - d * x
    stamp = _cumulative((along + length / 2) / sigma)
    stamp -= _cumulative((along - length / 2) / sigma)
    stamp *= np.exp(-0.5 * (across / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma)
    stamp *= trails.flux[:, None, None] / length
    ny, nx = image.shape
    for k in range(len(trails)):
        bottom, left = y0[k] - half[0], x0[k] - half[1]
        a, b = max(bottom, 0), min(y0[k] + half[0] + 1, ny)
        e, f = max(left, 0), min(x0[k] + half[1] + 1, nx)
        if a < b and e < f:
            part = stamp[k, a - bottom : b - bottom, e - left : f - left]
            image[a:b, e:f] += part.astype(np.float32)


@cache
def _normal_table() -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    at = np.linspace(-_TABLE, _TABLE, 6001)
    return at, np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in at])


def _cumulative(z: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the normal distribution function, to 1e-6."""
    return np.interp(z, *_normal_table())
