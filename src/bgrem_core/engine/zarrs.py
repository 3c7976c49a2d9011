"""From one zarr array to a group of them, never holding the frame."""

import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from bgrem_core.catalog import find_writer, staged_catalog
from bgrem_core.engine.cluster import Gone
from bgrem_core.engine.extra import need
from bgrem_core.engine.frame import done_elsewhere
from bgrem_core.engine.left import leave, left
from bgrem_core.engine.listed import list_sources
from bgrem_core.engine.prepared import Prepared, prepare
from bgrem_core.engine.skies import finished, names_of, provenance_of, sky_of
from bgrem_core.engine.store import FINISHED, Store, do_tile, keeping, opened
from bgrem_core.engine.windows import Banded, Source
from bgrem_core.errors import ReadError, UsageError, WriteError
from bgrem_core.io import hold
from bgrem_core.io.target import check_target
from bgrem_core.progress import Progress, drain
from bgrem_core.settings import FindSettings
from bgrem_core.sky import Sky

_SKY, _OUT = "sky", "out"


def clean_zarr(
    source: Any,
    target: str | os.PathLike[str],
    *,
    client: Any = None,
    method: str = "bgrem",
    layers: bool = False,
    catalog: str | os.PathLike[str] | None = None,
    find: FindSettings | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> Path:
    """Separate a zarr array on disk into a zarr group, out of core.

    Each tile reads its own region of the source and writes one chunk of each array of
    the result. What was done when a run broke off is not done again.

    Parameters
    ----------
    source : path or zarr.Array
        Real numbers of shape (ny, nx), on a file system that all workers see.
    target : path
        Folder of the new group, zarr format 3: "cleaned" and "flags", in chunks of
        what a tile keeps.
    client : distributed.Client, optional
        Whose workers do the tiles and the blocks of the catalogue; None = this process.
    method : str, optional
        "bgrem" or "mesh".
    layers : bool, optional
        Write the parts, "photometric", "rms" and what else is known, too.
    catalog : path, optional
        File for the sources: .ecsv, .csv, .fits, .vot or .reg.
    find : FindSettings, optional
        How they are searched.
    overwrite : bool, optional
        Replace a group and a catalogue that exist.
    **settings
        Fields of the method's settings, and gain, fwhm, zeropoint and saturation.

    Returns
    -------
    Path
        The target; it appears whole or not at all.

    Raises
    ------
    UsageError
        An unknown setting, or the extra "distributed" is not installed.
    ReadError, ImageError
        There is no such array, or it is no image.
    WriteError
        The target exists, another process writes it, its folder does not exist, or the
        disk is full.
    BGRemError
        The cluster is gone; what is done is kept.
    """
    place = Path(target).absolute()
    listing = None if catalog is None else Path(catalog).absolute()
    steps = _steps(
        source,
        place,
        client=client,
        method=method,
        layers=layers,
        catalog=listing,
        find=find or FindSettings(),
        overwrite=overwrite,
        settings=settings,
    )
    with ExitStack() as held:
        for path in filter(None, (place, listing)):
            held.enter_context(hold(path))
        held.enter_context(closing(steps))
        return drain(steps)


def _steps(
    source: Any,
    target: Path,
    *,
    client: Any,
    method: str,
    layers: bool,
    catalog: Path | None,
    find: FindSettings,
    overwrite: bool,
    settings: dict[str, Any],
) -> Generator[Progress, Any, Path]:
    array, place = _open(source)
    _check(target, Path(place[0]), overwrite=overwrite)
    if catalog is not None:
        find_writer(catalog)
        check_target(catalog, overwrite=overwrite)
    rows = _band(array)
    plane = Banded(Source(array, place[0]), rows, np.float32)
    prepared = prepare(plane, method, settings)
    names = _names(prepared, layers=layers)
    with keeping(target.parent):
        store = Store.create(target.parent, prepared, source=place, wanted=names)
        store.prepare(_said(prepared))
    told = yield from done_elsewhere(store, do_tile, client)
    try:
        with keeping(target.parent):
            sky = _sky(store, rows)
            out = need("zarr").open_group(store.folder / _OUT, mode="a", zarr_format=3)
            for name in names:
                store.array(name, group=out, compress=True)
            made, table = provenance_of(prepared, sky), None
            if catalog is not None:
                yield Progress(stage="find", done=0, total=1)
                table = list_sources(store, sky, find, client=client, rows=rows)
                limit = float(table.meta.get("threshold", nan))
                made = replace(made, threshold=limit)
            out.attrs["provenance"] = made.as_dict()
            said = [*prepared.scale.notices, *sky.notices, *prepared.notices, *told]
            out.attrs["notices"] = list(dict.fromkeys(said))
    except Gone as gone:
        raise gone.said(
            "all tiles are done and kept",
            "then run the same again: it goes on from there",
        ) from gone
    except BaseException:
        store.remove()
        raise
    yield from done_elsewhere(store, do_last, client, mark=FINISHED)
    with ExitStack() as stack:
        if catalog is not None and table is not None:
            # Its name comes after the group's: both are there, or none.
            staged = staged_catalog(table, catalog, overwrite=overwrite)
            stack.enter_context(staged)
        _publish(store, target, overwrite=overwrite)
    return target


def do_last(folder: str, row: int, column: int) -> None:
    """Write the chunks of a tile, its sky known; the task of a worker.

    Parameters
    ----------
    folder : str
        Of the store.
    row, column : int
        Of the tile.
    """
    store = opened(folder)
    store.check()
    sky = left(folder, _SKY)
    prepared = store.prepared
    at = prepared.grid.tile(row, column).keep
    said = {name: store.group[name][at] for name in _said(prepared)}
    data = np.asarray(store.data()[at], np.float32)
    blocks = finished(prepared, at, data, said, sky)
    blocks |= {"flags": said["flags"], "rms": prepared.scale.sigma[at]}
    if "centre" in said:
        blocks["centre"] = said["centre"]
    store.check()
    out = need("zarr").open_group(store.folder / _OUT, mode="r+")
    for name in out:
        out[name][at] = blocks[name]
    store.group[FINISHED][row, column] = 1


def _open(source: Any) -> tuple[Any, tuple[str, str]]:
    zarr = need("zarr")
    if isinstance(source, (str, os.PathLike)):
        try:
            array = zarr.open_array(os.fspath(source), mode="r")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReadError(
                f"{os.fspath(source)} is no zarr array",
                hint="name the array, such as frame.zarr/image",
            ) from error
        return array, (str(Path(source).absolute()), "")
    if not isinstance(source, zarr.Array):
        raise UsageError(
            f"a {type(source).__name__} is no zarr array",
            hint="give a path, or use bgrem_core.clean",
        )
    root = getattr(source.store, "root", None)
    if root is None:
        raise UsageError(
            "this zarr array does not lie on a file system",
            hint="use bgrem_core.clean(dask.array.from_zarr(array))",
        )
    return source, (str(Path(root).absolute()), source.path)


def _check(target: Path, source: Path, *, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise WriteError(
            f"the folder {target.parent} does not exist", hint="create it first"
        )
    if target == source or target in source.parents or source in target.parents:
        raise WriteError(f"{target.name} is the input itself", hint="name another")
    if os.path.lexists(target) and not (overwrite and target.is_dir()):
        raise WriteError(f"{target.name} exists already", hint="use overwrite=True")


def _band(array: Any) -> int:
    """Return the rows that are read at once: whole chunks or shards, not too many."""
    high = (getattr(array, "shards", None) or array.chunks)[0]
    return int(min(high, 1024)) if high >= 64 else int(-(-64 // high) * high)


def _said(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of what is known of a tile before the sky is."""
    if prepared.method != "bgrem":
        return ("flags",)
    from bgrem_core.engine.lazy import known_of

    return ("flags", "taken", *sorted(known_of(prepared)))


def _names(prepared: Prepared, *, layers: bool) -> tuple[str, ...]:
    names = ["cleaned", "flags"]
    if layers:
        names += [*names_of(prepared), "photometric", "rms"]
        said = _said(prepared)
        names += ["uncertainty"] * ("width" in said) + ["centre"] * ("centre" in said)
    return tuple(names)


def _sky(store: Store, rows: int) -> Sky:
    """Measure the sky and leave it for the workers."""
    prepared, high = store.prepared, store.prepared.grid.stride[0]
    network = prepared.method == "bgrem"
    sky = sky_of(
        prepared,
        Banded(store.data(), rows, np.float32),
        Banded(store.group["flags"], high, np.uint8),
        Banded(store.group["taken"], high, np.float32) if network else None,
    )
    leave(store, _SKY, sky)
    return sky


def _publish(store: Store, target: Path, *, overwrite: bool) -> None:
    """Give the finished group its name, in the place of one that was there."""
    old = store.folder / "old"
    try:
        if overwrite and target.is_dir():
            target.rename(old)
        (store.folder / _OUT).rename(target)
    except OSError as error:
        if old.is_dir():
            old.rename(target)
        raise WriteError(
            f"{target.name} cannot be written ({error.strerror})", hint="name another"
        ) from error
    finally:
        shutil.rmtree(store.folder, ignore_errors=True)
