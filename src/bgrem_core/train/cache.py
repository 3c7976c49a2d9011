"""Data that are made once and kept in the folder of a run."""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ReadError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

__all__ = ["OnDisc", "announce", "keep", "key", "load"]

_log = logging.getLogger(__name__)
SIMULATED = "simulated data"


def key(*decides: Any) -> str:
    """Return a short name for what decides the data, so that a change makes them anew.

    Parameters
    ----------
    *decides
        Plain JSON types.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]


def keep(
    path: Path, make: "Callable[[], NDArray[Any]]", *, what: str = SIMULATED
) -> None:
    """Make an array and write it, unless it is there already.

    Parameters
    ----------
    path : pathlib.Path
        Of the .npy file; written beside and renamed, so that it is whole if it exists.
    make : callable
        Gives the array.
    what : str, optional
        Plural noun, for the error.

    Raises
    ------
    WriteError
        No room or no right to write; nothing is left behind.
    """
    if path.exists():
        return
    beside = path.with_suffix(f".{os.getpid()}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        values = make()
        np.save(beside, values)
        beside.replace(path)
    except OSError as error:
        raise WriteError(
            f"the {what} {path} cannot be written: {error.strerror or error}",
            "make room and run the same command again: what is there is used",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


class OnDisc:
    """An array that was kept, read where it is used; no file is held open.

    Parameters
    ----------
    path : pathlib.Path
        Of the .npy file, which is checked now.
    what : str, optional
        Plural noun, for errors.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    """

    # A mapped array holds its file open, and systems allow some hundred of those.
    def __init__(self, path: Path, *, what: str = SIMULATED) -> None:
        self._path, self._what = path, what
        self.shape = load(path, mapped=True, what=what).shape

    def __getitem__(self, key: Any) -> "NDArray[Any]":
        """Read a part."""
        return np.array(load(self._path, mapped=True, what=self._what)[key])

    def __array__(
        self,
        dtype: "DTypeLike | None" = None,
        copy: bool | None = None,  # noqa: FBT001 - numpy's protocol
    ) -> "NDArray[Any]":
        """Read the whole."""
        return np.asarray(load(self._path, what=self._what), dtype)


def load(path: Path, *, mapped: bool = False, what: str = SIMULATED) -> "NDArray[Any]":
    """Read an array that was kept.

    Parameters
    ----------
    path : pathlib.Path
        Of the .npy file.
    mapped : bool, optional
        Leave it on the disc and read what is used.
    what : str, optional
        Plural noun, for the error.

    Returns
    -------
    ndarray
        As it was made.

    Raises
    ------
    ReadError
        The file is damaged.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None)
    except (OSError, ValueError, EOFError) as error:
        raise ReadError(
            f"the {what} {path} are damaged",
            "delete that file and run the same command again: it is made anew",
        ) from error
    return array


def announce(number: int, what: str) -> None:
    """Say, before it takes its time, that data must be made.

    Parameters
    ----------
    number : int
        How many; nothing is said of 0.
    what : str
        Plural noun.
    """
    if number > 0:
        _log.info("making %d %s ...", number, what)
