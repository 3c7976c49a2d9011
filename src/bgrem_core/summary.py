"""Summary: the table and the line with which a run over several files ends."""

from collections import Counter
from collections.abc import Sequence

from bgrem_core.ledger import Entry
from bgrem_core.plain_text import plain

#: From more files on, those that are done without trouble are not listed.
LONG = 100
_WIDE = 48
_WORDS = {"ok": "done", "waiting": "not done"}
_TITLES = ("file", "result", "sources", "seconds", "why")
# Numbers stand under each other by their last digit.
_RIGHT = {"sources", "seconds"}


def table(entries: Sequence[Entry]) -> list[str]:
    """Return a table of what became of each file.

    Parameters
    ----------
    entries : sequence of Entry
        In the order of the run.

    Returns
    -------
    list of str
        A line of titles and one for each file; of more than `LONG` files those that
        went well are left out, with a line that says so.
    """
    shown = list(entries)
    if len(entries) > LONG:
        shown = [e for e in entries if e.status != "ok"]
    rows = [_TITLES, *map(_row, shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    if left := len(entries) - len(shown):
        lines.append(f"({left} that are done are not listed; --report lists all)")
    return lines


def total(entries: Sequence[Entry]) -> str:
    """Return how many files there were and what became of them, as one line."""
    counts = Counter(entry.status for entry in entries)
    words = [f"{counts['ok']} done"]
    if counts["skipped"]:
        words.append(f"{counts['skipped']} skipped")
    words.append(f"{counts['failed']} failed")
    if counts["waiting"]:
        words.append(f"{counts['waiting']} not done")
    return f"{len(entries)} files: {', '.join(words)}"


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        _short(plain(entry.file)),
        _WORDS.get(entry.status, entry.status),
        "" if entry.sources is None else str(entry.sources),
        "" if entry.seconds is None else f"{entry.seconds:.1f}",
        plain(entry.why),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if title in _RIGHT else cell.ljust(width)
        for title, cell, width in zip(_TITLES, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _short(name: str) -> str:
    # The end of a path tells files apart.
    return name if len(name) <= _WIDE else f"...{name[3 - _WIDE :]}"
