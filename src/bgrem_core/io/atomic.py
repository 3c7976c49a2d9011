"""Atomic writing: a file appears whole under its name, or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bgrem_core.errors import WriteError

#: How the names of unfinished files begin; then follow process and random characters.
PREFIX = ".bgrem-"
# Names of the unfinished files of this process: in containers, many a process has the
# number of one that died before.
_OURS: set[str] = set()


@contextmanager
def atomic_write(path: str | Path, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """Write a file beside its target, and give it its name when it is complete.

    Parameters
    ----------
    path : path
        The target.
    overwrite : bool, optional
        Replace a file that exists; otherwise an existing file is never touched, also
        not one that appeared while we wrote.

    Yields
    ------
    binary file
        Open for writing and reading; it can be sought.

    Raises
    ------
    WriteError
        The folder cannot be written, the disk is full, or the target exists.
    """
    target = Path(path)
    sweep(target.parent)
    temporary = target.parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}.tmp"
    _OURS.add(temporary.name)
    try:
        with _create(temporary) as file:
            _claim(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, target, overwrite=overwrite)
    except OSError as error:
        if isinstance(error, WriteError) or not _is_ours(error):
            raise
        raise WriteError(
            f"{target.name} cannot be written ({error.strerror})", hint=_advice(error)
        ) from error
    finally:
        # After success the name is gone already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _OURS.discard(temporary.name)


def sweep(folder: Path) -> None:
    """Remove what processes that have died left in a folder: files and locks."""
    with suppress(OSError):
        # Not sorted and not matched: folders of surveys hold many thousand names.
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name.startswith(PREFIX)]
        for name in names:
            path = folder / name
            if name.endswith(".lock"):
                _drop_lock(path)
            elif name.endswith(".tmp") and _is_dead(name) and _unclaimed(path):
                with suppress(OSError):
                    path.unlink()


def _is_dead(name: str) -> bool:
    """Whether the process that made a temporary file is gone, by the file's name."""
    number = name.removeprefix(PREFIX).split("-")[0]
    if not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return name not in _OURS and not name.endswith("-trial.tmp")
    return not _alive(int(number))


def _drop_lock(path: Path) -> None:
    """Remove a lock that nobody holds, while holding it."""
    with suppress(ImportError, OSError):
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.unlink()


def _create(path: Path) -> IO[bytes]:
    return path.open("x+b")


def _publish(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
    else:
        _publish_new(temporary, target)
    _sync_folder(target.parent)


def _publish_new(temporary: Path, target: Path) -> None:
    """Give the name in one step that fails if somebody else has it."""
    try:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:
            # No hard links here: reserve the name, then replace our own reservation.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            temporary.replace(target)
    except FileExistsError as error:
        raise WriteError(
            f"{target.name} exists already", hint="use --overwrite to replace it"
        ) from error


def _sync_folder(folder: Path) -> None:
    # Windows cannot open folders, some file systems cannot sync them.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _claim(file: IO[bytes]) -> None:
    """Lock our file, so that a process elsewhere on a shared disk sees it is alive."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unclaimed(path: Path) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _alive(process: int) -> bool:
    if os.name == "nt":
        # There, a signal of 0 would end the process; its open file cannot be deleted.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_ours(error: OSError) -> bool:
    """Whether the operating system failed, not something that was being read."""
    return error.errno is not None


def _advice(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", None)}:
        return "make room, or name a folder on another disk with -o"
    return "name another folder with -o"
