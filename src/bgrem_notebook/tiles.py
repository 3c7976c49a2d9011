"""Tiles: what of a plane travels to the browser, at the resolution that is seen."""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.planes import LazyPlane
from bgrem_core.pyramid import Pyramid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Block, Plane

__all__ = ["SIDE", "Tiles", "count_levels", "levels_of", "padded", "sampled"]

SIDE = 256
"""Pixels a side of a tile, of any level."""
SINGLE = 512
"""Images with shorter sides have one level."""


class Tiles:
    """Planes of one image and their halves, cut into tiles.

    Each plane has a revision; a tile of an older one is stale. Safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._planes: dict[str, Pyramid] = {}
        self._revision: dict[str, int] = {}

    @property
    def revisions(self) -> dict[str, int]:
        """Revision of each plane that is there."""
        with self._lock:
            return {name: self._revision[name] for name in self._planes}

    def put(self, name: str, pyramid: Pyramid) -> int:
        """Show a plane in place of the one of that name; return its revision."""
        with self._lock:
            self._planes[name] = pyramid
            return self.touch(name)

    def touch(self, name: str) -> int:
        """Note that pixels of a plane have changed; return its new revision."""
        with self._lock:
            self._revision[name] = self._revision.get(name, 0) + 1
            return self._revision[name]

    def drop(self, *names: str) -> None:
        """Take planes away."""
        with self._lock:
            for name in names:
                self._planes.pop(name, None)

    def tile(
        self, name: str, revision: int, level: int, row: int, column: int
    ) -> "NDArray[np.float32] | None":
        """Return a tile.

        Parameters
        ----------
        name : str
            Of the plane.
        revision : int
            Which one is meant.
        level : int
            0 is the full image; each pixel of level k is the mean of 2^k x 2^k.
        row, column : int
            Counted in tiles of `SIDE` pixels.

        Returns
        -------
        ndarray of float32, shape (ny, nx), or None
            Little-endian and contiguous, smaller at the edges; None if the plane has
            changed since or there is no such tile.
        """
        with self._lock:
            pyramid = self._planes.get(name)
            if pyramid is None or self._revision[name] != revision:
                return None
            levels = pyramid.levels
        if not (0 <= level < len(levels) and row >= 0 and column >= 0):
            return None
        plane = levels[level]
        ny, nx = plane.shape
        rows = slice(row * SIDE, min((row + 1) * SIDE, ny))
        cols = slice(column * SIDE, min((column + 1) * SIDE, nx))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return None
        return np.ascontiguousarray(plane[rows, cols], "<f4")


def levels_of(plane: "Plane") -> Pyramid:
    """Return a plane with its halves; reads all of it once."""
    return Pyramid.over(plane, single=SINGLE)


def sampled(data: "NDArray[Any]") -> Pyramid:
    """Return an array with levels of single pixels in place of means: nothing is read.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Such as a memory-mapped one.

    Returns
    -------
    Pyramid
        Of the same number of levels as that of `levels_of`.
    """
    levels: list[Any] = [data]
    while max(data.shape) >= SINGLE and max(levels[-1].shape) > max(SINGLE // 4, 1):
        levels.append(levels[-1][::2, ::2])
    return Pyramid.of(levels)


def padded(plane: "Plane", block: "Block", shape: tuple[int, int]) -> LazyPlane:
    """Return a plane of a part as one of the whole image, NaN elsewhere.

    Parameters
    ----------
    plane : Plane
        Of the part.
    block : tuple of slice
        Where it lies.
    shape : tuple of int
        (ny, nx) of the whole.

    Returns
    -------
    LazyPlane
        Evaluated where it is read.
    """
    inner = [slice(*b.indices(n)) for b, n in zip(block, shape, strict=True)]

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        wanted = (rows, cols)
        out = np.full([k.stop - k.start for k in wanted], np.nan, np.float32)
        low = [max(k.start, b.start) for k, b in zip(wanted, inner, strict=True)]
        high = [min(k.stop, b.stop) for k, b in zip(wanted, inner, strict=True)]
        if low[0] < high[0] and low[1] < high[1]:
            here, there = (
                tuple(
                    slice(a - k.start, z - k.start)
                    for a, z, k in zip(low, high, frame, strict=True)
                )
                for frame in (wanted, inner)
            )
            out[here] = plane[there]
        return out

    return LazyPlane(shape, evaluate)


def count_levels(shape: tuple[int, int]) -> int:
    """Return how many levels an image of a shape has."""
    return len(sampled(np.broadcast_to(np.float32(0), shape)).levels)
