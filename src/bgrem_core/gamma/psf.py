"""Stamps of a point source at any place: the PSF on a grid of pixels.

The integrals over pixels are those of `bgrem_core.simulate.gamma_psf`, at eight places
along each side of a pixel; between them stamps are interpolated.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.gamma_psf import (
    RADIUS,
    SUBPIXELS,
    containment_radius,
    kernel,
    profile,
    stamps,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["REACH", "WINGS", "PointSpread"]

REACH = 7
"""Half side of the window of a fit, pixels: 96 % of the photons at 0.2 deg."""
WINGS = RADIUS
"""Half side of what is added to a model, pixels."""


class PointSpread:
    """The PSF of FRONT events at 1 to 2 GeV on square pixels.

    Parameters
    ----------
    pixel : float
        Side of a pixel, degrees.

    Attributes
    ----------
    pixel : float
        Degrees, to 1e-5.
    core : ndarray of float64, shape (15, 15)
        Stamp at the centre of a pixel, within the window of a fit.
    grid : ndarray of float64, shape (64, 15, 15)
        Stamps at eight by eight places within a pixel, rows first.
    places : ndarray of float64, shape (64, 2)
        Those places, y and x from the centre of the pixel.
    """

    def __init__(self, pixel: float) -> None:
        # The last digits of a WCS make no other stamps.
        self.pixel = pixel = round(pixel, 5)
        self._table = _table(pixel)
        window = slice(WINGS - REACH, WINGS + REACH + 1)
        self.core = kernel(pixel)[window, window].astype(np.float64)
        inner = self._table[1:-1, 1:-1, window, window]
        self.grid = np.ascontiguousarray(inner.reshape(-1, *self.core.shape))
        step = (np.arange(SUBPIXELS) - (SUBPIXELS - 1) / 2) / SUBPIXELS
        self.places = np.stack(np.meshgrid(step, step, indexing="ij"), -1).reshape(
            -1, 2
        )

    @property
    def r68(self) -> float:
        """Radius that holds 68 % of the photons, pixels."""
        return containment_radius() / self.pixel

    @property
    def fwhm(self) -> float:
        """Full width at half maximum, pixels, that of the pixel left out."""
        angle = np.linspace(0, 2, 4001)
        value = profile(angle)
        return 2 * float(angle[np.argmax(value < value[0] / 2)]) / self.pixel

    def stamp(self, dy: float, dx: float) -> "Floats":
        """Return a whole stamp.

        Parameters
        ----------
        dy, dx : float
            Place from the centre of the middle pixel, -0.5 to 0.5.

        Returns
        -------
        ndarray of float64, shape (33, 33)
            Share of the photons in each pixel.
        """
        out: Floats = self._interpolate(np.array([dy]), np.array([dx]), WINGS)[0][0]
        return out

    def windows(self, dy: "Floats", dx: "Floats") -> "tuple[Floats, Floats, Floats]":
        """Return stamps within the window of a fit, and their slopes.

        Parameters
        ----------
        dy, dx : ndarray, shape (k,)
            Places from the centres of the middle pixels, -0.5 to 0.5.

        Returns
        -------
        stamps, along_y, along_x : ndarray of float64, shape (k, 15, 15)
            Shares, and their derivatives by the place, per pixel.
        """
        return self._interpolate(dy, dx, REACH)

    def _interpolate(
        self, dy: "Floats", dx: "Floats", half: int
    ) -> "tuple[Floats, Floats, Floats]":
        window = slice(WINGS - half, WINGS + half + 1)
        table = self._table[:, :, window, window]
        first = (SUBPIXELS + 1) / 2
        v, u = (np.clip(d, -0.5, 0.5) * SUBPIXELS + first for d in (dy, dx))
        j, i = (np.minimum(c.astype(int), SUBPIXELS) for c in (v, u))
        fy, fx = ((c - k)[:, None, None] for c, k in ((v, j), (u, i)))
        low, right = table[j, i], table[j, i + 1]
        up, far = table[j + 1, i], table[j + 1, i + 1]
        left_y, right_y = up - low, far - right
        stamp = (low + fy * left_y) * (1 - fx) + (right + fy * right_y) * fx
        along_y = SUBPIXELS * (left_y * (1 - fx) + right_y * fx)
        along_x = SUBPIXELS * ((right - low) * (1 - fy) + (far - up) * fy)
        return stamp, along_y, along_x


@lru_cache(maxsize=4)
def _table(pixel: float) -> "Floats":
    """Return stamps at 10 x 10 places, one more on each side than a pixel has."""
    own = stamps(pixel).astype(np.float64)
    wide = np.zeros((SUBPIXELS + 2, SUBPIXELS + 2, *own.shape[2:]))
    wide[1:-1, 1:-1] = own
    # The place beyond an edge is the opposite one, seen from the next pixel.
    wide[0, 1:-1, :-1] = own[-1, :, 1:]
    wide[-1, 1:-1, 1:] = own[0, :, :-1]
    wide[:, 0, :, :-1] = wide[:, -2, :, 1:]
    wide[:, -1, :, 1:] = wide[:, 1, :, :-1]
    wide.flags.writeable = False
    return wide
