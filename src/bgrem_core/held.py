"""Held: a plane that is asked for again and again, and evaluated once."""

import numpy as np
from numpy.typing import NDArray

from bgrem_core.planes import Block, Plane, allocate

#: Side of what is evaluated or not, pixels; it divides the blocks of a search.
_CELL = 128


class Held:
    """A plane that keeps what was evaluated, by cells, in a scratch file if it is big.

    Parameters
    ----------
    plane : Plane
        Shape (ny, nx). The value of a pixel must not depend on the block in which it is
        asked for.
    """

    def __init__(self, plane: Plane) -> None:
        ny, nx = plane.shape
        self.shape, self.dtype = (ny, nx), plane.dtype
        self._plane = plane
        self._known = np.zeros((-(-ny // _CELL), -(-nx // _CELL)), bool)
        self._pixels = allocate(self.shape, self.dtype)

    def __getitem__(self, key: Block) -> NDArray[np.float32]:
        """Return the block at two slices, as a fresh array."""
        rows, cols = (
            slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True)
        )
        first = np.array([rows.start // _CELL, cols.start // _CELL])
        cells = self._known[
            first[0] : -(-rows.stop // _CELL), first[1] : -(-cols.stop // _CELL)
        ]
        missing = np.argwhere(~cells)
        if len(missing):
            low, high = first + missing.min(axis=0), first + missing.max(axis=0) + 1
            y, x = (slice(a * _CELL, b * _CELL) for a, b in zip(low, high, strict=True))
            self._pixels[y, x] = self._plane[y, x]
            self._known[low[0] : high[0], low[1] : high[1]] = True
        return np.array(self._pixels[rows, cols])
