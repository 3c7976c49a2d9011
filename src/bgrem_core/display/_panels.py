"""Panels: a separation made small enough for a picture, read band by band."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bgrem_core.planes import Plane, bands

if TYPE_CHECKING:
    from bgrem_core.separation import Separation

Pixels = NDArray[np.float32]

#: The longer side of a panel lies between these two, in screen pixels.
_LEAST, _MOST = 480, 960


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panels:
    """Three pictures of one field, row 0 at the bottom of the sky's picture.

    Attributes
    ----------
    original, cleaned, residual : ndarray of float32
        Binned pixels, image unit; `level` is taken off original and residual.
    level : float
        Median of the residual.
    sigma : float
        Noise of one binned pixel, image unit; 0 = none.
    binned : int
        Pixels of the frame along the side of a binned one.
    enlarged : int
        Screen pixels along the side of a binned one.
    """

    original: Pixels
    cleaned: Pixels
    residual: Pixels
    level: float
    sigma: float
    binned: int
    enlarged: int

    @property
    def zoom(self) -> float:
        """Screen pixels along the side of a pixel of the frame."""
        return self.enlarged / self.binned

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a panel in screen pixels."""
        ny, nx = self.cleaned.shape
        return nx * self.enlarged, ny * self.enlarged

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pixel of the frame lies in a panel, from its top left.

        Parameters
        ----------
        x, y : float
            Position in the frame, 0-based, y up.

        Returns
        -------
        tuple of float
            Screen pixels to the right and down.
        """
        return (x + 0.5) * self.zoom, self.size[1] - (y + 0.5) * self.zoom


def read_panels(separation: "Separation") -> Panels:
    """Return the three pictures of a separation, never holding a plane of the frame.

    Parameters
    ----------
    separation : Separation
        What a method returned, of any size.

    Returns
    -------
    Panels
        At most 960 binned pixels a side.
    """
    longest = max(separation.shape)
    binned = -(-longest // _MOST)
    residual = _shrunk(separation.residual_plane, binned)
    good = residual[np.isfinite(residual)]
    level = float(np.median(good)) if good.size else 0.0
    sigma = separation.scale.median_sigma
    return Panels(
        original=_shrunk(separation.image.data, binned) - np.float32(level),
        cleaned=_shrunk(separation.cleaned_plane, binned),
        residual=residual - np.float32(level),
        level=level,
        sigma=sigma / binned if np.isfinite(sigma) else 0.0,
        binned=binned,
        enlarged=-(-_LEAST // -(-longest // binned)),
    )


def _shrunk(plane: Plane, k: int) -> Pixels:
    """Return means of k x k finite pixels, NaN where there are none."""
    ny, nx = plane.shape
    rows = max(k, 256 // k * k)
    return np.concatenate(
        [_means(plane[band, slice(0, nx)], k) for band in bands((ny, nx), rows)]
    )


def _means(band: Pixels, k: int) -> Pixels:
    if k == 1:
        return np.asarray(band, np.float32)
    ny, nx = band.shape
    fill = [(0, -ny % k), (0, -nx % k)]
    cells = np.pad(band, fill, constant_values=np.nan)
    cells = cells.reshape(cells.shape[0] // k, k, cells.shape[1] // k, k)
    good = np.isfinite(cells)
    count = good.sum(axis=(1, 3))
    total = np.where(good, cells, 0).sum(axis=(1, 3), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(count, count, np.nan), np.float32)
