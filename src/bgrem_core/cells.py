"""Cells: a plane read by slabs, each one row of mesh cells, and sums over the cells."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.mesh import cell_edges
from bgrem_core.planes import Plane

_Bools = NDArray[np.bool_]

#: Pixels that are scaled at once.
_AT_ONCE = 2**15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Equal cells that tile a plane.

    Attributes
    ----------
    shape : tuple of int
        Shape (ny, nx) of the plane.
    count : tuple of int
        Cells (my, mx) along the axes.
    """

    shape: tuple[int, int]
    count: tuple[int, int]

    @property
    def rows(self) -> NDArray[np.intp]:
        """Pixel edges of the cells along y, my + 1 of them."""
        return cell_edges(self.shape[0], self.count[0])

    @property
    def cols(self) -> NDArray[np.intp]:
        """Pixel edges of the cells along x, mx + 1 of them."""
        return cell_edges(self.shape[1], self.count[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slab:
    """One row of cells with a margin on all four sides.

    Attributes
    ----------
    index : int
        Which row of cells.
    values : ndarray of float32, shape (rows + 2 margin, nx + 2 margin)
        Pixels on the scale of the reader, 0 where bad.
    bad : ndarray of bool, same shape
        Pixels that are masked, not finite or outside the frame.
    rows : slice
        Rows of the plane without the margin.
    margin : int
        Pixels added on each side.
    """

    index: int
    values: NDArray[np.float32]
    bad: _Bools
    rows: slice
    margin: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """A plane on a scale of order one, whatever its unit.

    Attributes
    ----------
    data : Plane
        Pixels, shape (ny, nx).
    flags : Plane
        Nonzero = do not use, shape (ny, nx).
    zero, unit : float
        ``values = (data - zero) / unit``.
    step : float
        Least difference between pixels on that scale, 0 where it does not matter.
    """

    data: Plane
    flags: Plane
    zero: float = 0.0
    unit: float = 1.0
    step: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane."""
        ny, nx = self.data.shape
        return ny, nx

    def slab(self, grid: Grid, index: int, *, margin: int = 0) -> Slab:
        """Read one row of cells."""
        start, stop = (int(edge) for edge in grid.rows[index : index + 2])
        low, high = max(0, start - margin), min(self.shape[0], stop + margin)
        rows = slice(low, high)
        raw = np.asarray(self.data[rows, 0 : self.shape[1]])
        bad = np.asarray(self.flags[rows, 0 : self.shape[1]]) != 0
        bad |= ~np.isfinite(raw)
        width = (
            (margin - (start - low), margin - (high - stop)),
            (margin, margin),
        )
        return Slab(
            index=index,
            values=np.pad(self._scaled(raw, bad), width),
            bad=np.pad(bad, width, constant_values=True),
            rows=slice(start, stop),
            margin=margin,
        )

    def _scaled(self, raw: NDArray[Any], bad: _Bools) -> NDArray[np.float32]:
        out = np.empty(raw.shape, np.float32)
        # Differences in float64: the level may be millions of sigma, or 1e-30. Few rows
        # at once, which stay in the cache.
        step = max(1, _AT_ONCE // raw.shape[1])
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, len(raw), step):
                part = np.subtract(
                    raw[start : start + step], self.zero, dtype=np.float64
                )
                part /= self.unit
                np.clip(part, -1e6, 1e6, out=part)
                out[start : start + step] = part
        out[bad] = 0
        return out

    def sample(self, *, most: int = 2**18) -> NDArray[np.float64]:
        """Return about `most` good pixels spread over the plane, unscaled."""
        ny, nx = self.shape
        step = max(1, round((ny * nx / most) ** 0.5))
        # Runs of rows at a stride that shares no factor with channels or binning.
        step += step > 1 and step % 2 == 0
        found = []
        for row in range(step // 2, ny, step):
            values = np.asarray(self.data[row : row + 1, 0:nx])[0, step // 2 :: step]
            bad = np.asarray(self.flags[row : row + 1, 0:nx])[0, step // 2 :: step]
            found.append(values[(bad == 0) & np.isfinite(values)])
        return np.concatenate(found or [np.zeros(0)]).astype(np.float64)


def cell_sums(values: NDArray[Any], cols: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum one row of cells.

    Parameters
    ----------
    values : ndarray, shape (rows, nx)
        Pixels of one row of cells.
    cols : ndarray of int, shape (mx + 1,)
        Edges of the cells.

    Returns
    -------
    ndarray of float64, shape (mx,)
        Sums.
    """
    down = np.sum(values, axis=0, dtype=np.float64)
    total: NDArray[np.float64] = np.add.reduceat(down, cols[:-1])
    return total


def cell_counts(flag: _Bools, cols: NDArray[np.intp]) -> NDArray[np.float64]:
    """Count the True pixels of one row of cells, as `cell_sums` sums."""
    # Sums of few rows fit into the bytes that they are made of.
    fits = np.uint8 if len(flag) < 256 else np.uint32
    down = np.sum(flag.view(np.uint8), axis=0, dtype=fits)
    total: NDArray[np.float64] = np.add.reduceat(down, cols[:-1], dtype=np.float64)
    return total


def inner(array: NDArray[Any], margin: int) -> NDArray[Any]:
    """Return a slab's array without its margin."""
    return array[margin:-margin, margin:-margin] if margin else array


def grow(flag: _Bools, radius: int) -> _Bools:
    """Grow True pixels by `radius` along both axes (a square)."""
    out = flag
    for axis in (0, 1):
        out = grow_along(out, radius, axis)
    return out


def grow_along(flag: _Bools, radius: int, axis: int) -> _Bools:
    """Grow True pixels by `radius` along one axis."""
    radius = min(radius, flag.shape[axis] - 1)
    if radius <= 0:
        return flag
    width = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
    out = np.pad(flag, width)
    # Windows of 1, 2, 4 ... pixels, each the union of two of the last.
    size, window = 1, 2 * radius + 1
    while size < window:
        step = min(size, window - size)
        ahead = (slice(step, None), slice(None))[:: 1 if axis == 0 else -1]
        here = (slice(None, -step), slice(None))[:: 1 if axis == 0 else -1]
        out = out[here] | out[ahead]
        size += step
    return out


def spread(per_cell: NDArray[Any], cols: NDArray[np.intp]) -> NDArray[Any]:
    """Repeat one value per cell over the pixels of a row."""
    return np.repeat(per_cell, np.diff(cols))


def clipped_moments(
    values: NDArray[np.float32],
    good: _Bools,
    cols: NDArray[np.intp],
    *,
    clip: float = 3.5,
    rounds: int = 6,
    centred: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each cell in a row of cells, without outliers.

    Parameters
    ----------
    values : ndarray of float32, shape (rows, nx)
        Pixels.
    good : ndarray of bool, shape (rows, nx)
        Pixels to use.
    cols : ndarray of int, shape (mx + 1,)
        Edges of the cells.
    clip : float, optional
        Pixels beyond so many standard deviations are left out.
    rounds : int, optional
        Times that it is repeated.
    centred : bool, optional
        The mean is known to be zero.

    Returns
    -------
    mean, variance, count : ndarray of float64, shape (mx,)
        NaN where a cell has no pixel; variance corrected for what a Gaussian loses.
    """
    keep = good
    mean = np.zeros(cols.size - 1)
    variance = np.full(cols.size - 1, np.nan)
    count = cell_counts(keep, cols)
    size, used = np.abs(values), np.empty_like(values)
    # A few huge outliers lift the first variance: start from the mean modulus.
    for step in range(rounds):
        n = np.maximum(count, 1)
        if not centred:
            mean = cell_sums(np.multiply(values, keep, out=used), cols) / n
            np.subtract(values, spread(mean, cols).astype(np.float32), out=size)
            np.abs(size, out=size)
        np.multiply(size, keep, out=used)
        if step == 0:
            variance = (1.2533 * cell_sums(used, cols) / n) ** 2
        else:
            used *= used
            variance = cell_sums(used, cols) / n / _clipped_share(clip)
        if step == rounds - 1:
            break
        limit = clip * np.sqrt(variance)
        limit = np.where(limit > 0, limit, 1e-30)
        fewer = size <= spread(limit, cols).astype(np.float32)
        fewer &= good
        if step and np.array_equal(fewer, keep):
            break
        keep = fewer
        count = cell_counts(keep, cols)
    empty = count == 0
    return (
        np.where(empty, np.nan, mean),
        np.where(empty, np.nan, variance),
        count,
    )


def _clipped_share(clip: float) -> float:
    """Variance of a unit Gaussian cut at +- `clip`."""
    from math import erf, exp, pi, sqrt

    inside = erf(clip / sqrt(2))
    return 1 - 2 * clip * exp(-clip * clip / 2) / sqrt(2 * pi) / inside
