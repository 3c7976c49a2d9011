"""The pictures, from benchmark.json and the examples; needs matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np
from arms import ARMS, COHEN, MASK, NOTHING, PSF
from common import pictures

# The palette of Okabe and Ito.
COLOURS = {PSF.name: "#d55e00", MASK.name: "#e69f00", COHEN.name: "#0072b2",
           NOTHING.name: "0.4"}  # fmt: skip
OTHERS = ("#56b4e9", "#009e73", "#cc79a7", "#999933", "#332288")
MARKS = "osD^v<>PX"
DPI = 100


def draw(result: dict[str, Any], examples: Path, folder: Path) -> list[str]:
    """Write all pictures; return their names, or none without matplotlib."""
    s = result["sections"]
    makes: dict[str, pictures.Make] = {
        "example": lambda plt, maps: _example(plt, maps),
        "likeness": lambda plt, _: _likeness(plt, s.get("quality")),
        "removed": lambda plt, _: _removed(plt, s.get("quality")),
    }
    return pictures.draw(makes, examples, folder, DPI)


def _look(name: str) -> tuple[str, str]:
    """Return colour and mark of an arm."""
    names = [a.name for a in ARMS]
    place = names.index(name)
    rest = [n for n in names if n not in COLOURS]
    colour = COLOURS.get(name) or OTHERS[rest.index(name) % len(OTHERS)]
    return colour, MARKS[place % len(MARKS)]


def _example(plt: Any, maps: dict[str, np.ndarray]) -> Any:
    if not maps:
        return None
    keys = [k.split("|") for k in maps]
    sets = list(dict.fromkeys(k[0] for k in keys))
    columns = list(dict.fromkeys(k[1] for k in keys))
    figure, axes = pictures.new(
        plt,
        3.1 * len(sets) + 0.3,
        len(sets),
        len(columns),
        "Before and after",
    )
    for row, name in zip(axes, sets, strict=True):
        truth = maps[f"{name}|starless truth"]
        low, high = np.percentile(truth, (0.5, 99.8))
        for axis, words in zip(row, columns, strict=True):
            axis.imshow(
                maps[f"{name}|{words}"], cmap="gray", vmin=low, vmax=high,
                origin="lower", interpolation="nearest",
            )  # fmt: skip
            axis.set(title=f"{name}: {words}", xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    return figure


def _likeness(plt: Any, d: dict[str, Any] | None) -> Any:
    if not d:
        return None
    figure, axes = pictures.new(plt, 4.0, 1, 2, "Likeness to the scene without stars")
    titles = {"noisy": "truth with its noise", "clean": "truth without noise"}
    arms = list(next(iter(d.values()))["arms"])
    for axis, (kind, title) in zip(axes[0], titles.items(), strict=True):
        for k, arm in enumerate(arms):
            colour, mark = _look(arm)
            pairs = [s["arms"][arm][kind]["psnr"] for s in d.values()]
            value, error = np.array([[p[0], p[1] or 0] for p in pairs], float).T
            place = np.arange(len(d)) + 0.07 * (k - (len(arms) - 1) / 2)
            axis.errorbar(place, value, error, fmt=mark, color=colour, ms=4, capsize=2,
                          label=arm)  # fmt: skip
        axis.set_xticks(range(len(d)), list(d))
        axis.set(title=title, xlabel="set", ylabel="PSNR, dB")
        axis.grid(axis="y", color="0.92")
    axes[0][1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _removed(plt: Any, d: dict[str, Any] | None) -> Any:
    if not d:
        return None
    figure, axes = pictures.new(plt, 3.6, 1, len(d), "Stars removed")
    for axis, (name, s) in zip(axes[0], d.items(), strict=True):
        for arm, v in s["arms"].items():
            colour, mark = _look(arm)
            share = [p[0] if p[0] is not None else np.nan for p in v["gone"].values()]
            axis.plot(share, marker=mark, color=colour, ms=4, lw=1, label=arm)
        words = [w.replace(" to ", "-").replace("above ", ">") for w in v["gone"]]
        axis.set_xticks(range(len(words)), words, fontsize=7, rotation=30)
        axis.set(title=name, ylim=(-0.03, 1.03), xlabel="S/N")
    axes[0][0].set(ylabel="share")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
