"""Unmarked: words from files, for those widgets of napari and Qt that know mark-up."""

import re

from bgrem_core.plain_text import plain

__all__ = ["unmarked"]

_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def unmarked(text: object) -> str:
    """Return a text in which no widget sees mark-up.

    Tooltips, notifications and the status bar guess whether a text is HTML, and cannot
    be told. Labels of our own are `napari_bgrem._qt.label.Label` and need no such help.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is taken. Lines stay.

    Returns
    -------
    str
        With another bracket where a tag would begin, and without control characters.
    """
    lines = str(text).split("\n")
    return "\n".join(plain(_TAG.sub("\u2039", line)) for line in lines)
