"""The folder of a run: arrays that workers read from and write to, by tile.

It is a zarr group: what a tile keeps is one chunk of every array, so that no two tasks
write to one chunk; nothing is sharded, as writing parts of a shard loses data. For
workers of this machine plain files do, and cost less. A tile that is marked as done is
whole: the mark is written last.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bgrem_core.engine.blocks import around, tile_blocks
from bgrem_core.engine.extra import need
from bgrem_core.engine.files import Files
from bgrem_core.engine.models import model_of
from bgrem_core.engine.prepared import Prepared
from bgrem_core.engine.skies import Blocks
from bgrem_core.engine.windows import Source
from bgrem_core.errors import BGRemError, WriteError
from bgrem_core.mesh import Mesh
from bgrem_core.methods import get_method
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.methods.common import package_version
from bgrem_core.normalize import Scale
from bgrem_core.planes import Plane, allocate, bands
from bgrem_core.settings import OpenSettings
from bgrem_core.tiles import Grid, Tile

#: Key of the group's attributes.
_KEY = "bgrem"
#: Arrays of marks: what a tile says is known; its chunks of the result are written.
DONE, FINISHED = _MARKS = ("done", "finished")
#: File that says that the folder is whole.
_READY = "ready"
_BYTES = frozenset({"flags", "hits", *_MARKS})


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Tell of a disk that fails as of a folder in which tiles cannot be kept."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BGRemError):
            raise
        raise WriteError(
            f"tiles cannot be kept in {folder} ({error.strerror or error})",
            hint="make room, or name a folder on another disk with -o",
        ) from error


class Store:
    """A folder with what is known of a run and what is done of it.

    Parameters
    ----------
    folder : Path
        As `create` made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group: Any = (
            Files(folder)
            if Files.here(folder)
            else need("zarr").open_group(folder, mode="r+")
        )
        self._facts: dict[str, Any] = json.loads(self.group.attrs[_KEY])

    @classmethod
    def create(
        cls,
        folder: Path,
        prepared: Prepared,
        *,
        source: tuple[str, str] | None = None,
        staged: dict[str, Plane] | None = None,
        wanted: tuple[str, ...] = (),
        near: bool = False,
    ) -> Self:
        """Make the folder of a run, or go on with the one that is there.

        Parameters
        ----------
        folder : Path
            Where it is made, under a name that tells run and input.
        prepared : Prepared
            Of the run.
        source : tuple of str, optional
            Store and path of a zarr array that workers read.
        staged : dict of Plane, optional
            "data" and "flags", copied for the workers where there is no such array.
        wanted : tuple of str, optional
            Arrays of the result; a run for others is another run.
        near : bool, optional
            All workers are processes of this machine.

        Returns
        -------
        Store
            With the marks of what was done before.
        """
        facts = {**_facts(prepared, source), "wanted": wanted}
        planes = _planes(prepared.scale)
        name = _hash(facts, {**planes, **(staged or {})})[:24]
        path = folder / f".bgrem-{name}.tiles"
        far = Files.here(path) and not near
        if far or not (path / _READY).exists():
            _remove(path)
            attributes = {_KEY: json.dumps(facts)}
            try:
                if near:
                    Files.create(path, attributes)
                else:
                    group = need("zarr").create_group
                    group(path, attributes=attributes, zarr_format=3)
                store = cls(path)
                for key, plane in {**planes, **(staged or {})}.items():
                    store.keep(key, plane)
                for mark in _MARKS:
                    store.array(mark, shape=prepared.grid.counts, chunks=(1, 1))
                (path / _READY).touch()
            except BaseException:
                _remove(path)
                raise
        return cls(path)

    @cached_property
    def prepared(self) -> Prepared:
        """The run."""
        facts = self._facts
        shape, stride = facts["shape"], facts["stride"]
        scale = facts["scale"]
        return Prepared(
            method=facts["method"],
            settings=get_method(facts["method"]).settings(**facts["settings"]),  # type: ignore[arg-type]
            door=OpenSettings(**facts["door"]),
            grid=Grid(
                shape=(shape[0], shape[1]),
                stride=(stride[0], stride[1]),
                margin=facts["margin"],
            ),
            scale=Scale(
                offset=self.plane("offset"),
                sigma=self.plane("sigma"),
                **{**scale, **{k: tuple(scale[k]) for k in ("rho_xy", "notices")}},
            ),
            **{**facts["model"], "notices": tuple(facts["model"]["notices"])},
        )

    def keep(self, name: str, plane: Plane) -> None:
        """Write a plane: the nodes of a mesh, or pixels by bands."""
        if isinstance(plane, Mesh):
            order = np.array([plane.order])
            for key, values in ((name, plane.nodes), (_order(name), order)):
                made = self.group.create_array(
                    key,
                    shape=values.shape,
                    chunks=values.shape,
                    dtype=values.dtype,
                    overwrite=True,
                )
                made[:] = values
            return
        shape = self._facts["shape"]
        array = self.array(name)
        step = self._facts["stride"][0]
        for rows in bands(shape, step):
            array[rows, :] = plane[rows, 0 : shape[1]]

    def plane(self, name: str) -> Plane:
        """Return a plane that was kept."""
        array: Any = self.group[name]
        if _order(name) not in self.group:
            return array  # type: ignore[no-any-return]
        shape, (order,) = self._facts["shape"], self.group[_order(name)][:]
        nodes = np.array(array[:])
        return Mesh(nodes=nodes, shape=(shape[0], shape[1]), order=int(order))

    def whole(self, name: str) -> NDArray[Any]:
        """Return an array that all tiles have filled; it outlives the folder."""
        array = self.group[name]
        if isinstance(array, np.ndarray):
            return array
        out = allocate(array.shape, array.dtype)
        for rows in bands(array.shape, array.chunks[0]):
            out[rows] = array[rows, :]
        return out

    def array(
        self,
        name: str,
        *,
        shape: tuple[int, int] | None = None,
        chunks: tuple[int, int] | None = None,
        group: Any = None,
        compress: bool = False,
    ) -> Any:
        """Return an array with one chunk for each tile, made if it is missing."""
        group = self.group if group is None else group
        if name not in group:
            facts = self._facts
            group.create_array(
                name,
                shape=shape or tuple(facts["shape"]),
                chunks=chunks or tuple(facts["stride"]),
                dtype=np.uint8 if name in _BYTES else np.float32,
                # Chunks of nothing else are not stored: zeros may be negative ones.
                fill_value=0 if name in _BYTES else float("nan"),
                compressors="auto" if compress else None,
                dimension_names=("y", "x"),
            )
        return group[name]

    def prepare(self, names: tuple[str, ...]) -> None:
        """Make arrays before tasks write to them."""
        for name in names:
            self.array(name)

    def todo(self, mark: str = DONE) -> list[tuple[int, int]]:
        """Return row and column of the tiles that lack a mark."""
        missing = np.argwhere(np.asarray(self.group[mark][:]) == 0)
        return [(int(j), int(i)) for j, i in missing]

    def data(self) -> Any:
        """Return the pixels, wherever they lie."""
        if "data" in self.group:
            return self.group["data"]
        store, path = self._facts["source"]
        return Source(
            need("zarr").open_array(store, path=path or None, mode="r"), store
        )

    def blocks(self, tile: Tile) -> Blocks:
        """Work on a tile, reading what it depends on and nothing else."""
        at = around(self.prepared, tile)
        pixels = np.asarray(self.data()[at], np.float32)
        flags = self.group["flags"][at] if "data" in self.group else None
        return tile_blocks(self.prepared, tile, pixels, flags)

    def put(self, tile: Tile, blocks: Blocks) -> None:
        """Write what is known of a tile, and then its mark."""
        self.check()
        for name, block in blocks.items():
            self.group[name][tile.keep] = block
        self.group["done"][tile.index] = 1

    def check(self) -> None:
        """Ask before writing: zarr would make a folder anew that was removed.

        Raises
        ------
        FileNotFoundError
            The run was broken off, or somebody removed the folder.
        """
        if not (self.folder / _READY).exists():
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(self.folder))

    def remove(self) -> None:
        """Remove the folder."""
        _remove(self.folder)


