"""Checkpoints: written beside their target and renamed, checked when read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import ModelError, ReadError, WriteError
from bgrem_core.weights import slim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

__all__ = ["STATE", "read", "write"]

STATE = "state.safetensors"


def write(folder: Path, arrays: "Arrays", note: Mapping[str, Any]) -> None:
    """Replace the checkpoint of a run, or leave it as it was.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    arrays : mapping of ndarray
        Float32 or int64.
    note : mapping
        JSON.

    Raises
    ------
    WriteError
        No room or no right to write; the last checkpoint is untouched.
    """
    path = folder / STATE
    beside = path.with_suffix(".new")
    full = {**note, "sum": _digest(arrays)}
    try:
        slim.write(beside, arrays, full)
        beside.replace(path)
    except OSError as error:
        raise WriteError(
            f"the checkpoint {path} cannot be written: {error.strerror or error}",
            "make room and run the same command again: it goes on from the last one",
        ) from error
    finally:  # also on Ctrl-C
        beside.unlink(missing_ok=True)


def read(folder: Path) -> "tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]":
    """Read the checkpoint of a run.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.

    Returns
    -------
    tuple
        Arrays by name, and the note.

    Raises
    ------
    ReadError
        It is damaged.
    """
    path = folder / STATE
    try:
        file = slim.read(path)
        arrays = {name: file.array(name) for name in file.tensors}
    except ModelError as error:
        raise _damaged(path, error.sentence) from error
    if file.metadata.pop("sum", None) != _digest(arrays):
        raise _damaged(path, "its numbers are not those that were written")
    return arrays, file.metadata


def _damaged(path: Path, why: str) -> ReadError:
    return ReadError(
        f"the checkpoint {path} cannot be used: {why}",
        "move it away to train from the beginning, or use a new --out folder",
    )


def _digest(arrays: "Arrays") -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(json.dumps([name, list(arrays[name].shape)]).encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
