"""Results as tables of Markdown."""

from collections.abc import Iterable
from typing import Any

from common.targets import Target

Rows = list[list[Any]]
Part = tuple[str, str, Rows]


def page(title: str, head: list[str], parts: Iterable[Part]) -> str:
    """Return a whole page: a list of what holds for all, then titles with tables."""
    lines = [f"# {title}", "", *head]
    for name, text, rows in parts:
        lines += ["", f"## {name}", ""]
        lines += [text, ""] if text else []
        lines += table(rows)
    return "\n".join(lines) + "\n"


def table(rows: Rows) -> list[str]:
    head, *body = rows
    lines = ["| " + " | ".join(map(_cell, head)) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in body]


def plus(pair: list[float | None] | None, digits: int = 3, factor: float = 1) -> str:
    """Return a value with its error, as text."""
    if not pair or pair[0] is None:
        return ""
    text = f"{factor * pair[0]:.{digits}f}"
    return text if pair[1] is None else f"{text} ± {factor * pair[1]:.{digits}f}"


def signed(pair: list[float | None], digits: int = 3, factor: float = 1) -> str:
    """Return the same, with a sign."""
    text = plus(pair, digits, factor)
    return text if not text or text.startswith("-") else f"+{text}"


def target_rows(targets: Iterable[Target]) -> Rows:
    """Return what is to be reached, and whether it was."""
    rows: Rows = [["what", "target", "stretch", "measured", "reached"]]
    for t in targets:
        rows.append([t.what, t.aim, t.stretch, t.text, t.verdict])
    return rows


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|")
