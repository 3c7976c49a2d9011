"""Arrays as plain files of a folder: for processes of one machine.

They have the part of a zarr group's interface that `bgrem_core.engine.store` uses.
Arrays are mapped: what one process writes the others see at once, and nothing is
copied. Over a network that does not hold, as pages are shared by tiles of two writers.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from bgrem_core.planes import reserve

_ATTRIBUTES = "attributes.json"


class Files:
    """A folder of arrays.

    Parameters
    ----------
    folder : Path
        As `create` made it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.attrs: dict[str, Any] = json.loads((folder / _ATTRIBUTES).read_text())

    @classmethod
    def create(cls, folder: Path, attributes: Mapping[str, Any]) -> "Files":
        """Make an empty folder that only its owner may read."""
        folder.mkdir(mode=0o700)
        (folder / _ATTRIBUTES).write_text(json.dumps(attributes))
        return cls(folder)

    @staticmethod
    def here(folder: Path) -> bool:
        """Tell whether a folder is one of these."""
        return (folder / _ATTRIBUTES).exists()

    def __contains__(self, name: str) -> bool:
        """Tell whether there is an array."""
        return self._path(name).exists()

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return an array, mapped; it outlives its file."""
        # Mapped anew each time: a map that is kept would keep a removed file on disk.
        array: NDArray[Any] = npy.open_memmap(self._path(name), mode="r+")
        return array

    def create_array(
        self,
        name: str,
        *,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        **_: Any,
    ) -> NDArray[Any]:
        """Make an array of zeros, its room on the disk taken.

        Parameters
        ----------
        name : str
            Of the array.
        shape : tuple of int
            Its shape.
        dtype : dtype
            Of its numbers.
        **_
            What only zarr knows of.

        Returns
        -------
        ndarray
            Mapped.

        Raises
        ------
        OSError
            The disk is full.
        """
        fresh, dtype = self._folder / f"{name}.tmp", np.dtype(dtype)
        head = {
            "descr": npy.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        with fresh.open("wb") as file:
            npy.write_array_header_1_0(file, head)
            reserve(file, file.tell() + math.prod(shape) * dtype.itemsize)
        fresh.replace(self._path(name))
        return self[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"
