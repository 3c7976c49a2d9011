"""Curves of a run: CSV files whose rows end where the checkpoint does."""

import csv
import math
from pathlib import Path

from bgrem_core.errors import ReadError, WriteError

__all__ = ["append", "read", "trim"]


def read(path: Path) -> list[dict[str, float]]:
    """Return the rows of a curve.

    Parameters
    ----------
    path : pathlib.Path
        Of the CSV, which may be missing.

    Returns
    -------
    list of dict
        Numbers by column.

    Raises
    ------
    ReadError
        It is no such file.
    """
    lines = list(csv.reader(_lines(path)))
    try:
        return [dict(zip(lines[0], map(float, row), strict=True)) for row in lines[1:]]
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def append(path: Path, rows: list[dict[str, float]]) -> None:
    """Add rows to a curve.

    Parameters
    ----------
    path : pathlib.Path
        Of the CSV; made if missing.
    rows : list of dict
        Numbers by column.

    Raises
    ------
    WriteError
        No room or no right to write.
    """
    if not rows:
        return
    try:
        new = not path.exists() or not path.stat().st_size
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)
    except OSError as error:
        raise _unwritable(path, error) from error


def trim(path: Path, step: int) -> None:
    """Drop rows that no checkpoint holds: they are computed again.

    Parameters
    ----------
    path : pathlib.Path
        Of the CSV, which may be missing.
    step : int
        Of the checkpoint.

    Raises
    ------
    ReadError
        It is no such file.
    """
    lines = _lines(path)
    if not lines:
        return
    kept = [line for line in lines[1:] if _number(line) <= step]
    beside = path.with_suffix(".new")
    try:
        beside.write_text("\n".join([*lines[:1], *kept]) + "\n")
        beside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> ReadError:
    return ReadError(
        f"{path} is no curve of a run: {why}",
        "move it away: the run goes on without its rows",
    )


def _unwritable(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path} cannot be written: {error.strerror or error}",
        "make room and run the same command again: it goes on from the last checkpoint",
    )


def _number(line: str) -> float:
    """Return the step of a row; a row that a crash cut short counts as too late."""
    first = line.split(",")[0]
    return int(first) if first.isdigit() and line.count(",") > 1 else math.inf
