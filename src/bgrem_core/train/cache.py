"""Simulated data that are made once and kept in the folder of a run."""

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

    from numpy.typing import NDArray

__all__ = ["announce", "keep", "key", "load"]

_log = logging.getLogger(__name__)


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


def keep(path: Path, make: "Callable[[], NDArray[Any]]") -> None:
    """Make an array and write it, unless it is there already.

    Parameters
    ----------
    path : pathlib.Path
        Of the .npy file; written beside and renamed, so that it is whole if it exists.
    make : callable
        Gives the array.

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
            f"the simulated data {path} cannot be written: {error.strerror or error}",
            "make room and run the same command again: what is there is used",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path, *, mapped: bool = False) -> "NDArray[Any]":
    """Read an array that was kept.

    Parameters
    ----------
    path : pathlib.Path
        Of the .npy file.
    mapped : bool, optional
        Leave it on the disc and read what is used.

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
            f"the simulated data {path} are damaged",
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
