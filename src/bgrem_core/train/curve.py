"""Curves of a run: CSV files whose rows end where the checkpoint does."""

import csv
import math
from pathlib import Path

from bgrem_core.errors import WriteError

__all__ = ["append", "trim"]


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
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "make room and run the same command again: it goes on from the last "
            "checkpoint",
        ) from error


def trim(path: Path, step: int) -> None:
    """Drop rows that no checkpoint holds: they are computed again.

    Parameters
    ----------
    path : pathlib.Path
        Of the CSV, which may be missing.
    step : int
        Of the checkpoint.
    """
    if not path.exists():
        return
    lines = path.read_text().splitlines()
    kept = [line for line in lines[1:] if _number(line) <= step]
    beside = path.with_suffix(".new")
    beside.write_text("\n".join([*lines[:1], *kept]) + "\n")
    beside.replace(path)


def _number(line: str) -> float:
    """Return the step of a row; a row that a crash cut short counts as too late."""
    first = line.split(",")[0]
    return int(first) if first.isdigit() and line.count(",") > 1 else math.inf
