"""Messages: what the core knows, as plain values that travel to the browser."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.controls import controls, text_of
from bgrem_core.display import zscale_limits
from bgrem_core.inspection_rows import row_help
from bgrem_core.regions import DRAWN, LEAST
from bgrem_core.truth import MISSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bgrem_core.collected import Collected
    from bgrem_core.errors import BGRemError
    from bgrem_core.inspection import Inspection
    from bgrem_core.steps import Steps

    Message = dict[str, Any]
    Buffers = list[NDArray[Any]]

__all__ = [
    "KINDS", "banner", "form_of", "plain", "seen_message", "sources_message",
    "steps_message",
]  # fmt: skip

KINDS = ("source", "hit", "miss", "false")
"""What a ring may mean, by number."""
MOST = 5.0
"""Largest ring, FWHM: pieces of a large galaxy would cover all else."""


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: NaN becomes None, arrays become lists."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def banner(error: "BGRemError") -> "Message":
    """Return an error as a message."""
    return {
        "type": "banner", "kind": "error", "text": error.sentence, "hint": error.hint
    }  # fmt: skip


def form_of(
    kind: type, values: "Mapping[str, Any]", *, without: "Sequence[str]" = ()
) -> "list[Message]":
    """Return the controls of a settings dataclass, with the values shown in them.

    Parameters
    ----------
    kind : type
        A settings dataclass.
    values : mapping of str to object
        By name of the field.
    without : sequence of str, optional
        Fields that have a place of their own.

    Returns
    -------
    list of dict
        One for each control, in the order in which they are shown.
    """
    made = []
    for control in controls(kind):
        if control.name in without:
            continue
        row = dataclasses.asdict(control)
        row["default"] = text_of(control.default)
        row["value"] = text_of(values.get(control.name, control.default))
        row["expected"] = control.expected
        made.append(plain(row))
    return made


def seen_message(
    collected: "Collected", seen: "Inspection", row: int | None
) -> "Message":
    """Return an inspected source as a message."""
    said = row_help(seen.words)
    curves = {
        kind: {
            name: getattr(getattr(seen, name), kind)
            for name in ("original", "cleaned", "residual")
        }
        for kind in ("profile", "growth")
    }
    return {
        "type": "seen",
        "x": seen.x,
        "y": seen.y,
        "row": row,
        "found": seen.found,
        "snr": seen.snr,
        "radius": seen.radius,
        "ring": seen.ring,
        "rows": [(k, v, said.get(k, "")) for k, v in collected.rows(seen)],
        "unit": seen.unit,
        "radii": seen.radii,
        **curves,
    }


def sources_message(collected: "Collected | None") -> "tuple[Message, Buffers]":
    """Return sources as rings: those that were found, clicked, and those missed.

    Parameters
    ----------
    collected : Collected or None
        What is known.

    Returns
    -------
    message : dict
        ``n``, and ``rows``, how many of them are rows of the table.
    buffers : list of ndarray
        Positions x and y and the radius as float32, the place in `KINDS` as uint8.
    """
    x, y, r, kind = ([np.zeros(0)] for _ in range(4))
    rows = 0
    if collected is not None and collected.table is not None:
        table = collected.table
        rows = len(table)
        x.append(_values(table["x"]))
        y.append(_values(table["y"]))
        axes = _values(table["a"]) if "a" in table.colnames else np.zeros(rows)
        r.append(np.clip(DRAWN * np.nan_to_num(axes), LEAST, MOST * collected.fwhm))
        kind.append(_kinds(collected, rows))
    if collected is not None and collected.clicked:
        rows += len(collected.clicked)
        x.append(np.array([seen.x for seen in collected.clicked]))
        y.append(np.array([seen.y for seen in collected.clicked]))
        r.append(np.array([seen.radius for seen in collected.clicked]))
        kind.append(np.zeros(len(collected.clicked)))
    if collected is not None and collected.match is not None:
        missed = collected.match.miss & ~(collected.match.snr < MISSED)
        truth = collected.truth
        if truth is not None:
            x.append(_values(truth["x"])[missed])
            y.append(_values(truth["y"])[missed])
            r.append(np.full(int(missed.sum()), 2 * collected.match.radius))
            kind.append(np.full(int(missed.sum()), KINDS.index("miss")))
    arrays = [np.concatenate(part) for part in (x, y, r)]
    buffers: Buffers = [np.ascontiguousarray(a, "<f4") for a in arrays]
    buffers.append(np.concatenate(kind).astype(np.uint8))
    return {"type": "sources", "n": len(buffers[0]), "rows": rows}, buffers


def steps_message(steps: "Steps") -> "tuple[Message, Buffers]":
    """Return recorded steps as a message."""
    n, ny, nx = steps.noises.shape
    rows, cols = steps.block
    deviation = [_deviation(frame) for frame in steps.images]
    message = {
        "type": "steps",
        "n": n,
        "ny": ny,
        "nx": nx,
        "y0": rows.start,
        "x0": cols.start,
        "labels": ["observed", *(f"step {k + 1}" for k in range(n))],
        "sigmas": steps.sigmas,
        "sigma": steps.sigma,
        "limits": zscale_limits(steps.images[0]),
        "captions": steps.captions(),
        "curves": [
            {
                "title": "What is left",
                "x_label": "step",
                "y_label": "scatter of the sky (sigma)",
                "zero": True,
                "mark": None,
                "names": None,
                "curves": [
                    {
                        "name": "image",
                        "x": list(range(n + 1)),
                        "y": [d / (steps.sigma or 1.0) for d in deviation],
                        "points": True,
                        "role": "cleaned",
                    },
                    {
                        "name": "schedule",
                        "x": list(range(n + 1)),
                        "y": steps.sigmas,
                        "points": False,
                        "role": "other",
                    },
                ],
            }
        ],
    }
    frames = [np.ascontiguousarray(f, "<f4") for f in (*steps.images, *steps.noises)]
    return message, frames


def _kinds(collected: "Collected", n: int) -> "NDArray[Any]":
    kinds = np.zeros(n, np.uint8)
    if collected.match is not None:
        kinds[collected.match.hit] = KINDS.index("hit")
        kinds[collected.match.false] = KINDS.index("false")
    return kinds


def _values(column: Any) -> "NDArray[np.float64]":
    return np.asarray(getattr(column, "value", column), np.float64)


def _deviation(frame: "NDArray[Any]") -> float:
    """Return the scatter of the sky: sources do not count."""
    good = frame[np.isfinite(frame)]
    if not good.size:
        return 0.0
    return float(1.4826 * np.median(np.abs(good - np.median(good))))
