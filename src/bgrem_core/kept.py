"""Kept: finished tiles that outlive the process, so that a run can go on.

The planes that tiles fill are named files, and a journal beside them says which tiles
are done. Nothing is believed: each line holds a checksum of the tile's pixels in all
planes, so that a line that came to disk before its pixels did costs one tile, not the
result.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bgrem_core.errors import WriteError
from bgrem_core.planes import allocate, reserve
from bgrem_core.tiles import Tile

__all__ = ["JOURNAL", "Kept", "Scratch"]

#: Name of the journal within a folder of kept tiles.
JOURNAL = "journal.jsonl"

#: Version of the layout of the folder.
_LAYOUT = 1


class Scratch:
    """Where the planes of a run live that keeps nothing: memory, or nameless files."""

    #: What a person should know of earlier work.
    note = ""

    def allocate(
        self,
        name: str,  # noqa: ARG002 - for those who keep
        shape: tuple[int, int],
        dtype: DTypeLike = np.float32,
    ) -> NDArray[Any]:
        """Return a zeroed plane that tiles fill."""
        return allocate(shape, dtype)

    def done(self, tile: Tile) -> bool:  # noqa: ARG002
        """Whether a tile is finished already."""
        return False

    def finish(self, tile: Tile) -> None:
        """Hear that a tile is finished in all planes."""


class Kept(Scratch):
    """Planes in a folder, with a journal of the tiles that are finished in them.

    Parameters
    ----------
    folder : Path
        Belongs to one plane of one image; made if it is not there.
    facts : mapping of str to value
        What decides the bits of a tile, as JSON. Tiles are kept where all facts are
        those of the journal; else the folder is emptied.

    Raises
    ------
    WriteError
        The folder cannot be written.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder = folder
        self._planes: dict[str, NDArray[Any]] = {}
        head = {"bgrem-journal": _LAYOUT, **json.loads(json.dumps(facts))}
        try:
            folder.mkdir(exist_ok=True)
            self._claims, self.note = _read(folder / JOURNAL, head)
            if not self._claims:
                _start(folder, head)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def allocate(
        self, name: str, shape: tuple[int, int], dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """Return a plane with what finished tiles left in it.

        Raises
        ------
        WriteError
            The disk is full.
        """
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        path = self._folder / f"{name}.bin"
        try:
            with path.open("a+b") as file:
                if os.fstat(file.fileno()).st_size != size:
                    file.truncate(0)
                    reserve(file, size)
            plane = np.memmap(path, dtype, mode="r+", shape=shape)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self._planes[name] = plane
        return plane

    def done(self, tile: Tile) -> bool:
        """Whether the journal names a tile, and its pixels are those that it saw."""
        claim = self._claims.get(tile.index)
        return claim is not None and claim == self._sum(tile)

    def finish(self, tile: Tile) -> None:
        """Write a finished tile into the journal.

        Raises
        ------
        WriteError
            The disk is full.
        """
        line = json.dumps({"tile": tile.index, "sum": self._sum(tile)})
        try:
            with (self._folder / JOURNAL).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def _sum(self, tile: Tile) -> str:
        total = hashlib.blake2b(digest_size=16)
        for name, plane in sorted(self._planes.items()):
            total.update(name.encode())
            total.update(np.ascontiguousarray(plane[tile.keep]).data)
        return total.hexdigest()


def _read(
    path: Path, head: Mapping[str, Any]
) -> tuple[dict[tuple[int, int], str], str]:
    """Return the tiles that a journal names, and what a person should know."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}, ""
    # What follows the last end of a line was being written when the process died.
    whole = text[: text.rfind(b"\n") + 1]
    lines = [_parsed(line) for line in whole.splitlines()]
    found = lines[0] if lines else {}
    if found != head:
        wrong = [k for k in head if found.get(k) != head[k]] if found else []
        what = ", ".join(_named(k, found.get(k), head[k]) for k in wrong)
        why = f"of other {what}" if what else "damaged"
        return {}, f"the unfinished run is {why}: starting anew"
    claims = {}
    for line in lines[1:]:
        index, total = line.get("tile"), line.get("sum")
        if isinstance(index, list) and len(index) == 2:
            claims[index[0], index[1]] = str(total)
    if len(whole) != len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    note = f"going on with {len(claims)} finished tiles" if claims else ""
    return claims, note


def _parsed(line: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def _named(key: str, before: Any, now: Any) -> str:
    """Name what differs; of several settings those that do."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [k for k in now if before.get(k) != now[k]]
        return f"{key} ({', '.join(names)})"
    return key


def _start(folder: Path, head: Mapping[str, Any]) -> None:
    """Empty a folder and begin its journal, which appears with a whole first line."""
    for path in folder.iterdir():
        if path.suffix in {".bin", ".tmp"} or path.name == JOURNAL:
            path.unlink()
    fresh = folder / f"{JOURNAL}.tmp"
    fresh.write_text(f"{json.dumps(head)}\n", encoding="utf-8")
    fresh.replace(folder / JOURNAL)


def _unwritable(folder: Path, error: OSError) -> WriteError:
    return WriteError(
        f"finished tiles cannot be kept in {folder} ({error.strerror or error})",
        hint="make room, name a folder on another disk with -o, or leave out --resume",
    )
