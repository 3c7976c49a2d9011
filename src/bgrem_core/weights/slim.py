"""Writes weights files, and reads them as what they may be: bytes from anywhere.

The format (safetensors) is eight bytes of length, a JSON header and raw numbers. All
that the header claims is checked against the file before anything is allocated for it,
and nothing is ever unpickled.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bgrem_core.errors import ModelError

MAX_FILE = 64 * 2**20
MAX_HEADER = 2**20
MAX_TENSORS = 512
METADATA_KEY = "bgrem"
PICKLED = {".bin", ".ckpt", ".h5", ".keras", ".pickle", ".pkl", ".pt", ".pth"}
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_GET_OTHER = "get the file again, or use a model of `bgrem models`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Where one array lies in the file.

    Attributes
    ----------
    dtype : str
        Name in the format, F32 or I64.
    shape : tuple of int
        Of the array.
    start, stop : int
        Bytes, from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimFile:
    """A weights file whose header agrees with its length.

    Attributes
    ----------
    path : pathlib.Path
        Where it was read.
    metadata : dict
        JSON object under the key "bgrem" of the header.
    tensors : dict
        `Tensor` by name.
    body : bytes
        The numbers; empty where only the header was wanted.
    sha256 : str
        Of the whole file; "" where only the header was read.
    """

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]
    body: bytes
    sha256: str

    def array(self, name: str) -> "np.ndarray[Any, Any]":
        """Return one array, copied out of the file's bytes."""
        t = self.tensors[name]
        raw = np.frombuffer(self.body[t.start : t.stop], _DTYPES[t.dtype])
        native: np.ndarray[Any, Any] = raw.astype(raw.dtype.newbyteorder("="))
        return native.reshape(t.shape)


def read(path: Path, *, body: bool = True) -> SlimFile:
    """Read and check a weights file.

    Parameters
    ----------
    path : pathlib.Path
        A safetensors file.
    body : bool, optional
        Read the numbers too.

    Returns
    -------
    SlimFile
        Checked.

    Raises
    ------
    ModelError
        Not such a file, too large, damaged, or not made for this program.
    """
    if path.suffix.lower() in PICKLED:
        raise ModelError(
            f"{path.name} is not read: only safetensors are, because other formats "
            "can run code when opened",
            "convert it to safetensors where you trust it",
        )
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise ModelError(
                f"{path.name} is not a regular file",
                "give the name of a model (`bgrem models`) or a safetensors file",
            )
        size = about.st_size
        if size > MAX_FILE:
            raise ModelError(
                f"{path.name} has {size / 2**20:.0f} MB, more than "
                f"{MAX_FILE // 2**20} MB",
                "use weights made for this program",
            )
        with path.open("rb") as file:
            head = file.read(8)
            length = _header_length(path, head, size)
            text = file.read(length)
            # No more than was there a moment ago, should the file be growing.
            rest = file.read(size - 8 - length) if body else b""
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror or error}",
            "give the name of a model (`bgrem models`) or a safetensors file",
        ) from error
    if len(text) < length or (body and len(rest) < size - 8 - length):
        raise _damaged(path, "it became shorter while it was read")
    header = _parse(path, text)
    tensors = _tensors(path, header, size - 8 - length)
    digest = hashlib.sha256(head + text + rest).hexdigest() if body else ""
    return SlimFile(
        path=path,
        metadata=_metadata(path, header),
        tensors=tensors,
        body=rest,
        sha256=digest,
    )


def write(
    path: Path, arrays: Mapping[str, "np.ndarray[Any, Any]"], note: Mapping[str, Any]
) -> None:
    """Write a weights file, and see it safe on the disk.

    Parameters
    ----------
    path : pathlib.Path
        Overwritten: give a name beside the target, and rename.
    arrays : mapping of ndarray
        Float32 or int64, by name.
    note : mapping
        JSON that goes under the key "bgrem" of the header.

    Raises
    ------
    OSError
        No room or no right to write.
    """
    names = {np.dtype(kind): name for name, kind in _DTYPES.items()}
    # The widest numbers first, so that each array starts at a multiple of its item.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, Any] = {
        "__metadata__": {METADATA_KEY: json.dumps(note, sort_keys=True)}
    }
    end = 0
    for name in order:
        array = arrays[name]
        header[name] = {
            "dtype": names[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            array = arrays[name]
            file.write(
                array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            )
        file.flush()
        os.fsync(file.fileno())


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(f"{path.name} is damaged or no weights file: {why}", _GET_OTHER)


def _header_length(path: Path, head: bytes, size: int) -> int:
    if len(head) < 8:
        raise _damaged(path, "it is shorter than 8 bytes")
    length = int.from_bytes(head, "little")
    if length > MAX_HEADER or length > size - 8:
        raise _damaged(path, f"its header claims {length} bytes")
    return length


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_each_once)
    except _Twice as error:
        raise _damaged(path, f"its header names {error.args[0]!r} twice") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a JSON object")
    return header


class _Twice(Exception):  # noqa: N818 - never leaves this module
    """One name for two things: other readers would take the other one."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name[:80])
        found[name] = value
    return found


def _tensors(path: Path, header: dict[str, Any], space: int) -> dict[str, Tensor]:
    entries = {k: v for k, v in header.items() if k != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise _damaged(path, f"it lists {len(entries)} tensors")
    tensors = {name: _tensor(path, name, v) for name, v in entries.items()}
    end = 0
    for t in sorted(tensors.values(), key=lambda t: t.start):
        if t.start != end:
            raise _damaged(path, "its tensors overlap or leave gaps")
        end = t.stop
    if end != space:
        raise _damaged(path, f"it holds {space} bytes of numbers, not {end}")
    return tensors


def _tensor(path: Path, name: str, entry: Any) -> Tensor:
    try:
        dtype, shape, (start, stop) = (
            entry["dtype"],
            entry["shape"],
            entry["data_offsets"],
        )
        numbers = [*shape, start, stop]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"the entry of {name[:80]!r} is incomplete") from error
    if not all(type(n) is int and 0 <= n <= MAX_FILE for n in numbers):
        raise _damaged(path, f"the shape of {name[:80]!r} is no list of small numbers")
    if dtype not in _DTYPES or len(shape) > 8:
        raise _damaged(path, f"{name[:80]!r} is not an array of float32")
    count = 1
    for n in shape:  # in whole numbers of Python: products cannot overflow
        count *= n
    if stop - start != count * _DTYPES[dtype].itemsize:
        raise _damaged(path, f"{name[:80]!r} has not the size of its shape")
    return Tensor(dtype=dtype, shape=tuple(shape), start=start, stop=stop)


def _metadata(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    notes = header.get("__metadata__", {})
    text = notes.get(METADATA_KEY) if isinstance(notes, dict) else None
    try:
        data = (
            json.loads(text, object_pairs_hook=_each_once)
            if isinstance(text, str)
            else None
        )
    except (_Twice, ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ModelError(
            f"{path.name} does not say how it is to be used: no {METADATA_KEY!r} in "
            "its header",
            "use weights that were exported by this program",
        )
    return data
