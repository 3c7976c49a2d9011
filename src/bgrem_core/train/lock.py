"""One process per folder, for as long as that process lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bgrem_core.errors import UsageError, WriteError

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock"]


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder of a run.

    Parameters
    ----------
    folder : pathlib.Path
        Exists.

    Yields
    ------
    None
        While it is held; the system lets go when the process ends, however it ends.

    Raises
    ------
    UsageError
        Another process holds it.
    WriteError
        The folder cannot be written.
    """
    try:
        file = (folder / "lock").open("w")
    except OSError as error:
        raise WriteError(
            f"{folder} cannot be written: {error.strerror or error}",
            "give a folder with room for a run",
        ) from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(
                    f"another process trains in {folder}",
                    "wait for it, or use a new --out folder",
                ) from error
        yield
