"""PSF as cubic B-splines whose coefficients may change linearly over the field.

Light of a star at any sub-pixel place is then a product of two small matrices: the
weights of 16 splines for each star, and 16 shifted copies of the coefficients. All
stars of one stamp size are evaluated, moved or differentiated at once.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["Placed", "SplinePsf", "grid_offsets"]

_EDGE = 4
"""Coefficients kept beyond the stamp, so that every place has its 16."""


@dataclass(frozen=True, kw_only=True, eq=False)
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

    @cached_property
    def rings(self) -> "Floats":
        """Light that a twentieth of the pixels of each square ring exceeds, falling.

        In the middle of the field; spikes count.
        """
        side = 2 * self.half + 1
        base = replace(self, coefficients=self.coefficients[:1])
        stamp = np.abs(base.stamps(np.zeros(1), np.zeros(1), self.half))
        line = np.abs(np.arange(-self.half, self.half + 1))
        ring = np.maximum(line[:, None], line[None, :])
        stamp = stamp.reshape(side, side)
        bright = np.array(
            [np.quantile(stamp[ring == k], 0.95) for k in range(self.half + 1)]
        )
        # Falling: a star reaches as far as the last ring that is bright enough.
        return np.asarray(np.maximum.accumulate(bright[::-1])[::-1])

    def stamps(
        self,
        x: "Floats",
        y: "Floats",
        half: int,
        *,
        order: tuple[int, int] = (0, 0),
        disc: "Bools | None" = None,
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
        disc : ndarray of bool, shape ((2 half + 1) ** 2,), optional
            Pixels of a stamp that are asked for; None = all.

        Returns
        -------
        ndarray of float64, shape (n, pixels)
            The stamp of a star is centred on the pixel nearest to it.
        """
        return self.placed(x, y, half, orders=(order,), disc=disc).stamps(self)[:, 0]

    def back(self, x: "Floats", y: "Floats", half: int, stamps: "Floats") -> "Floats":
        """Return the transpose of `stamps`: light on stamps, summed on coefficients."""
        return self.placed(x, y, half).back(self, stamps)

    def placed(
        self,
        x: "Floats",
        y: "Floats",
        half: int,
        *,
        orders: "Sequence[tuple[int, int]]" = ((0, 0),),
        disc: "Bools | None" = None,
        flux: "Floats | None" = None,
    ) -> "Placed":
        """Return the weights of the splines for stars, whatever the coefficients are.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Places, pixels, 0-based.
        half : int
            Half side of the stamps, at most that of the PSF; pixels.
        orders : sequence of tuple of int, optional
            Derivatives to take along y and x, by the place of the star.
        disc : ndarray of bool, shape ((2 half + 1) ** 2,), optional
            Pixels of a stamp that are asked for; None = all.
        flux : ndarray, shape (n,), optional
            Of the stars; None = 1 each.

        Returns
        -------
        Placed
            For PSFs of the same half side, fineness, field and number of terms.
        """
        tap_y = {o: self._taps(y, o) for o in {o[0] for o in orders}}
        tap_x = {o: self._taps(x, o) for o in {o[1] for o in orders}}
        n = len(x)
        parts = [tap_y[j][1][:, :, None] * tap_x[i][1][:, None, :] for j, i in orders]
        weight = np.stack(parts, axis=1).reshape(n, len(orders), -1)
        if flux is not None:
            weight *= flux[:, None, None]
        if self.terms > 1:
            ny, nx = self.shape
            u = 2 * x / max(nx - 1, 1) - 1
            v = 2 * y / max(ny - 1, 1) - 1
            term = np.stack([np.ones_like(u), u, v], axis=1)[:, : self.terms]
            weight = term[:, None, :, None] * weight[:, :, None, :]
            weight = weight.reshape(n, len(orders), -1)
        gy, gx = tap_y[orders[0][0]][0], tap_x[orders[0][1]][0]
        key = (gy + 2 * self.fine) * 64 + gx + 2 * self.fine
        rows: list[tuple[Index, Floats, int, int]] = []
        for one in np.unique(key):
            some = np.flatnonzero(key == one)
            rows.append((some, weight[some], int(gy[some[0]]), int(gx[some[0]])))
        chosen = None if disc is None else np.flatnonzero(disc)
        return Placed(number=n, orders=len(orders), half=half, chosen=chosen, rows=rows)

    def copies(self, gy: int, gx: int, half: int) -> "Floats":
        """Return a view of the shifted copies of the coefficients that stars take.

        Parameters
        ----------
        gy, gx : int
            First spline of the stars, along y and x.
        half : int
            Half side of the stamps, pixels.

        Returns
        -------
        ndarray of float64, shape (terms, 4, 4, 2 half + 1, 2 half + 1)
            Not to be written to: the copies overlap.
        """
        c, f, side = self.coefficients, self.fine, 2 * half + 1
        start = f * (self.half - half) + _EDGE - 1
        part = c[:, start + gy :, start + gx :]
        t, y, x = part.strides
        return as_strided(
            part, (len(c), 4, 4, side, side), (t, y, x, f * y, f * x), writeable=False
        )

    def _taps(self, at: "Floats", order: int) -> tuple["Index", "Floats"]:
        """Return the first spline and the weights of four, along one axis."""
        off = -self.fine * (at - np.rint(at))
        first = np.floor(off)
        t = off - first
        weight = np.stack(_cubic(t, order), axis=1) * (-self.fine) ** order
        return first.astype(np.intp), weight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Weights of the splines for stars at their places, for several PSFs in turn.

    Attributes
    ----------
    number, orders : int
        Of stars, and of derivatives.
    half : int
        Half side of the stamps, pixels.
    chosen : ndarray of intp or None
        Pixels of a stamp that are asked for; None = all.
    rows : list of tuple
        Stars that take the same copies of the coefficients: which; their weights, of
        shape (n, derivatives, 16 terms); the first spline along y and x.
    """

    number: int
    orders: int
    half: int
    chosen: "Index | None"
    rows: "list[tuple[Index, Floats, int, int]]"

    def stamps(self, psf: SplinePsf) -> "Floats":
        """Return the light of the stars, shape (n, derivatives, pixels)."""
        pixels = (2 * self.half + 1) ** 2
        if self.chosen is not None:
            pixels = len(self.chosen)
        out = np.empty((self.number, self.orders, pixels))
        for some, light in self.parts(psf):
            if len(some) == self.number:
                return light
            out[some] = light
        return out

    def parts(self, psf: SplinePsf) -> "Iterator[tuple[Index, Floats]]":
        """Yield some stars after others, and their light as `stamps` returns it."""
        for some, weight, gy, gx in self.rows:
            n, orders, splines = weight.shape
            # All copies that a star takes, one a line.
            basis = psf.copies(gy, gx, self.half).reshape(splines, -1)
            if self.chosen is not None:
                basis = basis[:, self.chosen]
            yield some, (weight.reshape(-1, splines) @ basis).reshape(n, orders, -1)

    def back(self, psf: SplinePsf, stamps: "Floats") -> "Floats":
        """Return light on whole stamps, summed on the coefficients of a PSF."""
        total = np.zeros_like(psf.coefficients)
        side, f = 2 * self.half + 1, psf.fine
        start = f * (psf.half - self.half) + _EDGE - 1
        reach = f * (side - 1) + 1
        for some, weight, gy, gx in self.rows:
            sums = (weight[:, 0].T @ stamps[some]).reshape(-1, 4, 4, side, side)
            for j in range(start + gy, start + gy + 4):
                for i in range(start + gx, start + gx + 4):
                    total[:, j : j + reach : f, i : i + reach : f] += sums[
                        :, j - start - gy, i - start - gx
                    ]
        return total


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
