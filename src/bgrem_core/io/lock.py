"""Lock: of several processes that want to write one file, one does."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO

from bgrem_core.errors import WriteError
from bgrem_core.io.atomic import PREFIX

#: How the names of locks end.
SUFFIX = ".lock"
# Who sweeps up the locks of the dead holds each for an instant; a writer holds on.
_TRIES = 20
_PAUSE = 0.005


@contextmanager
def hold(target: str | Path) -> Iterator[None]:
    """Keep other processes from writing a file while the block runs.

    The operating system lets go of the lock when a process ends, however it ends, so
    nobody waits for the dead; the empty file that a killed process leaves beside the
    target is removed by the next run in that folder. Where a folder or file system
    knows no locks, nothing is locked: two writers then meet when they give the name,
    which only one can.

    Parameters
    ----------
    target : path
        What will be written; need not exist.

    Yields
    ------
    None
        The lock is held.

    Raises
    ------
    WriteError
        Another process, or this one, is writing it.
    """
    path = lock_path(Path(target))
    file = _take(path, Path(target).name)
    try:
        yield
    finally:
        if file is not None:
            _let_go(path, file)


def lock_path(target: Path) -> Path:
    """Return the name of a file's lock, which is never too long."""
    # Two names of one folder make one lock.
    name = sha256(target.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return target.parent / f"{PREFIX}{name}{SUFFIX}"


def _take(path: Path, name: str) -> IO[bytes] | None:
    for left in reversed(range(_TRIES)):
        try:
            file = path.open("a+b")
        except OSError:
            # A folder that is missing or read-only is told by who checks the target.
            return None
        try:
            locked = _lock(file)
        except BlockingIOError as error:
            with file:
                file.seek(0)
                holder = file.read(200).decode("utf-8", "replace").strip()
            if not left:
                raise _busy(name, holder) from error
            time.sleep(_PAUSE)
            continue
        except BaseException:
            file.close()
            raise
        if not locked:
            # No locks here: do not leave a file that means nothing.
            file.close()
            with suppress(OSError):
                path.unlink()
            return None
        if _is_named(file, path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            file.flush()
            return file
        # Swept up between our opening and our locking it.
        file.close()
    return None


def _let_go(path: Path, file: IO[bytes]) -> None:
    # Removed while it is locked: nobody else can have locked this very file.
    with file, suppress(OSError):
        path.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Lock a file at once.

    Returns
    -------
    bool
        False where there are no locks.

    Raises
    ------
    BlockingIOError
        Somebody else has it.
    """
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_named(file: IO[bytes], path: Path) -> bool:
    """Whether the file that we locked still has its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _busy(name: str, holder: str) -> WriteError:
    by = holder if holder.startswith("process ") else "another process"
    return WriteError(
        f"{name} is being written by {by}",
        hint="wait for it, or name another folder with -o",
    )