def _remove(folder: Path) -> None:
    # First, so that no worker writes to it any more.
    with suppress(OSError):
        (folder / _READY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=4)
def opened(folder: str) -> Store:
    """Return a store, opened once in this process; its name tells what is in it."""
    return Store(Path(folder))


def do_tile(folder: str, row: int, column: int) -> tuple[str, ...]:
    """Do one tile; the task of a worker.

    Parameters
    ----------
    folder : str
        Of the store.
    row, column : int
        Of the tile.

    Returns
    -------
    tuple of str
        Notices of the worker's model, such as a device that failed there.
    """
    store = opened(folder)
    store.check()
    tile = store.prepared.grid.tile(row, column)
    blocks = store.blocks(tile)
    if "data" in store.group:
        # Those are the input's; flags of the network travel as hits.
        blocks = {k: b for k, b in blocks.items() if k not in {"data", "flags"}}
    else:
        del blocks["data"]
    store.put(tile, blocks)
    settings = store.prepared.settings
    if not isinstance(settings, BGRemSettings):
        return ()
    return tuple(model_of(settings, store.prepared.sha256).notices)


def _facts(prepared: Prepared, source: tuple[str, str] | None) -> dict[str, Any]:
    scale = {
        f.name: getattr(prepared.scale, f.name)
        for f in dataclasses.fields(Scale)
        if f.name not in {"offset", "sigma"}
    }
    names = ("model", "sha256", "steps", "joint", "notices")
    return {
        "version": package_version(),
        "method": prepared.method,
        "settings": dataclasses.asdict(prepared.settings),
        "door": dataclasses.asdict(prepared.door),
        "shape": prepared.grid.shape,
        "stride": prepared.grid.stride,
        "margin": prepared.grid.margin,
        "scale": scale,
        "model": {name: getattr(prepared, name) for name in names},
        "source": source,
    }


def _order(name: str) -> str:
    """Return the name of what is kept of a mesh beside its nodes."""
    return f"{name}-order"


def _planes(scale: Scale) -> dict[str, Plane]:
    return {"offset": scale.offset, "sigma": scale.sigma}


def _hash(facts: dict[str, Any], planes: dict[str, Plane]) -> str:
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(planes):
        plane = planes[name]
        total.update(name.encode())
        if isinstance(plane, Mesh):
            total.update(plane.nodes.tobytes())
            continue
        for rows in bands(plane.shape):
            total.update(np.ascontiguousarray(plane[rows, 0 : plane.shape[1]]).data)
    return total.hexdigest()
