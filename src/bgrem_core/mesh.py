"""Mesh: a smooth map held as a few nodes and evaluated by block."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage

from bgrem_core.planes import Block, allocate, bands

_Floats = NDArray[np.float64]
_Ints = NDArray[np.intp]

#: Rings of nodes added round the mesh, for the outer half cells and the spline.
_RINGS = 12
#: Pixels that are summed at once.
_AT_ONCE = 2**15
#: Numbers that numpy buffers; it copies what is broadcast along shorter rows.
_BUFFER = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """A smooth map: nodes at the centres of equal cells and a spline between them.

    Attributes
    ----------
    nodes : ndarray of float64, shape (my, mx)
        Values at the cell centres; finite.
    shape : tuple of int
        Shape (ny, nx) of the plane that the cells tile.
    order : {1, 3}
        3: cubic spline through the nodes, a gradient goes on over the outer half
        cells. 1: linear between nodes and constant outside, so that the map never
        leaves the range of its nodes.
    dtype : dtype
        Type of the pixels, float32.
    """

    nodes: _Floats
    shape: tuple[int, int]
    order: int = 3
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - immutable
    _coefficients: _Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nodes = np.atleast_2d(np.asarray(self.nodes, np.float64))
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "_coefficients", _coefficients(nodes, self.order))

    def __getitem__(self, key: Block) -> NDArray[np.float32]:
        """Evaluate the block at two slices, with the same bits whatever the block."""
        rows, cols = (
            np.arange(*k.indices(n)) for k, n in zip(key, self.shape, strict=True)
        )
        weights_y, base_y = self._taps(rows, axis=0)
        weights_x, base_x = self._taps(cols, axis=1)
        out = np.empty((rows.size, cols.size), np.float32)
        if not out.size:
            return out
        first = base_y.min()
        nodes = self._coefficients[first : base_y.max() + len(weights_y)]
        # Sums in a fixed order, not a matrix product: its bits depend on the block.
        along_x = _fixed_sum(
            [w * nodes[:, base_x + k] for k, w in enumerate(weights_x)]
        )
        # Rows of one node interval share their coefficients: no gather per pixel.
        starts = np.flatnonzero(np.diff(base_y, prepend=-1))
        # Few rows at once: what is summed stays in the cache.
        step = max(1, _AT_ONCE // cols.size)
        sums = np.empty((2, min(step, rows.size), cols.size))
        before = np.setbufsize(_BUFFER)
        try:
            for start, stop in pairwise([*starts, rows.size]):
                node = base_y[start] - first
                for low in range(start, stop, step):
                    part = slice(low, min(low + step, stop))
                    total, more = sums[:, : part.stop - low]
                    np.multiply(weights_y[0][part, None], along_x[node], out=total)
                    for k, w in enumerate(weights_y[1:], start=1):
                        np.multiply(w[part, None], along_x[node + k], out=more)
                        total += more
                    out[part] = total
        finally:
            np.setbufsize(before)
        return out

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - numpy's protocol
    ) -> NDArray[Any]:
        """Evaluate the whole plane, by bands."""
        out = allocate(self.shape, dtype or self.dtype)
        for rows in bands(self.shape):
            out[rows] = self[rows, :]
        return out

    def _taps(self, index: _Ints, *, axis: int) -> tuple[list[_Floats], _Ints]:
        """B-spline weights and first coefficient for pixels along one axis."""
        length, count = self.shape[axis], self.nodes.shape[axis]
        position = (index + 0.5) * count / length - 0.5 + _RINGS
        base = np.floor(position).astype(np.intp)
        t = position - base
        if self.order == 1:
            return [1 - t, t], base
        weights = [
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        ]
        return weights, base - 1


def node_count(length: int, scale: float) -> int:
    """Return how many cells of about `scale` pixels an axis of `length` is cut into."""
    return min(length, max(1, round(length / scale)))


def cell_edges(length: int, count: int) -> _Ints:
    """Return the ``count + 1`` pixel edges of equal cells."""
    return np.round(np.linspace(0, length, count + 1)).astype(np.intp)


def fill_nodes(nodes: _Floats) -> _Floats:
    """Replace nodes that are not finite by a weighted mean of the finite ones.

    Parameters
    ----------
    nodes : ndarray of float64, shape (my, mx)
        NaN where a node is unknown.

    Returns
    -------
    ndarray of float64, shape (my, mx)
        Known nodes unchanged. An unknown one is the mean of the known ones weighted
        by a Gaussian of the least width that reaches any; 0 where none is known.
    """
    known = np.isfinite(nodes)
    if known.all() or not known.any():
        return np.where(known, nodes, 0.0)
    out = np.where(known, nodes, 0.0)
    middle = float(np.median(nodes[known]))
    todo = ~known
    width = 1.0
    while todo.any():
        options: dict[str, Any] = {"mode": "constant", "truncate": 3.0}
        weight = ndimage.gaussian_filter(known.astype(float), width, **options)
        values = np.where(known, nodes - middle, 0.0)
        total = ndimage.gaussian_filter(values, width, **options)
        reached = todo & (weight > 1e-3)
        out[reached] = middle + total[reached] / weight[reached]
        todo &= ~reached
        width *= 2
    return out


def _fixed_sum(terms: list[_Floats]) -> _Floats:
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total


def _coefficients(nodes: _Floats, order: int) -> _Floats:
    """Spline coefficients with extra rings: extrapolated, or repeated if linear."""
    padded = nodes
    for axis in (0, 1):
        width = [(_RINGS, _RINGS) if a == axis else (0, 0) for a in (0, 1)]
        if order == 3 and padded.shape[axis] > 1:
            # An odd reflection continues a gradient; numpy repeats few nodes as often
            # as needed.
            padded = np.pad(padded, width, "reflect", reflect_type="odd")
        else:
            padded = np.pad(padded, width, "edge")
    if order == 1:
        return padded
    out: _Floats = ndimage.spline_filter(
        padded, order=3, mode="mirror", output=np.float64
    )
    return out
