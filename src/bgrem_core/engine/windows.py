"""Planes put together from pieces: a piece of a frame, and a frame of pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bgrem_core.errors import ReadError
from bgrem_core.planes import Block, Plane


class Window:
    """A plane of which one rectangle is at hand.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the whole plane.
    at : tuple of slice
        Where the rectangle lies.
    pixels : ndarray
        Its values.
    """

    def __init__(self, shape: tuple[int, int], at: Block, pixels: NDArray[Any]) -> None:
        self.shape, self.dtype = shape, pixels.dtype
        self._at, self._pixels = at, pixels

    def __getitem__(self, key: Block) -> NDArray[Any]:
        """Return the block at two slices inside the rectangle."""
        y, x = (
            slice(k.start - a.start, k.stop - a.start)
            for k, a in zip(key, self._at, strict=True)
        )
        return self._pixels[y, x]


class Mosaic:
    """A plane of equal blocks in rows and columns.

    Parameters
    ----------
    blocks : sequence of sequence of ndarray
        Rows of blocks; those at the far edges may be smaller.
    """

    def __init__(self, blocks: Sequence[Sequence[NDArray[Any]]]) -> None:
        self._blocks, self._side = blocks, blocks[0][0].shape
        self.dtype = blocks[0][0].dtype
        self.shape = (
            sum(row[0].shape[0] for row in blocks),
            sum(block.shape[1] for block in blocks[0]),
        )

    def __getitem__(self, key: Block) -> NDArray[Any]:
        """Return the block at two slices."""
        y, x = (slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True))
        out = np.empty((y.stop - y.start, x.stop - x.start), self.dtype)
        high, wide = self._side
        for j in range(y.start // high, -(-y.stop // high)):
            for i in range(x.start // wide, -(-x.stop // wide)):
                block = self._blocks[j][i]
                there, here = _overlap(y, j * high, block.shape[0])
                across, beside = _overlap(x, i * wide, block.shape[1])
                out[there, across] = block[here, beside]
        return out


class Source:
    """A zarr array of somebody else, and clear words where it cannot be read.

    Parameters
    ----------
    array : zarr.Array
        Of two axes.
    name : str
        What the user knows it by.
    """

    def __init__(self, array: Any, name: str) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._array, self._name = array, name

    def __getitem__(self, key: Block) -> NDArray[Any]:
        """Return the block at two slices.

        Raises
        ------
        ReadError
            A chunk is damaged, or cannot be read here.
        """
        try:
            return np.asarray(self._array[key])
        except (OSError, ValueError, RuntimeError) as error:
            raise ReadError(
                f"{self._name} cannot be read ({type(error).__name__}: {error})",
                hint="is it whole, and do all workers see it under this path?",
            ) from error


class Banded:
    """A plane that is read by whole bands of rows, of which the last two are kept.

    Parameters
    ----------
    plane : Plane
        On disk, perhaps compressed.
    rows : int
        Rows of a band, as those of its chunks.
    dtype : dtype
        Type of the pixels.
    """

    def __init__(self, plane: Plane, rows: int, dtype: DTypeLike) -> None:
        self.shape, self.dtype = plane.shape, np.dtype(dtype)
        self._plane, self._rows = plane, rows
        self._bands: dict[int, NDArray[Any]] = {}

    def __getitem__(self, key: Block) -> NDArray[Any]:
        """Return the block at two slices."""
        y, x = (slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True))
        out = np.empty((y.stop - y.start, x.stop - x.start), self.dtype)
        for j in range(y.start // self._rows, -(-y.stop // self._rows)):
            band = self._band(j)
            there, here = _overlap(y, j * self._rows, len(band))
            out[there] = band[here, x]
        return out

    def _band(self, index: int) -> NDArray[Any]:
        if index not in self._bands:
            while len(self._bands) > 1:
                del self._bands[next(iter(self._bands))]
            rows = slice(index * self._rows, (index + 1) * self._rows)
            band = self._plane[rows, 0 : self.shape[1]]
            self._bands[index] = np.asarray(band, self.dtype)
        return self._bands[index]


def _overlap(wanted: slice, start: int, length: int) -> tuple[slice, slice]:
    """Return where a piece lies in what is wanted, and what of the piece lies there."""
    low, high = max(wanted.start, start), min(wanted.stop, start + length)
    return (
        slice(low - wanted.start, high - wanted.start),
        slice(low - start, high - start),
    )
