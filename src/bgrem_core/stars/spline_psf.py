"""PSF as cubic B-splines whose coefficients may change linearly over the field.

Light of a star at any sub-pixel place is then a product of two small matrices: the
weights of 16 splines for each star, and 16 shifted copies of the coefficients. All
stars of one stamp size are evaluated, moved or differentiated at once.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Index = NDArray[np.intp]

__all__ = ["SplinePsf", "grid_offsets"]

_EDGE = 4
"""Coefficients kept beyond the stamp, so that every place has its 16."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplinePsf:
    """Light of a star of unit flux, per pixel.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (terms, m, m)
        Of the B-splines; the first term holds everywhere, the second and third are
        multiplied by the place in the field along x and y, -1 to 1.
    half : int
        Largest distance of a pixel along an axis, pixels.
    fine : int
        Splines per pixel along an axis.
    shape : tuple of int
        (ny, nx) of the field.
    """

    coefficients: "Floats"
    half: int
    fine: int
    shape: tuple[int, int]

    @classmethod
    def of(
        cls,
        density: "Callable[[Floats, Floats], Floats]",
        *,
        half: int,
        fine: int,
        shape: tuple[int, int],
    ) -> "SplinePsf":
        """Return the splines that go through a PSF given as a function of offsets."""
        dx, dy = grid_offsets(half, fine)
        values = density(dx, dy)
        found = ndimage.spline_filter(values, order=3, mode="mirror")
        return cls(coefficients=found[None], half=half, fine=fine, shape=shape)

    @property
    def terms(self) -> int:
        """Number of terms: 1 = the same everywhere."""
        return len(self.coefficients)

    def with_terms(self, terms: int) -> "SplinePsf":
        """Return the same PSF with so many terms; new ones are 0."""
        c = np.zeros((terms, *self.coefficients.shape[1:]))
        n = min(terms, self.terms)
        c[:n] = self.coefficients[:n]
        return replace(self, coefficients=c)

    def stamps(
        self, x: "Floats", y: "Floats", half: int, *, order: tuple[int, int] = (0, 0)
    ) -> "Floats":
        """Return the light of unit stars on their stamps.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Places, pixels, 0-based.
        half : int
            Half side of the stamps, at most that of the PSF; pixels.
        order : tuple of int, optional
            Derivatives to take along y and x, by the place of the star.

        Returns
        -------
        ndarray of float64, shape (n, (2 half + 1) ** 2)
            The stamp of a star is centred on the pixel nearest to it.
        """
        side = 2 * half + 1
        out = np.empty((len(x), side * side))
        for some, weight, tap in self.groups(x, y, half, order=order):
            basis = np.stack([c[t] for c in self.coefficients for t in tap])
            out[some] = weight @ basis.reshape(len(basis), -1)
        return out

    def back(self, x: "Floats", y: "Floats", half: int, stamps: "Floats") -> "Floats":
        """Return the transpose of `stamps`: light on stamps, summed on coefficients."""
        total = np.zeros_like(self.coefficients)
        side = 2 * half + 1
        for some, weight, tap in self.groups(x, y, half):
            sums = (weight.T @ stamps[some]).reshape(self.terms, len(tap), side, side)
            for k in range(self.terms):
                for j, at in enumerate(tap):
                    total[k][at] += sums[k, j]
        return total

    def groups(
        self, x: "Floats", y: "Floats", half: int, *, order: tuple[int, int] = (0, 0)
    ) -> "Iterator[tuple[Index, Floats, list[tuple[slice, slice]]]]":
        """Yield stars that take the same copies: which, their weights, the copies."""
        gy, wy = self._taps(y, order[0])
        gx, wx = self._taps(x, order[1])
        weight = (wy[:, :, None] * wx[:, None, :]).reshape(len(x), -1)
        if self.terms > 1:
            ny, nx = self.shape
            u = 2 * x / max(nx - 1, 1) - 1
            v = 2 * y / max(ny - 1, 1) - 1
            term = np.stack([np.ones_like(u), u, v], axis=1)[:, : self.terms]
            weight = (term[:, :, None] * weight[:, None, :]).reshape(len(x), -1)
        key = (gy + 2 * self.fine) * 64 + gx + 2 * self.fine
        for one in np.unique(key):
            some = np.flatnonzero(key == one)
            first = some[0]
            tap = [
                (self._copy(gy[first] + j, half), self._copy(gx[first] + i, half))
                for j in (-1, 0, 1, 2)
                for i in (-1, 0, 1, 2)
            ]
            yield some, weight[some], tap

    def _taps(self, at: "Floats", order: int) -> tuple["Index", "Floats"]:
        """Return the first spline and the weights of four, along one axis."""
        off = -self.fine * (at - np.rint(at))
        first = np.floor(off)
        t = off - first
        weight = np.stack(_cubic(t, order), axis=1) * (-self.fine) ** order
        return first.astype(np.intp), weight

    def _copy(self, shift: int, half: int) -> slice:
        middle = self.fine * self.half + _EDGE
        start = middle + shift - self.fine * half
        return slice(start, start + self.fine * 2 * half + 1, self.fine)


def grid_offsets(half: int, fine: int) -> tuple["Floats", "Floats"]:
    """Return the offsets in pixels of the nodes of a PSF's splines, x and y."""
    reach = fine * half + _EDGE
    line = np.arange(-reach, reach + 1) / fine
    dx, dy = np.meshgrid(line, line)
    return dx, dy


def _cubic(t: "Floats", order: int) -> tuple["Floats", "Floats", "Floats", "Floats"]:
    """Cubic B-splines that reach t in [0, 1), or their derivatives by t."""
    s = 1 - t
    if order == 0:
        return (
            s**3 / 6,
            2 / 3 - t * t * (2 - t) / 2,
            2 / 3 - s * s * (2 - s) / 2,
            t**3 / 6,
        )
    if order == 1:
        return -s * s / 2, (3 * t * t - 4 * t) / 2, (4 * s - 3 * s * s) / 2, t * t / 2
    return s, 3 * t - 2, 3 * s - 2, t
