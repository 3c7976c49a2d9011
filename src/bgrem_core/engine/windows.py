"""Planes put together from pieces: a piece of a frame, and a frame of pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.planes import Block


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


def _overlap(wanted: slice, start: int, length: int) -> tuple[slice, slice]:
    """Return where a piece lies in what is wanted, and what of the piece lies there."""
    low, high = max(wanted.start, start), min(wanted.stop, start + length)
    return (
        slice(low - wanted.start, high - wanted.start),
        slice(low - start, high - start),
    )
