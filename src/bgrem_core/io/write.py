"""Writing results: FITS as the input was, with the image replaced; or TIFF."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bgrem_core.errors import UsageError, WriteError
from bgrem_core.io.atomic import atomic_write
from bgrem_core.io.product import Result, products
from bgrem_core.io.target import FITS, TIFF, check_target


def write(
    result: Result | Sequence[Result],
    path: str | os.PathLike[str],
    *,
    layers: bool = False,
    clip: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a result, whole or not at all.

    Parameters
    ----------
    result : Separation, StackSeparation or sequence of them
        Several for several HDUs of one file.
    path : path
        With .fits, .fit, .fts the input's HDUs with each cleaned image in the place of
        its input, as float32; with .tif, .tiff the cleaned image alone.
    layers : bool, optional
        Append the parts, extras, RESIDUAL, MASK, SEGM, UNCERT and SUBTRACTED; FITS
        only.
    clip : bool, optional
        Show negative values of the cleaned image as 0.
    overwrite : bool, optional
        Replace a file that exists; the input itself is never replaced.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    WriteError
        The file exists, or the disk is full or read-only.
    UsageError
        A file type that cannot hold the result.
    """
    target = Path(path)
    parts = products([result] if isinstance(result, Result) else list(result))
    check_kind(target, layers=layers)
    source = parts[0].origin.path
    check_target(target, source, overwrite)
    if target.suffix.lower() in TIFF:
        from bgrem_core.io.to_tiff import write_tiff

        _check_room(target.parent, sum(p.size for p in parts))
        with atomic_write(target, overwrite=overwrite) as file:
            write_tiff(file, parts, clip=clip)
        return target
    from bgrem_core.io.to_fits import Plan

    with Plan(parts, layers=layers, clip=clip) as plan:
        _check_room(target.parent, plan.size)
        with atomic_write(target, overwrite=overwrite) as file:
            plan.write(file)
    return target


def check_kind(path: Path, *, layers: bool) -> None:
    """Check that a file of this extension can hold a result.

    Raises
    ------
    UsageError
        It cannot.
    """
    suffix = path.suffix.lower()
    if suffix in TIFF and layers:
        raise UsageError("a TIFF cannot hold layers", hint="use a .fits file")
    if suffix not in FITS + TIFF:
        raise UsageError(
            f"{path.name} is of no type that can hold the values",
            hint="use .fits or .tif",
        )


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        needed, there = _told(size), _told(free)
        raise WriteError(
            f"{needed} are needed in {folder}, {there} are free",
            hint="make room, or name a folder on another disk with -o",
        )


def _told(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size >= 2**24 else f"{size / 2**10:.0f} KiB"
