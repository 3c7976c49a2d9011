"""Appendix C: three losses, absolute, squared and Huber's.

As in the paper: errors of runs that differ in the loss alone. Fair: true positives at
equal false ones and the flux of faint sources, since a loss may win by its own measure.
"""

from typing import Any

import numpy as np
from given import Given
from picture import halves, new
from steps import kept, ratio, summary

SHADES = {"mae": "#1d4ed8", "mse": "#c2410c", "huber": "#15803d"}


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if len(given.losses) < 2:
        return {"skipped": "no weights of the losses (--losses mae=PATH mse=PATH)"}, {}
    frames = given.parts()
    rows = {
        name: {
            **summary([kept(given, denoise, f, 1) for f in frames]),
            "ratio": ratio(given, denoise, frames, 1),
        }
        for name, denoise in given.losses.items()
    }
    return {"losses": rows, "frames": len(frames)}, {}


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.6)
    left, right = halves(figure, "Appendix C  Losses")
    rows = result["losses"]
    for axis, key, words in zip(
        left.subplots(1, 2), ("own", "rms"),
        ("mean absolute error", "rms error of the flat image"), strict=True,
    ):  # fmt: skip
        for place, (name, row) in enumerate(rows.items()):
            axis.errorbar([place], [row[key][0]], [row[key][1] or 0], fmt="o",
                          capsize=4, color=SHADES.get(name, "0.4"))  # fmt: skip
        _names(axis, rows, f"{words}, sigma of the sky")
    found, flux = right.subplots(1, 2)
    for place, (name, row) in enumerate(rows.items()):
        value, low, high = row["ratio"]
        look = {"fmt": "o", "capsize": 4, "color": SHADES.get(name, "0.4")}
        bars = [[max(value - low, 0)], [max(high - value, 0)]]
        found.errorbar([place], [value], bars, **look)
        if row["flux"][1] is not None:
            flux.errorbar([place], [row["flux"][1]], [row["flux"][2]], **look)
    for axis, words in (
        (found, "true positives over the matched filter"),
        (flux, "flux kept at S/N 5-10"),
    ):
        axis.axhline(1, color="0.7", lw=1, zorder=0)
        _names(axis, rows, words)
    return figure


def _names(axis: Any, rows: dict[str, Any], words: str) -> None:
    axis.set_xticks(range(len(rows)), list(rows))
    axis.set_xlim(-0.6, len(rows) - 0.4)
    axis.set_ylabel(words)
    axis.margins(y=0.3)
