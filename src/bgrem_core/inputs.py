"""Inputs: the files that the names, patterns, folders and lists of a call stand for."""

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bgrem_core.errors import ReadError, UsageError

#: How the word for a list of names begins.
LIST = "@"
_IMAGE = re.compile(r"\.((fits?|fts)(\.(fz|gz|bz2))?|fz|tiff?|png)$", re.IGNORECASE)


def expand(names: Sequence[str]) -> list[Path]:
    """Return the files that are meant, each once, in the order of the names.

    Parameters
    ----------
    names : sequence of str
        Files; patterns that the shell left alone, with ``**`` for any folders; folders,
        of which the images that lie directly in them are meant; and ``@list.txt`` for a
        text file with one of these a line, where ``#`` begins a comment line.

    Returns
    -------
    list of Path
        A name that stands for nothing is kept, so that it is told as a file that
        cannot be read.

    Raises
    ------
    ReadError
        A list cannot be read.
    UsageError
        A list names no file.
    """
    files: dict[Path, Path] = {}
    for name in names:
        for file in _named(name):
            files.setdefault(file.absolute(), file)
    return list(files.values())


def _named(name: str) -> Iterator[Path]:
    if name.startswith(LIST) and not Path(name).exists():
        for line in _lines(Path(name[len(LIST) :])):
            yield from _matched(line)
    else:
        yield from _matched(name)


def _matched(name: str) -> Iterator[Path]:
    found = []
    if not _exists(name):
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    for path in map(Path, found or [name]):
        if path.is_dir():
            yield from _inside(path)
        else:
            yield path


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    # Too long, or with a NUL: the door says what is wrong with it.
    except (OSError, ValueError):
        return True


def _inside(folder: Path) -> list[Path]:
    try:
        found = [p for p in folder.iterdir() if _IMAGE.search(p.name)]
    except OSError:
        found = []
    # A folder without images is told as what cannot be read.
    return sorted(p for p in found if p.name[0] != ".") or [folder]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ReadError(
            f"the list {path} cannot be read ({why})",
            hint="a list is a text file with one name a line",
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise UsageError(f"the list {path} names no file", hint="one name a line")
    return names
