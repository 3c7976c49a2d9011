"""Source: what a word after the magic means, a variable or a file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgrem_core.errors import ReadError

__all__ = ["find_source", "variables"]


def find_source(word: str, names: Mapping[str, Any]) -> Any:
    """Return what a word means.

    Parameters
    ----------
    word : str
        Name of a variable, or path of a file; ``~`` is the home folder.
    names : mapping of str to object
        The user's variables. A variable that holds an image or a path comes before a
        file of the same name.

    Returns
    -------
    object
        What `bgrem_core.open_image` takes.

    Raises
    ------
    ReadError
        There is neither.
    """
    if word.isidentifier() and _is_image(names.get(word)):
        return names[word]
    path = Path(word).expanduser()
    if path.exists():
        return path
    if word in names:
        kind = type(names[word]).__name__
        raise ReadError(
            f"the variable {word} is a {kind}, not an image",
            hint="give an array of two axes, a CCDData, an HDU or a path",
        )
    raise ReadError(
        f"there is no variable and no file {word!r}",
        hint=f"files are looked for in {Path.cwd().name or 'the current folder'}",
    )


def variables(names: Mapping[str, Any]) -> list[str]:
    """Return the names of variables that hold an image."""
    return sorted(n for n, v in names.items() if n[0] != "_" and _is_image(v))


def _is_image(value: Any) -> bool:
    if isinstance(value, (str, os.PathLike)):
        # A word may well be a variable that is no path.
        return Path(value).expanduser().is_file()
    shape = getattr(value, "shape", None) or getattr(
        getattr(value, "data", None), "shape", ()
    )
    return not isinstance(value, type) and isinstance(shape, tuple) and len(shape) >= 2
