"""Levels of the cells of a plane: what the sky's choice and its estimate both read."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.cells import Grid
from bgrem_core.mesh import Mesh
from bgrem_core.planes import Plane

__all__ = [
    "BLOCK",
    "LEAST",
    "Frame",
    "cell_nodes",
    "clipped_mode",
    "spans",
    "thinning",
]

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: A cell counts if this share of its pixels is not masked.
LEAST = 0.3
#: Side of the blocks on which "auto" looks at the frame.
BLOCK = 32
#: Pixels that are looked at together, at most; a single cell may have more.
_AT_ONCE = 2**21


@dataclass(frozen=True, slots=True)
class Frame:
    """A plane with its mask and noise, read by cells.

    Attributes
    ----------
    plane : Plane
        Pixels, shape (ny, nx).
    flags : Plane
        Nonzero = do not use, shape (ny, nx).
    sigma : Plane
        Noise per pixel, in the unit of the plane.
    grid : Grid
        Cells that tile the plane.
    """

    plane: Plane
    flags: Plane
    sigma: Plane
    grid: Grid

    def rows(self, index: int) -> slice:
        """Return the rows of the plane in one row of cells."""
        edges = self.grid.rows
        return slice(int(edges[index]), int(edges[index + 1]))

    def groups(self, index: int) -> Iterator[tuple[range, slice]]:
        """Cut a row of cells into neighbours: which they are, and their columns.

        However wide the plane is, a group holds about `_AT_ONCE` pixels.
        """
        rows, edges = self.rows(index), self.grid.cols
        width = max(1, self.grid.shape[1] // self.grid.count[1])
        step = max(1, _AT_ONCE // (width * max(1, rows.stop - rows.start)))
        for first in range(0, self.grid.count[1], step):
            last = min(first + step, self.grid.count[1])
            yield range(first, last), slice(int(edges[first]), int(edges[last]))

    def values(self, rows: slice, cols: slice) -> tuple[NDArray[np.float32], _Bools]:
        """Return pixels and which are good, of a block, whose slices may have steps."""
        values = _read(self.plane, rows, cols)
        good = (_read(self.flags, rows, cols) == 0) & np.isfinite(values)
        return values, good

    def noise(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return sigma of a block, whose slices may have steps."""
        return _read(self.sigma, rows, cols)


def cell_nodes(
    frame: Frame,
    passes: int,
    estimate: Callable[[_Floats], float],
    *,
    most: int = 16384,
    zero: float = 0.0,
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Estimate of each cell less `zero`, and the share of good pixels."""
    count = frame.grid.count
    nodes = np.full(count, np.nan)
    used = np.zeros(count)
    edges = spans(frame.grid)
    for index in range(count[0]):
        for cells, cols in frame.groups(index):
            values, good = frame.values(frame.rows(index), cols)
            for k in cells:
                start, stop = (edge - cols.start for edge in edges[k])
                pixels, used[index, k] = cell_pixels(values, good, start, stop, most)
                if pixels.size:
                    nodes[index, k] = estimate(pixels - zero)
        yield index + 1, passes * count[0]
    return nodes, used


def cell_pixels(
    values: NDArray[np.float32], good: _Bools, start: int, stop: int, most: int
) -> tuple[_Floats, float]:
    """Good pixels of one cell, thinned out to about `most`, and their share."""
    thin = thinning(good.shape[0] * (stop - start), most)
    fine = good[::thin, start:stop:thin]
    pixels = values[::thin, start:stop:thin][fine].astype(np.float64)
    return pixels, float(fine.mean()) if fine.size else 0.0


def _read(plane: Plane, rows: slice, cols: slice) -> NDArray[Any]:
    """Read a block with steps: a mesh there alone, of others what lies between too."""
    if isinstance(plane, Mesh):
        return plane[rows, cols]
    block = plane[rows.start : rows.stop, cols.start : cols.stop]
    return np.asarray(block)[:: rows.step, :: cols.step]


def thinning(pixels: int, most: int) -> int:
    """Return the step, each way, that leaves about `most` of some pixels."""
    return max(1, int((pixels / most) ** 0.5))


def clipped_mode(pixels: _Floats) -> float:
    """Clipped mode of pixels (Bertin & Arnouts 1996, section 4)."""
    for _ in range(8):
        middle = float(np.median(pixels))
        spread = float(pixels.std())
        keep = np.abs(pixels - middle) <= 3 * spread
        if keep.all():
            break
        pixels = pixels[keep]
    middle, mean, spread = (
        float(np.median(pixels)),
        float(pixels.mean()),
        float(pixels.std()),
    )
    if abs(mean - middle) < 0.3 * spread:
        return 2.5 * middle - 1.5 * mean
    return middle


def spans(grid: Grid) -> list[tuple[int, int]]:
    """Return the first column of each cell and the one after its last."""
    return list(pairwise(int(e) for e in grid.cols))
