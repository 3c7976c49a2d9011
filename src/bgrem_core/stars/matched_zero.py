"""Matched filter of zero mean: point sources on a sky that is uneven or partly missing.

The template has its mean over the pixels in use taken off, at every place anew: an even
sky gives 0 everywhere, also at the edge of the frame, beside masked pixels and beyond
the edge, where the middle of a star is not on the frame but some of its light is.
"""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Filter", "Peaks", "find_peaks"]

_TILE = 512
"""Side of parts of the frame that are transformed on their own, pixels."""
_LEAST = 0.2
"""Least share of the template's power on good pixels."""
_ROUND = [(j, i) for j in (-1, 0, 1) for i in (-1, 0, 1) if j or i]


class Filter:
    """A zero-mean template over the good pixels of a frame.

    Parameters
    ----------
    template : ndarray of float64, shape (2 h + 1, 2 h + 1)
        Light of a unit star; 0 outside of the disc that is used.
    disc : ndarray of bool, shape (2 h + 1, 2 h + 1)
        Pixels that are used.
    good : ndarray of bool, shape (ny, nx)
        Pixels of the frame that are used.
    border : int
        Pixels beyond the frame at which middles of stars are still looked for.

    Attributes
    ----------
    power : ndarray of float64, shape (ny + 2 border, nx + 2 border)
        Sum of squares of the template at each place; NaN where too little is left.
    """

    def __init__(
        self, template: "Floats", disc: "Bools", good: "Bools", border: int
    ) -> None:
        self._half, self._shape = template.shape[0] // 2, good.shape
        self._border = border
        wide = [n + 2 * border for n in good.shape]
        # Of like sizes: none may be a strip.
        self._steps = [-(-n // max(1, round(n / _TILE))) for n in wide]
        self._size = [
            fft.next_fast_len(n + 2 * self._half, real=True) for n in self._steps
        ]
        self._light = self._ahead_kernel(template)
        self._disc = self._ahead_kernel(disc.astype(np.float64))
        square = self._ahead_kernel(template**2)
        whole = np.sum(template**2) - template.sum() ** 2 / max(int(disc.sum()), 1)
        self._ratio, self.power = np.empty(wide), np.empty(wide)
        for at, mask in self._tiles(good):
            count = np.maximum(self._inside(mask * self._disc, at), 0)
            light = self._inside(mask * self._light, at)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = np.where(count > 0.5, light / count, 0.0)
                power = self._inside(mask * square, at) - light * ratio
            power[(power < _LEAST * whole) | (count < 5)] = np.nan
            self._ratio[at], self.power[at] = ratio, power

    def sums(self, z: "Floats") -> "Floats":
        """Return the sum of template times pixels at each place.

        Parameters
        ----------
        z : ndarray of float64, shape (ny, nx)
            Pixels; 0 where not good.

        Returns
        -------
        ndarray of float64, shape (ny + 2 border, nx + 2 border)
            Divided by `power` it is the flux.
        """
        out = np.empty_like(self.power)
        for at, ahead in self._tiles(z):
            out[at] = self._inside(ahead * self._light, at)
            out[at] -= self._ratio[at] * self._inside(ahead * self._disc, at)
        return out

    def _tiles(
        self, values: "Floats | Bools"
    ) -> "Iterator[tuple[tuple[slice, slice], NDArray[np.complex128]]]":
        """Yield parts of the result, and the transforms of the pixels they need."""
        starts = (
            range(0, n + 2 * self._border, step)
            for n, step in zip(self._shape, self._steps, strict=True)
        )
        for corner in product(*starts):
            at, here, there = [], [], []
            for a, n, step in zip(corner, self._shape, self._steps, strict=True):
                b = min(a + step, n + 2 * self._border)
                at.append(slice(a, b))
                # The first pixel that the tile needs, on the frame.
                first = a - self._border - self._half
                low = max(first, 0)
                high = max(min(b - self._border + self._half, n), low)
                here.append(slice(low, high))
                there.append(slice(low - first, high - first))
            part = np.zeros(self._size)
            part[there[0], there[1]] = values[here[0], here[1]]
            yield (at[0], at[1]), np.asarray(fft.rfft2(part, overwrite_x=True))

    def _ahead_kernel(self, kernel: "Floats") -> "NDArray[np.complex128]":
        # Turned round: a correlation.
        rows = fft.rfft(kernel[::-1, ::-1], self._size[1], axis=1)
        return np.asarray(fft.fft(rows, self._size[0], axis=0))

    def _inside(
        self, whole: "NDArray[np.complex128]", at: tuple[slice, slice]
    ) -> "Floats":
        values = fft.irfft2(whole, self._size, overwrite_x=True)
        # Before that the kernel sticks out of the tile.
        start = 2 * self._half
        ny, nx = (s.stop - s.start for s in at)
        return np.asarray(values[start : start + ny, start : start + nx])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peaks:
    """Maxima of a filtered frame, highest S/N first.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Places between pixels, 0-based; also just outside the frame.
    flux, snr : ndarray of float64, shape (n,)
        Of a star at that place.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    snr: "Floats"


def find_peaks(
    filtered: Filter,
    z: "Floats",
    variance: "Floats",
    *,
    threshold: float,
    border: int,
) -> Peaks:
    """Find maxima of S/N above a threshold.

    Parameters
    ----------
    filtered : Filter
        For these good pixels.
    z : ndarray of float64, shape (ny, nx)
        Pixels; 0 where not good.
    variance : ndarray of float64, shape (ny, nx)
        Of each pixel.
    threshold : float
        Least S/N.
    border : int
        That of the filter.

    Returns
    -------
    Peaks
        At most one in 3 x 3 pixels.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = np.pad(variance, border, mode="edge")
        noise *= filtered.power
        np.sqrt(noise, out=noise)
        snr = filtered.sums(z)
        snr /= noise
    snr[~np.isfinite(snr)] = -np.inf
    row, col = np.nonzero(snr > threshold)
    top = np.ones(len(row), bool)
    ny, nx = snr.shape
    for j, i in _ROUND:
        near = snr[np.clip(row + j, 0, ny - 1), np.clip(col + i, 0, nx - 1)]
        top &= snr[row, col] >= near
    row, col = row[top], col[top]
    order = np.argsort(-snr[row, col], kind="stable")
    row, col = row[order], col[order]
    dy, dx = _between(snr, row, col)
    value = snr[row, col]
    return Peaks(
        x=col + dx - border,
        y=row + dy - border,
        flux=value * noise[row, col] / filtered.power[row, col],
        snr=value,
    )


def _between(
    values: "Floats", row: "NDArray[np.intp]", col: "NDArray[np.intp]"
) -> tuple["Floats", "Floats"]:
    """Return offsets of the tops of parabolas through each maximum."""
    out = []
    for axis, at in enumerate((row, col)):
        length = values.shape[axis]
        before, after = np.maximum(at - 1, 0), np.minimum(at + 1, length - 1)
        if axis == 0:
            a, b, c = (values[k, col] for k in (before, at, after))
        else:
            a, b, c = (values[row, k] for k in (before, at, after))
        with np.errstate(invalid="ignore", divide="ignore"):
            off = 0.5 * (a - c) / (a - 2 * b + c)
        out.append(np.where(np.isfinite(off), np.clip(off, -0.5, 0.5), 0.0))
    return out[0], out[1]
