"""Work folder: where a run that may be continued keeps its finished tiles."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bgrem_core.errors import WriteError

__all__ = ["SUFFIX", "work_folder", "work_folder_of"]

#: What is added to the name of the output.
SUFFIX = ".part"
#: The file that says whose folder it is, and that a process works in it.
_LOCK = "bgrem.lock"


def work_folder_of(target: Path) -> Path:
    """Return the folder of the unfinished run of an output, which need not exist."""
    return target.with_name(f"{target.name}{SUFFIX}")


@contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """Give the folder in which a run keeps its finished tiles.

    Parameters
    ----------
    target : Path
        The output; the folder lies beside it.

    Yields
    ------
    Path
        The folder: that of an earlier run, or a new one. It is removed when the block
        ends well, and kept when it does not, if there is anything in it.

    Raises
    ------
    WriteError
        The folder cannot be made, is not ours, or another process works in it.
    """
    folder = work_folder_of(target)
    with _locked(folder):
        try:
            yield folder
        except BaseException:
            if all(path.name == _LOCK for path in folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = folder / _LOCK
    if folder.exists() and not lock.exists() and any(folder.iterdir()):
        raise WriteError(
            f"{folder} is not the folder of an unfinished run",
            hint="rename it, or leave out --resume",
        )
    try:
        folder.mkdir(exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise WriteError(
            f"the folder {folder} cannot be made ({error.strerror})",
            hint="name another with -o, or leave out --resume",
        ) from error
    with file:
        _claim(file, folder)
        yield


def _claim(file: IO[bytes], folder: Path) -> None:
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WriteError(
                f"another bgrem is at work in {folder}", hint="wait until it is done"
            ) from error
        except OSError:
            return  # a file system without locks
