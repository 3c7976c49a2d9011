"""Windows: tiles that overlap inside a frame, and one map of what was said in each.

What a network says of rows and columns it says for the whole of a tile: no margin that
is thrown away makes neighbours agree. They overlap and fade into each other instead.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.planes import allocate, bands
from bgrem_core.tiles import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]

__all__ = ["Windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Tiles of one size that cover a frame and do not reach beyond it.

    Attributes
    ----------
    shape : tuple of int
        (ny, nx) of the frame.
    side : int
        Of a tile, pixels; a smaller frame is one tile.
    overlap : int
        Least number of pixels that neighbours share.
    """

    shape: tuple[int, int]
    side: int
    overlap: int

    def __post_init__(self) -> None:
        if self.side <= 2 * self.overlap and self.side < max(self.shape):
            raise UsageError(
                f"margin={self.overlap // 2} leaves nothing of tile={self.side}",
                hint=f"use a margin below {self.side // 4}",
            )

    @property
    def counts(self) -> tuple[int, int]:
        """Number of tiles along y and x."""
        rows, cols = (len(self._starts(n)) for n in self.shape)
        return rows, cols

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.counts[0] * self.counts[1]

    def tiles(self) -> list[Tile]:
        """Return the tiles, row by row; each pixel is kept by the nearest one."""
        rows, cols = (self._spans(n) for n in self.shape)
        return [
            Tile(read=(a[0], b[0]), keep=(a[1], b[1]), index=(j, i))
            for j, a in enumerate(rows)
            for i, b in enumerate(cols)
        ]

    def blend(self, said: "list[Float]") -> "Float":
        """Return one plane of what was said in each tile, the middles weighing most.

        Parameters
        ----------
        said : list of ndarray
            One for each tile, in order, of the shape that it reads.

        Returns
        -------
        ndarray
            (ny, nx) float32.
        """
        out: Float = allocate(self.shape)
        weight: Float = allocate(self.shape)
        for tile, values in zip(self.tiles(), said, strict=True):
            if values.shape == self.shape:
                out[:] = values  # to the last bit
                return out
            fade = np.multiply.outer(*(self._fade(n) for n in values.shape))
            out[tile.read] += (fade * values).astype(np.float32)
            weight[tile.read] += fade.astype(np.float32)
        for rows in bands(self.shape):
            out[rows] /= weight[rows]
        return out

    def _starts(self, length: int) -> list[int]:
        if length <= self.side:
            return [0]
        step = self.side - self.overlap
        number = -(-(length - self.overlap) // step)
        return np.rint(np.linspace(0, length - self.side, number)).astype(int).tolist()  # type: ignore[no-any-return]

    def _spans(self, length: int) -> list[tuple[slice, slice]]:
        """Return what is read and what is kept along an axis."""
        starts = self._starts(length)
        stops = [min(s + self.side, length) for s in starts]
        ends = [(a + b) // 2 for a, b in zip(starts[1:], stops, strict=False)]
        return [
            (slice(a, b), slice(c, d))
            for a, b, c, d in zip(
                starts, stops, [0, *ends], [*ends, length], strict=True
            )
        ]

    def _fade(self, length: int) -> "Floats":
        away = np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5)
        return np.asarray(np.minimum(away / max(self.overlap, 1), 1))
