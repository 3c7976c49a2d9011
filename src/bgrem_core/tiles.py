"""Tiles: each knows where it is read and where it is kept; stitching is one line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import UsageError
from bgrem_core.planes import Block, Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle that is read and the part of it that is kept.

    Attributes
    ----------
    read : tuple of slice
        Rows and columns that are read; may reach outside the image, where pixels are
        mirrored at the edge with the edge pixel repeated.
    keep : tuple of slice
        Rows and columns of the image that this tile answers for.
    index : tuple of int
        Position in the grid, (row, column); seeds the tile's draws.
    """

    read: Block
    keep: Block
    index: tuple[int, int]

    def crop(self, block: NDArray[Any]) -> NDArray[Any]:
        """Cut what is kept out of what was read."""
        return block[inside(self.read, self.keep)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Tiles of one size that keep each pixel of an image exactly once.

    Attributes
    ----------
    shape : tuple of int
        Shape (ny, nx) of the image.
    stride : tuple of int
        Pixels kept by a whole tile along y and x, a multiple of the pooling.
    margin : int
        Pixels read and thrown away on each side, a multiple of the pooling.
    """

    shape: tuple[int, int]
    stride: tuple[int, int]
    margin: int

    @property
    def counts(self) -> tuple[int, int]:
        """Number of tiles along y and x."""
        ny, nx = (-(-n // s) for n, s in zip(self.shape, self.stride, strict=True))
        return ny, nx

    @property
    def read_shape(self) -> tuple[int, int]:
        """Shape of what every tile reads."""
        return self.stride[0] + 2 * self.margin, self.stride[1] + 2 * self.margin

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.counts[0] * self.counts[1]

    def __iter__(self) -> Iterator[Tile]:
        """Yield the tiles row by row."""
        for j in range(self.counts[0]):
            for i in range(self.counts[1]):
                yield self.tile(j, i)

    def tile(self, row: int, column: int) -> Tile:
        """Return the tile at a position of the grid."""
        read, keep = [], []
        for k, n, stride in zip((row, column), self.shape, self.stride, strict=True):
            start = k * stride
            keep.append(slice(start, min(start + stride, n)))
            read.append(slice(start - self.margin, start + stride + self.margin))
        return Tile(
            read=(read[0], read[1]), keep=(keep[0], keep[1]), index=(row, column)
        )


def grid(shape: tuple[int, int], *, tile: int, margin: int, pooling: int = 1) -> Grid:
    """Lay tiles over an image.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx), from 1 x 1.
    tile : int
        Largest side of what a tile reads, in pixels.
    margin : int
        Pixels thrown away on each side; raised to a multiple of `pooling`.
    pooling : int, optional
        Pixels that a network pools together. Tiles start on this grid, else
        neighbouring tiles would pool different pixels and no margin hid the seam.

    Returns
    -------
    Grid
        Tiles of equal size, as few as `tile` allows and none larger than needed.

    Raises
    ------
    UsageError
        The margins leave nothing of the tile.
    """
    margin = _round_up(margin, pooling)
    most = (tile - 2 * margin) // pooling * pooling
    if most < pooling:
        raise UsageError(
            f"margin={margin} leaves nothing of tile={tile}",
            hint=f"use a tile of at least {2 * margin + pooling} pixels",
        )
    stride = [_round_up(-(-n // -(-n // most)), pooling) for n in shape]
    return Grid(shape=shape, stride=(stride[0], stride[1]), margin=margin)


def nearest(tiles: Sequence[Tile], view: Block | None) -> int:
    """Return which of some tiles is kept nearest to a block, the first one of equals.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one.
    view : tuple of slice or None
        Rows and columns, with start and stop; without it the first tile is taken.

    Returns
    -------
    int
        Index into `tiles`.
    """
    if view is None:
        return 0

    def distance(k: int) -> int:
        total = 0
        for t, v in zip(tiles[k].keep, view, strict=True):
            gap: int = max(v.start - t.stop + 1, t.start - v.stop + 1, 0)
            total += gap**2
        return total

    return min(range(len(tiles)), key=distance)


def take(plane: Plane, block: Block) -> NDArray[Any]:
    """Read a block that may reach outside a plane, mirrored at the edges.

    Parameters
    ----------
    plane : Plane
        Shape (ny, nx).
    block : tuple of slice
        Rows and columns; negative and too large ones are outside, not counted from the
        end.

    Returns
    -------
    ndarray
        Shape of the block; a fresh array.
    """
    rows, cols = (_mirror(b, n) for b, n in zip(block, plane.shape, strict=True))
    y, x = needed(block, plane.shape)
    inner = np.asarray(plane[y, x])
    if inner.shape == (rows.size, cols.size) and block == (y, x):
        return inner.copy()
    return inner[np.ix_(rows - y.start, cols - x.start)]


def needed(block: Block, shape: tuple[int, ...]) -> Block:
    """Return the rectangle of a plane that `take` reads for a block."""
    rows, cols = (_mirror(b, n) for b, n in zip(block, shape, strict=True))
    y, x = (slice(int(k.min()), int(k.max()) + 1) for k in (rows, cols))
    return y, x


def inside(outer: Block, inner: Block) -> Block:
    """Return `inner` as slices of an array that starts at `outer`."""
    y, x = (
        slice(i.start - o.start, i.stop - o.start)
        for o, i in zip(outer, inner, strict=True)
    )
    return y, x


def grow(block: Block, by: int) -> Block:
    """Return a block grown on each side."""
    y, x = (slice(b.start - by, b.stop + by) for b in block)
    return y, x


def _mirror(axis: slice, length: int) -> NDArray[np.intp]:
    """Return indices along one axis, mirrored with the edge repeated: b a|a b c|c b."""
    index = np.arange(axis.start, axis.stop) % (2 * length)
    mirrored: NDArray[np.intp] = np.minimum(index, 2 * length - 1 - index)
    return mirrored


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
