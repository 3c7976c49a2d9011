"""Pyramid: an image and its halves, filled block by block."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bgrem_core.planes import allocate, bands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from bgrem_core.planes import Block, Plane

    Array = NDArray[Any]

__all__ = ["SINGLE", "Pyramid"]

SINGLE = 4096
"""Least side of an image that gets coarser levels: graphics cards stop soon after."""


class Pyramid:
    """An image and its halves, each pixel the mean of those that it covers.

    Pixels without a value count for nothing; whole numbers, which are masks or
    labels, are shown by their maximum.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the full level.
    dtype : dtype, optional
        Type of the pixels.
    single : int, optional
        Images with shorter sides have one level; the coarsest level of others has
        sides of at most a quarter of it.

    Attributes
    ----------
    levels : list of Plane
        The full image first, then halves (arrays), odd sides rounded up. NaN (0 for
        whole numbers) where nothing was put.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: "DTypeLike" = np.float32,
        *,
        single: int = SINGLE,
    ) -> None:
        self.levels: list[Any] = _levels(_empty(shape, np.dtype(dtype)), single)

    @classmethod
    def over(cls, plane: "Plane", *, single: int = SINGLE) -> Self:
        """Make a pyramid over a plane that exists, which is its full level.

        Parameters
        ----------
        plane : Plane
            Of shape (ny, nx); not copied. One that is evaluated where it is read is
            read once.
        single : int, optional
            As for the class.

        Returns
        -------
        Pyramid
            All levels filled.
        """
        pyramid = cls.of(_levels(plane, single))
        for rows in bands(pyramid.shape) if len(pyramid.levels) > 1 else ():
            pyramid.bin((rows, slice(None)))
        return pyramid

    @classmethod
    def of(cls, levels: "Sequence[Any]") -> Self:
        """Return the pyramid of levels that belong together, such as a layer's.

        Parameters
        ----------
        levels : sequence of Plane
            As in `levels`; written to by `put`.

        Returns
        -------
        Pyramid
            Nothing is binned.
        """
        pyramid = cls.__new__(cls)
        pyramid.levels = list(levels)
        return pyramid

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the full level."""
        ny, nx = self.levels[0].shape
        return ny, nx

    @property
    def data(self) -> Any:
        """What a layer takes: the array alone, or all levels."""
        return self.levels if len(self.levels) > 1 else self.levels[0]

    def put(self, keep: "Block", block: "Array") -> None:
        """Write a block into all levels.

        Parameters
        ----------
        keep : tuple of slice
            Rows and columns of the full level.
        block : ndarray
            Of that shape.
        """
        rows, cols = (
            slice(*k.indices(n)[:2]) for k, n in zip(keep, self.shape, strict=True)
        )
        self.levels[0][rows, cols] = block
        self.bin((rows, cols))

    def bin(self, keep: "Block") -> None:
        """Bin again what was written into the full level.

        Parameters
        ----------
        keep : tuple of slice
            Rows and columns of the full level.
        """
        rows, cols = (
            slice(*k.indices(n)[:2]) for k, n in zip(keep, self.shape, strict=True)
        )
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return
        for fine, coarse in pairwise(self.levels):
            rows = slice(rows.start // 2, -(-rows.stop // 2))
            cols = slice(cols.start // 2, -(-cols.stop // 2))
            below = fine[2 * rows.start : 2 * rows.stop, 2 * cols.start : 2 * cols.stop]
            coarse[rows, cols] = _binned(below)

    def fill(self, plane: "Plane") -> None:
        """Write a whole plane, band by band.

        Parameters
        ----------
        plane : Plane
            Of the shape of the full level; evaluated where it is read.
        """
        columns = slice(0, self.shape[1])
        for rows in bands(self.shape):
            self.put((rows, columns), np.asarray(plane[rows, columns]))


def _levels(whole: "Plane", single: int) -> list[Any]:
    """Return an image and empty halves of it."""
    levels: list[Any] = [whole]
    if max(whole.shape) < single:
        return levels
    while max(shape := levels[-1].shape) > max(single // 4, 1):
        half = (-(-shape[0] // 2), -(-shape[1] // 2))
        levels.append(_empty(half, whole.dtype.newbyteorder("=")))
    return levels


def _empty(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "Array":
    array = allocate(shape, dtype)
    if dtype.kind == "f":
        array[:] = np.nan
    return array


def _binned(fine: "Array") -> "Array":
    """Return means of 2 x 2 pixels; at odd ends of those that there are."""
    ny, nx = fine.shape
    odd = [(0, ny % 2), (0, nx % 2)]
    if fine.dtype.kind != "f":
        even = np.pad(fine, odd, mode="edge")
        upper = np.maximum(even[::2, ::2], even[::2, 1::2])
        lower = np.maximum(even[1::2, ::2], even[1::2, 1::2])
        largest: Array = np.maximum(upper, lower)
        return largest
    # A sum is the quickest look at all pixels: it is finite only if they are.
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(fine.sum(dtype=np.float64))
    if finite and ny % 2 == nx % 2 == 0:
        return _sum(fine) / 4
    even = np.pad(fine, odd, constant_values=np.nan)
    good = np.isfinite(even)
    total = _sum(np.where(good, even, 0))
    count = _sum(good)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _sum(even: "Array") -> "NDArray[np.float64]":
    # In this order everywhere, so that no bit depends on how a block was cut.
    upper = np.add(even[::2, ::2], even[::2, 1::2], dtype=np.float64)
    lower = np.add(even[1::2, ::2], even[1::2, 1::2], dtype=np.float64)
    total: NDArray[np.float64] = upper + lower
    return total
