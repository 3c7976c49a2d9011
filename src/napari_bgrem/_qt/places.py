"""Places: where a dialog proposes to write."""

from pathlib import Path

from bgrem_core import samples

__all__ = ["folder_for"]


def folder_for(source: Path | None) -> Path:
    """Return the folder of an input; for a sample or an array that of the user.

    Parameters
    ----------
    source : Path or None
        The file that was opened, None for an array.

    Returns
    -------
    Path
        Where the user expects results, and never inside the package.
    """
    if source is None or source in [samples.path(name) for name in samples.names()]:
        return Path.home()
    return source.parent
