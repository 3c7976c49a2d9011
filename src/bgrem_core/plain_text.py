"""Plain text: words from files, made harmless for whatever shows them.

A header, a file name or a model's card may hold what steers a terminal or turns the
direction of writing; a cell of a table may hold what a spreadsheet runs.
"""

__all__ = ["cell", "plain"]


def plain(text: object, *, instead: str = "?") -> str:
    """Return a text as one line that steers nothing.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is taken.
    instead : str, optional
        Stands for each character that is not printable: control characters, escapes,
        line ends, marks that turn the direction of writing, halves of characters.

    Returns
    -------
    str
        Printable, and as long as before.
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else instead for c in said)


def cell(text: object) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is taken.

    Returns
    -------
    str
        With an apostrophe before what begins like a formula, as spreadsheets have it.
    """
    said = str(text)
    # Some pass over what is blank, and read full-width signs as the plain ones.
    begin = said.lstrip()[:1]
    control = said[:1] in {"\t", "\r", "\n"}
    return f"'{said}" if control or (begin and begin in _FORMULA) else said


_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
