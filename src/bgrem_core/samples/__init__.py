"""Real telescope frames that ship with the package; README.md says whence."""

from importlib import resources
from pathlib import Path

from bgrem_core.errors import UsageError

__all__ = ["names", "path"]


def names() -> tuple[str, ...]:
    """Return the names of the sample frames.

    Returns
    -------
    tuple of str
        In alphabetical order.
    """
    return tuple(sorted(_files()))


def path(name: str) -> Path:
    """Return where a sample frame lies.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Path
        A FITS file; not to be written to.

    Raises
    ------
    UsageError
        There is no such sample.
    """
    files = _files()
    if name not in files:
        raise UsageError(
            f"sample {name!r} is not known", hint=f"use one of {', '.join(names())}"
        )
    return files[name]


def _files() -> dict[str, Path]:
    folder = Path(str(resources.files(__name__)))
    return {file.name.partition(".")[0]: file for file in folder.glob("*.fits*")}
