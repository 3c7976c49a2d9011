"""Planes: two-dimensional arrays that are read by block.

A plane is anything with ``shape``, ``dtype`` and ``plane[rows, cols]`` (two slices)
giving an array. A numpy array is one; `LazyPlane` evaluates itself where it is asked.
Big arrays live in unlinked scratch files, so that a frame of any size costs disk and
page cache instead of memory, and nothing is left behind however the process ends.
"""

import errno
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bgrem_core.errors import OutOfMemory

#: Arrays above this many bytes go to a scratch file.
IN_MEMORY = 16 * 2**20

#: What a system or a disk says that cannot take room beforehand.
_UNABLE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}

#: Pixels in a band, at most.
BAND = 2**21

Block = tuple[slice, slice]
AnyArray = NDArray[Any]


class Plane(Protocol):
    """What a plane must offer; a numpy array does."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""

    def __getitem__(self, key: Any) -> Any:
        """Return the block at ``key``, two slices."""


class LazyPlane:
    """A plane computed block by block, when it is read.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx).
    evaluate : callable
        ``evaluate(rows, cols)`` gives the block as an array. The value of a pixel must
        not depend on the block in which it is asked for.
    dtype : dtype, optional
        Type of the pixels.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        evaluate: Callable[[slice, slice], NDArray[Any]],
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._evaluate = evaluate

    def __getitem__(self, key: Block) -> NDArray[Any]:
        """Return the block at two slices, with non-negative steps of one."""
        rows, cols = (
            slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True)
        )
        return self._evaluate(rows, cols).astype(self.dtype, copy=False)

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - the protocol of numpy
    ) -> NDArray[Any]:
        """Evaluate the whole plane, by bands."""
        out = allocate(self.shape, dtype or self.dtype)
        for rows in bands(self.shape):
            out[rows] = self[rows, :]
        return out


def constant(value: float, shape: tuple[int, int]) -> LazyPlane:
    """Return a plane of one value that takes no memory."""

    def evaluate(rows: slice, cols: slice) -> NDArray[np.float32]:
        size = (rows.stop - rows.start, cols.stop - cols.start)
        return np.full(size, value, np.float32)

    return LazyPlane(shape, evaluate)


def allocate(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return a zeroed array, in memory if small, else in an unlinked scratch file.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : dtype, optional
        Type of the pixels.

    Returns
    -------
    ndarray
        Zeros; a `numpy.memmap` above `IN_MEMORY` bytes.

    Raises
    ------
    OutOfMemory
        The scratch disk is full.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size <= IN_MEMORY:
        return np.zeros(shape, dtype)
    folder = scratch_folder()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise OutOfMemory(
            f"there is no room for {size / 2**20:.0f} MiB of scratch space in {folder} "
            f"({error.strerror or error})",
            hint="set TMPDIR to a folder on a larger disk",
        ) from error


def reserve(file: IO[bytes], size: int) -> None:
    """Fill a file with zeros up to a size; a map without room ends a process later.

    Parameters
    ----------
    file : binary file
        Open for writing, at its end.
    size : int
        Of the whole file, bytes.

    Raises
    ------
    OSError
        The disk is full.
    """
    file.flush()
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _UNABLE:
            raise
        zeros = bytes(2**20)
        left = size - file.seek(0, os.SEEK_END)
        while left > 0:
            left -= file.write(zeros[:left])
        file.flush()


def scratch_folder() -> Path:
    """Return where scratch files go: TMPDIR if set, else a folder on a real disk."""
    # /tmp is memory on many systems; /var/tmp is not.
    disk = Path("/var/tmp")  # noqa: S108 - the file has no name
    if "TMPDIR" not in os.environ and os.access(disk, os.W_OK):
        return disk
    return Path(tempfile.gettempdir())


def bands(shape: tuple[int, ...], rows: int | None = None) -> Iterator[slice]:
    """Yield slices of rows that cover a plane from the bottom up.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx).
    rows : int, optional
        Rows in each; 256, or fewer where the plane is so wide that they would hold more
        than `BAND` pixels: what a loop needs does not grow with the plane.
    """
    if rows is None:
        rows = max(1, min(256, BAND // max(1, shape[1])))
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def widened(block: Block, margin: int, shape: tuple[int, ...]) -> tuple[Block, Block]:
    """Return a block with a margin, cut at the frame, and where the block lies in it.

    Parameters
    ----------
    block : tuple of slice
        Rows and columns, with start and stop.
    margin : int
        Pixels on each side.
    shape : tuple of int
        (ny, nx) of the frame.

    Returns
    -------
    wide, inner : tuple of slice
        ``plane[wide][inner]`` is ``plane[block]``.
    """
    wide, inner = [], []
    for s, n in zip(block, shape, strict=True):
        start, stop = max(s.start - margin, 0), min(s.stop + margin, n)
        wide.append(slice(start, stop))
        inner.append(slice(s.start - start, s.stop - start))
    return (wide[0], wide[1]), (inner[0], inner[1])
