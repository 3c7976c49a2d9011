"""Target: whether an output may be written, asked before anything is computed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bgrem_core.errors import WriteError
from bgrem_core.io.atomic import PREFIX, sweep
from bgrem_core.io.container import check_source

if TYPE_CHECKING:
    from astropy.io.fits import Header

#: Extensions that `write` knows.
FITS = (".fits", ".fit", ".fts")
TIFF = (".tif", ".tiff")


def check_target(
    path: str | Path,
    source: str | Path | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Check that an output can and may be written.

    Parameters
    ----------
    path : path
        The target.
    source : path or None, optional
        The input, which is never overwritten, whatever name it goes by.
    overwrite : bool, optional
        Whether another file that exists may be replaced.

    Raises
    ------
    WriteError
        The folder is missing or read-only, the target exists or is the input.
    ReadError
        The input is missing or no regular file.
    """
    target = Path(path)
    if source is not None:
        # First, as the folder of a missing input may well be missing too.
        check_source(source)
    _check_folder(target.parent)
    if os.path.lexists(target):
        _check_existing(target, source, overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder for results, in a folder that exists.

    Parameters
    ----------
    folder : Path
        May exist.

    Raises
    ------
    WriteError
        It cannot be made.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder {folder} cannot be made ({error.strerror})",
            hint="name another with -o",
        ) from error


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise WriteError(f"the folder {folder} does not exist", hint="create it first")
    if not folder.is_dir():
        raise WriteError(f"{folder} is not a folder", hint="name a folder with -o")
    sweep(folder)
    # Asked by doing: access rights do not tell of read-only file systems.
    trial = folder / f"{PREFIX}{os.getpid()}-trial.tmp"
    try:
        os.close(os.open(trial, os.O_CREAT | os.O_WRONLY, 0o600))
        trial.unlink()
    except OSError as error:
        raise WriteError(
            f"the folder {folder} cannot be written ({error.strerror})",
            hint="name another with -o",
        ) from error


def _check_existing(
    target: Path, source: str | Path | None, *, overwrite: bool
) -> None:
    if source is not None and is_same_file(target, source):
        raise WriteError(
            f"{target.name} is the input itself",
            hint="choose another prefix or folder",
        )
    if target.is_dir():
        raise WriteError(f"{target} is a folder", hint="choose another prefix")
    if target.is_symlink() and target.resolve().parent != target.parent.resolve():
        raise WriteError(
            f"{target.name} is a link to another folder", hint="remove it first"
        )
    if not overwrite:
        raise WriteError(
            f"{target.name} exists already", hint="use --overwrite to replace it"
        )


def is_same_file(target: Path, source: str | Path) -> bool:
    """Whether two names lead to one file; False where either does not exist."""
    try:
        return target.samefile(source)
    except OSError:
        return False


def is_product(header: "Header | None") -> bool:
    """Whether a header says that its image is a result of this package (BGRVER)."""
    return header is not None and "BGRVER" in header
