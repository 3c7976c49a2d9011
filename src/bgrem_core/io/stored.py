"""Stored: the numbers of an image band by band, or what can be read of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ReadError
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.fits import Rows
from bgrem_core.io.layout import HDURecord
from bgrem_core.io.pixels import rows_at_once
from bgrem_core.planes import Block


class Band(NamedTuple):
    """Some rows of an image.

    Attributes
    ----------
    rows : slice
        Which.
    values : ndarray, shape (rows, nx)
        Stored numbers, BSCALE and BZERO not applied; 0 where they are lost.
    lost : ndarray of bool, shape (rows, nx), or None
        True = could not be read; None = all could.
    """

    rows: slice
    values: AnyArray
    lost: NDArray[np.bool_] | None = None


def stored_bands(
    stored: Rows, record: HDURecord, index: tuple[int, ...], *, salvage: bool = False
) -> Iterator[Band]:
    """Read a plane of an image HDU.

    Parameters
    ----------
    stored : callable
        Of `rows_of`.
    record : HDURecord
        The HDU.
    index : tuple of int
        Which plane, along the leading axes.
    salvage : bool, optional
        Go on where a row, or a tile of a compressed image, cannot be read.

    Yields
    ------
    Band
        From the first row on.

    Raises
    ------
    ReadError
        The data are damaged or end too early; not if they are salvaged.
    """
    ny, nx = record.shape[-2:]
    high, wide = _tile(record)
    step = max(high, rows_at_once(nx) // high * high)
    for start in range(0, ny, step):
        rows = slice(start, min(start + step, ny))
        try:
            values = stored(index, rows, slice(0, nx))
        except ReadError as error:
            pieces = list(_pieces(rows, nx, high, wide))
            if not salvage:
                raise _named(stored, record, index, pieces, error) from error
            yield _rescued(stored, index, rows, nx, pieces)
        else:
            yield Band(rows, values)


def _tile(record: HDURecord) -> tuple[int, int]:
    """Return the sides of what can be read alone: a tile, or a row."""
    nx = record.shape[-1]
    if record.kind != "compressed":
        return 1, nx
    sides = (record.values.get(f"ZTILE{k}", d) for k, d in ((2, 1), (1, nx)))
    high, wide = (s if type(s) is int and s > 0 else 1 for s in sides)
    return high, wide


def _pieces(rows: slice, nx: int, high: int, wide: int) -> Iterator[Block]:
    for row in range(rows.start, rows.stop, high):
        for col in range(0, nx, wide):
            yield (
                slice(row, min(row + high, rows.stop)),
                slice(col, min(col + wide, nx)),
            )


def _rescued(
    stored: Rows, index: tuple[int, ...], rows: slice, nx: int, pieces: list[Block]
) -> Band:
    shape = (rows.stop - rows.start, nx)
    lost = np.ones(shape, bool)
    values = None
    for block in pieces:
        try:
            found = stored(index, *block)
        except ReadError:
            continue
        if values is None:
            values = np.zeros(shape, found.dtype)
        at = slice(block[0].start - rows.start, block[0].stop - rows.start)
        values[at, block[1]] = found
        lost[at, block[1]] = False
    return Band(rows, np.zeros(shape, np.float32) if values is None else values, lost)


def _named(
    stored: Rows,
    record: HDURecord,
    index: tuple[int, ...],
    pieces: list[Block],
    error: ReadError,
) -> ReadError:
    """Return the error with the first tile that cannot be read."""
    if record.kind != "compressed":
        return error
    for rows, cols in pieces:
        try:
            stored(index, rows, cols)
        except ReadError as first:
            where = f"rows {rows.start} to {rows.stop - 1}"
            if cols.stop - cols.start < record.shape[-1]:
                where += f", columns {cols.start} to {cols.stop - 1}"
            return ReadError(
                f"{first.sentence}: first the tile of {where}",
                hint="fetch the file again; --salvage keeps the other tiles",
            )
    return error
